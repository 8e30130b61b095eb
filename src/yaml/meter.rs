//! What one reading has used so far. The parser counts values, depth and repeated events with aliases resolved; how much
//! text is copied when one long scalar is repeated, nobody else counts.

use std::cell::RefCell;

use super::{MAX_TEXT, Profile};

/// Why reading stopped, where it was not the parser that stopped it.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub code: &'static str,
    pub message: String,
    pub hint: Option<&'static str>,
    /// Line and column of the last key or value that was read.
    pub last: (u32, u32),
}

struct Meter {
    profile: Profile,
    text: usize,
    last: (u32, u32),
    stop: Option<Stop>,
}

impl Meter {
    const fn new(profile: Profile) -> Self {
        Self { profile, text: 0, last: (1, 1), stop: None }
    }
}

thread_local! {
    // Serde has no way to hand a context to `Deserialize`; a reading never leaves its thread.
    static METER: RefCell<Meter> =
        const { RefCell::new(Meter::new(Profile::Config)) };
}

pub(super) fn start(profile: Profile) {
    METER.with_borrow_mut(|meter| *meter = Meter::new(profile));
}

pub(super) fn profile() -> Profile {
    METER.with_borrow(|meter| meter.profile)
}

/// Returns why reading was stopped, once.
pub(super) fn take_stop() -> Option<Stop> {
    METER.with_borrow_mut(|meter| meter.stop.take())
}

/// Notes why reading stops, and returns the error that stops it.
pub(super) fn stop<E: serde::de::Error>(code: &'static str, message: String, hint: Option<&'static str>) -> E {
    METER.with_borrow_mut(|meter| meter.stop = Some(Stop { code, message, hint, last: meter.last }));
    E::custom("reading was stopped")
}

/// Notes that the key or value at `place` was read.
pub(super) fn passed(place: (u32, u32)) {
    METER.with_borrow_mut(|meter| meter.last = place);
}

pub(super) fn text<E: serde::de::Error>(bytes: usize) -> Result<(), E> {
    let text = METER.with_borrow_mut(|meter| {
        meter.text = meter.text.saturating_add(bytes);
        meter.text
    });
    if text > MAX_TEXT {
        let message = "aliases repeat more text than one file may hold".to_owned();
        return Err(stop("yaml.alias-budget", message, Some("write what differs, or split the file")));
    }
    Ok(())
}
