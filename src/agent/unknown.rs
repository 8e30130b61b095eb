//! What is said of what does not exist. Of what somebody may not see the API says the very same, so none of it names what there is.

use crate::model::{Name, Problem};

#[must_use]
pub fn no_application() -> Problem {
    Problem::new(404, "application.unknown", "no application of that name is declared")
}

/// No held plan begins so.
#[must_use]
pub fn no_held_plan(plan: &str) -> Problem {
    let problem = Problem::new(404, "plan.unknown", format!("no held plan begins with {plan}"));
    problem.hint("it may have moved: `trueup status` shows the plans that wait")
}

/// No plan that was carried out begins so.
#[must_use]
pub fn no_past_plan(plan: &str) -> Problem {
    let problem = Problem::new(404, "plan.unknown", format!("no plan that was carried out begins with {plan}"));
    problem.hint("`trueup history APP` names the plans of an application")
}

#[must_use]
pub fn no_preimage() -> Problem {
    Problem::new(404, "preimage.unknown", "there is no such pre-image, or it has no content")
}

#[must_use]
pub fn no_break_glass() -> Problem {
    let problem = Problem::new(404, "break-glass.unknown", "there is no such break-glass, or it ended long ago");
    problem.hint("`trueup break-glass list` names them")
}

/// Git asks for no break-glass of that name.
#[must_use]
pub fn no_request(name: &Name) -> Problem {
    let problem = Problem::new(404, "break-glass.no-request", format!("Git asks for nothing called {name}"));
    problem.hint("`trueup break-glass requests` lists what it asks for")
}

#[must_use]
pub fn no_policy(name: &Name) -> Problem {
    Problem::new(404, "policy.unknown", format!("no policy is called {name}"))
}

#[must_use]
pub fn no_notification() -> Problem {
    Problem::new(404, "notification.unknown", "no notification of that name is declared")
}

#[must_use]
pub fn no_token() -> Problem {
    Problem::new(404, "token.unknown", "there is no such token").hint("`trueup token list` names them")
}

#[must_use]
pub fn no_record(sequence: u64) -> Problem {
    Problem::new(404, "record.unknown", format!("the trail has no record {sequence}"))
}
