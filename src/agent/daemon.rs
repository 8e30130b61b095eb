use async_trait::async_trait;

use super::{Auditing, Observing, Standing, Tokens};
use crate::model::view::{
    ApplicationStatus, BreakGlassAsked, BreakGlassView, Edits, NotifyReport, PlanView, PolicyListed, PolicyView,
    PreimagesView, Status, SyncReport,
};
use crate::model::{Actor, Name, Problem};

/// What the API asks of a running daemon.
///
/// Names and ids come as a person typed them: whoever implements this answers an unknown one with a problem.
#[async_trait]
pub trait Daemon: Auditing + Observing + Standing + Tokens + Send + Sync + 'static {
    fn status(&self) -> Status;

    /// Returns what a sync would do now. `revision`: a branch, tag or commit to plan for instead of the followed one; such a
    /// plan is never executed.
    async fn plan(&self, application: &str, revision: Option<&str>) -> Result<PlanView, Problem>;

    /// Syncs now, and returns how that ended.
    async fn sync(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem>;

    /// Lets one held plan through, once. `plan`: an id or an unambiguous beginning of one, at least 8 digits.
    async fn approve(&self, plan: &str, actor: Actor) -> Result<SyncReport, Problem>;

    /// Takes away what was made for an application that is declared no more, once that plan is approved.
    async fn destroy(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem>;

    /// Goes back to what was good before what is live, out of the store, once that plan is approved; Git is owed a commit then. Only
    /// while the Git host cannot be reached.
    async fn go_back(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem>;

    /// Says no to one held plan: it is not offered again before it moves, or a person syncs.
    async fn reject(&self, plan: &str, reason: Option<String>, actor: Actor) -> Result<SyncReport, Problem>;

    /// Returns every policy in force, and the applications that each binds.
    async fn policies(&self) -> Vec<PolicyListed>;

    /// Returns every policy, and what it says of the plan that would run now.
    async fn explain(&self, application: &str) -> Result<Vec<PolicyView>, Problem>;

    /// Returns the declared person that a unix user is; these are all the names of one user.
    fn person(&self, unix: &[&str]) -> Option<Name>;

    /// Returns the break-glass that is open, or ended within 30 days, oldest first.
    fn break_glass(&self) -> Vec<BreakGlassView>;

    /// Returns the break-glass that Git asks for, by name.
    async fn break_glass_requests(&self) -> Vec<BreakGlassAsked>;

    /// Returns what is asked for, with what a request in Git says where one is named.
    async fn break_glass_asked(&self, asked: BreakGlassAsked) -> Result<BreakGlassAsked, Problem>;

    /// Opens what is asked for, whole.
    async fn open_break_glass(&self, asked: BreakGlassAsked, actor: Actor) -> Result<BreakGlassView, Problem>;

    /// Says that somebody else's break-glass is right.
    async fn agree_break_glass(&self, id: &str, actor: Actor) -> Result<BreakGlassView, Problem>;

    async fn close_break_glass(&self, id: &str, actor: Actor) -> Result<BreakGlassView, Problem>;

    /// Returns what was edited by hand under a break-glass. What is shown is recorded as an act.
    async fn edits(&self, id: &str, actor: Actor) -> Result<Vec<Edits>, Problem>;

    /// Takes what was found at first contact, as the plan that waits for it says.
    async fn adopt(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem>;

    /// Returns what a plan overwrote or deleted. `plan`: an id or an unambiguous beginning of one, at least 8 digits.
    async fn preimages(&self, plan: &str) -> Result<PreimagesView, Problem>;

    /// Returns the content of one of them, by its place in the list. That is recorded as an act: once an hour for all contents
    /// of a plan that somebody reads.
    async fn preimage(&self, plan: &str, number: usize, actor: Actor) -> Result<Vec<u8>, Problem>;

    async fn suspend(&self, application: &str, reason: &str, actor: Actor) -> Result<ApplicationStatus, Problem>;

    async fn resume(&self, application: &str, actor: Actor) -> Result<ApplicationStatus, Problem>;

    /// Sends a test message to a sink, and returns what it answered.
    async fn test_notification(&self, name: &str, actor: Actor) -> Result<NotifyReport, Problem>;
}
