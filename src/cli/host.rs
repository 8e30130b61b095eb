//! `trueup host`: the root half around its socket.

use std::os::unix::net::UnixListener as Listener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::args::{CONFIG, Global};
use super::trouble::Trouble;
use super::{Exit, log, service};
use crate::api::Socket;
use crate::audit::Masks;
use crate::model::Clock;
use crate::target::root::{RootHalf, listen, load};

/// Where its `HostAccess` lies unless it is said otherwise.
pub(super) const ACCESS: &str = "/etc/trueup/host.yaml";

/// One that systemd started ends after nobody was connected for so long.
const IDLE: Duration = Duration::from_mins(1);

/// Serves front halves on the socket that systemd passed, or on the one that is named, until it is told to stop.
pub(super) fn host(global: &Global, clock: &Arc<dyn Clock>) -> Result<Exit, Trouble> {
    log::start(&Masks::default());
    let file = if global.config == Path::new(CONFIG) { PathBuf::from(ACCESS) } else { global.config.clone() };
    let access = load(&file).map_err(|all| Trouble::mistakes(&all).lasting(true))?;
    let half = RootHalf::open(access, clock.clone()).map_err(|error| Trouble::chain(&error))?.told_by(&file);
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build();
    let runtime = built.map_err(|error| Trouble::chain(&error))?;
    let served = runtime.block_on(serve(Arc::new(half), global.socket.as_deref()));
    // A step that did not end in time must not hold up the stop.
    runtime.shutdown_background();
    served
}

async fn serve(half: Arc<RootHalf>, named: Option<&Path>) -> Result<Exit, Trouble> {
    let stop = stopping().map_err(|error| Trouble::chain(&error))?;
    let passed = ListenFd::from_env().take_unix_listener(0).map_err(|error| Trouble::chain(&error))?;
    // One that we bound ourselves has nobody who would start us again.
    let mut bound = match named {
        Some(path) if passed.is_none() => Some(Socket::bind(path, None).map_err(|error| Trouble::chain(&error))?),
        _ => None,
    };
    let idle = passed.is_some().then_some(IDLE);
    let listener = match passed {
        Some(passed) => Some(taken(passed)?),
        None => bound.as_mut().and_then(Socket::take),
    };
    let Some(listener) = listener else {
        let trouble = Trouble::new("systemd passed no socket, and none is named");
        return Err(trouble.hint("start trueup-host.socket, or name one with --socket"));
    };
    service::serving();
    tracing::info!("the root half is ready");
    let ended = listen(half, listener, idle, stop).await;
    ended.map(|()| Exit::Done).map_err(|error| Trouble::chain(&error))
}

fn taken(listener: Listener) -> Result<UnixListener, Trouble> {
    let ready = listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
    ready.map_err(|error| Trouble::chain(&error))
}

/// Returns what SIGTERM and SIGINT cancel.
fn stopping() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {} // receiving a signal loses nothing when the other wins
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    Ok(stop)
}
