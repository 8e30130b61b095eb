use std::sync::Arc;

use super::*;
use crate::model::{Contents, ContentsError, Fingerprint, Place, Spec};

struct Nothing;

impl Contents for Nothing {
    fn read(&self, digest: &Digest) -> Result<Arc<[u8]>, ContentsError> {
        Err(ContentsError { digest: *digest, source: anyhow::anyhow!("nothing here") })
    }
}

fn id(name: &str) -> ObjectId {
    ObjectId::new("path", name)
}

fn spec(text: &str) -> Spec {
    let place = Place { file: "x.yaml".into(), line: 1, column: 1 };
    Spec::new(serde_json::json!({ "text": text }), vec![], place)
}

#[allow(clippy::unnecessary_box_returns)] // It goes into `Live` and `After` as it is.
fn state(text: &str, sort: &'static str) -> Box<State> {
    let sort = sort.into();
    let fingerprint = Fingerprint(text.into());
    Box::new(State { digest: Digest::of(text.as_bytes()), fingerprint, sort, spec: None, content: None, hidden: false })
}

fn known(text: &str) -> Live {
    Live::Known(state(text, "file"))
}

fn preview(name: &str, live: Live, after: After) -> Preview {
    Preview { id: id(name), live, after, calls: vec![], rank: 200, wave: 0, protected: None }
}

fn owned(origin: Origin, spec_text: &str, state_text: &str) -> Owned {
    let left = Left {
        spec: spec(spec_text).digest(),
        state: Digest::of(state_text.as_bytes()),
        fingerprint: Fingerprint("".into()),
    };
    Owned { origin, left }
}

#[derive(Default)]
struct Case {
    desired: Vec<(&'static str, &'static str)>,
    owned: Vec<(&'static str, Owned)>,
    previews: Vec<Preview>,
    owed: BTreeSet<ObjectId>,
    held: BTreeMap<ObjectId, Name>,
    handed: BTreeMap<ObjectId, Name>,
    report_drift: bool,
    keep: bool,
    ends: bool,
    beyond: BTreeSet<ObjectId>,
}

impl Case {
    fn plan(self) -> Planned {
        let objects = self.desired.iter().map(|(name, text)| (id(name), spec(text))).collect();
        let desired = Complete { objects, contents: Arc::new(Nothing) };
        let owned = Inventory { objects: self.owned.into_iter().map(|(name, owned)| (id(name), owned)).collect() };
        plan(&Inputs {
            application: &"app".parse().unwrap(),
            target: &"host".parse().unwrap(),
            inputs: Digest::of(b"inputs"),
            desired: &desired,
            owned: &owned,
            previews: &Previews { items: self.previews, ..Previews::default() },
            owed: &self.owed,
            held: &self.held,
            handed: &self.handed,
            prune: !self.keep,
            no_deletes: None,
            only_delete: None,
            beyond: &self.beyond,
            ends: self.ends,
            report_drift: self.report_drift,
        })
    }
}

fn acts(planned: &Planned) -> Vec<(Action, &str)> {
    planned.plan.steps.iter().map(|step| (step.action, &*step.id.name)).collect()
}

#[test]
fn what_is_missing_is_created_and_calls_its_handler_once() {
    let mut a = preview("/a", Live::Absent, After::Is(state("1", "file")));
    let mut b = preview("/b", Live::Absent, After::Is(state("2", "file")));
    let handler = ObjectId::new("handler", "reload");
    a.calls = vec![handler.clone()];
    b.calls = vec![handler.clone()];
    let mut run = preview("", Live::Absent, After::Run(Digest::of(b"reload")));
    run.id = handler;
    run.rank = 700;
    let planned = Case { desired: vec![("/a", "1"), ("/b", "2")], previews: vec![run, b, a], ..Case::default() }.plan();
    assert_eq!(acts(&planned), [(Action::Create, "/a"), (Action::Create, "/b"), (Action::Run, "reload")]);
}

#[test]
fn an_uncalled_handler_does_not_run_but_an_owed_one_does() {
    let handler = ObjectId::new("handler", "reload");
    let mut run = preview("", Live::Absent, After::Run(Digest::of(b"reload")));
    run.id = handler.clone();
    let calm = Case { previews: vec![run.clone()], ..Case::default() }.plan();
    assert!(calm.is_empty());
    let owed = Case { previews: vec![run], owed: BTreeSet::from([handler]), ..Case::default() }.plan();
    assert_eq!(acts(&owed), [(Action::Run, "reload")]);
}

#[test]
fn first_contact_matches_what_is_equal_and_adopts_what_differs() {
    let same = preview("/same", known("1"), After::Same);
    let other = preview("/other", known("x"), After::Is(state("2", "file")));
    let planned =
        Case { desired: vec![("/same", "1"), ("/other", "2")], previews: vec![same, other], ..Case::default() }.plan();
    assert_eq!(acts(&planned), [(Action::Adopt, "/other")]);
    assert_eq!(planned.matched[&id("/same")].origin, Origin::Matched);
}

#[test]
fn drift_is_corrective_and_may_be_only_reported() {
    let case = |report_drift| {
        let preview = preview("/a", known("edited"), After::Is(state("1", "file")));
        let owned = vec![("/a", owned(Origin::Created, "1", "1"))];
        Case { desired: vec![("/a", "1")], owned, previews: vec![preview], report_drift, ..Case::default() }.plan()
    };
    let healed = case(false);
    assert_eq!(acts(&healed), [(Action::Update, "/a")]);
    assert_eq!(healed.plan.steps[0].cause, Cause::Corrective);
    let reported = case(true);
    assert!(reported.plan.steps.is_empty());
    assert_eq!(reported.drifted, [id("/a")]);
}

#[test]
fn a_delete_needs_two_witnesses_and_full_knowledge() {
    let case = |origin, live, others: Vec<Preview>| {
        let mut previews = vec![preview("/gone", live, After::Absent)];
        previews.extend(others);
        Case { owned: vec![("/gone", owned(origin, "1", "1"))], previews, ..Case::default() }.plan()
    };
    assert_eq!(acts(&case(Origin::Created, known("1"), vec![])), [(Action::Delete, "/gone")]);
    assert_eq!(acts(&case(Origin::Matched, known("1"), vec![])), [(Action::Release, "/gone")]);
    assert_eq!(acts(&case(Origin::Created, Live::Absent, vec![])), [(Action::Release, "/gone")]);

    let edited = case(Origin::Created, known("edited"), vec![]);
    assert!(edited.plan.steps.is_empty());
    assert_eq!(edited.left_out[0].guard, Guard::MissingWitness);

    let unknown = preview("/u", Live::Unknown("could not open /u".into()), After::Same);
    let blind = case(Origin::Created, known("1"), vec![unknown]);
    assert!(blind.plan.steps.is_empty());
    assert!(blind.left_out.iter().all(|finding| finding.guard == Guard::Unknown));
}

#[test]
fn without_prune_nothing_is_deleted() {
    let previews = vec![preview("/gone", known("1"), After::Absent)];
    let owned = vec![("/gone", owned(Origin::Created, "1", "1"))];
    assert!(Case { owned, previews, keep: true, ..Case::default() }.plan().is_empty());
}

#[test]
fn an_object_that_another_application_takes_over_is_released_not_deleted() {
    let handed = BTreeMap::from([(id("/moved"), "other".parse().unwrap())]);
    let previews = vec![preview("/moved", known("1"), After::Absent)];
    let owned = vec![("/moved", owned(Origin::Created, "1", "1"))];
    assert_eq!(acts(&Case { owned, previews, handed, ..Case::default() }.plan()), [(Action::Release, "/moved")]);
}

#[test]
fn a_second_claimant_is_left_out_and_both_are_named() {
    let held = BTreeMap::from([(id("/a"), "first".parse().unwrap())]);
    let previews = vec![preview("/a", known("1"), After::Is(state("2", "file")))];
    let planned = Case { desired: vec![("/a", "2")], previews, held, ..Case::default() }.plan();
    assert!(planned.plan.steps.is_empty());
    assert_eq!(planned.left_out[0].guard, Guard::Claim);
    assert!(planned.left_out[0].message.contains("first"));
}

#[test]
fn the_id_covers_content_and_nothing_else() {
    let id_of = |text: &'static str, fingerprint: &str| {
        let mut before = state("0", "file");
        before.fingerprint = Fingerprint(fingerprint.into());
        let previews = vec![preview("/a", Live::Known(before), After::Is(state(text, "file")))];
        let owned = vec![("/a", owned(Origin::Created, "0", "0"))];
        Case { desired: vec![("/a", text)], owned, previews, ..Case::default() }.plan().plan.id
    };
    assert_eq!(id_of("1", "mtime 1"), id_of("1", "mtime 2"));
    assert_ne!(id_of("1", ""), id_of("2", ""));
}

