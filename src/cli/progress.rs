use std::future::Future;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Whoever waits longer than this wants to know that something goes on.
const PATIENCE: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(100);

/// Waits for `work`; on a terminal, and only when it takes long, a line on stderr says for what.
pub(super) async fn waiting<T>(words: &str, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    tokio::pin!(work);
    // The work goes on where it was when the timer wins.
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(PATIENCE) => {}
    }
    let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    let line = ProgressBar::new_spinner().with_style(style).with_message(words.to_owned()).with_elapsed(PATIENCE);
    line.enable_steady_tick(TURN);
    let done = work.await;
    line.finish_and_clear();
    done
}
