//! Break-glass: opened, agreed to and closed by people, reminded of and ended by the keeper. It takes effect only as a record.

use std::time::Duration;

use super::commands::{Command, ask};
use super::problems::store_problem;
use super::requests::not_over;
use super::{Agent, unknown};
use crate::audit::{self, Body, BreakGlassBody, EditedBody, Entry, Glass, GlassEvent};
use crate::model::view::{BreakGlassAsked, BreakGlassView, Edits};
use crate::model::{Actor, BreakGlass, BreakGlassEnd, BreakGlassId, Name, Problem};
use crate::store::{StoreError, random};

/// A target that does not answer keeps nobody from ending a break-glass.
const LOOK: Duration = Duration::from_mins(1);

impl Agent {
    pub(super) async fn open_glass(&self, asked: BreakGlassAsked, actor: Actor) -> Result<BreakGlassView, Problem> {
        self.check(&asked).await?;
        let rules = self.inner.rules.get();
        let mut needs = 0;
        for policy in &asked.policies {
            let further = rules.may_override(policy, &actor).map_err(|why| not_over(policy, &why, &rules))?;
            needs = needs.max(further);
        }
        let id = random::<8>().map_err(|error| store_problem(&error))?;
        let opening = BreakGlass {
            id: BreakGlassId(format!("{:016x}", u64::from_be_bytes(id)).into()),
            applications: asked.applications,
            policies: asked.policies,
            live_edit: asked.live_edit,
            reason: asked.reason.trim().to_owned(),
            ticket: asked.ticket,
            request: asked.request,
            by: actor.clone(),
            opened: self.inner.clock.now(),
            boot: self.inner.clock.boot(),
            lasts: asked.seconds,
            needs,
        };
        let mut body = BreakGlassBody::new(&opening.id, GlassEvent::Opened);
        body.opening = Some(opening.clone());
        self.record_glass(&opening.applications, &actor, body).await?;
        self.ring_glass(&opening.applications, "break-glass opened");
        self.glass(&opening.id.0)
    }

    pub(super) async fn agree(&self, id: &str, actor: Actor) -> Result<BreakGlassView, Problem> {
        let glass = self.open_one(id)?;
        if glass.has(&actor) {
            let problem = Problem::new(409, "break-glass.same-person", "you stand behind this break-glass already");
            return Err(problem.hint("it takes somebody else to agree"));
        }
        let rules = self.inner.rules.get();
        for policy in &glass.opening.policies {
            rules.may_override(policy, &actor).map_err(|why| not_over(policy, &why, &rules))?;
        }
        let body = BreakGlassBody::new(&glass.opening.id, GlassEvent::Agreed);
        self.record_glass(&glass.opening.applications, &actor, body).await?;
        self.ring_glass(&glass.opening.applications, "break-glass agreed");
        self.glass(id)
    }

    pub(super) async fn close_glass(&self, id: &str, actor: Actor) -> Result<BreakGlassView, Problem> {
        let glass = self.open_one(id)?;
        self.end_glass(&glass, BreakGlassEnd::Closed, &actor).await?;
        self.glass(id)
    }

    /// Records the end of a break-glass, with what was edited by hand under it, and lets its applications sync.
    pub(super) async fn end_glass(&self, glass: &Glass, end: BreakGlassEnd, actor: &Actor) -> Result<(), Problem> {
        let event = if end == BreakGlassEnd::Closed { GlassEvent::Closed } else { GlassEvent::Expired };
        let mut body = BreakGlassBody::new(&glass.opening.id, event);
        body.end = Some(end);
        body.edits = self.keep_edits(glass).await;
        // Looking takes a while, in which somebody else, or the time, may have ended it.
        let _one = self.inner.ending_glass.lock().await;
        if !self.find_glass(&glass.opening.id.0)?.is_open() {
            return Err(ended());
        }
        let applications = &glass.opening.applications;
        self.record_glass(applications, actor, body).await?;
        self.ring_glass(applications, "break-glass ended");
        Ok(())
    }

