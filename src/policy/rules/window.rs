use super::Case;
use crate::model::{Finding, Guard, Time};
use crate::schedule::Recurrence;

/// Windows that follow each other without a gap are followed so far.
const MOST_JOINED: usize = 64;

impl Case<'_> {
    /// Holds what comes while it is not the time for it.
    pub(super) fn window(&self) -> Option<Finding> {
        let window = self.bound.policy.window.as_ref()?;
        self.deliberate().next()?;
        let state = state(&self.bound.windows, window.deny.is_some(), self.facts.now);
        if !state.closed {
            return None;
        }
        let until = state.until.map(|until| format!(" until {until}")).unwrap_or_default();
        let message = format!("changes wait{until}");
        Some(Finding { changes_at: state.until, ..self.finding(Guard::Window, message) })
    }
}

/// Whether changes wait now, and when that is another matter.
pub(in crate::policy) struct State {
    pub(in crate::policy) closed: bool,
    pub(in crate::policy) until: Option<Time>,
}

/// Returns the state of several windows of one sort: of `deny`, any that is open closes; of `allow`, all that are shut do.
pub(in crate::policy) fn state(windows: &[Recurrence], deny: bool, now: Time) -> State {
    let open = is_open(windows, now);
    let mut at = now;
    for _ in 0..MOST_JOINED {
        let Some(next) = next(windows, at) else { return State { closed: open == deny, until: None } };
        at = next;
        if is_open(windows, at) != open {
            return State { closed: open == deny, until: Some(at) };
        }
    }
    State { closed: open == deny, until: None }
}

fn is_open(windows: &[Recurrence], now: Time) -> bool {
    windows.iter().any(|window| window.at(now).open)
}

/// Returns when any of them changes next.
fn next(windows: &[Recurrence], now: Time) -> Option<Time> {
    windows.iter().filter_map(|window| window.at(now).until).min()
}
