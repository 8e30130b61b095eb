//! What decides what the root half may do: its own files, and the programs that it runs. No step writes them, however wide the
//! allow-list is, or it would be the front half that decides.

use std::path::{Path, PathBuf};

use crate::config::HostAccess;
use crate::model::ObjectId;
use crate::model::host::PATH;
use crate::target::TargetError;

/// The paths that no step writes.
#[derive(Debug)]
pub(super) struct Own {
    /// What every path of a step lies below, without links: what lies there is opened without following any.
    prefix: PathBuf,
    paths: Vec<PathBuf>,
}

impl Own {
    /// Takes the data folder and the listed programs of a root half.
    pub(super) fn of(access: &HostAccess) -> Self {
        let prefix = access.root.clone().unwrap_or_else(|| "/".into());
        let mut own = Self { prefix: prefix.canonicalize().unwrap_or(prefix), paths: vec![] };
        own.add(&access.data);
        access.commands.iter().for_each(|program| own.add(program));
        own
    }

    /// Adds a path, as it is written and as the links in it lead.
    pub(super) fn add(&mut self, path: &Path) {
        self.paths.extend(path.canonicalize());
        self.paths.push(path.to_owned());
    }

    pub(super) fn has(&self, id: &ObjectId) -> bool {
        let real = self.prefix.join(id.name.trim_start_matches('/'));
        id.kind == PATH && self.paths.iter().any(|own| real.starts_with(own))
    }

    /// # Errors
    /// `host.own`, for an object that is one of these.
    pub(super) fn spares(&self, id: &ObjectId) -> Result<(), TargetError> {
        if !self.has(id) {
            return Ok(());
        }
        let reason = format!(
            "{id} decides what the root half does (its HostAccess, its data, a program of `commands`): Git does not"
        );
        Err(TargetError::Denied { code: "host.own".into(), reason })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use super::*;

    #[test]
    fn what_decides_is_not_written_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        std::os::unix::fs::symlink("usr/bin", root.join("bin")).unwrap();
        std::fs::write(root.join("usr/bin/judge"), "").unwrap();
        let access = serde_json::json!({
            "allow": ["/"], "root": root, "data": root.join("var/data"), "commands": [root.join("bin/judge")],
        });
        let mut own = Own::of(&serde_json::from_value(access).unwrap());
        own.add(&root.join("etc/host.yaml"));
        for (path, is) in [
            ("/var/data", true),
            ("/var/data/journal", true),
            ("/usr/bin/judge", true),
            ("/etc/host.yaml", true),
            ("/var/database", false),
            ("/usr/bin/other", false),
            ("/etc", false),
        ] {
            assert_eq!(own.spares(&ObjectId::new(PATH, path)).is_err(), is, "{path}");
        }
    }
}
