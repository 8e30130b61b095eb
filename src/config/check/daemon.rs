use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::paths::wrong_absolute;
use super::repository::ref_name;
use super::{Scope, hooks, login, telemetry};
use crate::config::{Daemon, Hooks, Trail};
use crate::yaml::quoted;

/// The kernel's `sun_path` has 108 bytes, the last of them NUL.
const LONGEST_SOCKET: usize = 107;

/// A record that is younger is still being looked at.
const DAY: Duration = Duration::from_hours(24);

/// Records are some KiB: nobody needs more than this for the last ones.
const MOST_RESERVE: u64 = 4096;

pub(super) fn check(daemon: &Daemon, scope: &mut Scope) {
    for (path, pointer) in [(&daemon.data, "/spec/data"), (&daemon.socket, "/spec/socket")] {
        if let Some(expected) = wrong_absolute(path) {
            scope.say("config.path", pointer, format!("{expected}, found {}", quoted(&path.to_string_lossy())), None);
        }
    }
    let length = daemon.socket.as_os_str().as_bytes().len();
    if length > LONGEST_SOCKET {
        let message = format!("a socket's path has at most {LONGEST_SOCKET} bytes, this one has {length}");
        scope.hint("config.socket", "/spec/socket", message, "put it under /run");
    }
    if daemon.transports.is_empty() {
        scope.hint("config.transport", "/spec/transports", "no transport is allowed", "the default is [https, ssh]");
    }
    trail(&daemon.trail, scope);
    if let Some(hooks) = &daemon.hooks {
        hooks::listening(hooks, scope);
    }
    telemetry::check(&daemon.telemetry, scope);
    if let Some(api) = &daemon.api {
        hooks::answering(api, scope);
        login::check(api, scope);
        let both = daemon.hooks.as_ref().and_then(Hooks::address).filter(|address| api.address() == Some(*address));
        if both.is_some() {
            let message = "webhooks are heard there already";
            scope.hint("config.listen", "/spec/api/listen", message, "give each an address of its own");
        }
    }
}

fn trail(trail: &Trail, scope: &mut Scope) {
    let named = [(&trail.publish.file, "/spec/trail/publish/file"), (&trail.archive, "/spec/trail/archive")];
    for (path, pointer) in named.into_iter().filter_map(|(path, pointer)| Some((path.as_ref()?, pointer))) {
        if let Some(expected) = wrong_absolute(path) {
            scope.say("config.path", pointer, format!("{expected}, found {}", quoted(&path.to_string_lossy())), None);
        }
    }
    let reference = trail.publish.git.as_ref().and_then(|git| git.reference.as_ref());
    if let Some(reference) = reference.filter(|name| !name.strip_prefix("refs/").is_some_and(ref_name)) {
        let message = format!("expected the full name of a ref, found {}", quoted(reference));
        scope.hint("config.ref", "/spec/trail/publish/git/ref", message, "the default is refs/trueup/checkpoints/NAME");
    }
    if trail.keep.0 < DAY {
        let message = format!("expected at least 1d, found {}", trail.keep);
        scope.hint("config.keep", "/spec/trail/keep", message, "the default is 400d");
    }
    if trail.reserve_mib > MOST_RESERVE {
        let message = format!("expected at most {MOST_RESERVE}, found {}", trail.reserve_mib);
        scope.hint("config.reserve", "/spec/trail/reserveMib", message, "the default is 64");
    }
}
