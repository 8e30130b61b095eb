//! The one door through which YAML (and so JSON) text enters: bounded, with the place of every key and value, and every
//! mistake at once when it is decoded.
//!
//! Whoever can push to a watched repository chooses what comes in here, so each limit below is a wall: none may be passed,
//! and passing one is a [`Mistake`] with a code of its own, never a panic or an exhausted machine.

mod check;
mod decode;
mod fault;
mod key;
mod meter;
mod node;
mod pattern;
mod read;
mod text;
mod words;

use std::sync::Arc;

pub use decode::decode;
pub use node::{Key, Node, Value};
pub use text::{nearest, quoted};

use crate::model::{Mistake, Place};

/// One file may have this many bytes.
pub const MAX_BYTES: usize = 10 * 1024 * 1024;
/// Sequences and mappings may be nested this deeply, aliases resolved.
pub const MAX_DEPTH: usize = 128;
/// One file may hold this many documents.
pub const MAX_DOCUMENTS: usize = 10_000;
/// One file may hold this many values, aliases resolved.
pub const MAX_NODES: usize = 500_000;
/// All text together, aliases resolved, may have this many bytes: the file itself, and half as much again.
pub const MAX_TEXT: usize = MAX_BYTES / 2 * 3;
/// Aliases may repeat this many parser events: people repeat a handful of labels, not a tree.
const MAX_REPEATED: usize = 10_000;
const MAX_ALIASES: usize = 2_000;

/// Which YAML the text is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// What a cluster understands (`sigs.k8s.io/yaml`): `yes` is true, `0777` is octal, `1.0` is 1.
    Manifest,
    /// The declared documents of trueup: only `true` and `false` are booleans, and every key is text.
    Config,
}

/// Reads all documents of a stream; an empty document is none. `file` is the name that mistakes carry.
pub fn parse(file: &str, text: &[u8], profile: Profile) -> Result<Vec<Node>, Vec<Mistake>> {
    let file: Arc<str> = file.into();
    let text = text::readable(&file, text).map_err(|mistake| vec![mistake])?;
    on_own_stack("yaml", || read(&file, text, profile)).unwrap_or_else(|| {
        let whole = Place { file: Arc::clone(&file), line: 0, column: 0 };
        Err(vec![mistake("yaml.reader", whole, "the reader of YAML could not run, or gave up on this text", None)])
    })
}

fn read(file: &Arc<str>, text: &str, profile: Profile) -> Result<Vec<Node>, Vec<Mistake>> {
    meter::start(profile);
    serde_yaml::from_multiple_with_options::<read::Read>(text, options(profile))
        .map(|nodes| nodes.into_iter().map(|read| read.0).collect())
        .map_err(|error| vec![fault::mistake(file, &error)])
}

/// Runs a parser on a stack that holds [`MAX_DEPTH`] levels: each takes about 40 KiB in a build without optimisation, and a
/// worker thread has 2 MiB in all. Returns `None` where no thread is to be had, or the parser panicked in it.
pub(crate) fn on_own_stack<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Option<T> {
    const STACK: usize = 16 * 1024 * 1024;
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(name.into()).stack_size(STACK);
        thread.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

fn options(profile: Profile) -> serde_yaml::Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            flow_nesting_limit: MAX_DEPTH,
            max_depth: MAX_DEPTH,
            max_documents: MAX_DOCUMENTS,
            max_nodes: MAX_NODES,
            max_events: 3 * MAX_NODES,
            // Ours, which counts what comes out, says better what is wrong.
            max_total_scalar_bytes: 4 * MAX_TEXT,
            max_aliases: MAX_ALIASES,
            max_anchors: MAX_ALIASES,
            max_recorded_anchor_events: MAX_REPEATED,
            max_recorded_anchor_bytes: MAX_BYTES,
            max_merge_keys: MAX_ALIASES,
            // One anchor with a hundred aliases is a label that many objects share; the limits above are the wall.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: MAX_REPEATED,
            max_replay_stack_depth: 16,
        },
        legacy_octal_numbers: profile == Profile::Manifest,
        strict_booleans: profile == Profile::Config,
        reject_unsupported_tags: true,
        duplicate_keys: serde_yaml::DuplicateKeyPolicy::Error,
        non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}

fn mistake(code: &str, place: Place, message: impl Into<String>, hint: Option<String>) -> Mistake {
    Mistake { code: code.into(), place, message: message.into(), hint }
}

#[cfg(test)]
mod tests;
