use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Planned;
use crate::model::{Action, After, Guard, Inventory, Live, ObjectId, Observed, Owned, Preview, Previews, State};

/// What others made of the objects of an application, as one look found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Of what the plan acts on, or would if it could tell whose it is.
    pub acted: Vec<Observed>,
    /// Of what is left as it is: drift that is only reported, and what people edit by hand.
    pub spared: Vec<Observed>,
}

/// Returns what is not as it was left, where a plan has to do with it.
#[must_use]
pub fn observed(planned: &Planned, previews: &Previews, owned: &Inventory) -> Seen {
    let spared: BTreeSet<&ObjectId> =
        planned.drifted.iter().chain(planned.edited.iter().map(|step| &step.id)).collect();
    let steps = planned.plan.steps.iter().filter(|step| !matches!(step.action, Action::Run | Action::Release));
    let lost = planned.left_out.iter().filter(|finding| finding.guard == Guard::MissingWitness);
    let acted: BTreeSet<&ObjectId> =
        steps.map(|step| &step.id).chain(lost.flat_map(|finding| &finding.objects)).collect();
    let mut seen = Seen::default();
    if acted.is_empty() && spared.is_empty() {
        return seen;
    }
    for preview in &previews.items {
        let into = match (acted.contains(&preview.id), spared.contains(&preview.id)) {
            (true, _) => &mut seen.acted,
            (_, true) => &mut seen.spared,
            _ => continue,
        };
        into.extend(of(preview, owned.objects.get(&preview.id)));
    }
    seen
}

fn of(preview: &Preview, owned: Option<&Owned>) -> Option<Observed> {
    let touched = preview.touched.as_deref().cloned().unwrap_or_default();
    let (what, now) = match (&preview.live, owned) {
        (Live::Known(state), None) => ("there already".into(), Some(state.digest)),
        // It is as we left it: what is to be done about it is nobody else's doing.
        (Live::Known(state), Some(owned)) if state.digest == owned.left.state => return None,
        (Live::Known(state), Some(_)) => {
            (touched.what.map_or_else(|| word(state, &preview.after), Cow::Owned), Some(state.digest))
        }
        (Live::Absent, Some(_)) => ("gone".into(), None),
        (Live::Absent, None) | (Live::Unknown(_), _) => return None,
    };
    let left = owned.map(|owned| owned.left.state);
    Some(Observed { object: preview.id.clone(), what, left, now, by: touched.by, at: touched.at })
}

fn word(now: &State, after: &After) -> Cow<'static, str> {
    match after {
        After::Is(after) if after.sort != now.sort => "replaced".into(),
        _ => "changed".into(),
    }
}
