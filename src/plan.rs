//! Previews → [`Plan`]. A pure function: what is not in its arguments cannot sway it.

mod changes;
mod observed;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    Action, After, BreakGlass, Cause, Complete, Digest, Finding, Guard, Inventory, Left, Live, Name, ObjectId, Origin,
    Owned, Plan, Preview, Previews, Risk, Spec, State, Step, Walk,
};

pub use changes::{changes, edits};
pub use observed::{Seen, observed};

/// All that a plan is made from.
pub struct Inputs<'a> {
    pub application: &'a Name,
    pub target: &'a Name,
    pub inputs: Digest,
    pub desired: &'a Complete,
    pub owned: &'a Inventory,
    pub previews: &'a Previews,
    /// Handlers that an earlier plan still owes.
    pub owed: &'a BTreeSet<ObjectId>,
    /// Objects that another application holds.
    pub held: &'a BTreeMap<ObjectId, Name>,
    /// Objects that leave this application and that another one now desires.
    pub handed: &'a BTreeMap<ObjectId, Name>,
    pub prune: bool,
    /// Why nothing may be deleted now, whatever Git says: it cannot be told what other applications desire.
    pub no_deletes: Option<&'a str>,
    /// Nothing else may be deleted: taking back a failed sync ends what that sync created, and no more.
    pub only_delete: Option<&'a BTreeSet<ObjectId>>,
    /// Objects that the application may not reach any more: they are let go of, never deleted.
    pub beyond: &'a BTreeSet<ObjectId>,
    /// The application ends: what is not as it was left is let go of, and not kept in the inventory for another try.
    pub ends: bool,
    /// Drift is only reported: corrective steps are left out.
    pub report_drift: bool,
    /// Drift that this plan leaves as it is: another plan, that waits for a person, is about it.
    pub left_alone: &'a BTreeSet<ObjectId>,
    /// Break-glass that counts now: what people edit under it is left as they make it.
    pub glasses: &'a [BreakGlass],
}

/// A plan, and what was learned on the way that is not a step.
#[derive(Clone, Debug)]
pub struct Planned {
    pub plan: Plan,
    /// Objects left out of the plan, each with its reason.
    pub left_out: Vec<Finding>,
    /// Deletes that an adapter wants a person's yes for, with the reason.
    pub protected: Vec<(ObjectId, String)>,
    /// First contact: found as desired, kept true from now on.
    pub matched: BTreeMap<ObjectId, Owned>,
    /// Ours and as desired, but what we remember of it moved.
    pub refreshed: BTreeMap<ObjectId, Owned>,
    /// Drift that is only reported.
    pub drifted: Vec<ObjectId>,
    /// What would be done to objects that people may edit by hand now.
    pub edited: Vec<Step>,
}

impl Planned {
    /// Returns a plan of which nothing else was learned.
    #[must_use]
    pub const fn of(plan: Plan) -> Self {
        Self {
            plan,
            left_out: vec![],
            protected: vec![],
            matched: BTreeMap::new(),
            refreshed: BTreeMap::new(),
            drifted: vec![],
            edited: vec![],
        }
    }

    /// Whether carrying it out would change nothing at all, the inventory included.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.plan.steps.is_empty() && self.matched.is_empty() && self.refreshed.is_empty()
    }
}

/// Makes the plan. Its steps are in the order in which they run: by wave, by the adapter's rank, by identity.
#[must_use]
pub fn plan(from: &Inputs<'_>) -> Planned {
    let mut draft = Draft::new(from);
    for preview in &from.previews.items {
        draft.place(preview);
    }
    draft.call_handlers();
    draft.finish()
}

struct Draft<'a> {
    from: &'a Inputs<'a>,
    /// With wave and rank, to be sorted by.
    steps: Vec<((u32, u32), Step)>,
    called: BTreeMap<&'a ObjectId, Cause>,
    planned: Planned,
    unknown: bool,
    /// Previews come in the order of both.
    desired: Walk<'a, Spec>,
    owned: Walk<'a, Owned>,
}

impl<'a> Draft<'a> {
    fn new(from: &'a Inputs<'a>) -> Self {
        let plan = Plan::new(from.application.clone(), from.target.clone(), from.inputs, vec![]);
        let planned = Planned::of(plan);
        let unknown = from.previews.items.iter().any(|preview| matches!(preview.live, Live::Unknown(_)));
        let (desired, owned) = (Walk::new(&from.desired.objects), Walk::new(&from.owned.objects));
        Self { from, steps: vec![], called: BTreeMap::new(), planned, unknown, desired, owned }
    }

