//! The commands that ask a running daemon.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::args::{Application, Approve, Command, History, Notify, Plan, Suspend};
use super::client::Client;
use super::progress::waiting;
use super::screen::{self, Screen};
use super::show;
use super::trouble::Trouble;
use super::{Exit, restore, rollback, trail};
use crate::model::view::{ApplicationStatus, NotifyReport, PlanView, Status, SyncReport};
use crate::model::{Clock, Decision, Name, Outcome};

/// What every one of these commands needs.
pub(super) struct Asking<'a> {
    pub client: Client,
    pub screen: Screen,
    pub clock: &'a dyn Clock,
}

impl Asking<'_> {
    pub(super) async fn command(&self, command: &Command) -> Result<Exit, Trouble> {
        match command {
            Command::Status => self.status().await,
            Command::Plan(plan) => self.plan(plan, show::plan).await,
            Command::Diff(plan) => self.plan(plan, show::diff).await,
            Command::Sync(application) => self.act("syncing", application, "sync").await,
            Command::Adopt(application) => self.act("adopting", application, "adopt").await,
            Command::Destroy(application) => self.act("destroying", application, "destroy").await,
            Command::Approve(approve) => self.approve(approve).await,
            Command::Reject(reject) => self.reject(reject).await,
            Command::Policy(policy) => self.policy(policy).await,
            Command::BreakGlass(glass) => self.break_glass(glass).await,
            Command::Suspend(suspend) => self.suspend(suspend).await,
            Command::Resume(application) => self.resume(application).await,
            Command::History(history) => self.history(history).await,
            Command::Restore(args) => restore::command(self, args).await,
            Command::Rollback(args) => rollback::command(self, args).await,
            Command::Token(token) => self.token(token).await,
            Command::Notify(Notify::Test { name }) => self.notify(name).await,
            Command::Audit(audit) => trail::command(self, audit).await,
            Command::Run(_)
            | Command::Demo(_)
            | Command::Check(_)
            | Command::Render(_)
            | Command::Host
            | Command::Login
            | Command::Logout
            | Command::Forge(_)
            | Command::Completions { .. }
            | Command::Man { .. } => Err(Trouble::new("this command asks no daemon")),
        }
    }

    async fn status(&self) -> Result<Exit, Trouble> {
        let answer = waiting("asking the daemon", self.client.get(&["status"], &[])).await?;
        let status: Status = read(&answer)?;
        self.print(&answer, || show::status(&status, self.clock.now()))?;
        Ok(Exit::differs_unless(status.is_well()))
    }

    async fn plan(&self, plan: &Plan, render: fn(&PlanView) -> String) -> Result<Exit, Trouble> {
        let name = named(&plan.application)?;
        let query: Vec<_> = plan.revision.iter().map(|revision| ("revision", revision.clone())).collect();
        let path = ["applications", name.as_str(), "plan"];
        let answer = waiting("planning", self.client.get(&path, &query)).await?;
        let view: PlanView = read(&answer)?;
        self.print(&answer, || render(&view))?;
        let held = view.verdict.decision == Decision::Hold;
        let waits = held && plan.revision.is_none() && !view.plan.steps.is_empty() && !self.screen.json;
        let way = show::way_on(&view.plan.application, view.plan.id, &view.verdict.findings);
        if let Some(way) = way.filter(|_| waits) {
            self.screen.hint(&way);
        }
        Ok(Exit::differs_unless(view.plan.steps.is_empty() && !held))
    }

    pub(super) async fn act(&self, words: &str, application: &Application, act: &str) -> Result<Exit, Trouble> {
        let name = named(application)?;
        let path = ["applications", name.as_str(), act];
        self.report(&waiting(&format!("{words} {name}"), self.client.post(&path, &json!({}))).await?)
    }

    async fn approve(&self, approve: &Approve) -> Result<Exit, Trouble> {
        let plan = plan_named(&approve.plan, "`trueup status` names the plans that wait")?;
        let path = ["plans", plan.as_str(), "approve"];
        self.report(&waiting("carrying out the plan", self.client.post(&path, &json!({}))).await?)
    }

    fn report(&self, answer: &Value) -> Result<Exit, Trouble> {
        let report: SyncReport = read(answer)?;
        self.print(answer, || show::report(&report))?;
        if let (Outcome::Held, Some(plan), false) = (report.outcome, &report.plan, self.screen.json) {
            let name = &report.application;
            let way = show::way_on(name, *plan, &report.findings).map(|way| format!("; {way}")).unwrap_or_default();
            self.screen.hint(&format!("look at it with `trueup plan {name}`{way}"));
        }
        Ok(Exit::differs_unless(report.outcome.is_good()))
    }

    async fn suspend(&self, suspend: &Suspend) -> Result<Exit, Trouble> {
        let name = named(&suspend.application)?;
        let path = ["applications", name.as_str(), "suspend"];
        self.one(&self.client.post(&path, &json!({ "reason": suspend.reason })).await?)
    }

    async fn resume(&self, application: &Application) -> Result<Exit, Trouble> {
        let name = named(application)?;
        self.one(&self.client.post(&["applications", name.as_str(), "resume"], &json!({})).await?)
    }

    fn one(&self, answer: &Value) -> Result<Exit, Trouble> {
        let status: ApplicationStatus = read(answer)?;
        self.print(answer, || show::application(&status, self.clock.now()))?;
        Ok(Exit::Done)
    }

    async fn notify(&self, name: &str) -> Result<Exit, Trouble> {
        let name = name_of("notification", name)?;
        let path = ["notifications", name.as_str(), "test"];
        let answer = waiting("sending a test message", self.client.post(&path, &json!({}))).await?;
        let report: NotifyReport = read(&answer)?;
        self.print(&answer, || show::notified(&report))?;
        Ok(Exit::Done)
    }

    async fn history(&self, history: &History) -> Result<Exit, Trouble> {
        let name = named(&history.application)?;
        let told = trail::newest(self, Some(&name), None, history.limit, show::is_told).await?;
        self.print(&Value::Array(told.clone()), || show::records(&told))?;
        Ok(Exit::Done)
    }

    pub(super) fn print(&self, answer: &Value, text: impl FnOnce() -> String) -> Result<(), Trouble> {
        if self.screen.json { screen::json(answer) } else { self.screen.text(&text()) }
    }
}

/// Refuses here what could be no name, so that it never becomes part of an address.
pub(super) fn named(application: &Application) -> Result<Name, Trouble> {
    name_of("application", &application.name)
}

pub(super) fn name_of(kind: &str, typed: &str) -> Result<Name, Trouble> {
    typed.parse().map_err(|_| Trouble::new(format!("no {kind} can be named '{}'", show::printable(typed))))
}

/// Refuses here what could be no plan; the hint says who names plans.
pub(super) fn plan_named(typed: &str, hint: &str) -> Result<String, Trouble> {
    let plan = typed.to_ascii_lowercase();
    if plan.len() < 8 || plan.len() > 64 || !plan.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        let trouble = Trouble::new("a plan is named by its id, or by 8 or more of its first digits");
        return Err(trouble.hint(hint));
    }
    Ok(plan)
}

/// The daemon may be newer or older than this command: then it is said, not guessed.
pub(super) fn read<T: DeserializeOwned>(answer: &Value) -> Result<T, Trouble> {
    T::deserialize(answer).map_err(|error| {
        Trouble::new(format!("could not understand the daemon's answer: {error}"))
            .hint("is the daemon of another version than this command? `trueup status --json` names it")
    })
}
