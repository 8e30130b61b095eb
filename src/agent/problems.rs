//! What goes wrong, as whoever asked is told.

use crate::model::{Outcome, Problem, chain};
use crate::store::{StoreError, StoreErrorKind};
use crate::sync::Refusal;

pub(super) fn stopping() -> Problem {
    Problem::new(503, "daemon.stopping", "the daemon is stopping, or the application was removed")
}

pub(super) fn busy() -> Problem {
    let problem = Problem::new(503, "application.busy", "too many wait for this application already");
    problem.hint("`trueup status` shows what it is doing; ask again when that is done")
}

pub(super) fn refused(refusal: &Refusal) -> Problem {
    let status = if refusal.outcome == Outcome::Failed { 503 } else { 422 };
    let mut problem = Problem::new(status, &refusal.code, &refusal.message);
    problem.mistakes.clone_from(&refusal.mistakes);
    problem
}

pub(super) fn store_problem(error: &StoreError) -> Problem {
    let problem = Problem::new(503, error.code(), chain(error));
    match error.kind {
        StoreErrorKind::Full => problem.hint("nothing is changed while it lasts; make room on the data folder's disk"),
        _ => problem,
    }
}

pub(super) fn internal(error: &dyn std::error::Error) -> Problem {
    Problem::new(500, "internal", format!("could not encode the answer: {error}"))
}
