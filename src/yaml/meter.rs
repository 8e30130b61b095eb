//! What one reading has used so far. The parser underneath counts what is written; this counts what comes out when aliases
//! are resolved, which is where a small file becomes a large tree.

use std::cell::RefCell;

use super::{MAX_DEPTH, MAX_NODES, MAX_TEXT, Profile};

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
    depth: usize,
    nodes: usize,
    text: usize,
    last: (u32, u32),
    stop: Option<Stop>,
}

impl Meter {
    const fn new(profile: Profile) -> Self {
        Self { profile, depth: 0, nodes: 0, text: 0, last: (1, 1), stop: None }
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

pub(super) fn node<E: serde::de::Error>() -> Result<(), E> {
    let nodes = METER.with_borrow_mut(|meter| {
        meter.nodes += 1;
        meter.nodes
    });
    if nodes > MAX_NODES {
        return Err(stop("yaml.too-large", format!("expected at most {MAX_NODES} values in one file"), None));
    }
    Ok(())
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

/// Runs `inner` one level deeper.
pub(super) fn deeper<T, E: serde::de::Error>(inner: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let depth = METER.with_borrow_mut(|meter| {
        meter.depth += 1;
        meter.depth
    });
    if depth > MAX_DEPTH {
        return Err(stop("yaml.depth", format!("nested more than {MAX_DEPTH} levels deep"), None));
    }
    let result = inner()?;
    METER.with_borrow_mut(|meter| meter.depth -= 1);
    Ok(result)
}
