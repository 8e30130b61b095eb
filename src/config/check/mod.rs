//! What a schema cannot say: names, references, paths, and what belongs together.

mod access;
mod application;
mod break_glass;
mod daemon;
mod forge;
mod from_git;
mod hooks;
mod login;
mod names;
mod notification;
mod paths;
mod people;
mod policy;
mod repository;
mod revert;
mod role;
mod target;
mod telemetry;
mod verify;

use super::Repository;
use super::gather::{Gathered, Written};
use super::load::mistake;
use crate::model::{Mistake, Name};
use crate::yaml::Value;

/// Adds every mistake in documents that fit their schemas. `whole` tells that every file could be read, so that what is
/// missing is missing.
pub(super) fn check(gathered: &Gathered, whole: bool, mistakes: &mut Vec<Mistake>) {
    names::unique(gathered, mistakes);
    for typed in &gathered.daemons {
        daemon::check(&typed.spec, &mut Scope { written: typed.written, partial: typed.partial, mistakes });
    }
    // Where a Daemon is wrong or may be missing, which transports it allows is not known.
    let transports = match (gathered.documents("Daemon").as_slice(), gathered.daemons.as_slice()) {
        ([], _) if whole && gathered.unknown().next().is_none() => Some(super::Daemon::default().transports),
        (_, [first, ..]) if !first.partial => Some(first.spec.transports.clone()),
        _ => None,
    };
    let heard = match (gathered.documents("Daemon").as_slice(), gathered.daemons.as_slice()) {
        ([], _) if whole && gathered.unknown().next().is_none() => Some(false),
        (_, [first, ..]) if !first.partial => Some(first.spec.hooks.is_some()),
        _ => None,
    };
    for typed in &gathered.repositories {
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        repository::check(&typed.spec, transports.as_deref(), &mut scope);
        if let Some(webhook) = &typed.spec.webhook {
            hooks::webhook(webhook, heard, &mut scope);
        }
        if let Some(revert) = &typed.spec.revert {
            revert::check(&typed.spec, revert, &mut scope);
        }
        if let Some(declared) = &typed.spec.forge {
            forge::check(&typed.spec, declared, &mut scope);
        }
    }
    forge::told_apart(gathered, mistakes);
    for typed in &gathered.targets {
        target::check(&typed.spec, &mut Scope { written: typed.written, partial: typed.partial, mistakes });
    }
    for typed in &gathered.accesses {
        access::check(&typed.spec, &mut Scope { written: typed.written, partial: typed.partial, mistakes });
    }
    for typed in &gathered.notifications {
        notification::check(&typed.spec, &mut Scope { written: typed.written, partial: typed.partial, mistakes });
    }
    role::check(gathered, whole, mistakes);
    verify::check(gathered, mistakes);
    let known = names::Known::of(gathered);
    from_git::check(gathered, &known, whole, mistakes);
    for typed in gathered.daemons.iter().filter(|_| whole) {
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        known.check_trail(&typed.spec.trail, &mut scope);
    }
    break_glass::not_here(gathered, mistakes);
    let repository = |name: &Name| gathered.repositories.iter().find(|typed| typed.metadata.name == *name);
    let written_into = |name: &Name| repository(name).filter(|typed| !typed.partial).map(|typed| &typed.spec);
    declared(gathered, &known, whole, &written_into, mistakes);
    people::unique(gathered, None, mistakes);
}

/// Adds every mistake in documents of Git, which are judged with what the machine has declared.
pub(super) fn check_in_git(gathered: &Gathered, machine: &super::Config, whole: bool, mistakes: &mut Vec<Mistake>) {
    names::unique(gathered, mistakes);
    names::taken(gathered, machine, mistakes);
    let known = names::Known::of_machine(machine, gathered);
    declared(gathered, &known, whole, &|name| machine.repositories.get(name), mistakes);
    from_git::within(gathered, machine, mistakes);
    for typed in &gathered.requests {
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        break_glass::check(&typed.spec, &mut scope);
        if whole {
            known.request(&typed.spec, &mut scope);
        }
    }
    people::unique(gathered, Some(machine), mistakes);
}

/// Judges the kinds that may be declared on the machine and in Git.
fn declared<'r>(
    gathered: &Gathered,
    known: &names::Known,
    whole: bool,
    repository: &dyn Fn(&Name) -> Option<&'r Repository>,
    mistakes: &mut Vec<Mistake>,
) {
    for typed in &gathered.applications {
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        application::check(&typed.spec, &mut scope);
        if whole {
            known.application(&typed.spec, &mut scope);
            revert::asked(&typed.spec, repository(&typed.spec.source.repository), &mut scope);
        }
    }
    for typed in &gathered.policies {
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        policy::check(&typed.spec, &mut scope);
        if whole {
            known.policy(&typed.spec, &mut scope);
        }
    }
    for typed in &gathered.people {
        people::check(&typed.spec, &mut Scope { written: typed.written, partial: typed.partial, mistakes });
    }
    // What Git declares is not known here.
    let applications = (!gathered.declares_in_git()).then_some(&known.applications);
    for typed in gathered.notifications.iter().filter(|_| whole) {
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        notification::applications(&typed.spec.matching, applications, &mut scope);
    }
}

/// One document under scrutiny, and where its mistakes go.
struct Scope<'a> {
    written: &'a Written,
    partial: bool,
    mistakes: &'a mut Vec<Mistake>,
}

impl Scope<'_> {
    /// Adds a mistake at the value that the JSON pointer names, or around where it should be.
    fn say(&mut self, code: &str, pointer: &str, message: impl Into<String>, hint: Option<String>) {
        // What is said of a whole mapping is that something in it is missing, or does not go together.
        let whole = self.written.node.at(pointer).is_none_or(|node| matches!(node.value, Value::Mapping(_)));
        if self.partial && whole {
            return;
        }
        self.mistakes.push(mistake(code, self.written.place(pointer), message, hint));
    }

    fn hint(&mut self, code: &str, pointer: &str, message: impl Into<String>, hint: &str) {
        self.say(code, pointer, message, Some(hint.to_owned()));
    }
}
