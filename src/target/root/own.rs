//! What decides what the root half may do: its own files, and the programs that it runs. No step writes them, however wide the
//! allow-list is, or it would be the front half that decides.

use crate::config::HostAccess;
use crate::model::ObjectId;
use crate::target::{Own, TargetError};

/// Returns the data folder and the listed programs of a root half.
pub(super) fn of(access: &HostAccess) -> Own {
    let mut own = Own::below(access.root.as_deref());
    own.add(&access.data);
    access.commands.iter().for_each(|program| own.add(program));
    own
}

/// # Errors
/// `host.own`, for an object that is one of these.
pub(super) fn spares(own: &Own, id: &ObjectId) -> Result<(), TargetError> {
    if !own.has(id) {
        return Ok(());
    }
    let reason = format!(
        "{id} decides what the root half does (its HostAccess, its data, a program of `commands`): Git does not"
    );
    Err(TargetError::Denied { code: "host.own".into(), reason })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use super::*;
    use crate::model::host::PATH;

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
        let mut own = of(&serde_json::from_value(access).unwrap());
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
            let id = ObjectId::new(PATH, path);
            assert_eq!(spares(&own, &id).is_err(), is, "{path}");
            assert_eq!(
                own.is_below(&id),
                matches!(path, "/etc" | "/var/data" | "/usr/bin/judge" | "/etc/host.yaml"),
                "{path}"
            );
        }
    }
}
