use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::Draft;
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use crate::audit::{self, Body, Counts, Entry, ObservedBody, PlannedBody, QuietBody, StepSummary};
use crate::execute::{Reason, closed_body};
use crate::model::view::SyncReport;
use crate::model::{Actor, Complete, Desired, Digest, Outcome, Revision};
use crate::store::{Held, StoreError, encode_desired};

/// What is told once, and again only when it changes.
struct Tale {
    told: Option<Digest>,
    entries: Vec<Entry>,
    held: Option<Held>,
}

impl Subject {
    /// Returns the report of a sync that ended so, with what is known of the application.
    pub(super) fn report(&self, outcome: Outcome) -> SyncReport {
        SyncReport {
            application: self.name.clone(),
            outcome,
            revision: self.memory.candidate.as_ref().map(|candidate| candidate.revision.clone()),
            plan: None,
            code: None,
            message: None,
            findings: vec![],
            steps: vec![],
            corrective: 0,
            milliseconds: 0,
        }
    }

    /// Offers a plan to people.
    pub(super) async fn hold(&mut self, draft: &Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        let plan = &draft.planned.plan;
        let mut report = self.reasoned(Outcome::Held, draft);
        report.plan = Some(plan.id);
        let told = Digest::of_json("trueup/told/v1", &(Outcome::Held, plan.id, &draft.verdict));
        if self.memory.state.told == Some(told) {
            self.memory.count_quiet(self.clock.now());
            return Ok(report);
        }
        let desired = Digest::of(&encode_desired(&draft.complete()?.objects));
        let held = Held { created: self.clock.now(), prepared: draft.prepared(desired)? };
        let purpose = draft.purpose.stored();
        let (revision, signer) = (purpose.revision().cloned(), purpose.signer());
        let planned = PlannedBody { verdict: draft.verdict.clone(), signer, steps: StepSummary::of(plan) };
        let mut entries = vec![
            self.entry(&ring.actor, revision.clone(), Body::Planned(planned)),
            self.closed(&ring.actor, revision, &report),
        ];
        for entry in &mut entries {
            entry.plan = Some(plan.id);
        }
        self.tell(Tale { told: Some(told), entries, held: Some(held) })
            .await
            .map_err(|error| Refusal::store(&error))?;
        Ok(report)
    }

    /// Says why nothing was planned.
    pub(super) async fn refuse(&mut self, ring: &Ring, refusal: &Refusal) -> SyncReport {
        let mut report = self.report(refusal.outcome).because(&refusal.code, &refusal.full_message());
        // What was refused, not what was last rendered.
        report.revision = refusal.revision.clone().or(report.revision.filter(|_| !refusal.blind));
        let told = refusal.told();
        if self.memory.state.told == Some(told) {
            self.memory.count_quiet(self.clock.now());
            return report;
        }
        let entries = vec![self.closed(&ring.actor, report.revision.clone(), &report)];
        if let Err(error) = self.tell(Tale { told: Some(told), entries, held: None }).await {
            let more = Refusal::store(&error);
            tracing::error!(app = %self.name, code = %more.code, error = %more.message, "could not write to the trail");
            report.message = report.message.map(|message| format!("{message}; {}", more.message));
        }
        report
    }

    /// Says what a plan without steps left out.
    pub(super) async fn left_out(&mut self, draft: &Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        let unknown = draft.verdict.findings.iter().any(|finding| finding.guard == crate::model::Guard::Unknown);
        self.memory.stale |= draft.verdict.findings.iter().any(|finding| finding.guard == crate::model::Guard::Claim);
        let report = self.reasoned(if unknown { Outcome::Degraded } else { Outcome::Held }, draft);
        let told = Digest::of_json("trueup/told/v1", &(report.outcome, &draft.verdict.findings));
        self.tell_once(told, ring, &report, None).await?;
        Ok(report)
    }

    /// Says what drifted, where drift is only reported.
    pub(super) async fn observed(&mut self, draft: &Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        let objects = draft.planned.drifted.clone();
        let message = format!("{} differ from Git and are left as they are", objects.len());
        let report = self.report(Outcome::Degraded).because("drift.reported", &message);
        let told = Digest::of_json("trueup/told/v1", &(report.outcome, &objects));
        self.tell_once(told, ring, &report, Some(Body::Observed(ObservedBody { message, objects }))).await?;
        Ok(report)
    }

