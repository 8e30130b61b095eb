//! Which units documents may act on, and which ones a host needs to live.

use crate::model::matches;
use crate::target::TargetError;
use crate::target::command::neutral;

/// A host that stops one of these is lost or locked up; `*` stands for any part of a name. Other names of the same units stand
/// beside them (`ssh` is `sshd` elsewhere, `dbus` may be `dbus-broker`).
const PROTECTED: [&str; 30] = [
    "dbus*",
    "messagebus.service",
    "ssh.service",
    "ssh.socket",
    "ssh@*.service",
    "sshd*",
    "systemd-*",
    "-.mount",
    "-.slice",
    "init.scope",
    "system.slice",
    "trueup*",
    "getty*",
    "serial-getty@*",
    "console-getty.service",
    "NetworkManager*",
    "networking.service",
    "network*.target",
    "ifup@*",
    "netplan-*",
    "default.target",
    "basic.target",
    "sysinit.target",
    "multi-user.target",
    "graphical.target",
    "sockets.target",
    "local-fs*.target",
    "shutdown.target",
    "rescue.*",
    "emergency.*",
];

/// The units that a target's documents may act on.
#[derive(Debug)]
pub(super) struct Allowed(Vec<String>);

impl Allowed {
    pub(super) const fn new(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    /// # Errors
    /// When the target does not name the unit.
    pub(super) fn check(&self, unit: &str) -> Result<(), TargetError> {
        if self.0.iter().any(|pattern| matches(pattern, unit)) {
            return Ok(());
        }
        let unit = neutral(unit);
        Err(TargetError::Denied {
            code: "host.unit-not-allowed".into(),
            reason: format!(
                "{unit} is not among the units that this target allows: name it under `units` of the Target"
            ),
        })
    }

    /// Returns whether the target names the unit itself, not by a pattern.
    pub(super) fn names(&self, unit: &str) -> bool {
        self.0.iter().any(|pattern| pattern == unit)
    }
}

/// Returns whether a host needs this unit to live: it may be reloaded and restarted, and nothing else.
pub(super) fn protected(unit: &str) -> bool {
    PROTECTED.iter().any(|pattern| matches(pattern, unit)) || super::itself(unit)
}

/// Returns whether a unit that a host needs may have a name that `pattern` matches (`systemd-*.service`, `*.socket`).
pub(super) fn covers_protected(pattern: &str) -> bool {
    PROTECTED.iter().any(|protected| overlap(pattern.as_bytes(), protected.as_bytes()))
}

/// # Errors
/// Says that `unit` is one that a host needs to live, and may not be what `act` names ("stopped").
pub(super) fn refuse(unit: &str, act: &str) -> TargetError {
    let unit = neutral(unit);
    TargetError::Denied {
        code: "host.unit-protected".into(),
        reason: format!("{unit} may not be {act}: the host needs it to live; it may be reloaded and restarted"),
    }
}

/// Whether some name matches both patterns. Each cell is one pair of ends, so that hostile ones cost length times length.
fn overlap(a: &[u8], b: &[u8]) -> bool {
    // reach[j]: whether the rest of `a` from i and the rest of `b` from j share a name; from the last i to the first.
    let mut reach: Vec<bool> = (0..=b.len()).map(|j| b[j..].iter().all(|c| *c == b'*')).collect();
    for i in (0..a.len()).rev() {
        let mut next = vec![false; b.len() + 1];
        for j in (0..=b.len()).rev() {
            let other = b.get(j).copied();
            next[j] = match (a[i], other) {
                (b'*', Some(_)) => reach[j] || next[j + 1],
                (b'*', None) => reach[j],
                (_, Some(b'*')) => next[j + 1] || reach[j],
                (x, Some(y)) => x == y && reach[j + 1],
                (_, None) => false,
            };
        }
        reach = next;
    }
    reach[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_host_needs_is_protected_and_its_neighbours_are_not() {
        let needed = [
            "dbus.service",
            "dbus-broker.service",
            "ssh.socket",
            "sshd.service",
            "systemd-journald.service",
            "-.mount",
        ];
        for name in needed.into_iter().chain(["trueup-host.socket", "getty@tty1.service", "NetworkManager.service"]) {
            assert!(protected(name), "{name}");
        }
        for name in ["nginx.service", "sshguard.service", "my-dbus.service", "srv.mount", "mysystemd-x.service"] {
            assert!(!protected(name), "{name}");
        }
    }

    #[test]
    fn a_pattern_that_may_mean_a_protected_unit_is_found() {
        for pattern in ["*.service", "systemd-*.service", "syst*.service", "*-.mount", "sshd@*.service", "net*.target"]
        {
            assert!(covers_protected(pattern), "{pattern}");
        }
        for pattern in ["app-*.service", "nginx-*.socket", "x*.target"] {
            assert!(!covers_protected(pattern), "{pattern}");
        }
    }

    #[test]
    fn only_a_full_name_names_a_unit() {
        let allowed = Allowed::new(vec!["ssh*".into(), "dbus.service".into()]);
        assert!(allowed.check("ssh.service").is_ok() && !allowed.names("ssh.service") && allowed.names("dbus.service"));
        assert_eq!(allowed.check("x.service").unwrap_err().code(), "host.unit-not-allowed");
    }
}
