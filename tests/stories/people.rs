//! What people ask for: waiting, leaving alone, looking ahead.

use super::telling::{all_is_well, applied, held, records, status, until, word, world, world_of};
use super::world::App;

#[test]
fn without_pruning_what_git_no_longer_has_stays() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("prune: false")]);
    world.repo.write("web/root/etc/one", "1\n").write("web/root/etc/two", "2\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.repo.remove("web/root/etc/two");
    let second = world.repo.land("one fewer");
    applied(&world, "web", &second);
    assert_eq!(world.read("/etc/two").as_deref(), Some("2\n"));
    all_is_well(&world, &["web"]);
}

#[test]
fn a_suspended_application_is_left_alone_until_it_is_resumed() {
    let mut world = world();
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let _ = world.cli(&["suspend", "web", "--reason", "we move the rack"]).code(0);
    world.edit("/etc/motd", "by hand\n");
    world.repo.write("web/root/etc/more", "two\n");
    let second = world.repo.land("second");
    until(&world, "web", "suspended", |now| now["outcome"] == "suspended" && now["suspended"] == "we move the rack");
    // It survives a restart, and a person's sync does not go round it.
    world.restart();
    let _ = world.cli(&["sync", "web"]).code(1);
    assert_eq!((world.read("/etc/motd").as_deref(), world.read("/etc/more")), (Some("by hand\n"), None));
    let _ = world.cli(&["resume", "web"]).code(0);
    applied(&world, "web", &second);
    assert_eq!(
        (world.read("/etc/motd").as_deref(), world.read("/etc/more").as_deref()),
        (Some("one\n"), Some("two\n"))
    );
    let acts: Vec<_> = records(&world, "web").into_iter().filter(|record| record["kind"] == "act").collect();
    assert!(acts.iter().any(|act| act["body"]["act"] == "suspend" && act["body"]["reason"] == "we move the rack"));
    assert!(acts.iter().all(|act| act["actor"].to_string().contains("root") || !rustix::process::geteuid().is_root()));
    all_is_well(&world, &["web"]);
}

#[test]
fn a_manual_application_waits_for_each_plan_and_heals_by_itself() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("automatic: false")]);
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    let plan = held(&world, "web", "manual");
    assert_eq!(world.read("/etc/motd"), None);
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "web", &first);
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "one\n");

    world.repo.write("web/root/etc/motd", "two\n");
    world.repo.land("second");
    let second = held(&world, "web", "manual");
    // The next commit makes it another plan: what was shown is not what would run.
    world.repo.write("web/root/etc/motd", "three\n");
    let head = world.repo.land("third");
    let third = word(
        &until(&world, "web", "a newer plan", |now| now["plan"].is_string() && now["plan"] != second.as_str()),
        "plan",
    )
    .to_owned();
    let refused = world.cli(&["approve", &second]).code(2);
    assert!(refused.stderr.contains("plan."), "{}", refused.stderr);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    let _ = world.cli(&["approve", &third]).code(0);
    applied(&world, "web", &head);
    all_is_well(&world, &["web"]);
}

#[test]
fn an_approval_survives_a_commit_that_changes_nothing_of_the_plan() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("automatic: false")]);
    world.repo.write("web/root/etc/motd", "one\n").land("first");
    world.start();
    let plan = held(&world, "web", "manual");
    world.repo.write("elsewhere/file", "of another team\n");
    let other = world.repo.land("a commit elsewhere");
    super::world::eventually("the commit is seen", super::telling::SOON, || {
        world.cli(&["status", "--json"]).json()["repositories"][0]["head"] == other.as_str()
    });
    assert_eq!(held(&world, "web", "manual"), plan);
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "web", &other);
    all_is_well(&world, &["web"]);
}

#[test]
fn a_plan_for_a_branch_shows_what_a_merge_would_do_and_changes_nothing() {
    let mut world = world();
    world.repo.write("web/root/etc/motd", "main\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.repo.branch("feature").write("web/root/etc/motd", "feature\n").write("web/root/etc/new", "new\n");
    let feature = world.repo.land("a feature");
    let (host, told) = (world.snapshot(), status(&world, "web"));
    let plan = world.cli(&["plan", "web", "--revision", "feature", "--json"]).code(1).json();
    assert_eq!(plan["revision"], feature.as_str());
    let steps: Vec<_> =
        plan["plan"]["steps"].as_array().unwrap().iter().map(|step| word(&step["id"], "name")).collect();
    assert_eq!(steps, ["/etc/motd", "/etc/new"], "{plan:#}");
    let text = world.cli(&["plan", "web", "--revision", "feature"]).code(1).stdout;
    assert!(text.contains("-main") && text.contains("+feature"), "{text}");
    host.assert_same(&world.snapshot(), "a plan changes nothing");
    assert_eq!(status(&world, "web")["applied"], told["applied"]);
    let unknown = world.cli(&["plan", "web", "--revision", "no-such-branch"]).code(2);
    assert!(unknown.stderr.contains("no-such-branch"), "{}", unknown.stderr);
    all_is_well(&world, &["web"]);

    // The plan that was shown is the plan that runs after the merge.
    world.repo.branch("main").git(&["merge", "--quiet", "--no-ff", "--no-edit", "feature"]);
    world.repo.push();
    let merged = world.repo.head();
    applied(&world, "web", &merged);
    let ran = records(&world, "web").into_iter().find(|record| record["kind"] == "planned").unwrap();
    assert_eq!(ran["plan"], plan["plan"]["id"]);
    all_is_well(&world, &["web"]);
}
