use std::path::{Path, PathBuf};

use super::Scope;
use super::paths::wrong_absolute;
use crate::config::Target;
use crate::yaml::quoted;

pub(super) fn check(target: &Target, scope: &mut Scope) {
    let host = &target.host;
    if host.allow.is_empty() && host.via.is_none() {
        let message = "expected at least one path in `allow`";
        scope.hint("config.allow", "/spec/host", message, "name the folders that applications write to");
    }
    allowed(&host.allow, host.root.as_deref(), "/spec/host/allow", scope);
    commands(&host.commands, "/spec/host/commands", scope);
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
