use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::Agent;
use super::hooks::Known;
use super::shown::Looks;
use crate::audit::{Body, Counts};
use crate::config::{Config, Daemon};
use crate::execute::{Reason, closed_body};
use crate::model::{Mistake, Outcome, Place, chain, event};

/// Editors write, rename and touch; all of it is one change.
const GATHER: Duration = Duration::from_millis(200);

impl Agent {
    /// Takes the configuration as it is now. A bad one leaves the old one running, and `status` shows its mistakes.
    pub async fn reload(&self) {
        let _one = self.inner.reloading.lock().await;
        let path = self.inner.configuration.clone();
        let mistakes = match Config::load(&path) {
            Ok(loaded) => self.take(loaded.config).await,
            Err(mistakes) => mistakes,
        };
        let before = {
            let mut rejected = self.inner.rejected.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *rejected, mistakes.clone())
        };
        if mistakes.is_empty() || before == mistakes {
            return;
        }
        for mistake in &mistakes {
            let (place, hint) = (mistake.place.to_string(), mistake.hint.as_deref());
            let (event, code) = (event::CONFIGURATION_REFUSED.name, mistake.code.as_str());
            let message = &mistake.message;
            tracing::warn!(event, place, code, hint, "the new configuration is not taken, the old one runs: {message}");
        }
        if let Err(error) = self.tell("configuration", refusal(&mistakes)).await {
            tracing::error!(error = %chain(&error), "could not write to the trail");
        }
    }

    async fn take(&self, config: Config) -> Vec<Mistake> {
        let heard = match Known::read(&config) {
            Ok(heard) => heard,
            Err(error) => return vec![self.mistake(chain(&error))],
        };
        let looks = match Looks::read(&config) {
            Ok(looks) => looks,
            Err(error) => return vec![self.mistake(chain(&error))],
        };
        {
            let estate = self.inner.estate.lock().await;
            let (old, new) = (&estate.machine.daemon, &config.daemon);
            let fixed = |daemon: &Daemon| {
                let Daemon { data, socket, group, trail, hooks, api, telemetry, .. } = daemon.clone();
                (data, socket, group, trail, hooks.map(|hooks| hooks.listen), api.map(|api| api.listen), telemetry)
            };
            if old != new && fixed(old) != fixed(new) {
                let message = "data, socket, group, trail, hooks.listen, api.listen and telemetry of the Daemon document \
                               take a restart";
                return vec![self.mistake(message.into())];
            }
            let pushed_to = |config: &Config| {
                let git = config.daemon.trail.publish.git.as_ref()?;
                config.repositories.get(&git.repository).cloned()
            };
            if pushed_to(&estate.machine) != pushed_to(&config) {
                return vec![self.mistake("the repository that checkpoints are pushed to takes a restart".into())];
            }
            if estate.machine == config {
                drop(estate);
                // The files that it names may be others.
                self.hear(heard, looks).await;
                return vec![];
            }
        }
        match Box::pin(self.settle(config)).await {
            Ok(()) => {
                self.hear(heard, looks).await;
                tracing::info!(event = event::CONFIGURATION_TAKEN.name, "the new configuration is taken");
                vec![]
            }
            Err(error) => vec![self.mistake(chain(&error))],
        }
    }

    fn mistake(&self, message: String) -> Mistake {
        let file = self.inner.configuration.display().to_string().into();
        Mistake { code: "config.not-taken".into(), place: Place { file, line: 0, column: 0 }, message, hint: None }
    }

    /// Reloads whenever the configuration's file or folder changes, until the daemon stops.
    pub fn follow_configuration(&self) {
        let agent = self.clone();
        self.inner.tasks.spawn(async move {
            let changed = Arc::new(Notify::new());
            let Some(_watcher) = watch(&agent.inner.configuration, changed.clone()) else { return };
            loop {
                tokio::select! {
                    () = changed.notified() => {} // a permit that is not taken stays
                    () = agent.inner.stop.cancelled() => return, // level-triggered
                }
                sleep(GATHER).await;
                agent.reload().await;
            }
        });
    }
}

/// Returns what the trail says of a configuration that was not taken.
pub(super) fn refusal(mistakes: &[Mistake]) -> Body {
    let same = mistakes.windows(2).all(|pair| pair[0].code == pair[1].code);
    let code = mistakes.first().filter(|_| same).map_or("config.invalid", |first| first.code.as_str());
    let message = mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let reason = Reason { code: Some(code.into()), message: Some(message) };
    Body::Closed(closed_body(Outcome::Refused, reason, Counts::default(), None))
}

/// Watches the folder that a file lies in: editors replace files, and a watch of the file would stay with the old one.
fn watch(path: &Path, changed: Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let (folder, name) =
        if path.is_dir() { (path, None) } else { (path.parent()?, path.file_name().map(ToOwned::to_owned)) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let ours = |path: &std::path::PathBuf| name.is_none() || path.file_name() == name.as_deref();
        if !event.kind.is_access() && event.paths.iter().any(ours) {
            changed.notify_one();
        }
    });
    watcher
        .and_then(|mut watcher| watcher.watch(folder, RecursiveMode::NonRecursive).map(|()| watcher))
        .inspect_err(|error| tracing::warn!(%error, "could not watch the configuration; reload it with SIGHUP"))
        .ok()
}
