//! What others moved, and what only looks otherwise to another version.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Action, After, Cause, Complete, Inventory, Live, ObjectId, Owned, Preview, Previews, Spec, Time};
use crate::plan::Planned;

/// Returns what of a plan is this version's doing: the same tree makes something else of it, or nothing on the target moved.
pub(super) fn differences(
    planned: &Planned,
    (previews, owned): (&Previews, &Inventory),
    (old, new): (&Complete, &Complete),
    last: Option<Time>,
) -> Vec<ObjectId> {
    let moved = Moved::new(previews, owned, last);
    let found: BTreeMap<&ObjectId, &Preview> = previews.items.iter().map(|preview| (&preview.id, preview)).collect();
    let digest = |complete: &Complete, id: &ObjectId| complete.objects.get(id).map(Spec::digest);
    let steps = planned.plan.steps.iter().filter(|step| {
        if digest(old, &step.id) != digest(new, &step.id) {
            return true;
        }
        let (Some(preview), Some(owned)) = (found.get(&step.id), owned.objects.get(&step.id)) else { return false };
        step.cause == Cause::Corrective && step.action != Action::Run && !moved.tells(preview, owned)
    });
    steps.map(|step| step.id.clone()).collect()
}

/// Returns what this version sees otherwise than the one before left it, though nothing of it moved.
pub(super) fn looks_otherwise(
    previews: &Previews,
    complete: &Complete,
    owned: &Inventory,
    last: Option<Time>,
) -> BTreeSet<ObjectId> {
    let moved = Moved::new(previews, owned, last);
    let as_before = |id: &ObjectId| {
        let spec = complete.objects.get(id).map(Spec::digest);
        owned.objects.get(id).filter(|owned| Some(owned.left.spec) == spec)
    };
    let drifted = previews.items.iter().filter(|preview| matches!(preview.after, After::Is(_)));
    let unmoved = drifted.filter(|preview| as_before(&preview.id).is_some_and(|owned| !moved.tells(preview, owned)));
    unmoved.map(|preview| preview.id.clone()).collect()
}

/// Tells what others moved from what only looks otherwise to another version.
struct Moved<'a> {
    last: Option<Time>,
    /// Kinds of which some fingerprint is the one that was remembered: this version makes them as the other did, so that another one
    /// proves something.
    comparable: BTreeSet<&'a str>,
}

impl<'a> Moved<'a> {
    fn new(previews: &'a Previews, owned: &Inventory, last: Option<Time>) -> Self {
        let same = |preview: &&Preview| match (&preview.live, owned.objects.get(&preview.id)) {
            (Live::Known(state), Some(owned)) => state.fingerprint == owned.left.fingerprint,
            _ => false,
        };
        let comparable = previews.items.iter().filter(same).map(|preview| &*preview.id.kind).collect();
        Self { last, comparable }
    }

