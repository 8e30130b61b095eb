//! What a step and a preview must be: rules that need nothing but their arguments.

use super::ledger::{Change, Offer};
use crate::model::{After, Digest, Live, Preview, Spec, State, SyncId};
use crate::target::{Act, Batch, Call, TargetError};

/// Whether everyone may read what lies there, as far as it shows itself.
pub(super) fn open(state: &State) -> bool {
    let mode = state.spec.as_ref().and_then(|spec| spec.body().get("mode")).and_then(serde_json::Value::as_u64);
    match &*state.sort {
        "file" => mode.is_some_and(|mode| mode & 0o004 != 0),
        _ => true,
    }
}

pub(super) fn fenced(call: &Call, fence: u64) -> Result<(), TargetError> {
    if call.fence >= fence {
        return Ok(());
    }
    let reason = format!(
        "a daemon with the fence {fence} acted on this host, and this one has {}: it is not the one that holds the store now. If it \
         is, and its store was made anew or restored, stop trueup-host.service and remove its journal",
        call.fence
    );
    Err(TargetError::Denied { code: "host.fenced".into(), reason })
}

/// A SyncId is what is remembered for ever, so it is as short as it says it is.
pub(super) fn named(sync: &SyncId) -> Result<(), TargetError> {
    let hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if sync.0.len() == 32 && sync.0.bytes().all(hexadecimal) {
        return Ok(());
    }
    let reason = "a SyncId has 32 hexadecimal digits".into();
    Err(TargetError::Invalid { code: "host.sync-id".into(), reason })
}

/// Returns the digest of all that a step says.
pub(super) fn content(batch: &Batch<'_>, act: &Act<'_>) -> Digest {
    let step = act.step;
    let said = (&step.id, step.action, step.before, step.after, &step.fingerprint, act.spec.map(Spec::digest));
    Digest::of_json("trueup/root-act/v1", &(batch.plan, act.number, said))
}

/// Returns what a preview that would change something offers.
pub(super) fn offer(item: &Preview, spec: Option<&Spec>) -> Option<Offer> {
    let (before, sort) = match &item.live {
        Live::Known(state) => (state.digest, Some(&state.sort)),
        Live::Absent => (Digest::ABSENT, None),
        Live::Unknown(_) => return None,
    };
    let (change, before, after, spec) = match &item.after {
        After::Is(state) => {
            let change = match sort {
                None => Change::Create,
                Some(sort) if *sort == state.sort => Change::Update,
                Some(_) => Change::Replace,
            };
            (change, before, state.digest, spec)
        }
        After::Absent if sort.is_some() => (Change::Delete, before, Digest::ABSENT, None),
        // A run has nothing before it, whatever is known of what it runs on.
        After::Run(digest) => (Change::Run, Digest::ABSENT, *digest, spec),
        After::Same | After::Absent | After::Released => return None,
    };
    Some(Offer { object: item.id.clone(), change, before, after, spec: spec.map(Spec::digest) })
}
