//! What merging a pull request would come to.

use std::sync::Arc;

use super::{Planner, Present};
use crate::agent::commands::{Command, ask};
use crate::forge::{Fate, NotPlanned, Pull};
use crate::model::{Outcome, chain};
use crate::source::{Merge, SourceError, SourceErrorKind};
use crate::sync::{Proposal, Refusal};

/// Why it cannot be told yet what would come of one.
pub(super) enum NotYet {
    /// The Git server does not give it at the commit that the host tells of.
    Pending,
    /// An application is being stopped.
    Stopping,
}

impl Planner {
    /// Returns what merging it would come to.
    pub(super) async fn fate(&self, present: &Present, pull: &Pull) -> Result<Fate, NotYet> {
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