    /// Returns what was edited by hand: as it is now, or as it was at the end.
    pub(super) async fn edits(&self, id: &str) -> Result<Vec<Edits>, Problem> {
        let glass = self.find_glass(id)?;
        let kept = if glass.is_open() { self.keep_edits(&glass).await } else { glass.edits };
        let mut edits = vec![];
        for EditedBody { application, plan } in kept {
            let found = self.inner.store.preimages(&plan.to_string()).await.map_err(|error| store_problem(&error))?;
            // One that heals has the same id, and tells no differences: those are in the one that was kept for them.
            let told = found.into_iter().find(|kept| kept.objects.iter().any(|object| object.edited.is_some()));
            let objects = told.map(|kept| kept.objects).unwrap_or_default();
            edits.push(Edits {
                application,
                plan,
                changes: objects.into_iter().filter_map(|one| one.edited).collect(),
            });
        }
        Ok(edits)
    }

    pub(super) fn glasses(&self) -> Vec<BreakGlassView> {
        self.inner.glasses.all().into_iter().map(|glass| self.view(glass)).collect()
    }

    fn glass(&self, id: &str) -> Result<BreakGlassView, Problem> {
        self.find_glass(id).map(|glass| self.view(glass))
    }

    fn view(&self, glass: Glass) -> BreakGlassView {
        let in_force = glass.is_in_force(self.inner.clock.now(), &self.inner.clock.boot());
        BreakGlassView {
            until: glass.opening.until(),
            in_force,
            agreed: glass.agreed,
            used: glass.used,
            ended: glass.ended.map(|(at, _)| at),
            end: glass.ended.map(|(_, end)| end),
            opening: glass.opening,
        }
    }

    fn find_glass(&self, id: &str) -> Result<Glass, Problem> {
        self.inner.glasses.get(id).ok_or_else(unknown::no_break_glass)
    }

    fn open_one(&self, id: &str) -> Result<Glass, Problem> {
        let glass = self.find_glass(id)?;
        let over = glass.opening.ended(self.inner.clock.now(), &self.inner.clock.boot()).is_some();
        if glass.is_open() && !over {
            return Ok(glass);
        }
        Err(ended())
    }

    /// Keeps what was edited by hand in each application, as far as it can be looked at.
    async fn keep_edits(&self, glass: &Glass) -> Vec<EditedBody> {
        let mut edits = vec![];
        for application in glass.opening.applications.iter().filter(|_| !glass.opening.live_edit.is_empty()) {
            let Ok((_, commands)) = self.find(application.as_str()).await else { continue };
            let asked = ask(&commands, |reply| Command::Edits(glass.opening.live_edit.clone(), reply));
            match tokio::time::timeout(LOOK, asked).await {
                Ok(Ok(Ok(Some(plan)))) => edits.push(EditedBody { application: application.clone(), plan }),
                Ok(Ok(Ok(None)) | Err(_)) => {}
                Ok(Ok(Err(refusal))) => {
                    tracing::warn!(app = %application, code = %refusal.code, error = %refusal.message, "could not look at live edits");
                }
                Err(_) => tracing::warn!(app = %application, "could not look at live edits in time"),
            }
        }
        edits
    }

    pub(super) async fn record_glass(&self, on: &[Name], actor: &Actor, body: BreakGlassBody) -> Result<(), Problem> {
        let ledger = self.ledger().await;
        // With one application it is part of that one's history; with several, of the daemon's.
        let application = if let [one] = on { Some(one.clone()) } else { None };
        let ends = matches!(body.event, GlassEvent::Closed | GlassEvent::Expired);
        let body = Body::BreakGlass(body);
        let entries = [Entry { application, revision: None, plan: None, sync: None, actor: actor.clone(), body }];
        let write = || async {
            let now = ledger.clock.now();
            let mut tx = ledger.store.write().await?;
            let numbers = audit::append(&mut tx, now, &ledger.redactor, &entries).await?;
            ledger.glasses.follow(&mut tx, now, &numbers, &entries);
            tx.commit().await
        };
        // An end has to be written down even on a full disk: without it, what has ended would be open again.
        let written = if ends { ledger.store.insist(write).await } else { write().await };
        written.map_err(|error: StoreError| store_problem(&error))?;
        self.inner.glass_changed.notify_one();
        Ok(())
    }

    fn ring_glass(&self, applications: &[Name], reason: &str) {
        self.inner.bells.ring(reason, |application, _| applications.contains(application));
    }
}

fn ended() -> Problem {
    Problem::new(409, "break-glass.ended", "it has ended").hint("open another one")
}
