use super::names::Known;
use super::paths::wrong_layer;
use super::target::{allowed, commands, units};
use super::{Scope, application};
use crate::config::gather::{Gathered, Typed};
use crate::config::load::mistake;
use crate::config::{Application, Config, FromGit};
use crate::model::{Mistake, Name, deceives};
use crate::yaml::quoted;

const AT: &str = "/spec/declarations";

/// Sees to what the machine says of declarations in Git.
pub(super) fn check(gathered: &Gathered, known: &Known, whole: bool, mistakes: &mut Vec<Mistake>) {
    for typed in &gathered.daemons {
        let Some(from_git) = &typed.spec.declarations else { continue };
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        source(from_git, &mut scope);
        reach(from_git, &mut scope);
        accept(from_git, gathered, &mut scope);
        if whole {
            known.repository(&from_git.repository, &format!("{AT}/repository"), &mut scope);
            known.each("Repository", &from_git.allow.repositories, &format!("{AT}/allow/repositories"), &mut scope);
            known.each("Target", &from_git.allow.targets, &format!("{AT}/allow/targets"), &mut scope);
            known.each("Person", &from_git.accept.people, &format!("{AT}/accept/people"), &mut scope);
        }
        for kind in ["Application", "Target"] {
            reserved(gathered, kind, mistakes);
        }
    }
}

/// Sees that applications of Git name nothing that the machine does not allow them.
pub(super) fn within(gathered: &Gathered, machine: &Config, mistakes: &mut Vec<Mistake>) {
    reserved(gathered, "Application", mistakes);
    let Some(from_git) = &machine.daemon.declarations else { return };
    for Typed { written, partial, spec, .. } in &gathered.applications {
        let mut scope = Scope { written, partial: *partial, mistakes };
        let Application { source, target, .. } = spec;
        // What is not declared at all is told as that.
        if machine.targets.contains_key(target) && !from_git.allow.targets.contains(target) {
            let message = format!("applications that are declared in Git may not name the target {target}");
            scope.say(
                "declarations.not-allowed",
                "/spec/target",
                message,
                Some(may("targets", &from_git.allow.targets)),
            );
        }
        let known = machine.repositories.contains_key(&source.repository);
        if known && !from_git.takes_from(&source.repository) {
            let message =
                format!("applications that are declared in Git may not be of the repository {}", source.repository);
            let mut names = vec![from_git.repository.clone()];
            names.extend(from_git.allow.repositories.clone());
            scope.say(
                "declarations.not-allowed",
                "/spec/source/repository",
                message,
                Some(may("repositories", &names)),
            );
        }
    }
}

fn may(what: &str, names: &[Name]) -> String {
    let names = names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
    let names = if names.is_empty() { "none".to_owned() } else { names };
    format!("allowed are: {names}; the Daemon document of the machine says so (`declarations: allow: {what}`)")
}

/// The declarations are an application on a target of that name.
fn reserved(gathered: &Gathered, kind: &str, mistakes: &mut Vec<Mistake>) {
    for (_, written) in gathered.names(kind).into_iter().filter(|(name, _)| *name == Name::DECLARATIONS) {
        let message = format!("no {kind} is called {}: what is declared in Git is", quoted(Name::DECLARATIONS));
        let hint = Some("give it another name".to_owned());
        mistakes.push(mistake("config.reserved-name", written.place("/metadata/name"), message, hint));
    }
}

fn source(from_git: &FromGit, scope: &mut Scope) {
    if let Some(expected) = wrong_layer(&from_git.path) {
        let message = format!("{expected}, found {}", quoted(&from_git.path));
        scope.hint("config.path", &format!("{AT}/path"), message, &application::suggestion(&from_git.path));
    }
}

fn reach(from_git: &FromGit, scope: &mut Scope) {
    let allow = &from_git.allow;
    allowed(&allow.paths, None, &format!("{AT}/allow/paths"), scope);
    units(&allow.units, &format!("{AT}/allow/units"), scope);
    commands(&allow.commands, &format!("{AT}/allow/commands"), scope);
}

fn accept(from_git: &FromGit, gathered: &Gathered, scope: &mut Scope) {
    let signed_by = &from_git.accept.signed_by;
    for (at, one) in signed_by.iter().enumerate() {
        let plain = !one.is_empty() && !one.contains(['*', '?', '!', ',']) && !one.chars().any(deceives);
        if !plain || one.trim() != one {
            let message = format!("expected one principal or the fingerprint of one key, found {}", quoted(one));
            let hint = "as `verify` names who signed: ada@example.org, or SHA256:…";
            scope.hint("config.accept", &format!("{AT}/accept/signedBy/{at}"), message, hint);
        }
    }
    let repository = gathered.repositories.iter().find(|typed| typed.metadata.name == from_git.repository);
    let unverified = repository.is_some_and(|typed| !typed.partial && typed.spec.verify.is_none());
    if unverified && !signed_by.is_empty() {
        let message =
            format!("the Repository {} asks for no signatures, so that nobody is known to sign", from_git.repository);
        let hint = "say in it who may sign: verify: { ssh: { allowedSigners: FILE } }";
        scope.hint("config.accept", &format!("{AT}/accept/signedBy"), message, hint);
    }
}