    /// Counts a sync that found nothing to do; says so only where something else was said before.
    pub(super) async fn unchanged(&mut self, ring: &Ring) -> Result<SyncReport, Refusal> {
        let report = self.report(Outcome::Unchanged);
        if self.memory.state.told.is_none() {
            self.memory.count_quiet(self.clock.now());
            return Ok(report);
        }
        let entries = vec![self.closed(&ring.actor, report.revision.clone(), &report)];
        self.tell(Tale { told: None, entries, held: None }).await.map_err(|error| Refusal::store(&error))?;
        Ok(report)
    }

    async fn tell_once(
        &mut self,
        told: Digest,
        ring: &Ring,
        report: &SyncReport,
        also: Option<Body>,
    ) -> Result<(), Refusal> {
        if self.memory.state.told == Some(told) {
            self.memory.count_quiet(self.clock.now());
            return Ok(());
        }
        let mut entries: Vec<_> =
            also.into_iter().map(|body| self.entry(&ring.actor, report.revision.clone(), body)).collect();
        entries.push(self.closed(&ring.actor, report.revision.clone(), report));
        self.tell(Tale { told: Some(told), entries, held: None }).await.map_err(|error| Refusal::store(&error))
    }

    async fn tell(&mut self, tale: Tale) -> Result<(), StoreError> {
        let mut state = self.memory.state.clone();
        state.told = tale.told;
        let write = || async {
            let mut tx = self.store.write().await?;
            tx.put_application(&self.name, &state).await?;
            if let Some(held) = &tale.held {
                tx.hold_plan(held).await?;
            }
            audit::append(&mut tx, self.clock.now(), &self.redactor, &tale.entries).await?;
            tx.commit().await
        };
        self.store.insist(write).await?;
        self.memory.state = state;
        self.memory.quiet = None;
        Ok(())
    }

    fn reasoned(&self, outcome: Outcome, draft: &Draft) -> SyncReport {
        let mut report = self.report(outcome);
        report.findings.clone_from(&draft.verdict.findings);
        match draft.verdict.reason() {
            Some(finding) => report.because(finding.guard.code(), &finding.message),
            None => report,
        }
    }

    fn closed(&self, actor: &Actor, revision: Option<Revision>, report: &SyncReport) -> Entry {
        let reason = Reason { code: report.code.clone(), message: report.message.clone() };
        let body = closed_body(report.outcome, reason, Counts::default(), self.memory.quiet);
        self.entry(actor, revision, Body::Closed(body))
    }

    pub(super) fn entry(&self, actor: &Actor, revision: Option<Revision>, body: Body) -> Entry {
        let application = Some(self.name.clone());
        Entry { application, revision, plan: None, sync: None, actor: actor.clone(), body }
    }

    /// Returns what was there before trueup came, where nothing of it was adopted: nothing.
    pub(super) fn nothing(&mut self) -> (Digest, Arc<Desired>) {
        self.memory.kept = None;
        let complete = Complete { objects: BTreeMap::new(), contents: self.store.contents() };
        (Digest::of_json("trueup/nothing/v1", &()), Arc::new(Desired::Objects(complete)))
    }
}

impl SyncReport {
    pub(super) fn because(mut self, code: &str, message: &str) -> Self {
        self.code = Some(code.into());
        self.message = Some(message.into());
        self
    }
}

/// Writes down the syncs that found nothing to do and were only counted: once a day, and before the daemon ends.
///
/// # Errors
/// When the store cannot be written; they stay counted.
pub async fn flush_quiet(subject: &mut Subject) -> Result<(), StoreError> {
    let Some(quiet) = subject.memory.quiet else { return Ok(()) };
    let entry = subject.entry(&Actor::daemon("quiet"), None, Body::Quiet(QuietBody { quiet }));
    let write = || async {
        let mut tx = subject.store.write().await?;
        audit::append(&mut tx, subject.clock.now(), &subject.redactor, std::slice::from_ref(&entry)).await?;
        tx.commit().await
    };
    subject.store.insist(write).await?;
    subject.memory.quiet = None;
    Ok(())
}
