//! The root half: what needs root on a host, as a process of its own that takes no word of the other half for granted.
//!
//! It previews by itself and applies only steps that it previewed itself, each once, under an allow-list that root wrote. What
//! it gave and what it does is journaled before it is done, and what it overwrites or deletes is kept.

mod access;
mod acting;
mod acts;
mod guarded;
mod journal;
mod judge;
mod ledger;
mod listen;
mod own;
mod peers;
pub mod preimages;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use self::acts::Acts;
use self::guarded::Guarded;
use self::journal::Journal;
use self::preimages::Preimages;
use super::host::HostTarget;
use super::protocol::{Adapter, Limits};
use super::{Own, Target, TargetError};
use crate::config::{self, HostAccess};
use crate::model::{Clock, DigestKey};
use crate::store::{self, Lock, StoreError};

pub use access::load;
pub use listen::listen;

/// Configurations whose target is kept ready: a front half has one, and another after each edit of its Target.
const TARGETS: usize = 4;

/// The root half of one host.
pub struct RootHalf {
    access: HostAccess,
    acts: Arc<Acts>,
    limits: Limits,
    states: DigestKey,
    own: Arc<Own>,
    targets: Mutex<HashMap<String, Arc<dyn Target>>>,
    _lock: Lock,
}

#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("could not open {path}")]
    Folder {
        path: String,
        #[source]
        source: std::io::Error,
    },
}

impl RootHalf {
    /// Opens its data folder, which is made where there is none. A journal that cannot be trusted is no error here: the root
    /// half then looks, and refuses to act.
    ///
    /// # Errors
    /// When another process has the folder, or it or its keys cannot be read or made.
    pub fn open(access: HostAccess, clock: Arc<dyn Clock>) -> Result<Self, RootError> {
        let folder = access.data.clone();
        make_private(&folder).map_err(|source| RootError::Folder { path: folder.display().to_string(), source })?;
        let lock = Lock::take(&folder)?;
        let first = !folder.join("journal").exists();
        let key = store::key_in_file(&folder, "root.key", first)?;
        let journal = Journal::open(&folder, key.derive("trueup/root-journal/v1"));
        let keep = preimages::Bounds { seconds: seconds(access.keep), bytes: access.keep_mib.saturating_mul(1 << 20) };
        let preimages = Preimages::with_key(&folder, key.derive("trueup/preimages/v1"));
        let states = key.derive("trueup/host-state/v1");
        let mark = states.digest("trueup/fingerprint-mark/v1", b"").short();
        let acts = Acts::new(journal, preimages, keep, clock, mark);
        let (acts, limits, targets) = (Arc::new(acts), Limits::default(), Mutex::default());
        let own = Arc::new(own::of(&access));
        Ok(Self { access, acts, limits, states, own, targets, _lock: lock })
    }

    /// Takes `file`, which its `HostAccess` was read from, for one of its own: no step writes it.
    #[must_use]
    pub fn told_by(mut self, file: &Path) -> Self {
        let mut own = own::of(&self.access);
        own.add(&std::path::absolute(file).unwrap_or_else(|_| file.to_owned()));
        self.own = Arc::new(own);
        self
    }
}

fn seconds(span: config::Span) -> i64 {
    i64::try_from(span.0.as_secs()).unwrap_or(i64::MAX)
}

/// Makes a folder that only its owner may enter, and takes an existing one only where that holds.
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    match std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let there = std::fs::symlink_metadata(folder)?;
    if !there.is_dir() || there.uid() != rustix::process::geteuid().as_raw() || there.mode() & 0o077 != 0 {
        let said = "it is not a folder that only its owner may enter (mode 0700)";
        return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, said));
    }
    Ok(())
}

impl Adapter for RootHalf {
    fn name(&self) -> String {
        concat!("trueup-host ", env!("CARGO_PKG_VERSION")).into()
    }

    fn features(&self) -> Vec<String> {
        ["live", "recover", "watch"].map(str::to_owned).to_vec()
    }

    fn schema(&self) -> Value {
        schemars::schema_for!(config::HostTarget).to_value()
    }

    fn target(&self, configuration: &Value) -> Result<Arc<dyn Target>, TargetError> {
        use serde::Deserialize;
        let asked = config::HostTarget::deserialize(configuration).map_err(|error| TargetError::Invalid {
            code: "host.configuration".into(),
            reason: format!("the Target is not one of a host: {error}"),
        })?;
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let name = configuration.to_string();
        if let Some(target) = targets.get(&name) {
            return Ok(target.clone());
        }
        if targets.len() >= TARGETS {
            targets.clear();
        }
        let inner = HostTarget::new(&self.access.narrowed(&asked), self.states.clone())?;
        let target: Arc<dyn Target> = Arc::new(Guarded::new(inner, self.acts.clone(), self.own.clone()));
        targets.insert(name, target.clone());
        Ok(target)
    }
}