    /// Whether the object was moved since it was left.
    fn tells(&self, preview: &Preview, owned: &Owned) -> bool {
        let Live::Known(state) = &preview.live else { return true };
        let at = preview.touched.as_ref().and_then(|touched| touched.at);
        let since = at.zip(self.last).is_some_and(|(at, last)| at > last);
        let comparable = self.comparable.contains(&*preview.id.kind);
        since || (comparable && state.fingerprint != owned.left.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        Contents, ContentsError, Digest, Fingerprint, Left, Origin, Place, Plan, Risk, State, Step, Touched,
    };

    const LAST: Time = Time(100);

    fn owned(fingerprint: &str) -> Owned {
        let left = Left {
            spec: spec("applied").digest(),
            state: Digest::of(b"left"),
            fingerprint: Fingerprint(fingerprint.into()),
        };
        Owned { origin: Origin::Created, left }
    }

    fn drifted(kind: &'static str, name: &str, fingerprint: Option<&str>, at: Option<i64>) -> Preview {
        let state = |text: &str, fingerprint: &str| {
            let (digest, fingerprint) = (Digest::of(text.as_bytes()), Fingerprint(fingerprint.into()));
            Box::new(State { digest, fingerprint, sort: "file".into(), spec: None, content: None, hidden: false })
        };
        Preview {
            id: ObjectId::new(kind, name),
            live: fingerprint.map_or(Live::Absent, |fingerprint| Live::Known(state("live", fingerprint))),
            after: After::Is(state("right", "")),
            calls: vec![],
            rank: 0,
            wave: 0,
            protected: None,
            touched: at.map(|at| Box::new(Touched { at: Some(Time(at)), ..Touched::default() })),
        }
    }

    /// Looks at one object beside one of its kind that did not move.
    fn moved(preview: &Preview, left: &str, beside: bool) -> bool {
        let mut same = drifted("path", "/beside", Some("same"), None);
        same.id.kind = preview.id.kind.clone();
        let inventory = Inventory { objects: [(same.id.clone(), owned("same"))].into() };
        let items = if beside { vec![same] } else { vec![] };
        let previews = Previews { items, ..Previews::default() };
        Moved::new(&previews, &inventory, Some(LAST)).tells(preview, &owned(left))
    }

    #[test]
    fn what_others_moved_is_told_from_what_only_looks_otherwise() {
        let path = |fingerprint, at| drifted("path", "/a", fingerprint, at);
        assert!(moved(&path(Some("2"), None), "1", true), "its fingerprint moved");
        assert!(!moved(&path(Some("1"), None), "1", true), "nothing of it moved");
        assert!(moved(&path(None, None), "1", true), "it is gone");
        // Where no fingerprint is what it was, this version makes them otherwise: then only the time tells.
        assert!(!moved(&path(Some("2"), Some(100)), "1", false));
        assert!(moved(&path(Some("2"), Some(101)), "1", false));
        // The fingerprint of a unit says nothing of how it is.
        let unit = |at| drifted("unit", "a.service", Some("unit:running"), at);
        assert!(!moved(&unit(None), "unit:running", true));
        assert!(!moved(&unit(Some(99)), "unit:running", true), "the version before saw it so, and left it");
        assert!(moved(&unit(Some(101)), "unit:running", true));
    }

    struct Nothing;

    impl Contents for Nothing {
        fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, ContentsError> {
            Err(ContentsError { digest: *digest, source: anyhow::anyhow!("nothing here") })
        }
    }

    fn spec(text: &str) -> Spec {
        Spec::new(serde_json::json!({ "text": text }), vec![], Place { file: "x.yaml".into(), line: 1, column: 1 })
    }

    fn complete(specs: &[(&str, &str)]) -> Complete {
        let objects = specs.iter().map(|(name, text)| (ObjectId::new("path", name), spec(text))).collect();
        Complete { objects, contents: Arc::new(Nothing) }
    }

    fn inventory(names: &[&str]) -> Inventory {
        Inventory { objects: names.iter().map(|name| (ObjectId::new("path", name), owned("1"))).collect() }
    }

    #[test]
    fn what_only_looks_otherwise_is_left_alone_until_a_person_says_yes() {
        let items = vec![
            drifted("path", "/moved", Some("2"), None),
            drifted("path", "/looks", Some("1"), None),
            // Git changed it: it is no drift.
            drifted("path", "/wanted", Some("1"), None),
        ];
        let complete = complete(&[("/moved", "applied"), ("/looks", "applied"), ("/wanted", "newer")]);
        let previews = Previews { items, ..Previews::default() };
        let left_alone = looks_otherwise(&previews, &complete, &inventory(&["/moved", "/looks", "/wanted"]), None);
        assert_eq!(left_alone, BTreeSet::from([ObjectId::new("path", "/looks")]));
    }

    #[test]
    fn a_difference_is_another_render_of_the_same_tree_or_drift_that_nobody_made() {
        let step = |name: &str, action, cause| Step {
            id: ObjectId::new("path", name),
            action,
            cause,
            before: Digest::of(b"before"),
            after: Digest::of(b"after"),
            fingerprint: None,
            risk: Risk::Low,
            wave: 0,
        };
        let steps = vec![
            step("/moved", Action::Update, Cause::Corrective),
            step("/looks", Action::Update, Cause::Corrective),
            step("/rendered", Action::Update, Cause::Intentional),
            step("/not any more", Action::Delete, Cause::Intentional),
            // Another application held it when the version before was here.
            step("/free now", Action::Create, Cause::Intentional),
        ];
        let plan = Plan::new("app".parse().unwrap(), "host".parse().unwrap(), Digest::of(b""), steps);
        let planned = Planned::of(plan);
        let items = vec![drifted("path", "/moved", Some("2"), None), drifted("path", "/looks", Some("1"), None)];
        let previews = Previews { items, ..Previews::default() };
        let same = [("/moved", "applied"), ("/looks", "applied"), ("/free now", "applied")];
        let old = complete(&[&same[..], &[("/rendered", "applied"), ("/not any more", "applied")]].concat());
        let new = complete(&[&same[..], &[("/rendered", "otherwise")]].concat());
        let inventory = inventory(&["/moved", "/looks", "/rendered", "/not any more"]);
        let found = differences(&planned, (&previews, &inventory), (&old, &new), None);
        assert_eq!(found, ["/looks", "/rendered", "/not any more"].map(|name| ObjectId::new("path", name)));
    }
}
