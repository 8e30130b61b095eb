use std::path::Path;

use super::Scope;
use super::paths::wrong_absolute;
use crate::config::Target;
use crate::yaml::quoted;

pub(super) fn check(target: &Target, scope: &mut Scope) {
    let host = &target.host;
    for (at, path) in host.allow.iter().enumerate() {
        let pointer = format!("/spec/host/allow/{at}");
        absolute("config.allow", path, &pointer, scope);
        // Below a scratch folder, `/` is that folder.
        if path == Path::new("/") && host.root.is_none() {
            let message = "'/' lets a commit change every file of this machine";
            scope.hint("config.allow", &pointer, message, "name the folders that applications write to");
        }
    }
    for (at, path) in host.commands.iter().enumerate() {
        absolute("config.command", path, &format!("/spec/host/commands/{at}"), scope);
    }
    if let Some(root) = &host.root {
        absolute("config.path", root, "/spec/host/root", scope);
    }
}

fn absolute(code: &str, path: &Path, pointer: &str, scope: &mut Scope) {
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
