use std::path::{Path, PathBuf};

use crate::model::ObjectId;
use crate::model::host::PATH;

/// Paths of this machine that are nobody's to declare: what trueup itself lives by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// What every path of an object lies below, without links: what lies there is opened without following any.
    prefix: PathBuf,
    paths: Vec<PathBuf>,
}

impl Own {
    /// Returns none, for objects below a prefix (`/` where there is no other).
    #[must_use]
    pub fn below(prefix: Option<&Path>) -> Self {
        let prefix = prefix.unwrap_or(Path::new("/"));
        Self { prefix: prefix.canonicalize().unwrap_or_else(|_| prefix.to_owned()), paths: vec![] }
    }

    /// Adds a path, as it is written and as the links in it lead.
    pub fn add(&mut self, path: &Path) {
        self.paths.extend(path.canonicalize());
        self.paths.push(path.to_owned());
    }

    /// Whether an object is one of these, or lies below one.
    #[must_use]
    pub fn has(&self, id: &ObjectId) -> bool {
        let real = self.real(id);
        id.kind == PATH && self.paths.iter().any(|own| real.starts_with(own))
    }

    /// Whether one of these lies below an object, which so decides who reaches it.
    #[must_use]
    pub fn is_below(&self, id: &ObjectId) -> bool {
        let real = self.real(id);
        id.kind == PATH && self.paths.iter().any(|own| own.starts_with(&real))
    }

    fn real(&self, id: &ObjectId) -> PathBuf {
        self.prefix.join(id.name.trim_start_matches('/'))
    }
}
