use async_trait::async_trait;

use super::Auditing;
use crate::model::view::{ApplicationStatus, PlanView, PreimagesView, Status, SyncReport};
use crate::model::{Actor, Problem};

/// What the API asks of a running daemon.
///
/// Names and ids come as a person typed them: whoever implements this answers an unknown one with a problem.
#[async_trait]
pub trait Daemon: Auditing + Send + Sync + 'static {
    fn status(&self) -> Status;

    /// Returns what a sync would do now. `revision`: a branch, tag or commit to plan for instead of the followed one; such a
    /// plan is never executed.
    async fn plan(&self, application: &str, revision: Option<&str>) -> Result<PlanView, Problem>;

    /// Syncs now, and returns how that ended.
    async fn sync(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem>;

    /// Lets one held plan through, once. `plan`: an id or an unambiguous beginning of one, at least 8 digits.
    async fn approve(&self, plan: &str, actor: Actor) -> Result<SyncReport, Problem>;

    /// Takes what was found at first contact, as the plan that waits for it says.
    async fn adopt(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem>;

    /// Returns what a plan overwrote or deleted. `plan`: an id or an unambiguous beginning of one, at least 8 digits.
    async fn preimages(&self, plan: &str) -> Result<PreimagesView, Problem>;

    /// Returns the content of one of them, by its place in the list.
    async fn preimage(&self, plan: &str, number: usize) -> Result<Vec<u8>, Problem>;

    async fn suspend(&self, application: &str, reason: &str, actor: Actor) -> Result<ApplicationStatus, Problem>;

    async fn resume(&self, application: &str, actor: Actor) -> Result<ApplicationStatus, Problem>;
}
