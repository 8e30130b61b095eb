//! The commands of people: what binds a plan, and who may break the glass.

use serde::Serialize;
use serde_json::{Value, json};

use super::args::{BreakGlass, GlassId, GlassOpen, Policy, Propose, Reject};
use super::ask::{Asking, name_of, named, plan_named, read};
use super::progress::waiting;
use super::restore::{self, Branch, Told};
use super::trouble::Trouble;
use super::{Exit, show};
use crate::model::Outcome;
use crate::model::view::{BreakGlassAsked, BreakGlassView, Edits, PolicyListed, PolicyView};

impl Asking<'_> {
    pub(super) async fn policy(&self, policy: &Policy) -> Result<Exit, Trouble> {
        match policy {
            Policy::List => {
                let answer = self.client.list(&["policies"]).await?;
                let policies: Vec<PolicyListed> = read(&answer)?;
                self.print(&answer, || show::policies(&policies))?;
                Ok(Exit::Done)
            }
            Policy::Explain(application) => {
                let name = named(application)?;
                let path = ["applications", name.as_str(), "policies"];
                let answer = waiting("judging", self.client.list(&path)).await?;
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
                let answer = self.client.list(&["break-glass"]).await?;
                let all: Vec<BreakGlassView> = read(&answer)?;
                self.print(&answer, || show::break_glass(&all, self.clock.now()))?;
                Ok(Exit::Done)
            }
            BreakGlass::Requests => {
                let answer = self.client.list(&["break-glass", "requests"]).await?;
                let all: Vec<BreakGlassAsked> = read(&answer)?;
                self.print(&answer, || show::requests(&all))?;
                Ok(Exit::Done)
            }
            BreakGlass::Agree(id) => {
                let path = ["break-glass", glass_named(&id.id)?, "agree"];
                self.view(&self.client.post(&path, &json!({})).await?)
            }
            BreakGlass::Show(asked) if asked.branches => {
                let proposed = self.proposed(asked).await?;
                self.print(&json!(proposed), || proposed.text())?;
                proposed.hint(self);
                Ok(Exit::Done)
            }
            BreakGlass::Show(asked) => {
                let edits = self.edited(asked).await?;
                self.print(&json!(edits), || show::edits(&edits))?;
                Ok(Exit::differs_unless(edits.is_empty()))
            }
            BreakGlass::Close(asked) if asked.branches => {
                let proposed = self.proposed(asked).await?;
                if !self.screen.json {
                    // Said before it is put right: that may take a moment.
                    self.screen.text(&proposed.text())?;
                    proposed.hint(self);
                }
                let answer = self.end(&asked.id).await?;
                let glass: BreakGlassView = read(&answer)?;
                let all = json!(Proposed { closed: Some(answer), ..proposed });
                self.print(&all, || show::break_glass(&[glass], self.clock.now()))?;
                Ok(Exit::Done)
            }
            BreakGlass::Close(asked) => self.view(&self.end(&asked.id).await?),
        }
    }

    async fn open(&self, open: &GlassOpen) -> Result<Exit, Trouble> {
        let names =
            |typed: &[String], what: &str| typed.iter().map(|one| name_of(what, one)).collect::<Result<Vec<_>, _>>();
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

    async fn end(&self, GlassId { id }: &GlassId) -> Result<Value, Trouble> {
        let path = ["break-glass", glass_named(id)?, "close"];
        waiting("looking at what was edited", self.client.post(&path, &json!({}))).await
    }

    fn view(&self, answer: &Value) -> Result<Exit, Trouble> {
        let glass: BreakGlassView = read(answer)?;
        self.print(answer, || show::break_glass(std::slice::from_ref(&glass), self.clock.now()))?;
        Ok(Exit::Done)
    }

    /// Returns what was edited by hand.
    async fn edited(&self, asked: &Propose) -> Result<Vec<Edits>, Trouble> {
        let path = ["break-glass", glass_named(&asked.id.id)?, "edits"];
        read(&waiting("looking at what was edited", self.client.post(&path, &json!({}))).await?)
    }

    /// Writes what was edited by hand into branches.
    async fn proposed(&self, asked: &Propose) -> Result<Proposed, Trouble> {
        let (id, edits) = (glass_named(&asked.id.id)?, self.edited(asked).await?);
        let mut branches = vec![];
        for one in &edits {
            let name = match (&asked.branch, edits.len()) {
                (Some(name), 1) => name.clone(),
                (Some(name), _) => format!("{name}-{}", one.application),
                (None, 1) => format!("live-edit/{id}"),
                (None, _) => format!("live-edit/{id}-{}", one.application),
            };
            let plan = one.plan.to_string();
            let branch = Branch { repository: &asked.repository, name: Some(name), include_hidden: false };
            branches.push(restore::write(self, &plan, &branch).await?);
        }
        Ok(Proposed { edits, branches, closed: None })
    }
}

/// What `--propose` prints: one document, however many branches there are.
#[derive(Serialize)]
struct Proposed {
    edits: Vec<Edits>,
    branches: Vec<Told>,
    /// The break-glass, where it was closed after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<Value>,
}

impl Proposed {
    fn text(&self) -> String {
        let branches = self.branches.iter().map(Told::text);
        branches.fold(show::edits(&self.edits), |text, branch| text + &branch)
    }

    fn hint(&self, asking: &Asking<'_>) {
        self.branches.iter().for_each(|told| told.hint(asking));
    }
}

/// Refuses here what could be no break-glass, so that it never becomes part of an address.
fn glass_named(typed: &str) -> Result<&str, Trouble> {
    if typed.is_empty() || typed.len() > 64 || !typed.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Trouble::new("a break-glass is named by its id").hint("`trueup break-glass list` names them"));
    }
    Ok(typed)
}
