//! Policies bind; a person may break the glass, and then it is recorded and ends by itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::telling::{all_is_well, applied, ended, file, held, intact, records, status, until, word, world, world_of};
use super::world::{App, World, eventually};

const SOON: Duration = Duration::from_secs(30);

/// Returns a policy document.
fn policy(name: &str, spec: &str) -> String {
    format!("---\napiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

fn person(name: &str, spec: &str) -> String {
    format!("---\napiVersion: trueup.dev/v1alpha1\nkind: Person\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

/// Returns a freeze that is open now and ends in this many seconds.
fn freeze_for(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (minute, hour, into) = (now / 60 % 60, now / 3600 % 24, now % 60);
    policy("freeze", &format!("{{ window: {{ deny: \"{minute} {hour} * * *\", for: {}s }} }}", into + seconds))
}

/// Returns the name of the user who runs this.
fn me() -> String {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find(|line| line.split(':').nth(2) == Some(&uid)).unwrap();
    user.split(':').next().unwrap().to_owned()
}

fn glass(world: &World, arguments: &[&str]) -> Value {
    world.cli(&[&["break-glass"], arguments, &["--json"]].concat()).code(0).json()
}

fn events(world: &World, app: &str) -> Vec<String> {
    let mut events: Vec<_> = records(world, app)
        .iter()
        .filter(|record| record["kind"] == "break-glass")
        .map(|record| word(&record["body"], "event").to_owned())
        .collect();
    events.reverse();
    events
}

/// The daemon takes a new configuration as soon as it sees it.
fn declare(world: &mut World, more: String) {
    world.declared.more = more;
    world.configure();
}

#[test]
fn a_freeze_holds_a_push_break_glass_lets_one_application_through_and_the_window_the_others() {
    let mut world = world_of(&[App::new("web", &["web"]), App::new("db", &["db"])]);
    world.repo.write("web/root/etc/web", "one\n").write("db/root/etc/db", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    applied(&world, "db", &first);

    declare(&mut world, freeze_for(15));
    eventually("the policy is in force", SOON, || {
        world.cli(&["policy", "list", "--json"]).json()[0]["name"] == "freeze"
    });
    world.repo.write("web/root/etc/web", "two\n").write("db/root/etc/db", "two\n");
    let second = world.repo.land("second");
    held(&world, "web", "window");
    held(&world, "db", "window");
    let told = status(&world, "web");
    assert!(word(&told, "message").starts_with("policy freeze: changes wait until "), "{told}");
    assert!(told["changes_at"].is_i64(), "{told}");
    // Healing goes on.
    world.edit("/etc/web", "by hand\n");
    world.until_live("/etc/web", "one\n");
    let explained = world.cli(&["policy", "explain", "web"]).code(1);
    assert!(explained.stdout.contains("window: holds: changes wait until"), "{}", explained.stdout);

    let opened = glass(&world, &["open", "web", "--policy", "freeze", "--reason", "the site is down", "--for", "1h"]);
    applied(&world, "web", &second);
    assert_eq!((world.read("/etc/web").as_deref(), world.read("/etc/db").as_deref()), (Some("two\n"), Some("one\n")));
    assert_eq!(events(&world, "web"), ["opened", "used"]);
    assert_eq!(status(&world, "db")["outcome"], "held");
    let planned = records(&world, "web").into_iter().find(|record| record["kind"] == "planned").unwrap();
    assert_eq!(planned["body"]["verdict"]["decision"], "forced");
    assert_eq!(planned["body"]["verdict"]["forced_by"][0], opened["id"]);

    let _ = world.cli(&["break-glass", "close", word(&opened, "id")]).code(0);
    assert_eq!(events(&world, "web"), ["opened", "used", "closed"]);
    for event in ["opened", "used", "closed"] {
        let line = format!("break-glass {} {event} by ", word(&opened, "id"));
        assert!(world.stderr().contains(&line), "{line}\n{}", world.stderr());
    }
    // The same commit goes live by itself when the window is over.
    applied(&world, "db", &second);
    assert!(!records(&world, "db").iter().any(|record| record["kind"] == "break-glass"));
    all_is_well(&world, &["web", "db"]);
}

#[test]
fn a_live_edit_stays_until_it_ends_and_a_branch_of_it_makes_the_plan_empty() {
    let mut world = world();
    world
        .repo
        .write("web/root/etc/app.conf", "one\n")
        .write("web/root/etc/other", "o\n")
        .write("web/root/etc/gone", "g\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let open =
        ["open", "web", "--live-edit", "/etc/app.*", "--live-edit", "/etc/gone", "--reason", "night", "--for", "1h"];
    let opened = glass(&world, &open);
    let id = word(&opened, "id").to_owned();
    world.edit("/etc/app.conf", "by hand\n");
    std::fs::remove_file(world.live("/etc/gone")).unwrap();
    world.edit("/etc/other", "by hand\n");
    // What is not named heals, and shows that the round was made.
    world.until_live("/etc/other", "o\n");
    ended(&world, "web", "degraded", "drift.live-edit");
    assert_eq!(world.read("/etc/app.conf").as_deref(), Some("by hand\n"));
    world.restart();
    ended(&world, "web", "degraded", "drift.live-edit");
    assert_eq!((world.read("/etc/app.conf").as_deref(), world.read("/etc/gone")), (Some("by hand\n"), None));

    let shown = world.cli(&["break-glass", "show", &id]).code(1);
    assert!(shown.stdout.contains("-one") && shown.stdout.contains("+by hand"), "{}", shown.stdout);
    world.repo.git(&["config", "user.name", "Ada"]);
    world.repo.git(&["config", "user.email", "ada@example.org"]);
    let work = world.repo.work().display().to_string();
    let propose = ["--propose", "--repository", &work, "--branch", "night", "--json"];
    let proposed = world.cli(&[&["break-glass", "show", &id][..], &propose].concat()).code(0).json();
    assert_eq!(proposed["branches"][0]["branch"], "night", "{proposed:#}");
    assert_eq!(proposed["edits"][0]["plan"], proposed["branches"][0]["plan"], "{proposed:#}");
    // Who looked is told: at the edits twice, and once at what was overwritten.
    let looked: Vec<_> = records(&world, "web").into_iter().filter(|one| one["body"]["act"] == "read").collect();
    let plans: Vec<_> = looked.iter().map(|one| &one["plan"]).filter(|plan| !plan.is_null()).collect();
    assert_eq!((looked.len(), plans), (3, vec![&proposed["edits"][0]["plan"]]), "{looked:#?}");
    world.repo.git(&["merge", "--quiet", "night"]);
    world.repo.push();
    let merged = world.repo.head();
    until(&world, "web", "nothing is left to do", |now| now["applied"] == merged && now["outcome"] != "degraded");
    assert_eq!((world.read("/etc/app.conf").as_deref(), world.read("/etc/gone")), (Some("by hand\n"), None));
    let closed = world.cli(&[&["break-glass", "close", &id][..], &propose].concat()).code(0).json();
    assert_eq!((&closed["edits"], &closed["closed"]["end"]), (&serde_json::json!([]), &"closed".into()), "{closed:#}");
    all_is_well(&world, &["web"]);
    assert_eq!((world.read("/etc/app.conf").as_deref(), world.read("/etc/gone")), (Some("by hand\n"), None));
}

#[test]
fn a_live_edit_heals_when_it_expires_and_restore_still_has_it() {
    let mut world = world();
    world.repo.write("web/root/etc/app.conf", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let opened = glass(&world, &["open", "web", "--live-edit", "/etc/app.conf", "--reason", "night", "--for", "10s"]);
    world.edit("/etc/app.conf", "by hand\n");
    ended(&world, "web", "degraded", "drift.live-edit");
    world.until_live("/etc/app.conf", "one\n");
    let events = events(&world, "web");
    assert_eq!(events, ["opened", "reminded", "expired"], "{events:?}");
    let list = world.cli(&["break-glass", "list", "--json"]).json();
    assert_eq!((list[0]["id"].clone(), list[0]["end"].clone()), (opened["id"].clone(), "expired".into()));
    let shown = world.cli(&["break-glass", "show", word(&opened, "id")]).code(1);
    assert!(shown.stdout.contains("+by hand"), "{}", shown.stdout);
    all_is_well(&world, &["web"]);
}

#[test]
fn a_policy_says_who_may_break_the_glass_and_how_many_more_must_agree() {
    let mut world = world();
    world.repo.write("web/root/etc/web", "one\n");
    let first = world.repo.land("first");
    world.declared.more = policy("closed", "{ deny: { when: \"false\", message: no }, override: [] }")
        + &policy("leads-only", "{ deny: { when: \"false\", message: no }, override: [leads] }")
        + &policy("two", "{ deny: { when: plan.updates > 0, message: no }, overridePeople: 1 }")
        + &person("somebody", "{ unix: [nobody], groups: [leads] }")
        + &person("me", &format!("{{ unix: [{}] }}", me()));
    world.start();
    applied(&world, "web", &first);
    let open = |policy: &str| {
        let arguments =
            ["break-glass", "open", "web", "--policy", policy, "--reason", "why not", "--for", "1h", "--json"];
        world.cli(&arguments)
    };
    assert!(open("closed").code(2).stderr.contains("break-glass.forbidden"));
    assert!(open("leads-only").code(2).stderr.contains("only people of leads"));
    assert!(open("unknown").code(2).stderr.contains("policy.unknown"));
    let opened = open("two").code(0).json();
    assert_eq!(opened["in_force"], false);
    world.repo.write("web/root/etc/web", "two\n");
    world.repo.land("second");
    held(&world, "web", "deny");
    let agreed = world.cli(&["break-glass", "agree", word(&opened, "id")]).code(2);
    assert!(agreed.stderr.contains("break-glass.same-person"), "{}", agreed.stderr);
    assert_eq!(world.read("/etc/web").as_deref(), Some("one\n"));
    intact(&world);
}

#[test]
fn a_rejected_plan_is_not_offered_again_before_a_person_syncs() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("automatic: false\ninterval: 1s")]);
    world.repo.write("web/root/etc/web", "one\n");
    let first = world.repo.land("first");
    world.start();
    let plan = held(&world, "web", "manual");
    let _ = world.cli(&["reject", &plan, "--reason", "not before the audit"]).code(0);
    let told = ended(&world, "web", "held", "guard.rejected");
    assert!(told["plan"].is_null() && word(&told, "message").contains("not before the audit"), "{told}");
    let _ = world.cli(&["approve", &plan]).code(2);
    world.restart();
    ended(&world, "web", "held", "guard.rejected");
    assert_eq!(world.read("/etc/web"), None);
    let _ = world.cli(&["sync", "web"]).code(1);
    assert_eq!(held(&world, "web", "manual"), plan);
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "web", &first);
    all_is_well(&world, &["web"]);
}

#[test]
fn applications_that_may_not_change_at_once_change_one_after_the_other() {
    let slow = |app: &str| App::new(app, &[app]).sync("interval: 1h");
    let mut world = world_of(&[slow("web"), slow("db")]);
    world.declared.commands = vec!["/bin/sh".into()];
    world.declared.more = policy("one-by-one", "{ limit: { applications: 1 } }");
    let ran = world.path("ran");
    let handler = format!("echo begin >> {0}; sleep 2; echo end >> {0}", ran.display());
    for app in ["web", "db"] {
        let on_change = format!(", onChange: [{{ run: [/bin/sh, -c, \"{handler}\"] }}]");
        world.repo.write(&format!("{app}/app.yaml"), file(&format!("/etc/{app}"), "one\n", &on_change));
    }
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    applied(&world, "db", &first);
    assert_eq!(std::fs::read_to_string(&ran).unwrap(), "begin\nend\nbegin\nend\n");
    let held = |app: &&str| {
        let limit = |record: &Value| record["body"]["verdict"]["findings"][0]["guard"] == "limit";
        records(&world, app).iter().any(limit)
    };
    assert_eq!(["web", "db"].iter().filter(|app| held(app)).count(), 1);
    all_is_well(&world, &["web", "db"]);
}
