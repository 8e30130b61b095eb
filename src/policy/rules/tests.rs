use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::model::{Action, Boot, BreakGlass, BreakGlassId, Cause, Decision, Digest, ObjectId, Risk, Time, Verdict};
use crate::policy::{Commits, judge};
use crate::source::{Commit, SignedBy};
use crate::store::{Approval, Spent};

const HOUR: i64 = 3_600_000_000;
/// 2026-11-27T16:00:00Z, a Friday.
const FRIDAY: Time = Time(1_795_795_200_000_000);

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn plan(steps: &[(Action, Cause, &'static str)]) -> Plan {
    let step = |(action, cause, path): &(Action, Cause, &'static str)| Step {
        id: ObjectId::new("path", path),
        action: *action,
        cause: *cause,
        before: Digest::of(b"before"),
        after: Digest::of(b"after"),
        fingerprint: None,
        risk: Risk::Low,
        wave: 0,
    };
    Plan::new(name("web"), name("host"), Digest::of(b"inputs"), steps.iter().map(step).collect())
}

fn update() -> Plan {
    plan(&[(Action::Update, Cause::Intentional, "/etc/motd")])
}

fn rules(policy: &Value) -> Rules {
    let policy: Policy = serde_json::from_value(policy.clone()).unwrap_or_else(|error| panic!("{error} in {policy}"));
    let declared = Declared { labels: BTreeMap::new(), spec: policy };
    Rules::new(&BTreeMap::from([(name("rule"), declared)]), &people())
}

fn people() -> BTreeMap<Name, Person> {
    let person = |who: &str, groups: &[&str]| {
        let person = json!({ "unix": [who], "emails": [format!("{who}@example.org")], "keys": [format!("SHA256:{who}")], "groups": groups });
        (name(who), serde_json::from_value(person).unwrap())
    };
    BTreeMap::from([person("ada", &["leads"]), person("bob", &["leads", "oncall"]), person("eve", &[])])
}

fn facts() -> Facts {
    Facts {
        owned: 100,
        rendered: 100,
        forward: true,
        labels: BTreeMap::from([("team".into(), "edge".into())]),
        reference: "refs/heads/main".into(),
        ..Facts::of(name("web"), name("host"), name("platform"), FRIDAY)
    }
}

fn commit(author: &str, message: &str, signer: Option<&str>) -> Commit {
    let signer = signer.map(|key| SignedBy { ids: vec![format!("SHA256:{key}")], shown: key.into() });
    Commit {
        revision: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        author: author.into(),
        email: format!("{author}@example.org"),
        committer: author.into(),
        committer_email: format!("{author}@example.org"),
        time: Some(FRIDAY),
        message: message.into(),
        cut: false,
        signer,
    }
}

fn by(author: &str) -> Commits {
    Commits::New(vec![commit(author, "change", None)])
}

fn yes(who: &str) -> Approval {
    let actor = Actor { person: Some(name(who)), ..Actor::unix_user(1000, who.into()) };
    Approval { plan: update().id, actor, time: FRIDAY, expires: Time(FRIDAY.0 + HOUR) }
}

fn glass(policy: &str) -> BreakGlass {
    BreakGlass {
        id: BreakGlassId("0123456789abcdef".into()),
        applications: vec![name("web")],
        policies: vec![name(policy)],
        live_edit: vec![],
        reason: "the site is down".into(),
        ticket: None,
        request: None,
        by: Actor::unix_user(0, "root".into()),
        opened: FRIDAY,
        boot: Boot { id: "one".into(), elapsed: 0 },
        lasts: 3600,
        needs: 0,
    }
}

fn decided(policy: &Value, plan: &Plan, facts: &Facts) -> Verdict {
    judge(plan, &rules(policy), facts)
}

fn holds(policy: &Value, plan: &Plan, facts: &Facts) -> bool {
    decided(policy, plan, facts).decision == Decision::Hold
}

#[test]
fn a_window_holds_what_people_do_and_says_until_when() {
    let freeze = json!({ "window": { "deny": "0 15 * * Fri", "for": "65h", "timezone": "UTC" } });
    let verdict = decided(&freeze, &update(), &facts());
    assert_eq!(verdict.decision, Decision::Hold);
    assert_eq!(verdict.changes_at, Some(Time(FRIDAY.0 + 64 * HOUR)));
    let finding = &verdict.findings[0];
    assert_eq!(
        (finding.guard, finding.policy.clone(), finding.changes_at),
        (Guard::Window, Some(name("rule")), verdict.changes_at)
    );
    assert!(!holds(&freeze, &update(), &Facts { now: Time(FRIDAY.0 - 2 * HOUR), ..facts() }));
    // Healing goes on, unless it says so.
    let heal = plan(&[(Action::Update, Cause::Corrective, "/etc/motd")]);
    assert!(!holds(&freeze, &heal, &facts()));
    let all = json!({ "match": { "causes": ["corrective", "intentional"] }, "window": { "deny": "0 15 * * Fri", "for": "65h" } });
    assert!(holds(&all, &heal, &facts()));
}

#[test]
fn windows_of_one_policy_join_and_those_of_two_both_bind() {
    let hours = json!({ "window": { "allow": "0 9 * * Mon-Fri", "for": "4h", "also": [{ "at": "0 14 * * Mon-Fri", "for": "4h" }] } });
    assert!(!holds(&hours, &update(), &facts()));
    let lunch = decided(&hours, &update(), &Facts { now: Time(FRIDAY.0 - 3 * HOUR), ..facts() });
    assert_eq!((lunch.decision, lunch.changes_at), (Decision::Hold, Some(Time(FRIDAY.0 - 2 * HOUR))));
    let both =
        json!({ "window": { "deny": "0 15 * * Fri", "for": "2h", "also": [{ "at": "0 17 * * Fri", "for": "2h" }] } });
    assert_eq!(decided(&both, &update(), &facts()).changes_at, Some(Time(FRIDAY.0 + 3 * HOUR)));
}

#[test]
fn limits_count_what_the_policy_chooses() {
    let many = |action, count: usize| {
        let paths: Vec<_> = (0..count).map(|_| (action, Cause::Intentional, "/srv/x")).collect();
        plan(&paths)
    };
    let five = json!({ "limit": { "deletes": 5 } });
    assert!(!holds(&five, &many(Action::Delete, 5), &facts()));
    assert!(holds(&five, &many(Action::Delete, 6), &facts()));
    assert!(!holds(
        &json!({ "match": { "names": ["/etc/*"] }, "limit": { "deletes": 5 } }),
        &many(Action::Delete, 6),
        &facts()
    ));
    assert!(holds(&json!({ "limit": { "objectsPercent": 10 } }), &many(Action::Update, 11), &facts()));
    assert!(!holds(&json!({ "limit": { "objectsPercent": 10 } }), &many(Action::Update, 10), &facts()));
    assert!(holds(
        &json!({ "limit": { "objectsPercent": 10 } }),
        &many(Action::Update, 1),
        &Facts { owned: 0, ..facts() }
    ));
    assert!(!holds(&json!({ "limit": { "objects": 0 } }), &many(Action::Run, 3), &facts()));
    let one = json!({ "limit": { "applications": 1 } });
    assert!(!holds(&one, &update(), &facts()));
    assert!(holds(&one, &update(), &Facts { running: [name("other")].into(), ..facts() }));
}

#[test]
fn a_budget_over_the_daemon_says_when_there_is_room_again() {
    let budget = json!({ "limit": { "budget": { "deletes": 5, "within": "1h" } } });
    let spent = |minutes: i64, deletes| {
        let time = Time(FRIDAY.0 - minutes * HOUR / 60);
        Spent { time, application: name("other"), deletes }
    };
    let plan = plan(&[(Action::Delete, Cause::Intentional, "/srv/x")]);
    assert!(!holds(&budget, &plan, &Facts { spent: vec![spent(50, 2), spent(10, 2)], ..facts() }));
    let over = decided(&budget, &plan, &Facts { spent: vec![spent(50, 2), spent(10, 3)], ..facts() });
    assert_eq!((over.decision, over.changes_at), (Decision::Hold, Some(Time(FRIDAY.0 + 10 * HOUR / 60))));
    assert!(!holds(&budget, &plan, &Facts { spent: vec![spent(61, 5)], ..facts() }));
}

#[test]
fn what_must_hold_at_the_beginning_is_what_was_judged() {
    let deletes = plan(&[
        (Action::Delete, Cause::Intentional, "/srv/x"),
        (Action::Delete, Cause::Intentional, "/etc/a"),
        (Action::Delete, Cause::Intentional, "/etc/b"),
    ]);
    let limit = json!({ "match": { "names": ["/srv/*"] }, "limit": { "applications": 2, "budget": { "deletes": 1, "within": "1h" } } });
    let bounds = |facts: &Facts, attended| {
        let bounds = crate::policy::bounds(&deletes, &rules(&limit), facts, attended);
        (bounds.at_once, bounds.deletes.iter().map(|one| (one.most, one.more)).collect::<Vec<_>>())
    };
    assert!(!holds(&limit, &deletes, &facts()), "one of them is what it counts");
    assert_eq!(bounds(&facts(), false), (Some(2), vec![(1, 1), (100, 3)]));
    assert_eq!(bounds(&facts(), true), (Some(2), vec![(1, 1)]), "an approval passes no limit of a policy");
    assert_eq!(bounds(&Facts { break_glass: vec![glass("rule")], ..facts() }, false), (None, vec![(100, 3)]));
    assert_eq!(bounds(&Facts { takes_back: true, ..facts() }, false), (None, vec![]));
}

#[test]
fn what_is_protected_is_neither_deleted_nor_replaced() {
    let protect = json!({ "protect": { "paths": ["/srv/db"] } });
    for (action, path, held) in [
        (Action::Delete, "/srv/db/data", true),
        (Action::Replace, "/srv/db", true),
        (Action::Update, "/srv/db/data", false),
        (Action::Delete, "/srv/dbx", false),
    ] {
        assert_eq!(holds(&protect, &plan(&[(action, Cause::Intentional, path)]), &facts()), held, "{action} {path}");
    }
}

#[test]
fn people_who_wrote_it_do_not_approve_it_and_strangers_ask_for_one_more() {
    let two = json!({ "approve": { "people": 2, "from": ["leads"] } });
    let with = |commits: Commits, people: &[&str]| {
        let approvals = people.iter().map(|who| yes(who)).collect();
        holds(&two, &update(), &Facts { commits, approvals, ..facts() })
    };
    assert!(with(by("eve"), &["ada"]));
    assert!(!with(by("eve"), &["ada", "bob"]));
    assert!(with(by("eve"), &["ada", "eve"]), "eve is of no group");
    assert!(with(by("ADA+git"), &["ada", "bob"]), "ada wrote it, under another spelling");
    let one = json!({ "approve": { "people": 1 } });
    let stranger = |people: &[&str]| {
        let approvals = people.iter().map(|who| yes(who)).collect();
        holds(&one, &update(), &Facts { commits: by("nobody"), approvals, ..facts() })
    };
    assert!(stranger(&["ada"]));
    assert!(!stranger(&["ada", "bob"]));
    assert!(with(Commits::Unknown, &["ada", "bob"]), "who wrote it cannot be told");
    let signed = Commits::New(vec![commit("eve", "change", Some("bob"))]);
    assert!(with(signed, &["ada", "bob"]), "bob signed it");
}

#[test]
fn one_person_counts_once_and_who_is_not_declared_not_at_all() {
    let two = json!({ "approve": { "people": 2 } });
    let twice =
        vec![yes("ada"), Approval { actor: Actor { subject: "1001".into(), ..yes("ada").actor }, ..yes("ada") }];
    assert!(holds(&two, &update(), &Facts { commits: by("eve"), approvals: twice, ..facts() }));
    let unknown = vec![yes("ada"), yes("mallory")];
    assert!(holds(&two, &update(), &Facts { commits: by("eve"), approvals: unknown, ..facts() }));
    assert!(!holds(&two, &update(), &Facts { commits: by("eve"), approvals: vec![yes("ada"), yes("bob")], ..facts() }));
}

#[test]
fn commits_have_to_be_as_the_policy_wants_them() {
    let with = |require: Value, commits: Commits| {
        holds(&json!({ "require": require }), &update(), &Facts { commits, ..facts() })
    };
    let ticket = || json!({ "ticket": "[A-Z]+-[0-9]+" });
    assert!(with(ticket(), by("ada")));
    assert!(!with(ticket(), Commits::New(vec![commit("ada", "OPS-1: change", None)])));
    assert!(with(ticket(), Commits::Unknown));
    let signed = || json!({ "signedBy": ["oncall"] });
    assert!(with(signed(), by("bob")));
    assert!(with(signed(), Commits::New(vec![commit("bob", "x", Some("ada"))])));
    assert!(!with(signed(), Commits::New(vec![commit("ada", "x", Some("bob"))])));
    let both = Commits::New(vec![commit("ada", "x", Some("bob")), commit("ada", "x", None)]);
    assert!(with(signed(), both), "each of them has to be");
    let relation =
        |relation| holds(&json!({ "require": { "descendant": true } }), &update(), &Facts { relation, ..facts() });
    assert!(!relation(None) && relation(Some(crate::source::Relation::Diverged)));
}

#[test]
fn a_message_of_which_only_the_beginning_was_read_says_nothing() {
    let cut = |message: &str| Commits::New(vec![Commit { cut: true, ..commit("ada", message, None) }]);
    let with = |policy: Value, message: &str| holds(&policy, &update(), &Facts { commits: cut(message), ..facts() });
    assert!(with(json!({ "require": { "ticket": "^OPS-1$" } }), "OPS-1"));
    let skips = json!({ "deny": { "when": "commit.message.contains('[skip]')", "message": "no" } });
    assert!(with(skips, "nothing of the kind yet"));
    assert!(!with(json!({ "deny": { "when": "plan.deletes > 0", "message": "no" } }), "x"), "it is not asked for");
}

#[test]
fn age_is_counted_from_when_the_daemon_saw_it() {
    let age = json!({ "require": { "age": "10m" } });
    let verdict = decided(&age, &update(), &Facts { commits: by("ada"), ..facts() });
    assert_eq!((verdict.decision, verdict.changes_at), (Decision::Hold, Some(Time(FRIDAY.0 + HOUR / 6))));
    let seen = Facts { first_seen: Some(Time(FRIDAY.0 - HOUR / 6)), ..facts() };
    assert!(!holds(&age, &update(), &seen));
}

#[test]
fn an_expression_denies_warns_or_has_no_answer_and_then_holds() {
    let deny = |when: &str| json!({ "deny": { "when": when, "message": "no" } });
    assert!(holds(&deny("step.name.startsWith('/etc')"), &update(), &facts()));
    assert!(!holds(&deny("step.name.startsWith('/srv')"), &update(), &facts()));
    assert!(holds(&deny("plan.updates > 0 && application.labels.team == 'edge'"), &update(), &facts()));
    assert!(holds(&deny("now.getDayOfWeek() == 5"), &update(), &facts()));
    assert!(holds(
        &deny("commits.exists(c, c.email == 'ada@example.org')"),
        &update(),
        &Facts { commits: by("ada"), ..facts() }
    ));
    for wrong in ["plan.nothing == 1", "plan.updates", "1 / (plan.updates - 1) == 0"] {
        let verdict = decided(&deny(wrong), &update(), &facts());
        assert_eq!((verdict.decision, verdict.findings[0].guard), (Decision::Hold, Guard::PolicyError), "{wrong}");
    }
    let warn =
        decided(&json!({ "warn": { "when": "plan.updates == 1", "message": "look twice" } }), &update(), &facts());
    assert_eq!(
        (warn.decision, warn.findings[0].guard, &*warn.findings[0].message),
        (Decision::Go, Guard::Warn, "look twice")
    );
}

#[test]
fn break_glass_lets_through_what_it_names_and_nothing_else() {
    let freeze = json!({ "window": { "deny": "0 15 * * Fri", "for": "65h" } });
    let verdict = |glass: BreakGlass| decided(&freeze, &update(), &Facts { break_glass: vec![glass], ..facts() });
    let forced = verdict(glass("rule"));
    assert_eq!((forced.decision, forced.forced_by.len()), (Decision::Forced, 1));
    assert_eq!(verdict(glass("another")).decision, Decision::Hold);
    let elsewhere = BreakGlass { applications: vec![name("db")], ..glass("rule") };
    assert_eq!(verdict(elsewhere).decision, Decision::Hold);
    // A built-in guard is none of its business.
    let manual = Facts { automatic: false, break_glass: vec![glass("rule")], ..facts() };
    assert_eq!(decided(&freeze, &update(), &manual).decision, Decision::Hold);
    // An approval does not open a window.
    assert!(holds(&freeze, &update(), &Facts { approvals: vec![yes("ada")], ..facts() }));
}

#[test]
fn the_way_back_is_let_through_but_by_what_forbids_in_so_many_words() {
    let back = Facts { takes_back: true, ..facts() };
    for policy in [
        json!({ "window": { "deny": "0 15 * * Fri", "for": "65h" } }),
        json!({ "approve": { "people": 2 } }),
        json!({ "limit": { "objects": 0 } }),
        json!({ "require": { "age": "1h" } }),
    ] {
        assert!(holds(&policy, &update(), &facts()) && !holds(&policy, &update(), &back), "{policy}");
    }
    assert!(holds(&json!({ "deny": { "when": "true", "message": "never" } }), &update(), &back));
}

#[test]
fn a_policy_binds_what_it_matches() {
    let matching = |matches: Value| {
        holds(&json!({ "match": matches, "deny": { "when": "true", "message": "no" } }), &update(), &facts())
    };
    for (part, fits, misses) in [
        ("applications", json!(["w*"]), json!(["db"])),
        ("targets", json!(["host"]), json!(["other"])),
        ("repositories", json!(["plat*"]), json!(["other"])),
        ("branches", json!(["main"]), json!(["release-*"])),
        ("labels", json!({ "team": "edge" }), json!({ "team": "core" })),
        ("kinds", json!(["path"]), json!(["unit"])),
        ("names", json!(["/etc/*"]), json!(["/srv/*"])),
        ("actions", json!(["update", "delete"]), json!(["delete"])),
        ("causes", json!(["intentional"]), json!(["corrective"])),
    ] {
        assert!(matching(json!({ part: fits })), "{part} fits");
        assert!(!matching(json!({ part: misses })), "{part} misses");
    }
}

#[test]
fn who_may_break_the_glass_is_the_policys_word() {
    let actor = |who: &str| yes(who).actor;
    let may = |policy: Value, who: &str| rules(&policy).may_override(&name("rule"), &actor(who));
    let rule = json!({ "when": "true", "message": "no" });
    assert_eq!(may(json!({ "deny": rule }), "mallory"), Ok(0));
    assert_eq!(may(json!({ "deny": rule, "override": [] }), "ada"), Err(NoOverride::Forbidden));
    assert_eq!(may(json!({ "deny": rule, "override": ["oncall"], "overridePeople": 1 }), "bob"), Ok(1));
    assert_eq!(
        may(json!({ "deny": rule, "override": ["oncall"] }), "ada"),
        Err(NoOverride::Others(vec![name("oncall")]))
    );
    let two = json!({ "deny": rule, "overridePeople": 1 });
    assert_eq!(may(two, "mallory"), Err(NoOverride::Undeclared), "they could be the other one, too");
    assert_eq!(rules(&json!({ "deny": rule })).may_override(&name("gone"), &actor("ada")), Err(NoOverride::Unknown));
}

#[test]
fn ten_thousand_steps_are_judged_within_bounds() {
    let paths: Vec<_> = (0..10_000).map(|_| (Action::Update, Cause::Intentional, "/etc/motd")).collect();
    let plan = plan(&paths);
    let quadratic =
        json!({ "deny": { "when": "plan.steps.all(a, plan.steps.all(b, a.name == b.name))", "message": "no" } });
    let began = std::time::Instant::now();
    let verdict = decided(&quadratic, &plan, &facts());
    assert_eq!(verdict.findings[0].guard, Guard::PolicyError, "it is refused before it runs");
    assert!(began.elapsed() < Duration::from_mins(1));
}
