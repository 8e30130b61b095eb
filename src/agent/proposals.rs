//! Plans what people propose at the Git host: for each open pull request, what merging it would change.

mod fate;
mod rounds;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use self::fate::NotYet;
use self::rounds::{Basis, Rounds, Seen};
use super::Agent;
use super::commands::Asked;
use crate::audit::{self, Appended};
use crate::config;
use crate::forge::{Fate, Forge, ForgeError, NotPlanned, Proposed, Pull};
use crate::model::{Digest, Name, Pace, chain, event};
use crate::source::{Head, Shared};

/// So many pull requests are planned: those that changed last.
const MOST: usize = 50;

/// What comes together is one round; and however often a bell is rung, there is this between two of them.
const GATHER: Duration = Duration::from_millis(200);
const APART: Duration = Duration::from_secs(2);

/// How soon the host is asked again for what it has told of and does not give yet; and where it is down, at first and at last.
const SOON: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_mins(15);

/// What was told of and is not given for so many times is asked for at the interval.
const PATIENCE: u32 = 15;

/// A host that rings no bell is asked this often at most, and each is planned anew this often at least: policies know the time.
const SOONEST: Duration = Duration::from_secs(10);
const ANEW: Duration = Duration::from_hours(1);

/// What could not be planned for a reason that passes is tried again after this.
const RETRY: Duration = Duration::from_mins(1);

/// The task of one repository: shows each open pull request what merging it would change. It reads, and carries nothing out.
pub(super) struct Planner {
    pub(super) agent: Agent,
    pub(super) repository: Name,
    pub(super) forge: Forge,
    pub(super) about: config::Forge,
    /// The short name of the followed branch.
    pub(super) branch: String,
    pub(super) interval: Duration,
    /// Something was pushed or proposed.
    pub(super) bell: Arc<Notify>,
}

/// What the daemon has at this moment.
struct Present {
    source: Arc<Shared>,
    applications: BTreeMap<Name, Asked>,
    onto: Head,
    declared: Digest,
}

