//! Plans what people propose at the Git host: for each open pull request, what merging it would change.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Agent;
use super::commands::{Asked, Command, ask};
use crate::audit::{self, Appended, Filter, Kind};
use crate::config;
use crate::forge::{Fate, Forge, ForgeError, ForgeErrorKind, NotPlanned, Proposed, Pull, Status};
use crate::model::{Digest, Name, Outcome, Pace, Revision, chain, event};
use crate::source::{Head, Merge, Shared, SourceError, SourceErrorKind};
use crate::store::StoreError;
use crate::sync::{Proposal, Refusal};

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

/// Kinds of records after which a plan may be another one.
const MOVING: [Kind; 4] = [Kind::Closed, Kind::Observed, Kind::Act, Kind::BreakGlass];

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

/// What is known between two rounds; a restart plans all anew, and writes only what is another.
struct Rounds {
    seen: BTreeMap<u64, Seen>,
    /// How often something was recorded of each application.
    moved: BTreeMap<Name, u64>,
    /// Up to where the trail was read.
    read: u64,
    /// Whose account the token is.
    login: Option<String>,
    /// A pull request was told of that cannot be had yet.
    again: bool,
    /// How often in a row that was so.
    waited: u32,
    /// At which heads the host does not give what it tells of, and how often in a row that was so.
    pending: BTreeMap<u64, (Revision, u32)>,
    /// What the log was last told of those that are not planned: how many are left out, and how many are odd.
    told: (usize, usize),
    /// The last round did not come to its end: nothing is asked of the host before its time.
    down: bool,
}

/// Why it cannot be told yet what would come of one.
enum NotYet {
    /// The Git server does not give it at the commit that the host tells of.
    Pending,
    /// An application is being stopped.
    Stopping,
}

/// What a pull request was planned from.
struct Seen {
    from: Basis,
    /// How often something was recorded of each application that it touches.
    touched: BTreeMap<Name, u64>,
    comment: Option<(u64, String)>,
    /// When it is planned anew though nothing has moved.
    until: Instant,
}

#[derive(Clone, PartialEq, Eq)]
struct Basis {
    head: Revision,
    onto: Revision,
    /// What judges, and what is kept true.
    declared: Digest,
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
        let mut rounds = Rounds {
            seen: BTreeMap::new(),
            moved: BTreeMap::new(),
            read,
            login: None,
            again: false,
            waited: 0,
            pending: BTreeMap::new(),
            told: (0, 0),
            down: false,
        };
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

    /// Returns what merging it would come to.
    async fn fate(&self, present: &Present, pull: &Pull) -> Result<Fate, NotYet> {
        if pull.is_from_fork() && !self.about.forks {
            return Ok(Fate::Fork);
        }
        let source = present.source.source();
        let head = match source.resolve(&format!("refs/pull/{}/head", pull.number)).await {
            Ok(head) if head.revision != pull.head.sha => return Err(NotYet::Pending),
            Ok(head) => head,
            Err(error) if error.kind == SourceErrorKind::RevisionMissing => return Err(NotYet::Pending),
            Err(error) => return Ok(Fate::NotRead(not_read(&error))),
        };
        let (onto, found) = (&present.onto.revision, &head.revision);
        let merged = match source.merge(onto, found).await {
            Ok(Merge::Clean(after)) => source.tree(onto).await.map(|before| (before, after)),
            Ok(Merge::Conflict(paths)) => return Ok(Fate::Conflict(paths)),
            Ok(Merge::Unrelated) => return Ok(Fate::NotMerged("it has no history in common with the branch")),
            Ok(Merge::Crossed) => {
                return Ok(Fate::NotMerged("both were merged into each other; merge the branch into it once more"));
            }
            Ok(Merge::Tangled) => {
                let why = "its history and the branch's are too much entangled; rebase it onto the branch";
                return Ok(Fate::NotMerged(why));
            }
            Err(error) => Err(error),
        };
        let (before, after) = match merged {
            Ok(trees) => trees,
            Err(error) => return Ok(Fate::NotRead(not_read(&error))),
        };
        let proposal = Arc::new(Proposal { head, onto: present.onto.clone(), before, after });
        let mut plans = vec![];
        // One after the other: whoever syncs comes first.
        for (name, commands) in &present.applications {
            let planned =
                ask(commands, |reply| Command::Propose(proposal.clone(), reply)).await.map_err(|_| NotYet::Stopping)?;
            match planned {
                Ok(None) => {}
                Ok(Some(view)) => plans.push((name.clone(), Ok(view))),
                Err(refusal) if refusal.outcome == Outcome::Stopped => return Err(NotYet::Stopping),
                Err(refusal) => plans.push((name.clone(), Err(not_planned(&refusal)))),
            }
        }
        // Where none is touched, none has asked for signatures.
        if plans.is_empty() {
            let now = self.agent.inner.clock.now();
            if let Err(error) = source.verify(&proposal.head, Some(&proposal.onto.revision), now).await {
                return Ok(Fate::NotRead(not_read(&error)));
            }
        }
        Ok(Fate::Planned(plans))
    }

