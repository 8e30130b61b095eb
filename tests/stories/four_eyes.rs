//! Two people behind one change, and behind one break-glass: by their own users, at the real socket.

use super::telling::{all_is_well, applied, held, intact, records, until, word};
use super::world::{App, Ran, World, parts};

const POLICIES: &str = "---
apiVersion: trueup.dev/v1alpha1
kind: Policy
metadata: { name: four-eyes }
spec: { approve: { people: 1, from: [ops] }, override: [ops], overridePeople: 1 }
---
apiVersion: trueup.dev/v1alpha1
kind: Person
metadata: { name: ada }
spec: { unix: [root], emails: [Ada+git@Example.org], groups: [ops] }
---
apiVersion: trueup.dev/v1alpha1
kind: Person
metadata: { name: bob }
spec: { unix: [nobody], groups: [ops] }
---
apiVersion: trueup.dev/v1alpha1
kind: Person
metadata: { name: eve }
spec: { unix: [daemon], groups: [guests] }
---
apiVersion: trueup.dev/v1alpha1
kind: Person
metadata: { name: joe }
spec: { unix: [bin], groups: [ops] }
";
/// Their numbers, on every Linux.
const BOB: u32 = 65534;
const EVE: u32 = 1;
const JOE: u32 = 2;
/// Who is nobody that is declared.
const SYS: u32 = 3;

fn world() -> Option<World> {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = |line: &&str| {
        [("nobody", BOB), ("daemon", EVE), ("bin", JOE)].iter().any(|(name, uid)| {
            line.starts_with(&format!("{name}:")) && line.split(':').nth(2) == Some(&uid.to_string())
        })
    };
    if !rustix::process::geteuid().is_root() || users.lines().filter(named).count() != 3 {
        parts::skip("people of their own take root, and the users nobody, daemon and bin");
        return None;
    }
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    let group = groups.lines().find(|line| line.split(':').nth(2) == Some("65534"))?.split(':').next()?.to_owned();
    let mut world = World::new();
    world.declared.apps = vec![App::new("web", &["web"])];
    world.declared.daemon = format!("group: {group}");
    world.declared.more = POLICIES.into();
    Some(world)
}

fn says(ran: &Ran, text: &str) {
    assert!(ran.stdout.contains(text) || ran.stderr.contains(text), "{text}\n{}{}", ran.stdout, ran.stderr);
}

#[test]
fn nobody_approves_what_they_wrote_nor_who_does_not_belong_to_the_group() {
    let Some(mut world) = world() else { return };
    world.repo.write("web/root/etc/web", "one\n");
    let first = world.repo.land("by ada, under another spelling of her address");
    world.start();
    let plan = held(&world, "web", "approve");
    says(&world.cli(&["approve", &plan]).code(1), "none of them ada; nobody has said it yet");
    says(&world.cli_as(EVE, &["approve", &plan]).code(1), "nobody has said it yet");
    assert_eq!(world.read("/etc/web"), None);
    let _ = world.cli_as(BOB, &["approve", &plan]).code(0);
    applied(&world, "web", &first);
    let yes: Vec<_> = records(&world, "web").into_iter().filter(|record| record["body"]["act"] == "approve").collect();
    let who: Vec<_> = yes.iter().map(|record| record["actor"]["person"].as_str().unwrap_or_default()).collect();
    assert_eq!(who, ["bob", "eve", "ada"]);

    // The yes was for that plan, and once.
    world.repo.write("web/root/etc/web", "two\n").land("two");
    let second = held(&world, "web", "approve");
    let _ = world.cli_as(BOB, &["approve", &plan]).code(2);
    world.repo.write("web/root/etc/web", "three\n").land("three, after he looked");
    let third = until(&world, "web", "another plan", |now| now["plan"].is_string() && now["plan"] != second.as_str());
    let _ = world.cli_as(BOB, &["approve", &second]).code(2);
    assert_eq!(world.read("/etc/web").as_deref(), Some("one\n"));
    let _ = world.cli_as(BOB, &["approve", word(&third, "plan")]).code(0);
    world.until_live("/etc/web", "three\n");
    all_is_well(&world, &["web"]);
}

