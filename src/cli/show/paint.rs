//! Colour, which never carries meaning: whatever is coloured says the same in words or signs.

use std::fmt::Display;

use anstyle::{AnsiColor, Effects, Style};

use crate::model::{Action, Outcome};

pub(super) const GREEN: Style = AnsiColor::Green.on_default();
pub(super) const RED: Style = AnsiColor::Red.on_default();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(super) const CYAN: Style = AnsiColor::Cyan.on_default();
pub(super) const BOLD: Style = Style::new().effects(Effects::BOLD);
pub(super) const DIM: Style = Style::new().effects(Effects::DIMMED);
pub(super) const PLAIN: Style = Style::new();

pub(super) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

pub(super) const fn of_action(action: Action) -> Style {
    match action {
        Action::Create => GREEN,
        Action::Update | Action::Adopt => YELLOW,
        Action::Replace | Action::Delete => RED,
        Action::Run => CYAN,
        Action::Release => DIM,
    }
}

pub(super) const fn of_outcome(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Unchanged | Outcome::Applied => GREEN,
        Outcome::Held | Outcome::Stale | Outcome::Stopped | Outcome::Suspended | Outcome::Degraded => YELLOW,
        Outcome::Refused | Outcome::Failed | Outcome::RolledBack => RED,
    }
}
