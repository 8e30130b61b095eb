//! What a command that systemd runs may do: the properties of its unit, by the names of `systemd.exec(5)` and
//! `systemd.resource-control(5)` as D-Bus has them. `docs/hosts.md` tells people the same.

use std::path::{Path, PathBuf};

use zbus::Variant;

use super::{ENVIRONMENT, Purpose};

/// A property of a transient unit.
pub(super) type Property = (&'static str, Variant<'static>);

/// Far more than a check or a reload needs; what takes more is a unit of its own.
const MEMORY: u64 = 1024 * 1024 * 1024;
const TASKS: u64 = 512;

/// What systemd itself would add to the environment of a unit.
const UNSET: [&str; 8] = [
    "INVOCATION_ID",
    "SYSTEMD_EXEC_PID",
    "JOURNAL_STREAM",
    "MANAGERPID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
];

/// Bits of `linux/capability.h`: what root needs to read and give away files, to signal and become others, and to try a
/// listener on a low port (`nginx -t`). Nothing that loads code into the kernel, mounts, traces, sets clocks or makes devices.
const CAPABILITIES: [u32; 9] = [
    0,  // CAP_CHOWN
    1,  // CAP_DAC_OVERRIDE
    2,  // CAP_DAC_READ_SEARCH
    3,  // CAP_FOWNER
    4,  // CAP_FSETID
    5,  // CAP_KILL
    6,  // CAP_SETGID
    7,  // CAP_SETUID
    10, // CAP_NET_BIND_SERVICE
];

/// Where services keep what is no configuration. A check opens logs and pid files for writing before it says anything.
const STATE: [&str; 3] = ["/run", "/var", "/tmp"];

/// Where trueup keeps contents, keys and pre-images by default: no command has business there.
const OURS: [&str; 3] = ["-/var/lib/trueup", "-/var/lib/private/trueup", "-/var/lib/trueup-host"];

/// Where systemd and both halves of trueup take orders from root: what judges gives none, or its sandbox would be as wide as
/// theirs.
const ORDERS: [&str; 4] = ["-/run/dbus", "-/run/systemd/private", "-/run/trueup", "-/run/trueup-host"];

/// Returns the sandbox of a command; `writable` is what handlers may write beyond state.
pub(super) fn sandbox(purpose: Purpose, writable: &[PathBuf]) -> Vec<Property> {
    let yes = |name: &'static str| (name, Variant::from(true));
    let text = |name: &'static str, value: &'static str| (name, Variant::from(value));
    let mut properties = vec![
        yes("NoNewPrivileges"),
        yes("PrivateDevices"),
        yes("ProtectKernelTunables"),
        yes("ProtectKernelModules"),
        yes("ProtectKernelLogs"),
        yes("ProtectControlGroups"),
        yes("ProtectClock"),
        yes("ProtectHostname"),
        yes("RestrictSUIDSGID"),
        yes("RestrictRealtime"),
        yes("LockPersonality"),
        text("KeyringMode", "private"),
        text("ProtectHome", "read-only"),
        ("PrivateTmp", Variant::from(!writable.iter().any(|path| shares_tmp(path)))),
        ("CapabilityBoundingSet", Variant::from(CAPABILITIES.iter().fold(0_u64, |set, bit| set | 1 << bit))),
        ("RestrictNamespaces", Variant::from(0_u64)),
        ("SystemCallArchitectures", Variant::from(vec!["native"])),
        ("SystemCallFilter", Variant::from((true, vec!["@system-service"]))),
        ("SystemCallErrorNumber", Variant::from(1_i32)),
        ("RestrictAddressFamilies", Variant::from((true, vec!["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]))),
        ("MemoryMax", Variant::from(MEMORY)),
        ("TasksMax", Variant::from(TASKS)),
        text("OOMPolicy", "kill"),
        ("UMask", Variant::from(0o022_u32)),
        ("Environment", Variant::from(ENVIRONMENT.map(|(name, value)| format!("{name}={value}")).to_vec())),
        ("UnsetEnvironment", Variant::from(UNSET.to_vec())),
    ];
    match purpose {
        Purpose::Judge => {
            properties.push(text("ProtectSystem", "strict"));
            properties.push(("ReadWritePaths", Variant::from(STATE.to_vec())));
            properties.push(("InaccessiblePaths", Variant::from([&OURS[..], &ORDERS].concat())));
        }
        Purpose::Act => {
            // `full`: /usr, /boot and /etc (and above, homes) are read-only, but for what the target allows.
            properties.push(text("ProtectSystem", "full"));
            let paths: Vec<_> = writable.iter().map(|path| format!("-{}", path.display())).collect();
            properties.push(("ReadWritePaths", Variant::from(paths)));
            properties.push(("InaccessiblePaths", Variant::from(OURS.to_vec())));
        }
    }
    properties
}

/// A private /tmp would hide what lies in the real one: a target that is allowed to write there has files there.
fn shares_tmp(path: &Path) -> bool {
    ["/tmp", "/var/tmp"].iter().map(Path::new).any(|tmp| path.starts_with(tmp) || tmp.starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_tmp_is_seen_by_its_validator() {
        for (path, shares) in [("/tmp/x", true), ("/", true), ("/var", true), ("/etc", false), ("/tmpx", false)] {
            assert_eq!(shares_tmp(Path::new(path)), shares, "{path}");
        }
    }
}
