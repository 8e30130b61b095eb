//! First contact with a host that people set up by hand.

use super::telling::{all_is_well, applied, held, status, until, word, world};
use super::world::World;

const FILES: usize = 200;
/// Every twentieth differs.
const DIFFERENT: usize = 10;

fn path(number: usize) -> String {
    format!("/etc/app/{number:03}.conf")
}

fn in_git(number: usize) -> String {
    format!("web/root{}", path(number))
}

fn differs(number: usize) -> bool {
    number % (FILES / DIFFERENT) == 7
}

/// Two hundred files on the host; Git knows all of them, and is of another mind about ten.
fn set_up_by_hand(world: &World) -> Vec<String> {
    world.configure();
    for number in 0..FILES {
        world.edit(&path(number), &format!("value = {number}\n"));
        let value = if differs(number) { number + 1000 } else { number };
        world.repo.write(&in_git(number), format!("value = {value}\n"));
    }
    (0..FILES).filter(|number| differs(*number)).map(path).collect()
}

#[test]
fn first_contact_changes_nothing_names_what_differs_and_adopt_takes_it_in_one_plan() {
    let mut world = world();
    let different = set_up_by_hand(&world);
    let first = world.repo.land("all of it");
    let before = world.snapshot();
    world.start();
    let plan = held(&world, "web", "adoption");
    before.assert_same(&world.snapshot(), "first contact changes nothing");

    let told = status(&world, "web");
    let names = |objects: &serde_json::Value| -> Vec<String> {
        let objects = objects.as_array().cloned().unwrap_or_default();
        objects.iter().map(|object| word(object, "name").to_owned()).collect()
    };
    let findings = told["findings"].as_array().unwrap();
    let adoption = findings.iter().find(|finding| finding["guard"] == "adoption").unwrap();
    assert_eq!(names(&adoption["objects"]), different, "status names the ten");
    let shown = world.cli(&["plan", "web"]).code(1).stdout;
    assert!(different.iter().all(|path| shown.contains(path.as_str())), "{shown}");
    assert!(!shown.contains(&path(0)), "what is identical needs no words: {shown}");
    before.assert_same(&world.snapshot(), "a plan changes nothing");

    let report = world.cli(&["adopt", "web", "--json"]).code(0).json();
    let steps = report["steps"].as_array().unwrap();
    assert_eq!((word(&report, "plan"), steps.len()), (plan.as_str(), DIFFERENT), "one plan, the one that was shown");
    assert!(steps.iter().all(|step| step["action"] == "adopt" && step["result"] == "done"));
    applied(&world, "web", &first);
    for number in 0..FILES {
        let value = if differs(number) { number + 1000 } else { number };
        assert_eq!(world.read(&path(number)), Some(format!("value = {value}\n")));
    }
    assert_eq!(status(&world, "web")["objects"], FILES);
    all_is_well(&world, &["web"]);

    // Adopted is ours: deleted when Git has it no longer, the found-identical ones included.
    world.repo.remove(&in_git(0)).remove(&in_git(7));
    let second = world.repo.land("two fewer");
    applied(&world, "web", &second);
    assert_eq!((world.read(&path(0)), world.read(&path(7))), (None, None));
    all_is_well(&world, &["web"]);
}

#[test]
fn what_was_found_identical_and_never_adopted_is_released_and_not_deleted() {
    let mut world = world();
    world.configure();
    for number in 0..10 {
        world.edit(&path(number), &format!("value = {number}\n"));
        world.repo.write(&in_git(number), format!("value = {number}\n"));
    }
    let first = world.repo.land("just as it is");
    let before = world.snapshot();
    world.start();
    applied(&world, "web", &first);
    before.assert_same(&world.snapshot(), "nothing had to change");
    assert_eq!(status(&world, "web")["objects"], 10);

    world.edit(&path(3), "by hand\n");
    world.until_live(&path(3), "value = 3\n");

    world.repo.remove(&in_git(1));
    let second = world.repo.land("one fewer");
    applied(&world, "web", &second);
    assert_eq!(world.read(&path(1)).as_deref(), Some("value = 1\n"), "it was never ours to delete");
    assert_eq!(status(&world, "web")["objects"], 9);
    all_is_well(&world, &["web"]);

    let _ = world.cli(&["adopt", "web"]).code(0);
    world.repo.remove(&in_git(2));
    let third = world.repo.land("another one");
    applied(&world, "web", &third);
    assert_eq!(world.read(&path(2)), None, "adopted, it is");
    all_is_well(&world, &["web"]);
}

#[test]
fn while_adoption_waits_what_was_found_stays_as_it_is() {
    let mut world = world();
    let different = set_up_by_hand(&world);
    world.repo.land("all of it");
    world.start();
    let plan = held(&world, "web", "adoption");
    // The host's people go on working; the plan that was shown is not the plan any more.
    world.edit(&different[0], "value = by hand\n");
    let refused = world.cli(&["approve", &plan]).code(2);
    assert!(refused.stderr.contains("plan.stale"), "{}", refused.stderr);
    assert_eq!(world.read(&different[0]).as_deref(), Some("value = by hand\n"));
    let plan = word(&until(&world, "web", "held anew", |now| now["plan"] != plan.as_str()), "plan").to_owned();
    let _ = world.cli(&["approve", &plan]).code(0);
    assert_eq!(world.read(&different[0]).as_deref(), Some("value = 1007\n"));
    all_is_well(&world, &["web"]);
}
