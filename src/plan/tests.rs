use std::sync::Arc;

use super::*;
use crate::model::{Actor, Boot, BreakGlassId, Contents, ContentsError, Fingerprint, Place, Spec, Time, Touched};

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
    Preview { id: id(name), live, after, calls: vec![], rank: 200, wave: 0, protected: None, touched: None }
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
    left_alone: BTreeSet<ObjectId>,
    glasses: Vec<BreakGlass>,
    no_deletes: Option<&'static str>,
    only_delete: Option<BTreeSet<ObjectId>>,
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
            no_deletes: self.no_deletes,
            only_delete: self.only_delete.as_ref(),
            beyond: &self.beyond,
            ends: self.ends,
            report_drift: self.report_drift,
            left_alone: &self.left_alone,
            glasses: &self.glasses,
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
fn nothing_is_deleted_while_it_cannot_be_told_what_others_desire() {
    let previews = vec![preview("/gone", known("1"), After::Absent)];
    let owned = vec![("/gone", owned(Origin::Created, "1", "1"))];
    let blind =
        Case { owned, previews, no_deletes: Some("application b cannot be rendered"), ..Case::default() }.plan();
    assert!(blind.plan.steps.is_empty());
    assert_eq!(blind.left_out[0].guard, Guard::Unknown);
    assert!(blind.left_out[0].message.contains("application b"), "{:?}", blind.left_out);
}

