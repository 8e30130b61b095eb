use super::super::Application;
use super::super::envelope::KINDS;
use super::super::gather::Gathered;
use super::super::load::mistake;
use super::Scope;
use crate::model::Mistake;
use crate::yaml::{nearest, quoted};

/// One name is one document of its kind, and there is one Daemon.
pub(super) fn unique(gathered: &Gathered, mistakes: &mut Vec<Mistake>) {
    for kind in KINDS.iter().filter(|kind| **kind != "Daemon") {
        let names = gathered.names(kind);
        for (at, (name, written)) in names.iter().enumerate() {
            let Some((_, first)) = names[..at].iter().find(|(earlier, _)| earlier == name) else { continue };
            let (here, there) = (written.place("/metadata/name"), first.place("/metadata/name"));
            let message = format!("the {kind} {} is declared twice: here and at {there}", quoted(name));
            mistakes.push(mistake("config.duplicate-name", here, message, Some("rename or remove one".to_owned())));
        }
    }
    if let [first, others @ ..] = gathered.documents("Daemon").as_slice() {
        for other in others {
            let message = format!("a second Daemon; the first is at {}", first.place(""));
            let hint = Some("write everything into one".to_owned());
            mistakes.push(mistake("config.two-daemons", other.place("/kind"), message, hint));
        }
    }
}

/// What an application names is declared.
pub(super) fn references(application: &Application, gathered: &Gathered, scope: &mut Scope) {
    let wanted = [
        ("Repository", &application.source.repository, "/spec/source/repository"),
        ("Target", &application.target, "/spec/target"),
    ];
    for (kind, name, pointer) in wanted {
        let names: Vec<_> = gathered.names(kind).into_iter().map(|(name, _)| name).collect();
        if names.contains(&name.as_str()) {
            continue;
        }
        let hint = match nearest(name.as_str(), names.iter().copied()) {
            Some(meant) => format!("did you mean {}?", quoted(meant)),
            None if names.is_empty() => format!("declare it: kind: {kind}"),
            None => format!("declared are: {}", names.join(", ")),
        };
        scope.say("config.reference", pointer, format!("no {kind} is called {}", quoted(name.as_str())), Some(hint));
    }
}