    /// Shows what came of it, where that is another than is shown already. Returns the comment and what it says.
    async fn show(
        &self,
        rounds: &mut Rounds,
        pull: &Pull,
        proposed: &Proposed,
        known: Option<(u64, String)>,
    ) -> Result<Option<(u64, String)>, ForgeError> {
        let redactor = self.agent.inner.masks.get();
        let (state, description) = proposed.state();
        let status = Status::new(format!("{}/plan", self.about.context), state, &description, &redactor);
        let head = &pull.head.sha;
        if !self.forge.statuses(head).await?.contains(&status) {
            self.forge.set_status(head, &status).await?;
        }
        // Two daemons of one repository have two names for what they say.
        let marker = format!("<!-- {}/plan -->", self.about.context);
        let text = proposed.comment(&marker, &redactor);
        let there = match known {
            Some(known) => Some(known),
            None => self.comment(rounds, pull.number, &marker).await?,
        };
        match there {
            Some((id, said)) if said == text => Ok(Some((id, said))),
            Some((id, _)) => match self.forge.edit_comment(id, &text).await {
                Ok(()) => Ok(Some((id, text))),
                // Somebody removed it: it is written anew.
                Err(error) if error.kind == ForgeErrorKind::Missing => {
                    self.forge.comment(pull.number, &text).await.map(|comment| Some((comment.id, text)))
                }
                Err(error) => Err(error),
            },
            None if proposed.is_silent() => Ok(None),
            None => self.forge.comment(pull.number, &text).await.map(|comment| Some((comment.id, text))),
        }
    }

    /// Returns our own comment: by its author, and by the line that it begins with. Either alone could be anybody's.
    async fn comment(&self, rounds: &mut Rounds, pull: u64, marker: &str) -> Result<Option<(u64, String)>, ForgeError> {
        let login = match &rounds.login {
            Some(login) => login.clone(),
            None => rounds.login.insert(self.forge.login().await?).clone(),
        };
        let mut comments = self.forge.comments(pull).await?.into_iter();
        let own = comments.find(|comment| comment.is_by(&login) && comment.body.starts_with(marker));
        Ok(own.map(|comment| (comment.id, comment.body)))
    }

    fn say(&self, error: &ForgeError) {
        let (event, repository, code) = (event::FORGE_FAILED.name, &self.repository, error.kind.code());
        tracing::warn!(event, %repository, code, "pull requests are not planned for now: {error}");
    }
}

impl Rounds {
    /// Counts that one is not given yet. Returns whether it was so for so long that it has to be said.
    fn waits_in_vain(&mut self, pull: &Pull) -> bool {
        let (head, times) = self.pending.entry(pull.number).or_insert_with(|| (pull.head.sha.clone(), 0));
        if *head != pull.head.sha {
            (*head, *times) = (pull.head.sha.clone(), 0);
        }
        *times = times.saturating_add(1);
        *times > PATIENCE
    }

    /// Takes note of what was recorded since the last look. Returns whether it may change a plan that is shown.
    async fn note(&mut self, agent: &Agent) -> Result<bool, StoreError> {
        let newest = audit::head(&agent.inner.store).await?.size;
        let filter = Filter {
            kinds: MOVING.to_vec(),
            after: Some(self.read),
            before: Some(newest + 1),
            limit: u32::MAX,
            ..Filter::default()
        };
        let mut moved = false;
        for (_, record) in audit::each(&agent.inner.store, &filter).await? {
            let application = record.ok().and_then(|record| record.application);
            let concerned: Vec<Name> = match application {
                Some(application) => vec![application],
                // It may concern any.
                None => self.seen.values().flat_map(|seen| seen.touched.keys().cloned()).collect(),
            };
            for name in concerned {
                moved |= self.seen.values().any(|seen| seen.touched.contains_key(&name));
                *self.moved.entry(name).or_default() += 1;
            }
        }
        self.read = newest;
        Ok(moved)
    }
}

impl Seen {
    /// Whether all that it was planned from is as it was.
    fn holds(&self, from: &Basis, moved: &BTreeMap<Name, u64>) -> bool {
        let still = |(name, count): (&Name, &u64)| moved.get(name).copied().unwrap_or(0) == *count;
        self.from == *from && self.touched.iter().all(still) && Instant::now() < self.until
    }
}

fn not_read(error: &SourceError) -> NotPlanned {
    let passing =
        matches!(error.kind, SourceErrorKind::Unreachable | SourceErrorKind::TimedOut | SourceErrorKind::Mirror);
    NotPlanned { code: error.kind.code().into(), message: chain(error), passing }
}

fn not_planned(refusal: &Refusal) -> NotPlanned {
    let passing = refusal.outcome != Outcome::Refused
        || [SourceErrorKind::Unreachable, SourceErrorKind::TimedOut].iter().any(|kind| kind.code() == refusal.code);
    NotPlanned { code: refusal.code.clone(), message: refusal.full_message(), passing }
}