    fn place(&mut self, preview: &'a Preview) {
        match (&preview.after, &preview.live) {
            (After::Run(_), _) => {}
            (_, Live::Unknown(reason)) => self.leave_out(Guard::Unknown, &preview.id, reason.clone()),
            (After::Absent, live) => self.remove(preview, live),
            (After::Released, live) => self.release(preview, live),
            (After::Same | After::Is(_), _) if self.from.held.contains_key(&preview.id) => {
                let holder = &self.from.held[&preview.id];
                self.leave_out(Guard::Claim, &preview.id, format!("{} is already kept true by {holder}", preview.id));
            }
            (After::Same, live) => self.remember(preview, live),
            (After::Is(after), live) => self.change(preview, live, after),
        }
    }

    fn leave_out(&mut self, guard: Guard, id: &ObjectId, message: String) {
        self.planned.left_out.push(Finding::new(guard, message, vec![id.clone()]));
    }

    /// It is as it should be: take note of what is new about it.
    fn remember(&mut self, preview: &Preview, live: &Live) {
        let Some(spec) = self.desired.find(&preview.id).map(Spec::digest) else { return };
        let owned = self.owned.find(&preview.id);
        let state = match (live, owned) {
            // Nothing moved: the steady case.
            (Live::Known(state), Some(owned)) if owned.left.spec == spec && owned.left.state == state.digest => return,
            (Live::Known(state), _) => Left { spec, state: state.digest, fingerprint: state.fingerprint.clone() },
            // Unchanged by its fingerprint: nothing was read, and nothing moved but perhaps what was written about it.
            (_, Some(owned)) => Left { spec, ..owned.left.clone() },
            (_, None) => return,
        };
        match owned {
            None => {
                self.planned.matched.insert(preview.id.clone(), Owned { origin: Origin::Matched, left: state });
            }
            Some(owned) if owned.left.spec != state.spec || owned.left.state != state.state => {
                self.planned.refreshed.insert(preview.id.clone(), Owned { origin: owned.origin, left: state });
            }
            Some(_) => {}
        }
    }

    fn change(&mut self, preview: &'a Preview, live: &Live, after: &State) {
        let cause = self.cause(&preview.id);
        let drifted = cause == Cause::Corrective;
        if drifted && self.from.left_alone.contains(&preview.id) {
            return;
        }
        if drifted && self.from.report_drift && self.editable(&preview.id).is_none() {
            self.planned.drifted.push(preview.id.clone());
            return;
        }
        let ours = self.from.owned.objects.contains_key(&preview.id);
        let action = match live {
            Live::Known(_) if !ours => Action::Adopt,
            Live::Known(before) if before.sort != after.sort => Action::Replace,
            Live::Known(_) => Action::Update,
            Live::Absent | Live::Unknown(_) => Action::Create,
        };
        let risk = if matches!(action, Action::Replace | Action::Adopt) { Risk::High } else { Risk::Low };
        self.step(preview, action, cause, after.digest, risk);
    }

    /// It is ours and no longer desired: two witnesses before a delete, and none while anything is unknown.
    fn remove(&mut self, preview: &'a Preview, live: &Live) {
        let Some(owned) = self.from.owned.objects.get(&preview.id) else { return };
        let id = &preview.id;
        let Live::Known(state) = live else { return self.release(preview, live) };
        let spared = self.from.only_delete.is_some_and(|only| !only.contains(id));
        let elsewhere = self.from.handed.contains_key(id) || self.from.beyond.contains(id);
        if elsewhere || owned.origin == Origin::Matched || spared {
            return self.release(preview, live);
        }
        if !self.from.prune {
            return;
        }
        if self.editable(id).is_some() {
            return self.step(preview, Action::Delete, Cause::Intentional, Digest::ABSENT, Risk::High);
        }
        let blind = self.unknown.then_some("other objects cannot be examined").or(self.from.no_deletes);
        if let Some(reason) = blind {
            let message = format!("{id} is not deleted while {reason}");
            return self.leave_out(Guard::Unknown, id, message);
        }
        if state.digest != owned.left.state && self.from.ends {
            return self.release(preview, live);
        }
        if state.digest != owned.left.state {
            let message = format!("{id} is not as trueup left it, so it is not deleted");
            return self.leave_out(Guard::MissingWitness, id, message);
        }
        if let Some(reason) = &preview.protected {
            self.planned.protected.push((id.clone(), reason.to_string()));
        }
        self.step(preview, Action::Delete, Cause::Intentional, Digest::ABSENT, Risk::High);
    }

