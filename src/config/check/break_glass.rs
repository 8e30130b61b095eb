use std::time::Duration;

use super::Scope;
use crate::config::BreakGlassRequest;
use crate::config::gather::Gathered;
use crate::config::load::mistake;
use crate::model::{Mistake, deceives};
use crate::yaml::quoted;

const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// On the machine there is nothing to ask: whoever may write its files may open one.
pub(super) fn not_here(gathered: &Gathered, mistakes: &mut Vec<Mistake>) {
    for written in gathered.documents("BreakGlass") {
        let message = "break-glass is asked for in Git, not on the machine";
        let hint = "`trueup break-glass open` opens one".to_owned();
        mistakes.push(mistake("config.break-glass", written.place("/kind"), message, Some(hint)));
    }
}

pub(super) fn check(request: &BreakGlassRequest, scope: &mut Scope) {
    let BreakGlassRequest { policies, live_edit, reason, ticket, length, .. } = request;
    match (policies.is_empty(), live_edit.is_empty()) {
        (false, false) => {
            let message = "expected either policies or liveEdit, found both";
            scope.hint("config.break-glass", "/spec/liveEdit", message, "ask for two of them");
        }
        (true, true) => {
            let hint = "policies: [freeze], or liveEdit: [/etc/nginx/*]";
            scope.hint("config.break-glass", "/spec", "expected policies or liveEdit", hint);
        }
        _ => {}
    }
    for (at, pattern) in live_edit.iter().enumerate().filter(|(_, pattern)| pattern.trim().is_empty()) {
        let message = format!("expected the name of an object, found {}", quoted(pattern));
        scope.say("config.break-glass", &format!("/spec/liveEdit/{at}"), message, None);
    }
    let said = [(Some(reason), "/spec/reason", 1000), (ticket.as_ref(), "/spec/ticket", 200)];
    for (text, pointer, most) in said {
        let Some(text) = text else { continue };
        if text.trim().is_empty() || text.chars().count() > most || text.chars().any(deceives) {
            let message = format!("expected a text of at most {most} characters, all of them visible");
            scope.say("config.break-glass", pointer, message, None);
        }
    }
    if !(SHORTEST..=LONGEST).contains(&length.0) {
        let message = format!("expected from 1m to 7d, found {length}");
        scope.hint("config.break-glass", "/spec/for", message, "as long as it takes, and no longer: 1h");
    }
}
