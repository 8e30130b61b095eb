use std::collections::HashSet;

use super::Scope;
use super::names::{group_of_nobody, groups, reference};
use super::notification::applications;
use crate::config::gather::{Gathered, Written};
use crate::model::Mistake;

/// Sees that roles are given to somebody, and to people of this machine: others have none.
pub(super) fn check(gathered: &Gathered, whole: bool, mistakes: &mut Vec<Mistake>) {
    let people: HashSet<&str> = gathered
        .names("Person")
        .into_iter()
        .map(|(name, _)| name)
        .chain(gathered.unknown().filter_map(Written::name))
        .collect();
    let groups = groups(gathered, None);
    let known: HashSet<&str> = gathered.names("Application").into_iter().map(|(name, _)| name).collect();
    // What Git declares, or one that comes later, is not known here.
    let known = (whole && !gathered.declares_in_git() && gathered.unknown().next().is_none()).then_some(&known);
    for typed in &gathered.roles {
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        let given = &typed.spec;
        if given.people.is_empty() && given.groups.is_empty() {
            let message = "nobody is given this role";
            scope.hint("config.role", "/spec", message, "name some: people: [ada], or groups: [ops]");
        }
        applications(&given.matches, known, &mut scope);
        if !whole {
            continue;
        }
        for (at, person) in given.people.iter().enumerate() {
            reference("Person", person.as_str(), &people, &format!("/spec/people/{at}"), &mut scope);
        }
        let Some(groups) = &groups else { continue };
        for (at, group) in given.groups.iter().enumerate().filter(|(_, group)| !groups.contains_key(group.as_str())) {
            group_of_nobody(group, groups, &format!("/spec/groups/{at}"), &mut scope);
        }
    }
}