impl Planner {
    pub(super) async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = self.plan() => {} // it holds nothing that is not found again
            () = stop.cancelled() => {} // level-triggered
        }
    }

    async fn plan(&self) {
        let inner = &self.agent.inner;
        let mut appended = Appended::to(&inner.store);
        let mut pace = Pace::new(inner.store.key(), format!("proposals {}", self.repository)).up_to(LONGEST_RETRY);
        let (mut failures, mut said) = (0, None);
        let read = audit::head(&inner.store).await.map_or(0, |head| head.size);
        let mut rounds = Rounds::from(read);
        inner.begun.cancelled().await;
        loop {
            let wait = match self.round(&mut rounds).await {
                Ok(()) => {
                    (failures, said) = (0, None);
                    rounds.waited = if rounds.again { rounds.waited + 1 } else { 0 };
                    let soon = rounds.again && rounds.waited <= PATIENCE;
                    if soon { SOON } else { pace.jitter(self.interval.max(SOONEST)) }
                }
                Err(error) => {
                    failures += 1;
                    if said != Some(error.kind) {
                        self.say(&error);
                    }
                    said = Some(error.kind);
                    let later = pace.back_off(SOON, failures);
                    // What failed of one alone keeps the others no longer than the interval.
                    let later = if rounds.down { later } else { later.min(self.interval.max(SOONEST)) };
                    later.max(error.wait.unwrap_or_default())
                }
            };
            let ended = Instant::now();
            let due = ended + wait;
            loop {
                tokio::select! {
                    () = sleep_until(due) => break, // a timer holds no data
                    () = self.bell.notified(), if !rounds.down => break, // a permit that is not taken stays
                    _ = appended.next() => { // a ring that is not heard stays
                        let moved = rounds.note(&self.agent).await.unwrap_or_else(|error| {
                            tracing::warn!(repository = %self.repository, error = chain(&error), "could not read the trail");
                            false
                        });
                        if moved && !rounds.down {
                            break;
                        }
                    }
                }
            }
            sleep_until((ended + APART).max(Instant::now() + GATHER)).await;
        }
    }

    /// Looks at every open pull request, and plans those of which anything has moved.
    async fn round(&self, rounds: &mut Rounds) -> Result<(), ForgeError> {
        (rounds.again, rounds.down) = (false, false);
        let Some(present) = self.present().await else { return Ok(()) };
        rounds.down = true;
        let pulls = self.pulls(rounds).await?;
        let open: BTreeSet<_> = pulls.iter().map(|pull| pull.number).collect();
        rounds.seen.retain(|number, _| open.contains(number));
        rounds.pending.retain(|number, _| open.contains(number));
        let mut failed = None;
        for pull in pulls {
            let (head, onto) = (pull.head.sha.clone(), present.onto.revision.clone());
            let from = Basis { head, onto, declared: present.declared };
            if rounds.seen.get(&pull.number).is_some_and(|seen| seen.holds(&from, &rounds.moved)) {
                continue;
            }
            match self.one(rounds, &present, &pull, from).await {
                Ok(()) => {}
                Err(error) if error.is_general() => return Err(error),
                // It is tried again, after the others.
                Err(error) if error.kind.lasts() => failed = failed.or(Some(error)),
                // What the host would not have of one stands in no other's way.
                Err(error) => {
                    let (event, code) = (event::FORGE_REFUSED.name, error.kind.code());
                    let (repository, pull) = (&self.repository, pull.number);
                    tracing::warn!(event, %repository, pull, code, "the Git host did not take the plan of a pull request: {error}");
                }
            }
        }
        rounds.down = false;
        failed.map_or(Ok(()), Err)
    }

    /// Returns the open pull requests to the followed branch that are looked at. Those that are not planned take nobody's place.
    async fn pulls(&self, rounds: &mut Rounds) -> Result<Vec<Pull>, ForgeError> {
        let ours = |pull: &Pull| pull.base.name == self.branch;
        let planned = |pull: &Pull| self.about.forks || !pull.is_from_fork();
        let listed = self.forge.pulls(MOST + 1, |pull| ours(pull) && planned(pull)).await?;
        let (mut pulls, mut forks): (Vec<_>, Vec<_>) = listed.found.into_iter().filter(ours).partition(planned);
        let told = (pulls.len().saturating_sub(MOST), listed.odd);
        if told != (0, 0) && (told.0 > 0, told.1) != (rounds.told.0 > 0, rounds.told.1) {
            let (event, repository, odd) = (event::FORGE_REFUSED.name, &self.repository, told.1);
            let more = told.0 > 0;
            tracing::warn!(event, %repository, odd, more, "not every open pull request is planned: the {MOST} that changed last, and none that is odd");
        }
        rounds.told = told;
        pulls.truncate(MOST);
        forks.truncate(MOST);
        pulls.append(&mut forks);
        Ok(pulls)
    }

    async fn present(&self) -> Option<Present> {
        let estate = self.agent.inner.estate.lock().await;
        let source = estate.repositories.get(&self.repository)?.source.clone();
        let onto = source.last()?.head.ok()?;
        let config = &estate.config;
        let kept: Vec<_> = config.applications.iter().map(|(name, one)| (name, &one.labels, &one.spec)).collect();
        let rules: Vec<_> = config.policies.iter().map(|(name, one)| (name, &one.labels, &one.spec)).collect();
        let declared = Digest::of_json("trueup/declared/v1", &(kept, rules, &config.people));
        let ours =
            estate.applications.iter().filter(|(_, kept)| kept.declared.spec.source.repository == self.repository);
        let applications = ours.map(|(name, kept)| (name.clone(), kept.commands.clone())).collect();
        Some(Present { source, applications, onto, declared })
    }

    /// Plans one, and shows it.
    async fn one(&self, rounds: &mut Rounds, present: &Present, pull: &Pull, from: Basis) -> Result<(), ForgeError> {
        // What moves from here on is looked at once more.
        let moved = rounds.moved.clone();
        let fate = match self.fate(present, pull).await {
            Ok(fate) => {
                rounds.pending.remove(&pull.number);
                fate
            }
            Err(NotYet::Pending) if rounds.waits_in_vain(pull) => {
                let (event, repository, number) = (event::FORGE_REFUSED.name, &self.repository, pull.number);
                let message = format!("the Git server does not give refs/pull/{number}/head at {}", from.head.short());
                if rounds.pending.get(&number).is_some_and(|(_, times)| *times == PATIENCE + 1) {
                    tracing::warn!(event, %repository, pull = number, "a pull request is not planned: {message}");
                }
                Fate::NotRead(NotPlanned { code: "forge.head-not-given".into(), message, passing: true })
            }
            Err(NotYet::Pending | NotYet::Stopping) => {
                rounds.again = true;
                return Ok(());
            }
        };
        let touched = match &fate {
            Fate::Planned(plans) => plans.iter().map(|(name, _)| name.clone()).collect(),
            _ => vec![],
        };
        let touched = touched.into_iter().map(|name| (name.clone(), moved.get(&name).copied().unwrap_or(0))).collect();
        let comment = rounds.seen.remove(&pull.number).and_then(|seen| seen.comment);
        let proposed = Proposed { head: from.head.clone(), onto: self.branch.clone(), fate };
        let until = Instant::now() + if proposed.is_passing() { RETRY } else { ANEW };
        rounds.seen.insert(pull.number, Seen { from, touched, comment: None, until });
        let shown = self.show(rounds, pull, &proposed, comment).await;
        match shown {
            Ok(comment) => {
                if let Some(seen) = rounds.seen.get_mut(&pull.number) {
                    seen.comment = comment;
                }
                Ok(())
            }
            Err(error) => {
                if error.kind.lasts() {
                    // Then it was not shown, and is to be.
                    rounds.seen.remove(&pull.number);
                }
                Err(error)
            }
        }
    }

    fn say(&self, error: &ForgeError) {
        let (event, repository, code) = (event::FORGE_FAILED.name, &self.repository, error.kind.code());
        tracing::warn!(event, %repository, code, "pull requests are not planned for now: {error}");
    }
}
