use std::fmt::Write;

use super::paint::{self, RED, paint};
use super::plan::findings;
use super::printable;
use crate::model::Mistake;
use crate::model::view::{StepReport, SyncReport};

/// Returns how a sync ended, and what it did.
#[must_use]
pub fn report(report: &SyncReport) -> String {
    let mut text: String = report.steps.iter().map(step).collect();
    text.push_str(&findings(&report.findings));
    let outcome = paint(paint::of_outcome(report.outcome), report.outcome);
    let _ = write!(text, "{}: {outcome}", report.application);
    if let Some(revision) = &report.revision {
        let _ = write!(text, " at {}", revision.short());
    }
    if let Some(plan) = &report.plan {
        let _ = write!(text, " by plan {}", plan.short());
    }
    let steps = report.steps.len();
    let _ = write!(text, ", {steps} {}", if steps == 1 { "step" } else { "steps" });
    if report.corrective > 0 {
        let _ = write!(text, " ({} put right what drifted)", report.corrective);
    }
    let _ = writeln!(text, ", {} ms", report.milliseconds);
    match (&report.message, &report.code) {
        (Some(message), Some(code)) => text + &format!("  {} ({})\n", printable(message), printable(code)),
        (Some(message), None) => text + &format!("  {}\n", printable(message)),
        (None, Some(code)) => text + &format!("  {}\n", printable(code)),
        (None, None) => text,
    }
}

fn step(step: &StepReport) -> String {
    let id = step.id.to_string();
    let result = match step.result.as_str() {
        "done" => String::new(),
        "already" => "  (was done already)".into(),
        code => format!("  {}", paint(RED, printable(code))),
    };
    let mut text = format!("  {:8}{}{result}\n", step.action, printable(&id));
    for line in step.message.iter().flat_map(|message| message.lines()) {
        let _ = writeln!(text, "          {}", printable(line));
    }
    text
}

/// Returns each mistake with its place and hint, as compilers do.
#[must_use]
pub fn mistakes(mistakes: &[Mistake]) -> String {
    let mut text = String::new();
    for mistake in mistakes {
        let place = mistake.place.to_string();
        let _ = writeln!(text, "{}: {}", printable(&place), printable(&mistake.message));
        if let Some(hint) = &mistake.hint {
            let _ = writeln!(text, "  hint: {}", printable(hint));
        }
    }
    text
}
