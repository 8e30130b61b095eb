//! The types inside, as messages and back.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::message::{self, Called, Finished, Previewed, Remains, StepToDo, Written};
use crate::model::{
    After, Digest, Fingerprint, Left, Live, Owned, Place, Preview, Spec, State, Step, SyncId, Time, Touched,
};
use crate::target::{Act, Call, Done};

/// A watch has no end; a year is none, and does not overflow a clock.
const LONGEST_CALL: Duration = Duration::from_hours(24 * 366);

impl From<&Call> for Called {
    fn from(call: &Call) -> Self {
        let left = call.deadline.saturating_duration_since(Instant::now());
        Self {
            deadline: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            fence: call.fence,
            sync: call.sync.clone(),
            actor: call.actor.clone(),
        }
    }
}

impl Called {
    /// Returns the call as the target takes it.
    pub(super) fn call(&self, cancel: CancellationToken) -> Call {
        let left = Duration::from_millis(self.deadline).min(LONGEST_CALL);
        let (sync, actor) = (self.sync.clone(), self.actor.clone());
        Call { deadline: Instant::now() + left, cancel, fence: self.fence, sync, actor }
    }
}

impl From<&Spec> for Written {
    fn from(spec: &Spec) -> Self {
        let Place { file, line, column } = spec.place();
        Self {
            body: spec.body().clone(),
            contents: spec.contents().to_vec(),
            place: message::Place { file: file.to_string(), line: *line, column: *column },
        }
    }
}

impl From<Written> for Spec {
    fn from(written: Written) -> Self {
        let message::Place { file, line, column } = written.place;
        Self::new(written.body, written.contents, Place { file: file.into(), line, column })
    }
}

/// Whether the contents of a spec are secret, by its own word.
pub(in crate::target) fn is_secret(spec: &Spec) -> bool {
    spec.body().get("secret").is_some_and(|secret| *secret != Value::Bool(false) && !secret.is_null())
}

impl From<&Owned> for message::Owned {
    fn from(owned: &Owned) -> Self {
        let Left { spec, state, fingerprint } = owned.left.clone();
        Self { origin: owned.origin, spec, state, fingerprint }
    }
}

impl From<message::Owned> for Owned {
    fn from(owned: message::Owned) -> Self {
        let message::Owned { origin, spec, state, fingerprint } = owned;
        Self { origin, left: Left { spec, state, fingerprint } }
    }
}

/// Returns the message of one act.
pub(super) fn step_to_do(id: u64, sync: &SyncId, act: &Act<'_>) -> StepToDo {
    let step = act.step.clone();
    StepToDo {
        id,
        number: act.number,
        key: key(sync, act.number),
        object: step.id,
        action: step.action,
        cause: step.cause,
        before: step.before,
        after: step.after,
        fingerprint: step.fingerprint,
        risk: step.risk,
        wave: step.wave,
        spec: act.spec.map(Written::from),
        proof: None,
    }
}

/// Returns the key under which a step happens once.
pub(super) fn key(sync: &SyncId, number: usize) -> String {
    format!("{sync}/{number}")
}

impl StepToDo {
    /// Returns the act as the target takes it: number, step, and what comes.
    pub(super) fn act(self) -> (usize, Step, Option<Spec>) {
        let step = Step {
            id: self.object,
            action: self.action,
            cause: self.cause,
            before: self.before,
            after: self.after,
            fingerprint: self.fingerprint,
            risk: self.risk,
            wave: self.wave,
        };
        (self.number, step, self.spec.map(Spec::from))
    }
}

