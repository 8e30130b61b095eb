//! What the kernel refuses, in the words of the caller: each asks for something else.

use rustix::io::Errno;

use crate::target::TargetError;

/// Returns the typed error of a system call that failed while `doing` ("write", "remove") something to `path`.
pub(super) fn refused(doing: &str, path: &str, errno: Errno) -> TargetError {
    let denied = |code: &'static str, why: &str| TargetError::Denied {
        code: code.into(),
        reason: format!("could not {doing} {path}: {why}"),
    };
    match errno {
        Errno::ROFS => denied("host.read-only", "its filesystem is mounted read-only"),
        Errno::PERM => {
            denied("host.not-permitted", "the kernel does not permit it (immutable, append-only or not ours)")
        }
        Errno::ACCESS => denied("host.no-access", "the daemon has no access"),
        Errno::XDEV => denied("host.other-mount", "it would cross into another mount"),
        Errno::BUSY => denied("host.mount-point", "it is a mount point"),
        Errno::LOOP => denied("host.link-in-path", "a symbolic link lies in its path"),
        Errno::NOTDIR => denied("host.parent-not-folder", "something in its path is not a folder"),
        Errno::NAMETOOLONG => TargetError::Invalid { code: "host.path".into(), reason: format!("{path} is too long") },
        _ => TargetError::Unavailable {
            doing: format!("could not {doing} {path}{}", full(errno)),
            source: Some(anyhow::Error::new(std::io::Error::from(errno))),
        },
    }
}

/// A full disk is what people look for: it is said in the first line.
fn full(errno: Errno) -> &'static str {
    match errno {
        Errno::NOSPC => " on a full filesystem",
        Errno::DQUOT => " over its quota",
        _ => "",
    }
}

/// Returns an error that tells the same: outcomes and the answer to the call both carry it, and causes cannot be cloned.
pub(super) fn retold(error: &TargetError) -> TargetError {
    let cause = |source: &Option<anyhow::Error>| source.as_ref().map(|cause| anyhow::anyhow!("{cause:#}"));
    match error {
        TargetError::Stale { object } => TargetError::Stale { object: object.clone() },
        TargetError::Conflict { object, holder } => {
            TargetError::Conflict { object: object.clone(), holder: holder.clone() }
        }
        TargetError::Locked { holder } => TargetError::Locked { holder: holder.clone() },
        TargetError::Denied { code, reason } => TargetError::Denied { code: code.clone(), reason: reason.clone() },
        TargetError::Invalid { code, reason } => TargetError::Invalid { code: code.clone(), reason: reason.clone() },
        TargetError::Unavailable { doing, source } => {
            TargetError::Unavailable { doing: doing.clone(), source: cause(source) }
        }
        TargetError::Cancelled => TargetError::Cancelled,
        TargetError::InDoubt { doing, source } => TargetError::InDoubt { doing: doing.clone(), source: cause(source) },
    }
}