#[test]
fn an_author_who_is_nobody_that_is_declared_asks_for_one_more() {
    let Some(mut world) = world() else { return };
    world.repo.write("web/root/etc/web", "one\n");
    world.repo.git(&["add", "-A"]);
    world.repo.git(&["commit", "--quiet", "-m", "by a stranger", "--author", "Mallory <mallory@example.net>"]);
    world.repo.push();
    world.start();
    let plan = held(&world, "web", "approve");
    says(&world.cli_as(BOB, &["approve", &plan]).code(1), "one more for each of mallory@example.net");
    assert_eq!(world.read("/etc/web"), None);
    let _ = world.cli_as(JOE, &["approve", &plan]).code(0);
    world.until_live("/etc/web", "one\n");
    all_is_well(&world, &["web"]);
}

#[test]
fn a_break_glass_that_takes_two_counts_with_the_second_person() {
    let Some(mut world) = world() else { return };
    world.repo.write("web/root/etc/web", "one\n").land("one");
    world.start();
    held(&world, "web", "approve");
    let open = ["break-glass", "open", "web", "--policy", "four-eyes", "--reason", "it burns", "--for", "1h", "--json"];
    let refused = world.cli_as(EVE, &open).code(2);
    says(&refused, "only people of ops");
    let opened = world.cli_as(BOB, &open).code(0).json();
    let id = word(&opened, "id");
    assert_eq!(opened["in_force"], false);
    says(&world.cli_as(BOB, &["break-glass", "agree", id]).code(2), "break-glass.same-person");
    says(&world.cli_as(EVE, &["break-glass", "agree", id]).code(2), "only people of ops");
    says(&world.cli_as(SYS, &["break-glass", "agree", id]).code(2), "nobody who is declared");
    held(&world, "web", "approve");
    assert_eq!(world.read("/etc/web"), None);
    let _ = world.cli_as(JOE, &["break-glass", "agree", id]).code(0);
    world.until_live("/etc/web", "one\n");
    intact(&world);
}

#[test]
fn to_adopt_is_no_yes_to_what_takes_one() {
    let Some(mut world) = world() else { return };
    world.edit("/etc/web", "found\n");
    world.repo.write("web/root/etc/web", "one\n").land("one");
    world.start();
    let plan = held(&world, "web", "adoption");
    says(&world.cli_as(BOB, &["adopt", "web"]).code(2), "does more than adopt");
    assert_eq!(world.read("/etc/web").as_deref(), Some("found\n"));
    let _ = world.cli_as(BOB, &["approve", &plan]).code(0);
    world.until_live("/etc/web", "one\n");
    all_is_well(&world, &["web"]);
}

#[test]
fn who_wrote_what_was_left_out_for_a_while_still_does_not_approve_it() {
    let Some(mut world) = world() else { return };
    world.repo.write("web/root/etc/web", "one\n").write("web/root/etc/other", "one\n");
    world.repo.land("one");
    world.start();
    let first = held(&world, "web", "approve");
    let _ = world.cli_as(BOB, &["approve", &first]).code(0);
    world.until_live("/etc/web", "one\n");

    // While somebody edits the file, what its author pushes is left out, and the rest goes.
    let open = ["break-glass", "open", "web", "--live-edit", "/etc/web", "--reason", "x", "--for", "1h", "--json"];
    let opened = world.cli(&open).code(0).json();
    world.repo.write("web/root/etc/web", "two\n").write("web/root/etc/other", "two\n").land("two");
    let second = held(&world, "web", "approve");
    let _ = world.cli_as(BOB, &["approve", &second]).code(1);
    world.until_live("/etc/other", "two\n");
    assert_eq!(world.read("/etc/web").as_deref(), Some("one\n"));
    let _ = world.cli(&["break-glass", "close", word(&opened, "id")]).code(0);
    let third = held(&world, "web", "approve");
    says(&world.cli(&["approve", &third]).code(1), "none of them ada");
    assert_eq!(world.read("/etc/web").as_deref(), Some("one\n"));
    let _ = world.cli_as(BOB, &["approve", &third]).code(0);
    world.until_live("/etc/web", "two\n");
    all_is_well(&world, &["web"]);
}
