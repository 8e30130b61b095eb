//! What the root half of this host keeps beside the daemon: pre-images that the daemon may not see.

use std::collections::BTreeMap;
use std::path::Path;

use super::place::Content;
use crate::cli::host::ACCESS;
use crate::cli::trouble::Trouble;
use crate::model::host::Attributes;
use crate::target::root::load;
use crate::target::root::preimages::{Preimage, Preimages};

/// The pre-images of one plan, by path.
pub(super) struct Kept {
    preimages: Preimages,
    heads: BTreeMap<String, Preimage>,
}

impl Kept {
    /// Opens them; `None` where there is no root half, or only root may read what it keeps.
    pub(super) fn open(plan: &str) -> Option<Self> {
        let access = load(Path::new(ACCESS)).ok()?;
        let preimages = Preimages::open(&access.data).ok()?;
        let all = preimages.list().ok()?;
        let heads = all.into_iter().filter(|head| head.plan.to_string() == plan);
        let heads = heads.map(|head| (head.path.clone(), head)).collect();
        Some(Self { preimages, heads })
    }

    /// Returns what lay at a path, or why it cannot be had.
    pub(super) fn content(&self, path: &str) -> Result<Result<Content, String>, Trouble> {
        let Some(head) = self.heads.get(path) else { return Ok(Err("the root half does not keep it".into())) };
        let bytes = self.preimages.content(head).map_err(|error| Trouble::chain(&error))?;
        Ok(match (head.sort.as_str(), bytes, &head.to) {
            ("file", Some(bytes), _) => Ok(Content::File { bytes, attributes: attributes(head) }),
            ("symlink", _, Some(to)) => match String::from_utf8(to.clone()) {
                Ok(to) => Ok(Content::Link(to)),
                Err(_) => Err("it led to a path that is no text".into()),
            },
            ("file", None, _) => Err("its content was too large to be kept".into()),
            _ => Err("it is no file".into()),
        })
    }
}

fn attributes(head: &Preimage) -> Attributes {
    let (mode, owner, group) = head
        .access
        .map_or((None, None, None), |(mode, uid, gid)| (Some(mode), Some(uid.to_string()), Some(gid.to_string())));
    Attributes { mode, owner, group, ..Attributes::default() }
}
