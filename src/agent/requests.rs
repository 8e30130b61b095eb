//! Break-glass as it is asked for, by people and in Git: what Git asks for counts only once a person opens it.

use super::Agent;
use super::unknown::{no_policy, no_request};
use crate::config::BreakGlassRequest;
use crate::model::view::BreakGlassAsked;
use crate::model::{Name, Problem};
use crate::policy::{NoOverride, Rules};

/// Longer than this, and it is no exception any more, in seconds: 7 days.
const LONGEST: u32 = 7 * 24 * 60 * 60;
/// Shorter than this, it is over before anybody could use it, in seconds.
const SHORTEST: u32 = 10;
/// A reason is a sentence or two.
const LONGEST_REASON: usize = 2000;
/// Patterns of live edits, applications and policies that one may name.
const MOST_NAMED: usize = 100;

impl Agent {
    /// Returns what Git asks for, by name.
    pub(super) async fn requests(&self) -> Vec<BreakGlassAsked> {
        let estate = self.inner.estate.lock().await;
        estate.config.requests.iter().map(|(name, request)| asked_by(name, request)).collect()
    }

    /// Returns what is asked for, with what a request in Git says where one is named.
    pub(super) async fn filled(&self, asked: BreakGlassAsked) -> Result<BreakGlassAsked, Problem> {
        let Some(name) = asked.request.clone() else { return Ok(asked) };
        if asked != (BreakGlassAsked { request: asked.request.clone(), ..BreakGlassAsked::default() }) {
            let problem = Problem::new(400, "break-glass.asked", "a request is opened as it stands in Git");
            return Err(problem.hint("name nothing but the request, or everything but a request"));
        }
        let estate = self.inner.estate.lock().await;
        let requests = &estate.config.requests;
        requests.get(&name).map(|request| asked_by(&name, request)).ok_or_else(|| {
            let names: Vec<_> = requests.keys().map(Name::as_str).take(20).collect();
            no_request(&name).hint(if names.is_empty() {
                "it asks for nothing at all".to_owned()
            } else {
                format!("it asks for: {}", names.join(", "))
            })
        })
    }

    /// # Errors
    /// When it is none that may be opened, whoever asks.
    pub(super) async fn check(&self, asked: &BreakGlassAsked) -> Result<(), Problem> {
        let wrong = |title: &str, hint: &str| Err(Problem::new(400, "break-glass.asked", title).hint(hint));
        let BreakGlassAsked { applications, policies, live_edit, reason, seconds, .. } = asked;
        match (applications.is_empty(), policies.is_empty(), live_edit.is_empty()) {
            (true, ..) => return wrong("it names no application", "trueup break-glass open APP …"),
            (_, true, true) => {
                return wrong("it names neither a policy nor a live edit", "add --policy or --live-edit");
            }
            (_, false, false) => {
                return wrong("it names policies and a live edit", "open two: they end by themselves one by one");
            }
            _ => {}
        }
        if [applications.len(), policies.len(), live_edit.len()].into_iter().any(|count| count > MOST_NAMED) {
            return wrong("it names more than 100 of one sort", "an exception that wide is a change of policy");
        }
        if reason.trim().is_empty() || reason.len() > LONGEST_REASON {
            return wrong(
                "it takes a reason, of at most 2000 bytes",
                "say why, for whoever reads the trail: --reason …",
            );
        }
        if !(SHORTEST..=LONGEST).contains(seconds) {
            return wrong("it lasts from 10 seconds to 7 days", "say for how long: --for 1h");
        }
        for application in applications {
            if !live_edit.is_empty() && *application == Name::declarations() {
                return wrong("what is declared in Git is nothing that anybody edits by hand", "change it in Git");
            }
            self.find(application.as_str()).await?;
        }
        Ok(())
    }
}

fn asked_by(name: &Name, request: &BreakGlassRequest) -> BreakGlassAsked {
    let BreakGlassRequest { applications, policies, live_edit, reason, ticket, length } = request.clone();
    BreakGlassAsked {
        request: Some(name.clone()),
        applications,
        policies,
        live_edit,
        reason,
        ticket,
        seconds: u32::try_from(length.0.as_secs()).unwrap_or(u32::MAX),
    }
}

/// Says why somebody may not break the glass over a policy.
pub(super) fn not_over(policy: &Name, why: &NoOverride, rules: &Rules) -> Problem {
    match why {
        NoOverride::Unknown => {
            let known: Vec<_> = rules.names().map(Name::as_str).take(20).collect();
            no_policy(policy).hint(if known.is_empty() {
                "no policies are declared".to_owned()
            } else {
                format!("declared are: {}", known.join(", "))
            })
        }
        NoOverride::Undeclared => {
            let title = format!("policy {policy} takes several people, and you are nobody who is declared");
            Problem::new(403, "break-glass.forbidden", title).hint("a Person document says who you are, by unix user")
        }
        NoOverride::Forbidden => {
            Problem::new(403, "break-glass.forbidden", format!("policy {policy} lets nobody break the glass over it"))
        }
        NoOverride::Others(groups) => {
            let groups: Vec<_> = groups.iter().map(Name::as_str).collect();
            let title = format!("only people of {} may break the glass over policy {policy}", groups.join(", "));
            Problem::new(403, "break-glass.forbidden", title)
                .hint("a Person document says who belongs to which group, by unix user")
        }
    }
}