#[test]
fn an_application_that_ends_deletes_what_is_as_it_was_left_and_lets_go_of_the_rest() {
    let case = Case {
        owned: vec![
            ("/as-left", owned(Origin::Created, "one", "one")),
            ("/changed", owned(Origin::Created, "one", "one")),
            ("/found", owned(Origin::Matched, "one", "one")),
            ("/unknown", owned(Origin::Adopted, "one", "one")),
        ],
        previews: vec![
            preview("/as-left", known("one"), After::Absent),
            preview("/changed", known("two"), After::Absent),
            preview("/found", known("one"), After::Absent),
        ],
        ends: true,
        ..Case::default()
    };
    let planned = case.plan();
    let steps: Vec<_> = planned.plan.steps.iter().map(|step| (&*step.id.name, step.action)).collect();
    assert_eq!(steps, [("/as-left", Action::Delete), ("/changed", Action::Release), ("/found", Action::Release)]);
    assert!(planned.left_out.is_empty());
}

#[test]
fn what_an_application_may_not_reach_any_more_it_lets_go_of_and_does_not_delete() {
    let case = Case {
        owned: vec![("/far", owned(Origin::Created, "one", "one")), ("/near", owned(Origin::Created, "one", "one"))],
        previews: vec![preview("/far", known("one"), After::Absent), preview("/near", known("one"), After::Absent)],
        beyond: [id("/far")].into(),
        ..Case::default()
    };
    let planned = case.plan();
    let steps: Vec<_> = planned.plan.steps.iter().map(|step| (&*step.id.name, step.action)).collect();
    assert_eq!(steps, [("/far", Action::Release), ("/near", Action::Delete)]);
}
