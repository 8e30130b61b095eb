//! Sinks come, change and go while the daemon runs.

use rustix::process::Signal;

use super::receiver::{Receiver, SOON, body, declare, land, reload, start, status, told, until, webhook, world};
use super::world::{World, eventually};

#[test]
fn a_reload_adds_changes_and_removes_sinks() {
    let (mut world, one, two) = (world(), Receiver::new(), Receiver::new());
    declare(&mut world, "one", &webhook(&one));
    start(&mut world);
    one.until(1);
    let alone = world.declared.more.clone();
    declare(&mut world, "two", &webhook(&two));
    reload(&world);
    until(&world, "two", "the second is there", |status| status["state"] == "ok");
    let second = land(&world, "second");
    one.until(2);
    let taken = two.until(1);
    assert_eq!(body(&taken[0])["revision"], second.as_str(), "a new one is told from now on, and not of before");

    // One that goes, and comes back, is told what it missed.
    let both = std::mem::replace(&mut world.declared.more, alone);
    reload(&world);
    eventually("the second is gone", SOON, || status(&world, "two").is_null());
    let third = land(&world, "third");
    one.until(3);
    world.declared.more = both;
    reload(&world);
    let taken = two.until(2);
    assert_eq!(body(&taken[1])["revision"], third.as_str());

    // What it is told is changed, and what was passed over before stays passed over.
    world.declared.more.clear();
    declare(&mut world, "one", &format!("{}, events: [act]", webhook(&one)));
    reload(&world);
    eventually("the second is gone", SOON, || status(&world, "two").is_null());
    let _ = world.cli(&["sync", "web"]).code(0);
    let taken = one.until(4);
    assert_eq!(told(&taken)[3], "web act");
    land(&world, "fourth");
    until(&world, "one", "nothing waits", |status| status["waiting"] == 0);
    one.until(4);
    world.restart();
    let _ = world.cli(&["sync", "web"]).code(0);
    assert_eq!(told(&one.until(5))[4], "web act");
}

#[test]
fn labels_and_names_choose_who_is_told() {
    let (mut world, edge, mail) = (world(), Receiver::new(), Receiver::new());
    world.declared.apps.push(super::world::App::new("mail", &["mail"]));
    declare(&mut world, "edge", &format!("{}, match: {{ applications: [\"w*\"] }}", webhook(&edge)));
    declare(&mut world, "mail", &format!("{}, match: {{ labels: {{ team: mail }} }}", webhook(&mail)));
    world.repo.write("mail/root/etc/mail", "one\n");
    start(&mut world);
    world.until_live("/etc/mail", "one\n");
    assert_eq!(told(&edge.until(1)), ["web changed"]);
    until(&world, "mail", "nothing waits", |status| status["waiting"] == 0);
    mail.until(0);
    // The label comes later: it counts from then on.
    label(&world);
    world.repo.write("mail/root/etc/mail", "two\n").land("two");
    world.until_live("/etc/mail", "two\n");
    let taken = mail.until(1);
    assert_eq!(body(&taken[0])["labels"]["team"], "mail");
}

#[test]
fn what_waits_is_told_by_label_though_the_application_is_declared_no_more() {
    let (mut world, mut mail) = (world(), Receiver::new());
    world.declared.apps.push(super::world::App::new("mail", &["mail"]));
    declare(&mut world, "mail", &format!("{}, match: {{ labels: {{ team: mail }} }}", webhook(&mail)));
    world.repo.write("mail/root/etc/mail", "one\n");
    start(&mut world);
    world.until_live("/etc/mail", "one\n");
    label(&world);
    mail.down();
    let second = world.repo.write("mail/root/etc/mail", "two\n").land("two");
    world.until_live("/etc/mail", "two\n");
    until(&world, "mail", "it waits", |status| status["waiting"] == 1);
    world.declared.apps.pop();
    world.restart();
    mail.up();
    let taken = mail.until(1);
    assert_eq!((told(&taken), body(&taken[0])["revision"].as_str()), (vec!["mail changed".into()], Some(&*second)));
    assert_eq!(body(&taken[0])["labels"]["team"], "mail");
    // Its end is told as well, though nothing is left of it by then.
    mail.down();
    let report = world.cli(&["destroy", "mail", "--json"]).code(1).json();
    let _ = world.cli(&["approve", report["plan"].as_str().unwrap()]).code(0);
    until(&world, "mail", "both wait", |status| status["waiting"] == 2);
    reload(&world);
    mail.up();
    let taken = mail.until(3);
    assert_eq!(told(&taken)[1], "mail held");
    assert!(body(&taken[2])["summary"].as_str().unwrap().contains("1 delete"), "{:#}", body(&taken[2]));
}

/// Gives the application `mail` a label, and waits until it is known.
fn label(world: &World) {
    let text = std::fs::read_to_string(world.path("config.yaml")).unwrap();
    let labelled =
        text.replace("  name: mail\nspec:\n  source", "  name: mail\n  labels: { team: mail }\nspec:\n  source");
    assert_ne!(text, labelled);
    std::fs::write(world.path("config.yaml"), labelled).unwrap();
    world.signal(Signal::HUP);
    eventually("the label is known", SOON, || {
        let status = world.cli(&["status", "--json"]).json();
        status["applications"].as_array().unwrap().iter().any(|one| one["labels"]["team"] == "mail")
    });
}
