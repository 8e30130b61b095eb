//! Break-glass that Git asks for: it only asks, until a person opens it.

use super::Agent;
use crate::config::BreakGlassRequest;
use crate::model::view::BreakGlassAsked;
use crate::model::{Name, Problem};

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
            let problem = Problem::new(404, "break-glass.no-request", format!("Git asks for nothing called {name}"));
            problem.hint(if names.is_empty() {
                "it asks for nothing at all".to_owned()
            } else {
                format!("it asks for: {}", names.join(", "))
            })
        })
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
