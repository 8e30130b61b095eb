//! The socket: lets in who may come, and goes when nobody is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::RootHalf;
use super::peers::may_connect;
use crate::target::protocol::serve;

/// Connections at a time: a front half has one, and perhaps an old one that is not ended yet.
const CONNECTIONS: usize = 16;
/// How long acts that were begun may take to end when the root half stops.
const ENDING: Duration = Duration::from_secs(80);
/// A refusal to accept (no descriptors left) is not asked for again at once.
const PAUSE: Duration = Duration::from_millis(200);

/// Serves connections until `stop` is cancelled or, where `idle` is given, nobody was connected for so long. Acts that were
/// begun are brought to their end.
///
/// # Errors
/// When the socket cannot be listened on.
pub async fn listen(
    half: Arc<RootHalf>,
    listener: UnixListener,
    idle: Option<Duration>,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let (connections, ended) = (TaskTracker::new(), Arc::new(Notify::new()));
    loop {
        let alone = connections.is_empty() && half.limits.tasks.is_empty();
        let waited = async {
            match idle {
                Some(idle) if alone => tokio::time::sleep(idle).await,
                // Acts outlive their connection: look again when they may have ended.
                Some(idle) if connections.is_empty() => tokio::time::sleep(idle.min(Duration::from_secs(1))).await,
                _ => std::future::pending().await,
            }
        };
        // Every arm is cancel-safe.
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => enter(&half, stream, &connections, &ended, &stop),
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            () = ended.notified() => {}
            () = waited => if alone {
                tracing::info!("nobody is connected: the root half ends until it is needed again");
                break;
            },
            () = stop.cancelled() => break,
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    half.limits.tasks.close();
    if tokio::time::timeout(ENDING, half.limits.tasks.wait()).await.is_err() {
        tracing::warn!("steps are still under way; whoever asked for them will ask again");
    }
    Ok(())
}

fn enter(
    half: &Arc<RootHalf>,
    stream: UnixStream,
    connections: &TaskTracker,
    ended: &Arc<Notify>,
    stop: &CancellationToken,
) {
    let peer = match stream.peer_cred() {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%error, "could not learn who connects");
            return;
        }
    };
    if !may_connect(&half.access.peers, &peer) {
        tracing::warn!(
            uid = peer.uid(),
            pid = peer.pid(),
            "refused a connection: HostAccess does not name its user or unit"
        );
        return;
    }
    if connections.len() >= CONNECTIONS {
        tracing::warn!(uid = peer.uid(), pid = peer.pid(), "refused a connection: there are too many");
        return;
    }
    let (half, ended, stop) = (half.clone(), ended.clone(), stop.clone());
    connections.spawn(async move {
        if let Err(error) = serve(stream, &*half, &half.limits, &stop).await {
            let error = crate::model::chain(&error);
            tracing::warn!(error, uid = peer.uid(), pid = peer.pid(), "a connection was ended");
        }
        ended.notify_one();
    });
}
