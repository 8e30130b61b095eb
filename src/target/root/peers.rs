//! Who may connect: told by the kernel at accept, never by the peer itself.

use std::path::Path;

use tokio::net::unix::UCred;

use crate::config::Peer;

/// Returns whether the process at the other end may connect: root, or one that `peers` names.
pub(super) fn may_connect(peers: &[Peer], peer: &UCred) -> bool {
    if peer.uid() == 0 {
        return true;
    }
    peers.iter().any(|named| match named {
        Peer { user: Some(user), .. } => uid(user) == Some(peer.uid()),
        Peer { unit: Some(unit), .. } => peer.pid().is_some_and(|pid| {
            // Both are of one moment, and the user is asked last: a process that took the number of one which connected and ended
            // would have to be of the same user.
            cgroup(pid).is_some_and(|path| runs_in(unit, &path)) && owner(pid) == Some(peer.uid())
        }),
        Peer { .. } => false,
    })
}

fn uid(user: &str) -> Option<u32> {
    if let Ok(number) = user.parse() {
        return Some(number);
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() == Some(user) { fields.nth(1)?.parse().ok() } else { None }
    })
}

fn owner(pid: i32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(Path::new("/proc").join(pid.to_string())).ok().map(|process| process.uid())
}

/// Returns the control group of a process, as systemd names it.
fn cgroup(pid: i32) -> Option<String> {
    named(&std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("cgroup")).ok()?)
}

/// The unified hierarchy is systemd's where it has one; the old one of that name is there beside it, and may be empty.
fn named(groups: &str) -> Option<String> {
    let path = |start: &str| groups.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(start));
    let unified = path(":").filter(|path| *path != "/");
    unified.or_else(|| path("name=systemd:")).map(str::to_owned)
}

/// Tells whether a control group is that of a system unit. Its last part alone would not do: every user may have a unit of
/// that name under `user.slice`, and a service with `Delegate=` a group of that name below its own.
fn runs_in(unit: &str, cgroup: &str) -> bool {
    let Some((slices, last)) = cgroup.rsplit_once('/') else { return false };
    let mut slices = slices.split('/').skip(1).peekable();
    let is_slice = |part: &str| part.strip_suffix(".slice").is_some();
    last == unit && slices.peek().is_some_and(|first| *first != "user.slice") && slices.all(is_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_the_one_that_systemd_uses() {
        for (groups, path) in [
            ("0::/system.slice/a.service\n", Some("/system.slice/a.service")),
            ("2:name=systemd:/\n1:cpu:/x\n0::/system.slice/a.service\n", Some("/system.slice/a.service")),
            ("1:name=systemd:/system.slice/a.service\n0::/\n", Some("/system.slice/a.service")),
            ("2:cpu:/name=systemd:/x\n", None),
        ] {
            assert_eq!(named(groups).as_deref(), path, "{groups}");
        }
    }

    #[test]
    fn a_unit_of_the_system_is_not_one_of_a_user() {
        for (cgroup, runs) in [
            ("/system.slice/trueup.service", true),
            ("/system.slice/system-x.slice/trueup.service", true),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/trueup.service", false),
            ("/user.slice/trueup.service", false),
            ("/system.slice/other.service/trueup.service", false),
            ("/system.slice/trueup.service/other", false),
            ("/system.slice/xtrueup.service", false),
            ("/trueup.service", false),
            ("trueup.service", false),
            ("/", false),
        ] {
            assert_eq!(runs_in("trueup.service", cgroup), runs, "{cgroup}");
        }
    }
}
