//! What a path should be: a spec, and what it keeps of what exists.

use rustix::process::{getegid, geteuid};

use super::shape::{Access, Shape};
use crate::model::host::{Attributes, HostSpec};
use crate::target::TargetError;

/// The rules of one target that a wanted state is held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) allow_setuid: bool,
}

impl Rules {
    /// Returns what applying `spec` would make of `live`; `None` for what is run, not written.
    ///
    /// # Errors
    /// When an owner is unknown, or a special bit would be set, or kept on other content, without leave.
    pub(super) fn wanted(
        self,
        path: &str,
        spec: &HostSpec,
        live: Option<&Shape>,
    ) -> Result<Option<Shape>, TargetError> {
        let shape = match spec {
            HostSpec::File(file) => Shape::File {
                access: access(path, &file.attributes, live, "file")?,
                content: file.content,
                size: file.size,
            },
            HostSpec::Directory(attributes) => {
                Shape::Directory { access: access(path, attributes, live, "directory")? }
            }
            HostSpec::Symlink { to, .. } => Shape::Symlink { to: to.clone().into_bytes() },
            _ => return Ok(None),
        };
        // Bits that are only kept are as dangerous on content that comes from Git; a folder has no content.
        let named = attributes(spec).is_some_and(|attributes| attributes.mode.is_some_and(|mode| mode & 0o7000 != 0));
        let special = shape.access().is_some_and(Access::special);
        let kept = special && matches!(shape, Shape::File { .. }) && live != Some(&shape);
        if (named || kept) && !self.allow_setuid {
            let reason = format!("{path} would have a setuid, setgid or sticky bit, which this target does not allow");
            return Err(TargetError::Denied { code: "host.setuid".into(), reason });
        }
        Ok(Some(shape))
    }
}

pub(super) const fn attributes(spec: &HostSpec) -> Option<&Attributes> {
    match spec {
        HostSpec::File(file) => Some(&file.attributes),
        HostSpec::Directory(attributes) => Some(attributes),
        _ => None,
    }
}

/// What the spec leaves open is kept from what exists, if that is of the same sort.
fn access(path: &str, wanted: &Attributes, live: Option<&Shape>, sort: &str) -> Result<Access, TargetError> {
    let live = live.filter(|live| live.sort() == sort).and_then(Shape::access);
    let fallback = Access { mode: wanted.default_mode, uid: geteuid().as_raw(), gid: getegid().as_raw() };
    let kept = live.unwrap_or(fallback);
    let named = |name: &Option<String>, kept, file| match name {
        Some(name) => number(path, name, file),
        None => Ok(kept),
    };
    Ok(Access {
        mode: wanted.mode.unwrap_or(kept.mode) & 0o7777,
        uid: named(&wanted.owner, kept.uid, "/etc/passwd")?,
        gid: named(&wanted.group, kept.gid, "/etc/group")?,
    })
}

/// Returns the number of a user or group, by number or by its name in `file`.
fn number(path: &str, name: &str, file: &str) -> Result<u32, TargetError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let entries = std::fs::read_to_string(file).map_err(|error| TargetError::Unavailable {
        doing: format!("could not read {file}"),
        source: Some(error.into()),
    })?;
    let found = entries.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() == Some(name) { fields.nth(1)?.parse().ok() } else { None }
    });
    found.ok_or_else(|| TargetError::Invalid {
        code: "host.unknown-owner".into(),
        reason: format!("{path} names the owner or group {name:?}, which is not in {file}"),
    })
}
