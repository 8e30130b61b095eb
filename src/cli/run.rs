//! `trueup run`: the log, the runtime and the signals around the agent.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::args::{Global, Run};
use super::trouble::Trouble;
use super::{Exit, log, service};
use crate::agent::{Agent, StartError};
use crate::api::{Elsewhere, Listening, Socket, hear, serve, serve_elsewhere};
use crate::audit::{Masks, TrailError};
use crate::config::{Api, Config, Daemon, Hooks};
use crate::model::{Clock, event};
use crate::store::StoreErrorKind;

/// Runs the daemon until it is told to stop.
pub(super) fn run(args: &Run, global: &Global, clock: &Arc<dyn Clock>) -> Result<Exit, Trouble> {
    let masks = Masks::default();
    log::start(&masks);
    keep_one_arena();
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.workers.into())
        // A burst of syncs makes many threads, and each keeps its stack and its part of the heap.
        .thread_keep_alive(Duration::from_secs(1))
        .enable_all()
        .build();
    let runtime = built.map_err(|error| Trouble::chain(&error))?;
    let ended = runtime.block_on(async {
        let signals = Signals::listen().map_err(|error| Trouble::chain(&error))?;
        Box::pin(agent(global, clock, signals, masks)).await
    });
    // Whoever asked twice does not wait for a fetch that is under way.
    runtime.shutdown_background();
    ended
}

/// Starts this program again, in the same process, with one heap arena. The C library gives every thread of a burst an arena
/// of its own and keeps it: with a thousand applications that is ten MiB which nobody uses, and it cannot be told otherwise
/// once the process runs.
fn keep_one_arena() {
    const ARENAS: &str = "MALLOC_ARENA_MAX";
    if std::env::var_os(ARENAS).is_some() {
        return;
    }
    let again = std::env::current_exe().map(|program| {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_else(|| program.clone().into());
        Command::new(program).arg0(name).args(arguments).env(ARENAS, "1").exec()
    });
    // It only comes back where it failed; then the daemon takes more room, and runs all the same.
    tracing::debug!(?again, "could not start with one heap arena");
}

/// What signals ask of the agent.
pub(super) struct Signals {
    /// The first SIGTERM or SIGINT: finish the step at hand.
    pub stop: CancellationToken,
    /// The second: stop at once.
    pub abort: CancellationToken,
    /// SIGHUP: read the configuration again.
    pub reload: Arc<Notify>,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        let signals = Self { stop: CancellationToken::new(), abort: CancellationToken::new(), reload: Arc::default() };
        let ends = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(stages(ends, signals.stop.clone(), signals.abort.clone()));
        let (mut hangup, reload) = (signal(SignalKind::hangup())?, Arc::clone(&signals.reload));
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                tracing::info!("reading the configuration again, as SIGHUP asks");
                reload.notify_one();
            }
        });
        Ok(signals)
    }
}

async fn stages((mut terminate, mut interrupt): (Signal, Signal), stop: CancellationToken, abort: CancellationToken) {
    either(&mut terminate, &mut interrupt).await;
    tracing::info!(event = event::STOPPING.name, "stopping after the step at hand; once more to stop at once");
    stop.cancel();
    either(&mut terminate, &mut interrupt).await;
    tracing::warn!("stopping at once; the next start takes up what is open");
    abort.cancel();
}

