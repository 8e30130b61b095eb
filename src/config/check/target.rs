use std::path::{Path, PathBuf};

use super::Scope;
use super::paths::wrong_absolute;
use crate::config::Target;
use crate::model::unit;
use crate::yaml::quoted;

pub(super) fn check(target: &Target, scope: &mut Scope) {
    let host = &target.host;
    if host.allow.is_empty() && host.via.is_none() {
        let message = "expected at least one path in `allow`";
        scope.hint("config.allow", "/spec/host", message, "name the folders that applications write to");
    }
    allowed(&host.allow, host.root.as_deref(), "/spec/host/allow", scope);
    commands(&host.commands, "/spec/host/commands", scope);
    units(&host.units, "/spec/host/units", scope);
    if let Some(root) = &host.root {
        absolute("config.path", root, "/spec/host/root", scope);
        if host.via.is_some() {
            let message = "the root half has a root of its own";
            scope.hint("config.via", "/spec/host/root", message, "write it into the HostAccess of that host");
        }
    }
    if let Some(via) = &host.via {
        absolute("config.path", via, "/spec/host/via", scope);
    }
}

pub(super) fn allowed(paths: &[PathBuf], root: Option<&Path>, pointer: &str, scope: &mut Scope) {
    for (at, path) in paths.iter().enumerate() {
        let pointer = format!("{pointer}/{at}");
        absolute("config.allow", path, &pointer, scope);
        // Below a scratch folder, `/` is that folder.
        if path == Path::new("/") && root.is_none() {
            let message = "'/' lets a commit change every file of this machine";
            scope.hint("config.allow", &pointer, message, "name the folders that applications write to");
        }
    }
}

/// Says which patterns of units cannot mean any unit.
pub(super) fn units(patterns: &[String], pointer: &str, scope: &mut Scope) {
    for (at, pattern) in patterns.iter().enumerate() {
        // Any part of a name may stand where `*` does; what follows the last one may have to be the end of a type.
        let tail = pattern.rsplit_once('*').map_or("", |(_, tail)| tail);
        let whole = match pattern.contains('*') {
            true if tail.contains('.') => pattern.replace('*', "x"),
            true => format!("{}.service", pattern.replace('*', "x")),
            false => pattern.clone(),
        };
        if let Err(wrong) = unit::check(&whole) {
            let message = format!("the unit {} {wrong}", quoted(pattern));
            let hint = "write a whole name (nginx.service), or a pattern with `*` for any part of one (app-*.service)";
            scope.hint("config.unit", &format!("{pointer}/{at}"), message, hint);
        }
    }
}

pub(super) fn commands(programs: &[PathBuf], pointer: &str, scope: &mut Scope) {
    for (at, path) in programs.iter().enumerate() {
        absolute("config.command", path, &format!("{pointer}/{at}"), scope);
    }
}

pub(super) fn absolute(code: &str, path: &Path, pointer: &str, scope: &mut Scope) {
    if let Some(expected) = wrong_absolute(path) {
        let plain: Vec<_> =
            path.to_str().into_iter().flat_map(|text| text.split('/')).filter(|part| !part.is_empty()).collect();
        let hint = match plain.as_slice() {
            [] => "write it from the root of the machine, such as /etc/nginx".to_owned(),
            parts if parts.iter().any(|part| matches!(*part, "." | "..")) => "write where it leads to".to_owned(),
            parts => format!("did you mean {}?", quoted(&format!("/{}", parts.join("/")))),
        };
        scope.say(code, pointer, format!("{expected}, found {}", quoted(&path.to_string_lossy())), Some(hint));
    } else if code == "config.command" && path == Path::new("/") {
        scope.say(code, pointer, "expected the path of a program, found '/'", None);
    }
}
