//! What the guards may know of a plan, and what they say of it.

use std::time::Duration;

use super::Refusal;
use super::candidate::{Candidate, Holds};
use super::draft::Purpose;
use super::subject::Subject;
use crate::model::{Action, Complete, Outcome, Plan, Revision, Time, Verdict, host};
use crate::plan::Planned;
use crate::policy::{self, Bounds, Commits, Facts, Rules};
use crate::source::{Relation, SourceError};
use crate::store::{Applied, Approval, LONGEST_BUDGET, LeftOut, StoreError};

/// What judging may take. Each expression is bounded; this is for all of them over all steps.
const JUDGEMENT: Duration = Duration::from_secs(30);

/// A verdict, and what carrying out the plan will use up.
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    /// The approvals that let it through.
    pub(super) approvals: Vec<Approval>,
    /// How many objects it deletes though nobody said so.
    pub(super) deletes: u64,
    /// What must still hold when it begins.
    pub(super) bounds: Bounds,
    pub(super) rules: Rules,
    /// What it was judged by.
    pub(super) facts: Box<Facts>,
}

impl Subject {
    pub(super) async fn facts(
        &self,
        purpose: &Purpose,
        complete: &Complete,
        planned: &Planned,
    ) -> Result<Facts, Refusal> {
        let repository = self.origin.application.source.repository.clone();
        let mut facts = Facts {
            rendered: complete.objects.keys().filter(|id| !host::is_run(id)).count(),
            automatic: self.policy.automatic,
            protected: planned.protected.clone(),
            left_out: planned.left_out.clone(),
            labels: self.labels.clone(),
            reference: self.reference(purpose),
            ..Facts::of(self.name.clone(), self.target_name.clone(), repository, self.clock.now())
        };
        match purpose {
            Purpose::Forward(candidate) => {
                facts.forward = true;
                facts.missing_paths.clone_from(&candidate.missing);
                facts.drift = Some(self.policy.drift);
                facts.asked.clone_from(&candidate.asked);
                let known = self.memory.state.known.as_ref().filter(|known| known.revision == candidate.revision);
                facts.first_seen = known.map(|known| known.at);
                if !planned.plan.steps.is_empty() {
                    facts.relation = self.relation(candidate).await.map_err(|error| Refusal::source(&error))?;
                    self.acceptance(candidate, &mut facts).await.map_err(|error| Refusal::source(&error))?;
                }
            }
            // It is what was applied, so that Git is not asked how it stands to itself.
            Purpose::Upgrade(candidate) => {
                facts.missing_paths.clone_from(&candidate.missing);
                facts.drift = Some(self.policy.drift);
                if !planned.plan.steps.is_empty() {
                    self.acceptance(candidate, &mut facts).await.map_err(|error| Refusal::source(&error))?;
                }
            }
            Purpose::Keep => facts.drift = Some(self.policy.drift),
            Purpose::Destroy => facts.destroys = true,
            // What a failed sync changed was changed by us: taking it back is no drift, and waits for nobody.
            Purpose::RollBack { created, .. } => {
                facts.takes_back = true;
                facts.automatic = true;
                facts.uncounted.clone_from(created);
            }
        }
        Ok(facts)
    }

    /// Returns how the candidate stands to what was last applied; `None` where the ref, the pin or the URL was changed in the
    /// configuration, which is a person's word and no rewind.
    async fn relation(&self, candidate: &Candidate) -> Result<Option<Relation>, SourceError> {
        let Some(applied) = &self.memory.state.applied else { return Ok(None) };
        if candidate.asked.is_some() || !follows_same(applied, candidate) {
            return Ok(None);
        }
        let (from, to): (&Revision, &Revision) = (&applied.revision, candidate.joins());
        self.origin.source.source().relation(from, to).await.map(Some)
    }

    /// Adds whose word the machine takes for changes of what judges, where this is what judges.
    async fn acceptance(&self, candidate: &Candidate, facts: &mut Facts) -> Result<(), SourceError> {
        let Holds::Declarations(machine) = &self.origin.holds else { return Ok(()) };
        let Some(from_git) = &machine.daemon.declarations else { return Ok(()) };
        let accept = &from_git.accept;
        facts.acceptors = accept.people.iter().cloned().collect();
        facts.accepted_signer = candidate.signer.as_ref().is_some_and(|signer| accept.takes(&signer.ids));
        let accepted = self.memory.state.accepted.as_ref();
        if let Some(accepted) = accepted.filter(|one| one.reference == candidate.reference && one.url == candidate.url)
        {
            facts.since_accepted = Some(match candidate.asked {
                // Git may not tell, and it is no step forward.
                Some(_) if accepted.revision != candidate.revision => Relation::Behind,
                Some(_) => Relation::Same,
                None => self.origin.source.source().relation(&accepted.revision, candidate.joins()).await?,
            });
        }
        Ok(())
    }

