//! What the root half of a host may do: declared on that host by root, and narrowed, never widened, by a Target.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{HostTarget, Span};
use crate::model::matches;

/// What the root half of this host (`trueup host`) may do, and for whom. The file belongs to root; a Target whose `via` names
/// the root half's socket can only narrow it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostAccess {
    /// Absolute paths below which, and nowhere else, anything is written.
    #[schemars(length(min = 1))]
    pub allow: Vec<PathBuf>,
    /// Programs, by absolute path, that checks, validators and handlers may run.
    #[serde(default)]
    pub commands: Vec<PathBuf>,
    /// systemd units that may be acted on, by name; `*` stands for any part of one.
    #[serde(default)]
    pub units: Vec<String>,
    /// Let documents set the setuid, setgid and sticky bits.
    #[serde(default)]
    pub allow_setuid: bool,
    /// Who may connect, beside root: each names exactly one of `unit` and `user`.
    #[serde(default = "default_peers")]
    pub peers: Vec<Peer>,
    /// Where the root half keeps its journal, its keys and the pre-images of what it overwrites and deletes.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// How long pre-images are kept.
    #[serde(default = "default_keep")]
    pub keep: Span,
    /// How many MiB all pre-images together may have; the oldest go first. 0 keeps none.
    #[serde(default = "default_keep_mib")]
    pub keep_mib: u64,
    /// Prefix of every path, for trying things out in a scratch folder.
    #[serde(default)]
    pub root: Option<PathBuf>,
}

/// One who may connect to the root half.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peer {
    /// Whatever runs in this system unit.
    #[serde(default)]
    pub unit: Option<String>,
    /// Whatever runs as this user, by name or number.
    #[serde(default)]
    pub user: Option<String>,
}

impl HostAccess {
    fn unless_left_out(&self, asked: &HostTarget) -> HostTarget {
        fn or<T: Clone>(asked: &[T], allowed: &[T]) -> Vec<T> {
            if asked.is_empty() { allowed.to_vec() } else { asked.to_vec() }
        }
        HostTarget {
            allow: or(&asked.allow, &self.allow),
            commands: or(&asked.commands, &self.commands),
            units: or(&asked.units, &self.units),
            ..asked.clone()
        }
    }

    /// Returns the target that a front half asks for, without what this does not allow. A list that is left out asks for all
    /// that is allowed.
    #[must_use]
    pub fn narrowed(&self, asked: &HostTarget) -> HostTarget {
        let asked = &self.unless_left_out(asked);
        let below = |path: &Path, roots: &[PathBuf]| roots.iter().any(|root| path.starts_with(root));
        let mut allow: Vec<_> = asked.allow.iter().filter(|path| below(path, &self.allow)).cloned().collect();
        allow.extend(self.allow.iter().filter(|path| below(path, &asked.allow)).cloned());
        let mut units: Vec<_> = asked.units.iter().filter(|unit| covered(unit, &self.units)).cloned().collect();
        units.extend(self.units.iter().filter(|unit| covered(unit, &asked.units)).cloned());
        units.sort();
        units.dedup();
        allow.sort();
        allow.dedup();
        HostTarget {
            allow,
            commands: asked.commands.iter().filter(|program| self.commands.contains(program)).cloned().collect(),
            units,
            allow_setuid: asked.allow_setuid && self.allow_setuid,
            root: self.root.clone(),
            via: None,
        }
    }
}

/// Whether some pattern allows everything that `unit`, a name or a pattern itself, stands for.
fn covered(unit: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| matches(pattern, unit))
}

fn default_peers() -> Vec<Peer> {
    vec![Peer { unit: Some("trueup.service".into()), user: None }]
}

fn default_data() -> PathBuf {
    "/var/lib/trueup-host".into()
}

const fn default_keep() -> Span {
    Span(Duration::from_hours(30 * 24))
}

const fn default_keep_mib() -> u64 {
    1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn a_target_only_narrows() {
        let access: HostAccess = serde_json::from_value(serde_json::json!({
            "allow": ["/etc/app", "/srv"],
            "commands": ["/bin/true"],
            "units": ["app-*.service", "web.service"],
        }))
        .unwrap_or_else(|error| unreachable!("{error}"));
        let asked = HostTarget {
            allow: paths(&["/etc", "/srv/www", "/etc/application", "/root"]),
            commands: paths(&["/bin/true", "/bin/sh"]),
            units: ["app-one.service", "app-x*.service", "*", "ssh.service"].map(str::to_owned).to_vec(),
            allow_setuid: true,
            root: Some("/".into()),
            via: None,
        };
        let narrowed = access.narrowed(&asked);
        assert_eq!(narrowed.allow, paths(&["/etc/app", "/srv/www"]));
        assert_eq!(narrowed.commands, paths(&["/bin/true"]));
        assert_eq!(narrowed.units, ["app-*.service", "app-one.service", "app-x*.service", "web.service"]);
        assert!(!narrowed.allow_setuid && narrowed.root.is_none());
    }
}