#[test]
fn taking_back_a_failed_sync_deletes_what_that_sync_created_and_nothing_else() {
    let previews = ["/made", "/here"].map(|name| preview(name, known("1"), After::Absent)).to_vec();
    let owned = ["/made", "/here"].map(|name| (name, owned(Origin::Created, "1", "1"))).to_vec();
    let only_delete = Some(BTreeSet::from([id("/made")]));
    let planned = Case { owned, previews, only_delete, ..Case::default() }.plan();
    assert_eq!(acts(&planned), [(Action::Release, "/here"), (Action::Delete, "/made")]);
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

/// Leave to edit what these patterns name.
fn glass(patterns: &[&str]) -> BreakGlass {
    BreakGlass {
        id: BreakGlassId("0123456789abcdef".into()),
        applications: vec!["app".parse().unwrap()],
        policies: vec![],
        live_edit: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        reason: "the site is down".into(),
        ticket: None,
        request: None,
        by: Actor::unix_user(1000, "ada".into()),
        opened: Time(0),
        boot: Boot { id: "one".into(), elapsed: 0 },
        lasts: 3600,
        needs: 0,
    }
}

#[test]
fn what_people_edit_by_hand_is_left_whatever_git_wants_and_the_rest_goes_on() {
    let case = |patterns: &[&str], report_drift| {
        let previews = vec![
            preview("/etc/a/drifted", known("edited"), After::Is(state("1", "file"))),
            preview("/etc/a/changed", known("1"), After::Is(state("2", "file"))),
            preview("/etc/a/gone", known("1"), After::Absent),
            preview("/etc/a/new", Live::Absent, After::Is(state("1", "file"))),
            preview("/etc/b", known("edited"), After::Is(state("1", "file"))),
        ];
        let desired = vec![("/etc/a/drifted", "1"), ("/etc/a/changed", "2"), ("/etc/a/new", "1"), ("/etc/b", "1")];
        let ours = ["/etc/a/drifted", "/etc/a/changed", "/etc/a/gone", "/etc/b"];
        let owned = ours.map(|name| (name, owned(Origin::Created, "1", "1"))).to_vec();
        Case { desired, owned, previews, report_drift, glasses: vec![glass(patterns)], ..Case::default() }.plan()
    };
    let planned = case(&["/etc/a/*"], false);
    assert_eq!(acts(&planned), [(Action::Update, "/etc/b")]);
    let edited: Vec<_> = planned.edited.iter().map(|step| (step.action, step.cause, &*step.id.name)).collect();
    let expected = [
        (Action::Update, Cause::Corrective, "/etc/a/drifted"),
        (Action::Update, Cause::Intentional, "/etc/a/changed"),
        (Action::Delete, Cause::Intentional, "/etc/a/gone"),
        (Action::Create, Cause::Intentional, "/etc/a/new"),
    ];
    assert_eq!(edited, expected);
    // What only drifted is watched: nothing of Git's waits.
    let told: Vec<_> = planned.left_out.iter().map(|finding| (finding.guard, &*finding.objects[0].name)).collect();
    let waits = ["/etc/a/changed", "/etc/a/gone", "/etc/a/new"].map(|name| (Guard::LiveEdit, name));
    assert_eq!(told, waits);
    assert!(planned.left_out[0].message.contains("0123456789abcdef"), "{:?}", planned.left_out);

    let reported = case(&["/etc/a/*"], true);
    assert_eq!((reported.drifted, reported.edited.len()), (vec![id("/etc/b")], 4));
    assert_eq!(case(&["/etc/a", "*.conf"], false).plan.steps.len(), 5, "a pattern is of a whole name");
}

#[test]
fn what_is_edited_by_hand_and_gone_from_git_waits_as_an_edit_and_not_for_its_witness() {
    let previews = vec![preview("/gone", known("edited"), After::Absent)];
    let owned = vec![("/gone", owned(Origin::Created, "1", "1"))];
    let planned = Case { owned, previews, glasses: vec![glass(&["/gone"])], ..Case::default() }.plan();
    assert_eq!(planned.left_out.iter().map(|finding| finding.guard).collect::<Vec<_>>(), [Guard::LiveEdit]);
    assert!(planned.plan.steps.is_empty());
}

#[test]
fn drift_that_another_plan_is_about_is_left_and_what_git_changed_is_not() {
    let case = |text| {
        let previews = vec![preview("/a", known("edited"), After::Is(state("1", "file")))];
        let owned = vec![("/a", owned(Origin::Created, "1", "1"))];
        let left_alone = BTreeSet::from([id("/a")]);
        Case { desired: vec![("/a", text)], owned, previews, left_alone, ..Case::default() }.plan()
    };
    assert!(acts(&case("1")).is_empty());
    assert_eq!(acts(&case("2")), [(Action::Update, "/a")]);
}

#[test]
fn what_others_did_is_told_with_what_is_known_of_it_and_what_we_did_is_not() {
    let touched = |by: &str| Some(Box::new(Touched { what: None, by: Some(by.into()), at: Some(Time(7)) }));
    let mut edited = preview("/edited", known("x"), After::Is(state("1", "file")));
    edited.touched = touched("owner ada");
    let mut stopped = preview("/unit", known("x"), After::Is(state("1", "file")));
    stopped.touched = Some(Box::new(Touched { what: Some("stopped".into()), ..Touched::default() }));
    let previews = vec![
        edited,
        stopped,
        preview("/gone", Live::Absent, After::Is(state("1", "file"))),
        preview("/link", Live::Known(state("x", "symlink")), After::Is(state("1", "file"))),
        preview("/theirs", known("x"), After::Is(state("1", "file"))),
        preview("/new", Live::Absent, After::Is(state("1", "file"))),
        // Git changed it, and nobody else.
        preview("/ours", known("1"), After::Is(state("2", "file"))),
        // Git has it no more, and somebody edited it.
        preview("/dropped", known("x"), After::Absent),
        preview("/right", known("1"), After::Same),
    ];
    let named = ["/edited", "/unit", "/gone", "/link", "/ours", "/dropped", "/right"];
    let owned: Vec<_> = named.map(|name| (name, owned(Origin::Created, "1", "1"))).to_vec();
    let mut desired: Vec<_> =
        named.iter().filter(|name| **name != "/dropped").map(|name| (*name, "1")).chain([("/theirs", "1")]).collect();
    desired.extend([("/new", "1")]);
    let inventory = Inventory { objects: owned.iter().map(|(name, owned)| (id(name), owned.clone())).collect() };
    let case = Case { desired, owned, previews: previews.clone(), ..Case::default() };
    let seen = observed(&case.plan(), &Previews { items: previews, ..Previews::default() }, &inventory);
    let told: Vec<_> = seen.acted.iter().map(|one| (&*one.object.name, &*one.what)).collect();
    let expected = [
        ("/edited", "changed"),
        ("/unit", "stopped"),
        ("/gone", "gone"),
        ("/link", "replaced"),
        ("/theirs", "there already"),
        ("/dropped", "changed"),
    ];
    assert_eq!(told, expected);
    let (one, is) = (&seen.acted[0], |text: &str| Some(Digest::of(text.as_bytes())));
    assert_eq!((one.left, one.now, one.by.as_deref(), one.at), (is("1"), is("x"), Some("owner ada"), Some(Time(7))));
    assert_eq!((seen.acted[2].left, seen.acted[2].now), (is("1"), None));
    assert!(seen.spared.is_empty());
}