    /// It stays as it is, and is not ours any more.
    fn release(&mut self, preview: &'a Preview, live: &Live) {
        if !self.from.owned.objects.contains_key(&preview.id) {
            return;
        }
        let digest = match live {
            Live::Known(state) => state.digest,
            Live::Absent | Live::Unknown(_) => Digest::ABSENT,
        };
        self.step(preview, Action::Release, Cause::Intentional, digest, Risk::Low);
    }

    fn step(&mut self, preview: &'a Preview, action: Action, cause: Cause, after: Digest, risk: Risk) {
        let (before, fingerprint) = match &preview.live {
            Live::Known(state) => (state.digest, Some(state.fingerprint.clone())),
            Live::Absent | Live::Unknown(_) => (Digest::ABSENT, None),
        };
        let step = Step { id: preview.id.clone(), action, cause, before, after, fingerprint, risk, wave: preview.wave };
        // What is gone, and Git has no more, is only forgotten.
        let forgets = action == Action::Release && before == Digest::ABSENT;
        if let Some(glass) = self.editable(&preview.id).filter(|_| !forgets) {
            return self.spare(step, glass);
        }
        self.steps.push(((preview.wave, preview.rank), step));
        if action == Action::Release {
            return;
        }
        for handler in &preview.calls {
            let called = self.called.entry(handler).or_insert(cause);
            if cause == Cause::Intentional {
                *called = cause;
            }
        }
    }

    /// Returns the break-glass under which people edit the object now.
    fn editable(&self, id: &ObjectId) -> Option<&'a BreakGlass> {
        self.from.glasses.iter().find(|glass| glass.spares(id))
    }

    /// Leaves a step out. What drifted may be what people are about, and is only watched; what Git wants waits, and they are told.
    fn spare(&mut self, step: Step, glass: &BreakGlass) {
        if step.cause == Cause::Intentional {
            let until = glass.until();
            let message =
                format!("{} may be edited by hand until {until} ({}): it is left as it is", step.id, glass.id);
            self.leave_out(Guard::LiveEdit, &step.id, message);
        }
        self.planned.edited.push(step);
    }

    /// Handlers and checks that a change calls, once each, and those that an earlier plan still owes.
    fn call_handlers(&mut self) {
        for preview in &self.from.previews.items {
            let After::Run(command) = preview.after else { continue };
            let owed = self.from.owed.contains(&preview.id).then_some(Cause::Corrective);
            let Some(cause) = self.called.get(&preview.id).copied().or(owed) else { continue };
            let step = Step {
                id: preview.id.clone(),
                action: Action::Run,
                cause,
                before: Digest::ABSENT,
                after: command,
                fingerprint: match &preview.live {
                    Live::Known(state) => Some(state.fingerprint.clone()),
                    Live::Absent | Live::Unknown(_) => None,
                },
                risk: Risk::Low,
                wave: preview.wave,
            };
            self.steps.push(((preview.wave, preview.rank), step));
        }
    }

    fn cause(&self, id: &ObjectId) -> Cause {
        let remembered = self.from.owned.objects.get(id).map(|owned| owned.left.spec);
        if remembered.is_some() && remembered == self.spec_digest(id) { Cause::Corrective } else { Cause::Intentional }
    }

    fn spec_digest(&self, id: &ObjectId) -> Option<Digest> {
        self.from.desired.objects.get(id).map(Spec::digest)
    }

    fn finish(mut self) -> Planned {
        self.steps.sort_by(|(a, left), (b, right)| a.cmp(b).then_with(|| left.id.cmp(&right.id)));
        let steps = self.steps.into_iter().map(|(_, step)| step).collect();
        let (application, target) = (self.from.application.clone(), self.from.target.clone());
        self.planned.plan = Plan::new(application, target, self.from.inputs, steps);
        self.planned
    }
}

#[cfg(test)]
mod tests;
