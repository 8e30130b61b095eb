use std::collections::{HashMap, HashSet};

use super::Scope;
use crate::config::envelope::KINDS;
use crate::config::gather::{Gathered, Written};
use crate::config::load::mistake;
use crate::config::{Application, Trail};
use crate::model::Mistake;
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

/// The names that an application may refer to.
pub(super) struct Known<'w> {
    repositories: HashSet<&'w str>,
    targets: HashSet<&'w str>,
}

impl<'w> Known<'w> {
    pub(super) fn of(gathered: &Gathered<'w>) -> Self {
        let names = |kind| {
            let known = gathered.names(kind).into_iter().map(|(name, _)| name);
            known.chain(gathered.unknown().filter_map(Written::name)).collect()
        };
        Self { repositories: names("Repository"), targets: names("Target") }
    }

    /// Sees that what an application names is declared.
    pub(super) fn check(&self, application: &Application, scope: &mut Scope) {
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
}

fn reference(kind: &str, name: &str, known: &HashSet<&str>, pointer: &str, scope: &mut Scope) {
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
