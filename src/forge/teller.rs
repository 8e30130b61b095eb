//! Shows on each commit how every application fares: one more reader of the trail, as `notify` is.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::client::Forge;
use super::error::{ForgeError, ForgeErrorKind};
use super::host::Status;
use super::tale::{KINDS, Told, tale};
use crate::audit::{self, Appended, Filter, Masks};
use crate::model::{Name, Pace, chain, event};
use crate::store::{SinkState, Store, StoreError};

/// How soon a host is told again that was not to be had, at first; and at last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(15);

/// How soon the store is asked again that failed.
const STORE_RETRY: Duration = Duration::from_secs(10);

/// So many records are looked at together: of many states of one commit only the last is told.
const PAGE: u32 = 500;

/// The task of one repository: tells its Git host what the trail says of its commits.
pub struct Teller {
    /// How the store knows it: see [`Teller::place`].
    place: String,
    repository: Name,
    forge: Forge,
    context: String,
    /// Where people reach the daemon.
    url: Option<String>,
    /// The applications that come from the repository.
    applications: BTreeSet<Name>,
    store: Store,
    masks: Masks,
}

impl Teller {
    /// Returns the name under which the store keeps how far the host of a repository was told. No notification has it.
    #[must_use]
    pub fn place(repository: &Name) -> String {
        format!("forge/{repository}")
    }

    #[must_use]
    pub fn new(
        repository: Name,
        (forge, context, url): (Forge, String, Option<String>),
        applications: BTreeSet<Name>,
        (store, masks): (Store, Masks),
    ) -> Self {
        Self { place: Self::place(&repository), repository, forge, context, url, applications, store, masks }
    }

    /// Tells what is recorded, from where it was left, until it is stopped. Nothing is lost while the host, or the daemon, is
    /// down: how far it was told is written down after it has taken what there was.
    pub async fn run(self, stop: CancellationToken) {
        // Before anything is read: what comes meanwhile rings.
        let mut appended = Appended::to(&self.store);
        let mut pace = Pace::new(self.store.key(), self.place.clone()).up_to(LONGEST_RETRY);
        let (mut failures, mut said) = (0, None);
        while !stop.is_cancelled() {
            let turned = tokio::select! {
                turned = self.turn(&stop) => turned, // what is cut off is found out about, and told again if need be
                () = stop.cancelled() => return, // level-triggered
            };
            let wait = match turned {
                Ok(Ok(())) => {
                    (failures, said) = (0, None);
                    None
                }
                Ok(Err(error)) => {
                    failures += 1;
                    if said != Some(error.kind) {
                        self.say(&error);
                    }
                    said = Some(error.kind);
                    Some(pace.back_off(FIRST_RETRY, failures).max(error.wait.unwrap_or_default()))
                }
                Err(error) => {
                    let (repository, error) = (&self.repository, chain(&error));
                    tracing::warn!(%repository, error, "could not read or write how far the Git host was told");
                    Some(STORE_RETRY)
                }
            };
            tokio::select! {
                _ = appended.next(), if wait.is_none() => {} // a ring that is not heard stays
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {} // a timer holds no data
                () = stop.cancelled() => {} // level-triggered
            }
        }
    }

    /// Tells what is new, in the order of the trail.
    async fn turn(&self, stop: &CancellationToken) -> Result<Result<(), ForgeError>, StoreError> {
        let newest = audit::head(&self.store).await?.size;
        let mut state = match self.store.sink(&self.place).await? {
            Some(state) => state,
            // It was swept while it was declared no more, and has just come back.
            None => SinkState { seq: newest, ..SinkState::default() },
        };
        while state.seq < newest && !stop.is_cancelled() {
            let filter = Filter {
                kinds: KINDS.to_vec(),
                after: Some(state.seq),
                before: Some(newest + 1),
                limit: PAGE,
                ..Filter::default()
            };
            let page = audit::each(&self.store, &filter).await?;
            let reached = page.last().filter(|_| page.len() == PAGE as usize).map_or(newest, |(seq, _)| *seq);
            let mut all = vec![];
            for (_, record) in page {
                // One that is damaged hides no other.
                let Ok(record) = record else { continue };
                if record.application.as_ref().is_some_and(|name| self.applications.contains(name)) {
                    all.extend(tale(&self.store, &record).await?);
                }
            }
            for told in last_of_each(all) {
                if let Err(error) = self.tell(&told).await {
                    if error.kind.lasts() {
                        return Ok(Err(error));
                    }
                    // Where the repository is not to be seen, or that cannot be told, it says nothing of the commit.
                    if error.kind == ForgeErrorKind::Missing {
                        match self.forge.is_there().await {
                            Ok(true) => {}
                            Ok(false) => return Ok(Err(error)),
                            Err(why) => return Ok(Err(why)),
                        }
                    }
                    // What it would not have, such as a commit that is gone there, stands in nobody's way.
                    let (commit, app) = (told.commit.short(), &told.application);
                    let (event, repository) = (event::FORGE_REFUSED.name, &self.repository);
                    tracing::warn!(event, %repository, %app, commit, code = error.kind.code(), "the Git host did not take a status: {error}");
                }
            }
            state.seq = reached;
            let mut tx = self.store.write().await?;
            tx.put_sink(&self.place, &state).await?;
            tx.commit().await?;
        }
        Ok(Ok(()))
    }

    /// Puts a status on its commit, unless it is there: an answer may have been lost, or the daemon killed before it wrote down
    /// how far it had come.
    async fn tell(&self, told: &Told) -> Result<(), ForgeError> {
        let context = format!("{}/{}", self.context, told.application);
        let status = Status::new(context, told.state, &told.description, &self.masks.get());
        let status = Status { target_url: self.link(&told.application), ..status };
        let there = self.forge.statuses(&told.commit).await?;
        if there.contains(&status) {
            return Ok(());
        }
        self.forge.set_status(&told.commit, &status).await
    }

    /// Returns where the plan of an application is shown; nowhere, where it is not said how people reach the daemon.
    fn link(&self, application: &Name) -> String {
        let url = self.url.as_deref().map(|url| url.trim_end_matches('/'));
        url.map_or_else(String::new, |url| format!("{url}/v1/applications/{application}/plan"))
    }

    fn say(&self, error: &ForgeError) {
        let (event, repository, code) = (event::FORGE_FAILED.name, &self.repository, error.kind.code());
        tracing::warn!(event, %repository, code, "the Git host was not told what became of commits: {error}");
    }
}

/// Returns what is said last of each application at each commit, in the order in which it was said.
fn last_of_each(all: Vec<Told>) -> Vec<Told> {
    let mut kept: Vec<Told> = vec![];
    for told in all {
        kept.retain(|known| (&known.application, &known.commit) != (&told.application, &told.commit));
        kept.push(told);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::host::State;
    use super::*;

    #[test]
    fn of_many_states_of_one_commit_the_last_is_told_in_its_turn() {
        let told = |application: &str, digit: &str, state| Told {
            application: application.parse().unwrap(),
            commit: digit.repeat(40).parse().unwrap(),
            state,
            description: String::new(),
        };
        let all = vec![
            told("web", "a", State::Pending),
            told("db", "a", State::Pending),
            told("web", "a", State::Success),
            told("web", "b", State::Pending),
        ];
        assert_eq!(last_of_each(all.clone()), all[1..]);
        assert_eq!(last_of_each(vec![]), []);
    }
}
