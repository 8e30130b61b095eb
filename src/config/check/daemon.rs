use std::os::unix::ffi::OsStrExt;

use super::Scope;
use super::paths::wrong_absolute;
use crate::config::Daemon;
use crate::yaml::quoted;

/// The kernel's `sun_path` has 108 bytes, the last of them NUL.
const LONGEST_SOCKET: usize = 107;

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
}
