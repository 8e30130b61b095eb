//! The host adapter behind the protocol and the root half, over a unix socket.
#![allow(dead_code)] // Each test binary that includes it uses its own part.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use trueup::config::{self, HostAccess, HostTarget, Peer, Span};
use trueup::model::{Desired, ObjectId};
use trueup::target::Target;
use trueup::target::protocol::{Remote, Socket};
use trueup::target::root::{RootHalf, listen};

use crate::bed::Adapter;
use crate::clock::Machine;
use crate::host::Host;

/// A root half that listens, on the scratch folder of a host.
pub(crate) struct RootSide {
    pub(crate) host: Host,
    pub(crate) remote: Remote,
    stop: CancellationToken,
    serving: Option<JoinHandle<std::io::Result<()>>>,
}

impl RootSide {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut HostAccess)) -> Self {
        let host = Host::new();
        let mut access = access(&host);
        change(&mut access);
        let (stop, serving) = serve(&host, access);
        let remote = remote(&host);
        Self { host, remote, stop, serving: Some(serving) }
    }

    /// Ends the root half as a stop does, and starts it again.
    pub(crate) async fn restart(&mut self, change: impl FnOnce(&mut HostAccess)) {
        self.stop.cancel();
        self.serving.take().unwrap().await.unwrap().unwrap();
        let mut access = access(&self.host);
        change(&mut access);
        let (stop, serving) = serve(&self.host, access);
        (self.stop, self.serving) = (stop, Some(serving));
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.host)
    }
}

impl Drop for RootSide {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn socket(host: &Host) -> PathBuf {
    host.scratch.path().join("host.sock")
}

/// Allows what the host of the tests allows itself.
pub(crate) fn access(host: &Host) -> HostAccess {
    HostAccess {
        allow: vec!["/etc/app".into()],
        commands: vec![host.scratch.path().join("noted"), "/bin/sh".into(), "/bin/sleep".into()],
        units: vec![],
        allow_setuid: false,
        peers: vec![Peer { unit: None, user: Some(rustix::process::geteuid().as_raw().to_string()) }],
        data: host.scratch.path().join("data"),
        keep: Span(Duration::from_hours(24)),
        keep_mib: 16,
        root: Some(host.scratch.path().join("root")),
    }
}

/// What the front half declares of it.
pub(crate) fn declared(host: &Host) -> config::HostTarget {
    HostTarget {
        allow: vec!["/".into()],
        commands: access(host).commands,
        units: vec![],
        allow_setuid: true,
        root: None,
        via: None,
    }
}

fn serve(host: &Host, access: HostAccess) -> (CancellationToken, JoinHandle<std::io::Result<()>>) {
    let half = Arc::new(RootHalf::open(access, Arc::new(Machine)).unwrap());
    let _ = std::fs::remove_file(socket(host));
    let listener = UnixListener::bind(socket(host)).unwrap();
    let stop = CancellationToken::new();
    (stop.clone(), tokio::spawn(listen(half, listener, None, stop)))
}

pub(crate) fn remote(host: &Host) -> Remote {
    Remote::new(Box::new(Socket(socket(host))), serde_json::to_value(declared(host)).unwrap())
}

impl Adapter for RootSide {
    fn name(&self) -> &'static str {
        "host behind its root half"
    }

    fn target(&self) -> &dyn Target {
        &self.remote
    }

    fn desired(&self) -> Desired {
        self.host.desired()
    }

    fn changed(&self) -> Desired {
        self.host.changed()
    }

    fn meddled(&self) -> ObjectId {
        self.host.meddled()
    }

    fn meddle(&self) {
        self.host.meddle();
    }

    fn spoil(&self) -> Vec<(ObjectId, &'static str)> {
        self.host.spoil()
    }

    fn snapshot(&self) -> BTreeMap<String, String> {
        self.host.snapshot()
    }

    fn bare(&self) -> BTreeMap<String, String> {
        self.host.bare()
    }
}
