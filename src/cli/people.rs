//! The commands of people: what binds a plan, and who may break the glass.

use serde_json::{Value, json};

use super::args::{BreakGlass, GlassId, GlassOpen, Policy, Propose, Reject};
use super::ask::{Asking, named, plan_named, read};
use super::progress::waiting;
use super::restore::{self, Branch};
use super::trouble::Trouble;
use super::{Exit, show};
use crate::model::view::{BreakGlassAsked, BreakGlassView, Edits, PolicyListed, PolicyView};
use crate::model::{Name, Outcome};

impl Asking<'_> {
    pub(super) async fn policy(&self, policy: &Policy) -> Result<Exit, Trouble> {
        match policy {
            Policy::List => {
                let answer = self.client.get(&["policies"], &[]).await?;
                let policies: Vec<PolicyListed> = read(&answer)?;
                self.print(&answer, || show::policies(&policies))?;
                Ok(Exit::Done)
            }
            Policy::Explain(application) => {
                let name = named(application)?;
                let path = ["applications", name.as_str(), "policies"];
                let answer = waiting("judging", self.client.get(&path, &[])).await?;
                let views: Vec<PolicyView> = read(&answer)?;
                self.print(&answer, || show::explained(&views))?;
                let holds = views.iter().flat_map(|view| &view.rules).any(|rule| rule.holds == Some(true));
                Ok(Exit::differs_unless(!holds))
            }
        }
    }

    pub(super) async fn reject(&self, reject: &Reject) -> Result<Exit, Trouble> {
        let plan = plan_named(&reject.plan, "`trueup status` names the plans that wait")?;
        let body = json!({ "reason": reject.reason });
        let answer = self.client.post(&["plans", plan.as_str(), "reject"], &body).await?;
        let report: crate::model::view::SyncReport = read(&answer)?;
        self.print(&answer, || show::report(&report))?;
        // It is held, and that is what was asked for.
        Ok(Exit::differs_unless(report.outcome.is_good() || report.outcome == Outcome::Held))
    }

    pub(super) async fn break_glass(&self, command: &BreakGlass) -> Result<Exit, Trouble> {
        match command {
            BreakGlass::Open(open) => self.open(open).await,
            BreakGlass::List => {
                let answer = self.client.get(&["break-glass"], &[]).await?;
                let all: Vec<BreakGlassView> = read(&answer)?;
                self.print(&answer, || show::break_glass(&all, self.clock.now()))?;
                Ok(Exit::Done)
            }
            BreakGlass::Requests => {
                let answer = self.client.get(&["break-glass", "requests"], &[]).await?;
                let all: Vec<BreakGlassAsked> = read(&answer)?;
                self.print(&answer, || show::requests(&all))?;
                Ok(Exit::Done)
            }
            BreakGlass::Agree(id) => self.glass(id, "agree").await,
            BreakGlass::Show(asked) => self.edited(asked).await,
            BreakGlass::Close(asked) => {
                if asked.branches {
                    self.edited(asked).await?;
                }
                self.glass(&asked.id, "close").await
            }
        }
    }

    async fn open(&self, open: &GlassOpen) -> Result<Exit, Trouble> {
        let names = |typed: &[String], what: &str| {
            let parse = |one: &String| {
                let printable = show::printable(one);
                one.parse::<Name>().map_err(|_| Trouble::new(format!("no {what} can be named '{printable}'")))
            };
            typed.iter().map(parse).collect::<Result<Vec<_>, _>>()
        };
        let asked = BreakGlassAsked {
            request: names(open.request.as_slice(), "request")?.pop(),
            applications: names(&open.applications, "application")?,
            policies: names(&open.policies, "policy")?,
            live_edit: open.live_edit.clone(),
            reason: open.reason.clone().unwrap_or_default(),
            ticket: open.ticket.clone(),
            seconds: open.length.map_or(0, |length| u32::try_from(length.0.as_secs()).unwrap_or(u32::MAX)),
        };
        self.view(&self.client.post(&["break-glass"], &asked).await?)
    }

    async fn glass(&self, GlassId { id }: &GlassId, act: &str) -> Result<Exit, Trouble> {
        let id = glass_named(id)?;
        let answer =
            waiting("looking at what was edited", self.client.post(&["break-glass", id, act], &json!({}))).await?;
        self.view(&answer)
    }

    fn view(&self, answer: &Value) -> Result<Exit, Trouble> {
        let glass: BreakGlassView = read(answer)?;
        self.print(answer, || show::break_glass(std::slice::from_ref(&glass), self.clock.now()))?;
        Ok(Exit::Done)
    }

    /// Shows what was edited by hand, and writes it into branches where that is asked for.
    async fn edited(&self, asked: &Propose) -> Result<Exit, Trouble> {
        let id = glass_named(&asked.id.id)?;
        let path = ["break-glass", id, "edits"];
        let answer = waiting("looking at what was edited", self.client.post(&path, &json!({}))).await?;
        let edits: Vec<Edits> = read(&answer)?;
        self.print(&answer, || show::edits(&edits))?;
        if !asked.branches {
            return Ok(Exit::differs_unless(edits.is_empty()));
        }
        for one in &edits {
            let name = match (&asked.branch, edits.len()) {
                (Some(name), 1) => name.clone(),
                (Some(name), _) => format!("{name}-{}", one.application),
                (None, 1) => format!("live-edit/{id}"),
                (None, _) => format!("live-edit/{id}-{}", one.application),
            };
            let plan = one.plan.to_string();
            let branch = Branch { repository: &asked.repository, name: Some(name), include_hidden: false };
            restore::write(self, &plan, &branch).await?;
        }
        Ok(Exit::Done)
    }
}

/// Refuses here what could be no break-glass, so that it never becomes part of an address.
fn glass_named(typed: &str) -> Result<&str, Trouble> {
    if typed.is_empty() || typed.len() > 64 || !typed.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Trouble::new("a break-glass is named by its id").hint("`trueup break-glass list` names them"));
    }
    Ok(typed)
}
