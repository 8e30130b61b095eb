//! `trueup demo`: the whole story on this machine, in a scratch folder, with nothing to set up. Real Git, a real daemon, real
//! files, a real `kill -9`; each line is checked against what is there, and one that is not true ends the demo.

mod daemon;
mod fixtures;
mod freeze;
mod git;
mod mishaps;
mod proof;
mod stage;
mod story;
mod tamper;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stage::Stage;
use tokio::signal::unix::{SignalKind, signal};

use super::args::Demo;
use super::screen::Screen;
use super::trouble::Trouble;
use super::{Exit, runtime};

/// Why the story ends before its end.
#[derive(Debug, thiserror::Error)]
enum Ended {
    /// A line of the story is not true: what was expected, and what there was.
    #[error("{0}")]
    Untrue(String),
    #[error("could not {doing}")]
    Failed {
        doing: String,
        #[source]
        source: std::io::Error,
    },
    #[error("interrupted")]
    Interrupted,
}

type Told<T> = Result<T, Ended>;

/// Tells the story. A signal ends it between two looks; everything that was started is ended, and the scratch folder goes.
pub(super) fn demo(args: &Demo, screen: Screen) -> Result<Exit, Trouble> {
    let stop = Arc::new(AtomicBool::new(false));
    let teller = { (Arc::clone(&stop), args.keep) };
    runtime()?.block_on(async move {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| Trouble::chain(&error))?;
        let mut terminate = signal(SignalKind::terminate()).map_err(|error| Trouble::chain(&error))?;
        let told = tokio::task::spawn_blocking(move || tell(teller.0, teller.1, screen));
        tokio::pin!(told);
        loop {
            // Losing a signal that comes while another is handled loses nothing; the story is never dropped.
            tokio::select! {
                done = &mut told => return done.map_err(|error| Trouble::chain(&error))?,
                _ = interrupt.recv() => stop.store(true, Ordering::Release),
                _ = terminate.recv() => stop.store(true, Ordering::Release),
            }
        }
    })
}

fn tell(stop: Arc<AtomicBool>, keep: bool, screen: Screen) -> Result<Exit, Trouble> {
    let mut stage = Stage::set(stop, screen).map_err(|ended| Trouble::chain(&ended))?;
    let told = story::tell(&mut stage).and_then(|()| if keep { stage.keep() } else { Ok(()) });
    match told {
        Ok(()) => Ok(Exit::Done),
        Err(Ended::Interrupted) => Err(Trouble::new("interrupted; everything that was started is ended")),
        Err(ended) => {
            let log = stage.end_of_log();
            screen.text(&format!("  NOT TRUE: {}\n", super::show::printable(&crate::model::chain(&ended))))?;
            screen.say(&format!("\nthe last lines of the daemon's log:\n{log}"));
            Ok(Exit::Differs)
        }
    }
}

/// Returns an error that tells what was being done.
fn failed(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Ended {
    move |source| Ended::Failed { doing: doing.into(), source }
}

fn untrue<T>(what: impl Into<String>) -> Told<T> {
    Err(Ended::Untrue(what.into()))
}

/// Returns an error unless what was expected is so.
fn expect(so: bool, what: impl FnOnce() -> String) -> Told<()> {
    if so { Ok(()) } else { Err(Ended::Untrue(what())) }
}

/// Programs lie on either path; which of them is a link differs from machine to machine.
fn spellings(program: &str) -> [PathBuf; 2] {
    [PathBuf::from("/usr/bin").join(program), PathBuf::from("/bin").join(program)]
}