/// Waits for one of the two; receiving a signal loses nothing when the other wins.
async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Starts the agent and the API, and waits until both have ended.
async fn agent(global: &Global, clock: &Arc<dyn Clock>, signals: Signals, masks: Masks) -> Result<Exit, Trouble> {
    let loaded = Config::load(&global.config).map_err(|all| Trouble::mistakes(&all).lasting(true))?;
    let daemon = loaded.config.daemon.clone();
    service::doing("Opening the store, and cleaning up what was left half-way");
    let agent = Agent::start(loaded.config, global.config.clone(), clock.clone(), masks, signals.stop.clone());
    let agent = Box::pin(service::patiently(agent)).await.map_err(|error| not_started(&error))?;
    let socket = Socket::bind(&daemon.socket, daemon.group.as_deref()).map_err(|error| Trouble::chain(&error))?;
    let listening = listen(&daemon, &agent).await?;
    let answering = answer(&daemon, &agent).await?;
    agent.follow_configuration();
    // The API goes last: while the tasks end, people can still see what they do.
    let closed = CancellationToken::new();
    let serving = tokio::spawn(serve(socket, Arc::new(agent.clone()), closed.clone()));
    let hearing = listening.map(|listening| tokio::spawn(hear(listening, agent.hooks(), signals.stop.clone())));
    let answering = answering.map(|listening| {
        let (group, face) = (daemon.group.clone(), agent.face());
        let elsewhere = Elsewhere { daemon: Arc::new(agent.clone()), group, face };
        tokio::spawn(serve_elsewhere(listening, elsewhere, closed.clone()))
    });
    let (at, data) = (daemon.socket.display(), daemon.data.display());
    tracing::info!(event = event::READY.name, socket = %at, data = %data, "ready");
    // Plans that are taken up again may still run: a unit that they start may be ordered after this one, and would wait for us.
    service::ready(&agent.summary());
    let beside = [
        tokio::spawn(reload_on(signals.reload, agent.clone())),
        tokio::spawn(service::feed(agent.clone())),
        tokio::spawn(service::show(agent.clone())),
    ];
    let stopped = async {
        signals.stop.cancelled().await;
        beside[0].abort();
        beside[2].abort();
        service::stopping();
        service::patiently(agent.stopped()).await;
    };
    tokio::select! {
        () = stopped => {} // level-triggered
        () = signals.abort.cancelled() => {} // level-triggered; what is open is resumed at the next start
    }
    beside.iter().for_each(tokio::task::JoinHandle::abort);
    agent.let_watchers_go();
    closed.cancel();
    // Whatever became of the serving task, it has ended.
    let _ = serving.await;
    if let Some(answering) = answering {
        let _ = answering.await;
    }
    if let Some(hearing) = hearing {
        // Nothing of it is left half-done.
        hearing.abort();
    }
    let broken = agent.broken();
    agent.close().await;
    match broken {
        Some(error) => Err(of_trail(&error, Trouble::chain(&error).lasting(error.is_lasting()))),
        None => Ok(Exit::Done),
    }
}

/// Listens for webhooks, where that is declared.
async fn listen(daemon: &Daemon, agent: &Agent) -> Result<Option<Listening>, Trouble> {
    let Some(address) = daemon.hooks.as_ref().and_then(Hooks::address) else { return Ok(None) };
    let listening = Listening::for_hooks(address, agent.hooks()).await.map_err(|error| Trouble::chain(&error))?;
    tracing::info!(%address, "hears webhooks");
    Ok(Some(listening))
}

/// Listens for whoever asks from elsewhere, where that is declared.
async fn answer(daemon: &Daemon, agent: &Agent) -> Result<Option<Listening>, Trouble> {
    let Some(address) = daemon.api.as_ref().and_then(Api::address) else { return Ok(None) };
    let listening = Listening::for_api(address, agent.face()).await.map_err(|error| Trouble::chain(&error))?;
    tracing::info!(%address, "answers the API");
    Ok(Some(listening))
}

/// Says why the daemon does not start, and whether it might the next time.
fn not_started(error: &StartError) -> Trouble {
    let lasting = match error {
        StartError::Store(error) => error.kind.is_lasting(),
        StartError::Trail(error) => error.is_lasting(),
        StartError::Source { .. }
        | StartError::Target { .. }
        | StartError::Forge { .. }
        | StartError::BreakGlass { .. }
        | StartError::Hooks(_)
        | StartError::Shown(_)
        | StartError::Traces(_) => false,
    };
    let trouble = Trouble::chain(error).lasting(lasting);
    match error {
        StartError::Store(error) if error.kind == StoreErrorKind::Newer => {
            trouble.hint("install the newer trueup again, or restore the backup of before the upgrade")
        }
        StartError::Trail(error) => of_trail(error, trouble),
        _ => trouble,
    }
}

/// Says how a person goes on who restored a backup on purpose.
fn of_trail(error: &TrailError, mut trouble: Trouble) -> Trouble {
    if matches!(error, TrailError::Store(_)) {
        return trouble;
    }
    trouble.message = format!("{} ({})", trouble.message, error.code());
    trouble.hint(
        "find out why before anything else. If a backup was restored on purpose, or the key is lost for good, \
         `trueup audit accept --reason TEXT` lets the next start go on, and that is recorded",
    )
}

async fn reload_on(hangup: Arc<Notify>, agent: Agent) {
    loop {
        hangup.notified().await;
        service::reloading();
        service::patiently(agent.reload()).await;
        service::ready(&agent.summary());
    }
}
