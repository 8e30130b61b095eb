use std::collections::BTreeSet;

use super::Case;
use crate::config::Approve;
use crate::model::{Finding, Guard, Name};
use crate::policy::{Authors, Commits};

impl Case<'_> {
    /// Holds what has not been said yes to by enough people who did not write it.
    pub(super) fn approve(&self) -> Option<Finding> {
        let approve = self.bound.policy.approve.as_ref()?;
        self.deliberate().next()?;
        let mut authors = match &self.facts.commits {
            Commits::New(commits) => self.people.authors(commits),
            Commits::None => Authors::default(),
            Commits::Unknown => {
                let message = "who wrote the change cannot be told, so nobody can be found who did not";
                return Some(self.finding(Guard::Approve, message.into()));
            }
        };
        // Going back is as much somebody's doing as a commit is.
        if let Some(asked) = &self.facts.asked {
            match self.people.person(asked) {
                Some(person) => authors.people.insert(person.clone()),
                None => authors.strangers.insert(asked.to_string()),
            };
        }
        // One who cannot be told apart from those who say yes might be one of them.
        let wanted = usize::try_from(approve.people).unwrap_or(usize::MAX).saturating_add(authors.strangers.len());
        let said = self.said(approve, &authors);
        let passed = said.len() >= wanted;
        Some(Finding { passed, ..self.finding(Guard::Approve, words(approve, wanted, &said, &authors)) })
    }

    /// Returns who has said yes, and may.
    fn said(&self, approve: &Approve, authors: &Authors) -> BTreeSet<&Name> {
        let people = self.facts.approvals.iter().filter_map(|approval| self.people.person(&approval.actor));
        let may = |person: &&Name| {
            !authors.people.contains(*person) && (approve.from.is_empty() || self.people.is_in(person, &approve.from))
        };
        people.filter(may).collect()
    }
}

fn words(approve: &Approve, wanted: usize, said: &BTreeSet<&Name>, authors: &Authors) -> String {
    fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
        names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
    }
    let from = if approve.from.is_empty() { String::new() } else { format!(" of {}", listed(&approve.from)) };
    let mut parts = vec![format!("it takes the yes of {wanted}{from}")];
    if !authors.people.is_empty() {
        parts.push(format!("none of them {}", listed(&authors.people)));
    }
    if !authors.strangers.is_empty() {
        parts.push(format!("one more for each of {}, who are nobody that is declared", listed(&authors.strangers)));
    }
    parts.push(if said.is_empty() { "nobody has said it yet".into() } else { format!("{} said it", listed(said)) });
    parts.join("; ")
}
