use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Scope;
use crate::config::envelope::{IN_GIT, KINDS};
use crate::config::gather::{Gathered, Written};
use crate::config::load::mistake;
use crate::config::{Application, BreakGlassRequest, Config, Match, Policy, Trail};
use crate::model::{Mistake, Name};
use crate::yaml::{nearest, quoted};

/// One name is one document of its kind, and there is one Daemon and one `HostAccess`.
pub(super) fn unique(gathered: &Gathered, mistakes: &mut Vec<Mistake>) {
    for kind in KINDS.iter().filter(|kind| !["Daemon", "HostAccess"].contains(kind)) {
        let mut seen = HashMap::new();
        for (name, written) in gathered.names(kind) {
            let first: &Written = seen.entry(name).or_insert(written);
            if std::ptr::eq(first, written) {
                continue;
            }
            let (here, there) = (written.place("/metadata/name"), first.place("/metadata/name"));
            let message = format!("the {kind} {} is declared twice: here and at {there}", quoted(name));
            mistakes.push(mistake("config.duplicate-name", here, message, Some("rename or remove one".to_owned())));
        }
    }
    for (kind, code) in [("Daemon", "config.two-daemons"), ("HostAccess", "config.two-accesses")] {
        let [first, others @ ..] = &*gathered.documents(kind) else { continue };
        for other in others {
            let message = format!("a second {kind}; the first is at {}", first.place(""));
            let hint = Some("write everything into one".to_owned());
            mistakes.push(mistake(code, other.place("/kind"), message, hint));
        }
    }
}

/// A name of Git may not be one that the machine has given: it would be told apart by nothing.
pub(super) fn taken(gathered: &Gathered, machine: &Config, mistakes: &mut Vec<Mistake>) {
    let Config { applications, policies, people, .. } = machine;
    let taken = |kind: &str, name: &str| match kind {
        "Application" => applications.contains_key(name),
        "Policy" => policies.contains_key(name),
        "Person" => people.contains_key(name),
        _ => false,
    };
    for kind in IN_GIT {
        for (name, written) in gathered.names(kind).into_iter().filter(|(name, _)| taken(kind, name)) {
            let message = format!("the {kind} {} is declared on the machine already", quoted(name));
            let hint = Some("give this one another name".to_owned());
            mistakes.push(mistake("config.duplicate-name", written.place("/metadata/name"), message, hint));
        }
    }
}

pub(super) type Groups<'w> = BTreeMap<&'w str, BTreeSet<&'w str>>;

/// The names that documents may refer to.
pub(super) struct Known<'w> {
    repositories: HashSet<&'w str>,
    targets: HashSet<&'w str>,
    pub(super) applications: HashSet<&'w str>,
    policies: HashSet<&'w str>,
    people: HashSet<&'w str>,
    /// Who belongs to each group; `None` where who there is is not known.
    groups: Option<Groups<'w>>,
}

impl<'w> Known<'w> {
    pub(super) fn of(gathered: &'w Gathered<'w>) -> Self {
        let names = |kind| {
            let known = gathered.names(kind).into_iter().map(|(name, _)| name);
            known.chain(gathered.unknown().filter_map(Written::name)).collect()
        };
        Self {
            repositories: names("Repository"),
            targets: names("Target"),
            applications: names("Application"),
            policies: names("Policy"),
            people: names("Person"),
            // Who Git declares is not known here.
            groups: if gathered.declares_in_git() { None } else { groups(gathered, None) },
        }
    }

    /// Returns what documents of Git may refer to: repositories and targets of the machine, and people of both.
    pub(super) fn of_machine(machine: &'w Config, gathered: &'w Gathered<'w>) -> Self {
        fn names<'w, T>(kind: &str, declared: &'w BTreeMap<Name, T>, gathered: &Gathered<'w>) -> HashSet<&'w str> {
            let of_git = gathered.names(kind).into_iter().map(|(name, _)| name);
            declared.keys().map(Name::as_str).chain(of_git).collect()
        }
        Self {
            repositories: machine.repositories.keys().map(Name::as_str).collect(),
            targets: machine.targets.keys().map(Name::as_str).collect(),
            applications: names("Application", &machine.applications, gathered),
            policies: names("Policy", &machine.policies, gathered),
            people: names("Person", &machine.people, gathered),
            groups: groups(gathered, Some(machine)),
        }
    }

    /// Sees that what an application names is declared.
    pub(super) fn application(&self, application: &Application, scope: &mut Scope) {
        let repository = application.source.repository.as_str();
        reference("Repository", repository, &self.repositories, "/spec/source/repository", scope);
        reference("Target", application.target.as_str(), &self.targets, "/spec/target", scope);
    }

    /// Sees that the repository is declared that checkpoints are pushed to.
    pub(super) fn check_trail(&self, trail: &Trail, scope: &mut Scope) {
        if let Some(git) = &trail.publish.git {
            let pointer = "/spec/trail/publish/git/repository";
            reference("Repository", git.repository.as_str(), &self.repositories, pointer, scope);
        }
    }

