use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::Draft;
use super::refusal::Refusal;
use super::subject::{Ring, Subject};
use crate::audit::{self, Body, Counts, Entry, ObservedBody, QuietBody};
use crate::execute::{Reason, closed_body};
use crate::model::view::SyncReport;
use crate::model::{Actor, Complete, Desired, Digest, Guard, Outcome, Revision};
use crate::store::{Held, StoreError};

/// What is told once, and again only when it changes.
pub(super) struct Tale {
    pub(super) told: Option<Digest>,
    /// What others made of what is left as it is.
    pub(super) seen: Option<Digest>,
    pub(super) entries: Vec<Entry>,
    pub(super) held: Option<Held>,
}

impl Subject {
    /// Returns the report of a sync that ended so, with what is known of the application.
    pub(super) fn report(&self, outcome: Outcome) -> SyncReport {
        SyncReport {
            application: self.name.clone(),
            outcome,
            revision: self.memory.candidate.as_ref().map(|candidate| candidate.revision.clone()),
            plan: None,
            changes_at: None,
            code: None,
            message: None,
            findings: vec![],
            steps: vec![],
            corrective: 0,
            milliseconds: 0,
        }
    }

    /// Returns what of what is left as it is will have been told of.
    pub(super) fn seen(&self, draft: &Draft) -> Option<Digest> {
        if draft.watches { draft.spared() } else { self.memory.state.seen }
    }

    /// Returns what others did and was not recorded yet: what the plan is about where the plan is `news`, and what is left as it is.
    pub(super) fn changes(&self, draft: &Draft, news: bool) -> Option<Body> {
        let mut changes = if news { draft.seen.acted.clone() } else { vec![] };
        if self.seen(draft) != self.memory.state.seen {
            changes.extend(draft.seen.spared.iter().cloned());
        }
        (!changes.is_empty()).then(|| Body::Observed(ObservedBody::of(changes)))
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
        let seen = self.memory.state.seen;
        if let Err(error) = self.tell(Tale { told: Some(told), seen, entries, held: None }).await {
            let more = Refusal::store(&error);
            tracing::error!(app = %self.name, code = %more.code, error = %more.message, "could not write to the trail");
            report.message = report.message.map(|message| format!("{message}; {}", more.message));
        }
        report
    }

    /// Says what a plan without steps left out.
    pub(super) async fn left_out(&mut self, draft: &Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        let unknown = draft.verdict().findings.iter().any(|finding| finding.guard == Guard::Unknown);
        self.memory.stale |= draft.verdict().findings.iter().any(|finding| finding.guard == Guard::Claim);
        let report = self.reasoned(if unknown { Outcome::Degraded } else { Outcome::Held }, draft);
        let told = Digest::of_json("trueup/told/v1", &(report.outcome, &draft.verdict().findings));
        self.tell_once(Some(told), ring, draft, &report).await?;
        Ok(report)
    }

    /// Says that others changed what is left as it is: drift that is only reported, and what people edit by hand.
    pub(super) async fn observed(&mut self, draft: &Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        let (drifted, edited) = (&draft.planned.drifted, &draft.planned.edited);
        let mut message = vec![];
        if !drifted.is_empty() {
            message.push(format!("{} differ from Git and are left as they are", drifted.len()));
        }
        match edited.as_slice() {
            [] => {}
            [one] => message.push(format!("{} is edited by hand under break-glass, and left as it is", one.id)),
            all => message.push(format!("{} are edited by hand under break-glass, and left as they are", all.len())),
        }
        let code = if edited.is_empty() { "drift.reported" } else { "drift.live-edit" };
        let report = self.report(Outcome::Degraded).because(code, &message.join("; "));
        let ids: Vec<_> = drifted.iter().chain(edited.iter().map(|step| &step.id)).collect();
        let told = Digest::of_json("trueup/told/v1", &(report.outcome, code, ids));
        self.tell_once(Some(told), ring, draft, &report).await?;
        Ok(report)
    }

    /// Counts a sync that found nothing to do; says so only where something else was said before.
    pub(super) async fn unchanged(&mut self, draft: &Draft, ring: &Ring) -> Result<SyncReport, Refusal> {
        let report = self.report(Outcome::Unchanged);
        self.tell_once(None, ring, draft, &report).await?;
        Ok(report)
    }

    /// Says what others made of what is left as it is, where nothing else is to be said.
    pub(super) async fn watched(&mut self, draft: &Draft, ring: &Ring) -> Result<(), Refusal> {
        let seen = self.seen(draft);
        if seen == self.memory.state.seen {
            return Ok(());
        }
        let entries = self.changes(draft, false).map(|body| self.entry(&ring.actor, None, body)).into_iter().collect();
        let told = self.memory.state.told;
        self.tell(Tale { told, seen, entries, held: None }).await.map_err(|error| Refusal::store(&error))
    }

    /// Says how a sync ended, unless that is what was `told` last; and what others did, unless that was.
    async fn tell_once(
        &mut self,
        told: Option<Digest>,
        ring: &Ring,
        draft: &Draft,
        report: &SyncReport,
    ) -> Result<(), Refusal> {
        let news = self.memory.state.told != told;
        let seen = self.seen(draft);
        if !news {
            self.memory.count_quiet(self.clock.now());
        }
        if !news && seen == self.memory.state.seen {
            return Ok(());
        }
        let changes = self.changes(draft, news);
        let mut entries: Vec<_> =
            changes.map(|body| self.entry(&ring.actor, report.revision.clone(), body)).into_iter().collect();
        if news {
            entries.push(self.closed(&ring.actor, report.revision.clone(), report));
        }
        self.tell(Tale { told, seen, entries, held: None }).await.map_err(|error| Refusal::store(&error))
    }

    pub(super) async fn tell(&mut self, tale: Tale) -> Result<(), StoreError> {
        let mut state = self.memory.state.clone();
        (state.told, state.seen) = (tale.told, tale.seen);
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
        // It is the last record of a sync that tells of those before it.
        if tale.entries.iter().any(|entry| matches!(entry.body, Body::Closed(_))) {
            self.memory.quiet = None;
        }
        Ok(())
    }

    pub(super) fn reasoned(&self, outcome: Outcome, draft: &Draft) -> SyncReport {
        let mut report = self.report(outcome);
        report.findings.clone_from(&draft.verdict().findings);
        report.changes_at = draft.verdict().changes_at;
        match draft.verdict().reason() {
            Some(finding) => report.because(finding.guard.code(), &finding.said()),
            None => report,
        }
    }

    pub(super) fn closed(&self, actor: &Actor, revision: Option<Revision>, report: &SyncReport) -> Entry {
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