    pub(super) async fn judge(
        &self,
        purpose: &Purpose,
        planned: &Planned,
        mut facts: Facts,
    ) -> Result<Judged, Refusal> {
        // A plan without a step is not asked about: a steady round asks the store nothing.
        if !planned.plan.steps.is_empty() {
            self.people(planned, &mut facts).await.map_err(|error| Refusal::store(&error))?;
        }
        let rules = self.rules.get();
        if !planned.plan.steps.is_empty() && rules.asks_for_commits(&facts) {
            facts.commits = self.commits(purpose, &planned.plan, facts.now).await?;
        }
        let verdict = self.verdict(&planned.plan, rules.clone(), facts.clone()).await?;
        let attended = verdict.findings.iter().any(|finding| finding.passed && finding.forced_by.is_none());
        let approvals = if attended { facts.approvals.clone() } else { vec![] };
        let deletes = if attended || facts.takes_back { 0 } else { planned.plan.count(Action::Delete) as u64 };
        let bounds = policy::bounds(&planned.plan, &rules, &facts, attended);
        let bounds = Bounds { among: self.neighbours.active(), ..bounds };
        Ok(Judged { verdict, approvals, deletes, bounds, rules, facts: Box::new(facts) })
    }

    /// Judges where it may take long: expressions are bounded, and there may be many steps to ask them about.
    async fn verdict(&self, plan: &Plan, rules: Rules, facts: Facts) -> Result<Verdict, Refusal> {
        if plan.steps.is_empty() || rules.names().next().is_none() {
            return Ok(policy::judge(plan, &rules, &facts));
        }
        let plan = plan.clone();
        let judged = tokio::task::spawn_blocking(move || policy::judge(&plan, &rules, &facts));
        match tokio::time::timeout(JUDGEMENT, judged).await {
            Ok(judged) => judged.map_err(|error| Refusal::broken("judgement", &error)),
            Err(_) => {
                Err(Refusal::new(Outcome::Refused, "policy.timed-out", "the policies took too long to judge the plan"))
            }
        }
    }

    /// Returns what is new in Git since what was last applied; since before that, where the plan brings what was left out then.
    async fn commits(&self, purpose: &Purpose, plan: &Plan, now: Time) -> Result<Commits, Refusal> {
        let state = &self.memory.state;
        let applied = state.applied.as_ref().map(|applied| &applied.revision);
        let brings = |left: &&LeftOut| plan.steps.iter().any(|step| left.objects.contains(&step.id));
        let late = state.left_out.as_ref().filter(brings);
        let from = late.map_or(applied, |left| left.since.as_ref());
        let to = match (purpose, applied) {
            // It was live before: there is nothing new in Git.
            (Purpose::Forward(candidate), _) if candidate.asked.is_some() => return Ok(Commits::None),
            (Purpose::Forward(candidate), _) => &candidate.revision,
            (Purpose::Keep | Purpose::Upgrade(_), Some(applied)) if late.is_some() => applied,
            _ => return Ok(Commits::None),
        };
        let source = self.origin.source.source();
        let mut news = source.news(from, to, now).await.map_err(|error| Refusal::source(&error))?;
        if let Purpose::Forward(Candidate { onto: Some(onto), .. }) = purpose {
            // A merge brings what waits there as well.
            let there = source.news(from, onto, now).await.map_err(|error| Refusal::source(&error))?;
            news = news.zip(there).map(|(mut news, there)| {
                let more =
                    there.into_iter().filter(|commit| news.iter().all(|known| known.revision != commit.revision));
                let more: Vec<_> = more.collect();
                news.extend(more);
                news
            });
        }
        Ok(match news {
            None => Commits::Unknown,
            Some(none) if none.is_empty() => Commits::None,
            Some(commits) => Commits::New(commits),
        })
    }

    /// Returns the ref that a plan comes from.
    fn reference(&self, purpose: &Purpose) -> String {
        match (purpose, &self.memory.state.applied) {
            (Purpose::Forward(candidate), _) => candidate.reference.clone(),
            (_, Some(applied)) => applied.reference.clone(),
            (_, None) => String::new(),
        }
    }

    /// Adds what people said, and what the rest of the daemon does.
    async fn people(&self, planned: &Planned, facts: &mut Facts) -> Result<(), StoreError> {
        facts.approvals = self.store.approvals(&planned.plan.id, facts.now).await?;
        facts.rejection = self.store.rejection(&planned.plan.id).await?;
        facts.spent = self.store.spent(facts.now.plus_seconds(-LONGEST_BUDGET)).await?;
        let (running, active) = (self.store.running().await?, self.neighbours.active());
        facts.running = running.into_iter().filter(|name| *name != self.name && active.contains(name)).collect();
        facts.break_glass = self.glasses.in_force(&self.name, facts.now, &self.clock.boot());
        Ok(())
    }
}

fn follows_same(applied: &Applied, candidate: &Candidate) -> bool {
    applied.reference == candidate.reference && applied.url == candidate.url
}