    /// Sees that what a break-glass is asked for is declared.
    pub(super) fn request(&self, request: &BreakGlassRequest, scope: &mut Scope) {
        self.each("Application", &request.applications, "/spec/applications", scope);
        self.each("Policy", &request.policies, "/spec/policies", scope);
    }

    /// Sees that each name of a list is that of a document of its kind.
    pub(super) fn each(&self, kind: &str, listed: &[Name], pointer: &str, scope: &mut Scope) {
        let known = match kind {
            "Repository" => &self.repositories,
            "Target" => &self.targets,
            "Application" => &self.applications,
            "Policy" => &self.policies,
            _ => &self.people,
        };
        for (at, name) in listed.iter().enumerate() {
            reference(kind, name.as_str(), known, &format!("{pointer}/{at}"), scope);
        }
    }

    /// Sees that one name is that of a Repository.
    pub(super) fn repository(&self, name: &Name, pointer: &str, scope: &mut Scope) {
        reference("Repository", name.as_str(), &self.repositories, pointer, scope);
    }

    /// Sees that what a policy names is declared, and that its groups have the people that it asks for. Applications may come
    /// from Git later, so their names are not asked about.
    pub(super) fn policy(&self, policy: &Policy, scope: &mut Scope) {
        let Match { targets, repositories, .. } = &policy.matches;
        let lists = [("Target", targets, &self.targets, "targets")];
        for (kind, named, known, field) in
            lists.into_iter().chain([("Repository", repositories, &self.repositories, "repositories")])
        {
            for (at, glob) in named.iter().enumerate().filter(|(_, glob)| glob.is_name()) {
                reference(kind, &glob.0, known, &format!("/spec/match/{field}/{at}"), scope);
            }
        }
        let Some(groups) = &self.groups else { return };
        let from = policy.approve.as_ref().map_or(&[][..], |approve| &approve.from);
        let signed = policy.require.as_ref().map_or(&[][..], |require| &require.signed_by);
        let overrides = policy.overrides.as_deref().unwrap_or_default();
        for (named, field) in [(from, "approve/from"), (signed, "require/signedBy"), (overrides, "override")] {
            for (at, group) in named.iter().enumerate().filter(|(_, group)| !groups.contains_key(group.as_str())) {
                group_of_nobody(group, groups, &format!("/spec/{field}/{at}"), scope);
            }
        }
        let Some(approve) = policy.approve.as_ref().filter(|approve| !approve.from.is_empty()) else { return };
        let members: Option<Vec<_>> = approve.from.iter().map(|group| groups.get(group.as_str())).collect();
        let Some(members) = members else { return };
        let count = members.into_iter().flatten().collect::<BTreeSet<_>>().len();
        if count < approve.people as usize {
            let message = format!("{} people are asked for, and {count} belong to these groups", approve.people);
            scope.hint("config.approve", "/spec/approve/people", message, "no plan could ever be approved");
        }
    }
}

/// Returns the people of each group, where every Person could be read.
pub(super) fn groups<'w>(gathered: &'w Gathered<'w>, machine: Option<&'w Config>) -> Option<Groups<'w>> {
    let whole = gathered.documents("Person").len() == gathered.people.len()
        && gathered.people.iter().all(|typed| !typed.partial)
        && gathered.unknown().next().is_none();
    if !whole {
        return None;
    }
    let mut groups = Groups::new();
    let people = gathered.people.iter().map(|typed| (&typed.metadata.name, &typed.spec));
    for (name, person) in people.chain(machine.into_iter().flat_map(|machine| &machine.people)) {
        for group in &person.groups {
            groups.entry(group.as_str()).or_default().insert(name.as_str());
        }
    }
    Some(groups)
}

pub(super) fn group_of_nobody(group: &Name, groups: &Groups, pointer: &str, scope: &mut Scope) {
    let hint = match nearest(group.as_str(), groups.keys().copied()) {
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => "declare who does: kind: Person, spec: { groups: [ … ] }".to_owned(),
    };
    let message = format!("nobody belongs to the group {}", quoted(group.as_str()));
    scope.say("config.group", pointer, message, Some(hint));
}

pub(super) fn reference(kind: &str, name: &str, known: &HashSet<&str>, pointer: &str, scope: &mut Scope) {
    const MOST: usize = 12;
    if known.contains(name) {
        return;
    }
    let hint = match nearest(name, known.iter().copied()) {
        Some(meant) => Some(format!("did you mean {}?", quoted(meant))),
        None if known.is_empty() => Some(format!("declare it: kind: {kind}")),
        None if known.len() <= MOST => {
            let mut names: Vec<_> = known.iter().copied().collect();
            names.sort_unstable();
            Some(format!("declared are: {}", names.join(", ")))
        }
        None => None,
    };
    scope.say("config.reference", pointer, format!("no {kind} is called {}", quoted(name)), hint);
}
