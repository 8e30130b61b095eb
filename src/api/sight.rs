//! What somebody is shown: of lists, what they may see.

use super::access::Caller;
use super::answer::Refusal;
use crate::agent::unknown;
use crate::model::view::{BreakGlassAsked, BreakGlassView, PolicyListed, PolicyView, Status, TrailStatus};
use crate::model::{Deed, Name};

impl Caller {
    /// Returns what they see of the daemon: their applications, and the repositories of those. What concerns none is for those who see
    /// everything.
    pub(super) fn status(&self, status: Status) -> Status {
        if self.sees_everything() {
            return status;
        }
        // Field by field, so that a new one is shown to nobody by the way.
        let Status { version, started, mut repositories, mut applications, mut orphans, .. } = status;
        applications.retain(|one| self.sees(one.name.as_str()));
        orphans.retain(|one| self.sees(one.name.as_str()));
        repositories.retain(|one| applications.iter().any(|application| application.repository == one.name));
        Status {
            version,
            started,
            rejected_configuration: vec![],
            left_out: vec![],
            trail: TrailStatus::default(),
            repositories,
            applications,
            notifications: vec![],
            orphans,
        }
    }

    /// Returns the policies that bind what they see.
    pub(super) fn policies(&self, mut policies: Vec<PolicyListed>) -> Vec<PolicyListed> {
        if !self.sees_everything() {
            for policy in &mut policies {
                policy.applications.retain(|name| self.sees(name.as_str()));
            }
            policies.retain(|policy| !policy.applications.is_empty());
        }
        policies
    }

    /// Returns what binds an application that they see.
    pub(super) fn explained(&self, mut views: Vec<PolicyView>) -> Vec<PolicyView> {
        views.retain(|view| view.binds || self.sees_everything());
        views
    }

    /// Returns the break-glass whose applications they see, all of them.
    pub(super) fn glasses(&self, mut glasses: Vec<BreakGlassView>) -> Vec<BreakGlassView> {
        glasses.retain(|glass| self.sees_all(&glass.opening.applications));
        glasses
    }

    /// Returns what is asked for in Git, on applications that they see.
    pub(super) fn requests(&self, mut requests: Vec<BreakGlassAsked>) -> Vec<BreakGlassAsked> {
        requests.retain(|request| self.sees_all(&request.applications));
        requests
    }

    /// Refuses a test of a notification to whom may not send one.
    pub(super) fn notifications(&self) -> Result<(), Refusal> {
        if !self.sees_everything() {
            return Err(unknown::no_notification().into());
        }
        self.everywhere(Deed::TestNotification)
    }

    fn sees_all(&self, applications: &[Name]) -> bool {
        self.sees_everything() || applications.iter().all(|name| self.sees(name.as_str()))
    }
}
