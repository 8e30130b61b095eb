use gix::ObjectId;

use super::error::harmless;
use super::{SourceError, SourceErrorKind};
use crate::config::Repository;

/// What is followed: always one fully qualified ref, or one commit. A short name could be a branch, a tag or an id, as
/// whoever pushes likes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    Branch(String),
    Tag(String),
    Commit(ObjectId),
}

impl Followed {
    pub(super) fn of(declared: &Repository) -> Result<Self, SourceError> {
        if let Some(commit) = &declared.commit {
            let odd = || refused(commit, "is not a full commit id");
            let id = commit.parse::<crate::model::Revision>().map_err(|_| odd())?;
            return super::git::id_of(&id).map(Self::Commit);
        }
        match (&declared.tag, &declared.branch) {
            (Some(tag), _) => qualified("refs/tags/", tag).map(Self::Tag),
            (None, branch) => qualified("refs/heads/", branch.as_deref().unwrap_or("main")).map(Self::Branch),
        }
    }

    /// Returns the ref, or the commit id.
    pub(super) fn reference(&self) -> String {
        match self {
            Self::Branch(name) | Self::Tag(name) => name.clone(),
            Self::Commit(id) => id.to_string(),
        }
    }

    /// Returns the name that an annotated tag must bear.
    pub(super) fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(name) => name.strip_prefix("refs/tags/"),
            Self::Branch(_) | Self::Commit(_) => None,
        }
    }
}

/// Returns `prefix` and `name` as a ref, if that is one.
pub(super) fn qualified(prefix: &str, name: &str) -> Result<String, SourceError> {
    let reference = format!("{prefix}{name}");
    let valid = gix::validate::reference::name(reference.as_str().into()).is_ok();
    let plain = !name.starts_with('-') && !name.chars().any(|c| c.is_control() || c.is_whitespace());
    if valid && plain { Ok(reference) } else { Err(refused(name, "is not the name of a branch or tag")) }
}

fn refused(name: &str, why: &str) -> SourceError {
    SourceError::new(SourceErrorKind::RefMissing, format!("{:?} {why}", harmless(name.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_are_qualified_and_odd_names_refused() {
        assert_eq!(qualified("refs/heads/", "team/main").unwrap(), "refs/heads/team/main");
        let id = "0123456789012345678901234567890123456789";
        assert_eq!(qualified("refs/heads/", id).unwrap(), format!("refs/heads/{id}"));
        for bad in
            ["", "../../config", "x.lock", "-D", "\u{1b}[2J", "a b", "a..b", "x~1", "x:y", "a\n", "@{", "/x", "x/"]
        {
            assert!(qualified("refs/heads/", bad).is_err(), "{bad:?}");
        }
    }
}