/// Returns the message of one preview. A spec that is `desired` itself is not sent back, and content only where `live` asks
/// for it and everyone may read it.
pub(super) fn previewed(id: u64, preview: &Preview, desired: Option<&Spec>, live: bool) -> Previewed {
    let state = |state: &State| message_of(state, desired, live);
    Previewed {
        id,
        object: preview.id.clone(),
        live: match &preview.live {
            Live::Known(known) => message::Live::Known { state: Box::new(state(known)) },
            Live::Absent => message::Live::Absent,
            Live::Unknown(why) => message::Live::Unknown { why: why.clone() },
        },
        after: match &preview.after {
            After::Same => message::After::Same,
            After::Is(coming) => message::After::State { state: Box::new(state(coming)) },
            After::Absent => message::After::Absent,
            After::Released => message::After::Released,
            After::Run(digest) => message::After::Run { digest: *digest },
        },
        calls: preview.calls.clone(),
        rank: preview.rank,
        wave: preview.wave,
        protected: preview.protected.as_ref().map(ToString::to_string),
        touched: preview.touched.as_deref().map(message::Touched::from),
    }
}

fn message_of(state: &State, desired: Option<&Spec>, live: bool) -> message::State {
    let as_desired = desired.is_some() && state.spec.as_ref() == desired;
    message::State {
        digest: state.digest,
        fingerprint: Some(state.fingerprint.clone()).filter(|fingerprint| !fingerprint.0.is_empty()),
        sort: state.sort.to_string(),
        spec: state.spec.as_ref().filter(|_| !as_desired).map(Written::from),
        as_desired,
        content: shown(state, live).map(|content| Digest::of(content)),
        hidden: state.hidden,
    }
}

/// Returns the content of a state that goes with it.
pub(super) fn shown(state: &State, live: bool) -> Option<&Arc<[u8]>> {
    state.content.as_ref().filter(|_| live && !state.hidden)
}

impl Previewed {
    /// Returns the preview; `content` is what came for it, `desired` what was sent.
    pub(super) fn preview(self, desired: Option<&Spec>, content: Option<Arc<[u8]>>) -> Preview {
        let state = |state: Box<message::State>, content| {
            let state = *state;
            Box::new(State {
                digest: state.digest,
                fingerprint: state.fingerprint.unwrap_or_else(|| Fingerprint("".into())),
                sort: state.sort.into(),
                spec: if state.as_desired { desired.cloned() } else { state.spec.map(Spec::from) },
                content,
                hidden: state.hidden,
            })
        };
        Preview {
            id: self.object,
            live: match self.live {
                message::Live::Known { state: known } => Live::Known(state(known, content)),
                message::Live::Absent => Live::Absent,
                message::Live::Unknown { why } => Live::Unknown(why),
            },
            after: match self.after {
                message::After::Same => After::Same,
                message::After::State { state: coming } => After::Is(state(coming, None)),
                message::After::Absent => After::Absent,
                message::After::Released => After::Released,
                message::After::Run { digest } => After::Run(digest),
            },
            calls: self.calls,
            rank: self.rank,
            wave: self.wave,
            protected: self.protected.map(Into::into),
            touched: self.touched.map(|touched| Box::new(touched.into())),
        }
    }

    /// Returns which content is to come for it.
    pub(super) const fn content(&self) -> Option<Digest> {
        match &self.live {
            message::Live::Known { state } => state.content,
            message::Live::Absent | message::Live::Unknown { .. } => None,
        }
    }
}

impl From<&Touched> for message::Touched {
    fn from(touched: &Touched) -> Self {
        let Touched { what, by, at } = touched.clone();
        Self { what, by, at: at.map(|at| at.0) }
    }
}

impl From<message::Touched> for Touched {
    fn from(touched: message::Touched) -> Self {
        let message::Touched { what, by, at } = touched;
        Self { what, by, at: at.map(Time) }
    }
}

impl From<&Done> for Finished {
    fn from(done: &Done) -> Self {
        let left = done.left.clone().map(|(digest, fingerprint)| Remains { digest, fingerprint });
        Self { left, already: done.already, output: done.output.clone() }
    }
}

impl From<Finished> for Done {
    fn from(finished: Finished) -> Self {
        let left = finished.left.map(|Remains { digest, fingerprint }| (digest, fingerprint));
        Self { left, already: finished.already, output: finished.output }
    }
}
