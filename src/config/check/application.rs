use std::time::Duration;

use super::Scope;
use super::paths::wrong_layer;
use crate::config::Application;
use crate::yaml::quoted;

pub(super) fn check(application: &Application, scope: &mut Scope) {
    let source = &application.source;
    match (&source.path, source.paths.is_empty()) {
        (Some(_), false) => {
            scope.hint("config.source", "/spec/source/path", "expected either path or paths, found both", "keep one");
        }
        (None, true) => {
            let hint = "name the folder: path: hosts/web-1, or path: . for the whole repository";
            scope.hint("config.source", "/spec/source", "expected path or paths", hint);
        }
        _ => {}
    }
    let one = source.path.iter().map(|path| (path, "/spec/source/path".to_owned()));
    let several = source.paths.iter().enumerate().map(|(at, path)| (path, format!("/spec/source/paths/{at}")));
    for (path, pointer) in one.chain(several) {
        if let Some(expected) = wrong_layer(path) {
            scope.hint("config.path", &pointer, format!("{expected}, found {}", quoted(path)), &suggestion(path));
        }
    }
    for (at, path) in source.paths.iter().enumerate() {
        if source.paths[..at].contains(path) {
            let message = format!("the layer {} is named twice", quoted(path));
            scope.hint(
                "config.source",
                &format!("/spec/source/paths/{at}"),
                message,
                "keep the one that is meant to win",
            );
        }
    }
    if application.sync.interval.0 < Duration::from_secs(1) {
        let message = format!("expected at least 1s, found {}", application.sync.interval);
        scope.hint(
            "config.interval",
            "/spec/sync/interval",
            message,
            "changes are seen at once anyway; the default is 3m",
        );
    }
}

/// Returns the path that was probably meant, or how to write one.
pub(super) fn suggestion(path: &str) -> String {
    let plain: Vec<_> = path.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    if plain.contains(&"..") || plain.is_empty() {
        return "name it from the top of the repository, such as hosts/web-1".into();
    }
    format!("did you mean {}?", quoted(&plain.join("/")))
}
