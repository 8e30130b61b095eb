//! What a host needs to live: deleting it takes a person's yes.

const FILES: [(&str, &str); 22] = [
    ("/etc/passwd", "users cannot be looked up without it"),
    ("/etc/shadow", "nobody can log in without it"),
    ("/etc/group", "groups cannot be looked up without it"),
    ("/etc/gshadow", "groups cannot be looked up without it"),
    ("/etc/sudoers", "nobody can become root without it"),
    ("/etc/fstab", "the host does not boot without it"),
    ("/etc/crypttab", "the host does not boot without it"),
    ("/etc/hosts", "the host does not find its own name without it"),
    ("/etc/hostname", "the host does not know its name without it"),
    ("/etc/resolv.conf", "no name resolves without it"),
    ("/etc/nsswitch.conf", "no name resolves without it"),
    ("/etc/machine-id", "the host loses its identity without it"),
    ("/etc/ssh/sshd_config", "nobody can log in over SSH without it"),
    ("/etc/ld.so.conf", "programs do not find their libraries without it"),
    ("/etc/ld.so.cache", "programs do not find their libraries without it"),
    ("/etc/profile", "login shells depend on it"),
    ("/etc/shells", "logins depend on it"),
    ("/etc/securetty", "logins depend on it"),
    ("/etc/login.defs", "logins depend on it"),
    ("/etc/localtime", "services depend on it"),
    ("/etc/environment", "logins depend on it"),
    ("/etc/os-release", "services depend on it"),
];

const FOLDERS: [(&str, &str); 11] = [
    ("/etc/sudoers.d", "nobody may become root without it"),
    ("/etc/pam.d", "nobody can log in without it"),
    ("/etc/ssh", "nobody can log in over SSH without it"),
    ("/etc/ld.so.conf.d", "programs do not find their libraries without it"),
    ("/etc/trueup", "it is trueup's own configuration"),
    ("/etc/netplan", "the host has no network without it"),
    ("/etc/network", "the host has no network without it"),
    ("/etc/systemd/network", "the host has no network without it"),
    ("/etc/security", "logins depend on it"),
    ("/boot", "the host does not boot without it"),
    ("/usr/lib", "programs do not find their libraries without it"),
];

/// systemd reads these for itself.
const SYSTEMD: [&str; 6] =
    ["system.conf", "user.conf", "logind.conf", "journald.conf", "resolved.conf", "networkd.conf"];

/// Returns why deleting `path` needs a person's yes.
pub(super) fn protected(path: &str) -> Option<&'static str> {
    if let Some((_, why)) = FILES.iter().find(|(file, _)| *file == path) {
        return Some(why);
    }
    let within = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if let Some((_, why)) = FOLDERS.iter().find(|(folder, _)| within(folder)) {
        return Some(why);
    }
    let systemd = path.strip_prefix("/etc/systemd/").is_some_and(|name| SYSTEMD.contains(&name));
    systemd.then_some("systemd itself depends on it")
}

#[cfg(test)]
mod tests {
    use super::protected;

    #[test]
    fn what_a_host_needs_is_protected_and_its_neighbours_are_not() {
        for path in
            ["/etc/passwd", "/etc/sudoers.d/ops", "/etc/ssh/sshd_config", "/etc/trueup", "/etc/systemd/system.conf"]
        {
            assert!(protected(path).is_some(), "{path}");
        }
        for path in ["/etc/passwd.d", "/etc/sudoers.dx", "/etc/nginx/nginx.conf", "/etc/systemd/system/a.service"] {
            assert!(protected(path).is_none(), "{path}");
        }
    }
}
