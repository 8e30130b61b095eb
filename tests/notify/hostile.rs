//! What goes wrong on purpose: a message that is never taken, a sink that sends elsewhere, secrets in what is told.

use std::sync::{Arc, Mutex};

use super::receiver::{
    Receiver, SECRET, SOON, answer, body, declare, land, ok, secret, start, status, told, until, webhook, world,
};
use super::world::{Fault, Request, eventually, forms, holds};

#[test]
fn one_poisoned_message_does_not_stand_in_the_way_for_ever() {
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    let poisoned = Arc::new(Mutex::new(0));
    let count = poisoned.clone();
    receiver.server().answer_with(move |request| {
        let poison = body(request)["summary"].as_str().is_some_and(|text| text.contains("refused"));
        if poison {
            *count.lock().unwrap() += 1;
            return answer(422, &[("x-echo", "y")], "I would rather\u{1b}[2J not");
        }
        ok()
    });
    start(&mut world);
    receiver.until(1);
    world.repo.write("web/bad.yaml", "kind: [\n").land("it does not render");
    let refused = until(&world, "ops", "it is refused", |status| status["state"] == "notify.refused");
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("422") && message.contains("I would rather") && !message.contains('\u{1b}'), "{message}");
    world.repo.remove("web/bad.yaml");
    land(&world, "two");
    let taken = receiver.until(2);
    assert_eq!(told(&taken)[1], "web recovered", "what comes behind it is told, in order");
    assert_eq!(*poisoned.lock().unwrap(), 5);
    let after = status(&world, "ops");
    assert_eq!(
        (&after["dropped"], &after["waiting"], &after["state"]),
        (&1.into(), &0.into(), &"ok".into()),
        "{after:#}"
    );
    let record = world.cli(&["audit", "show", &after["last_dropped"].to_string(), "--json"]).code(0).json();
    assert_eq!(record["body"]["outcome"], "refused", "the trail has what was given up");
    assert!(world.stderr().contains("ERROR") && world.stderr().contains("a notification was given up"));
    world.restart();
    assert_eq!(status(&world, "ops")["dropped"], 1, "and it is not forgotten");
}

#[test]
fn a_redirect_is_not_followed_and_a_denial_waits_for_whoever_mends_it() {
    let (mut world, receiver, elsewhere) = (world(), Receiver::new(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    receiver.server().inject(Fault::Redirect(elsewhere.url()));
    start(&mut world);
    let denied = until(&world, "ops", "it is denied", |status| status["state"] == "notify.denied");
    assert!(denied["message"].as_str().unwrap().contains("redirects are not followed"), "{denied:#}");
    assert!(elsewhere.server().requests().is_empty());
    receiver.server().inject(answer(401, &[], "who are you?"));
    until(&world, "ops", "it says so", |status| {
        status["message"].as_str().is_some_and(|text| text.contains("who are you"))
    });
    receiver.server().inject(ok());
    let _ = world.cli(&["notify", "test", "ops"]).code(0);
    let taken = receiver.until(2);
    assert!(
        told(&taken).contains(&"web changed".to_owned()),
        "a test that is taken lets go what waits: {:?}",
        told(&taken)
    );
}

#[test]
fn a_secret_that_others_may_read_is_not_used_and_nothing_is_lost_meanwhile() {
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    let path = world.path("hook-secret");
    std::fs::remove_file(&path).unwrap();
    start(&mut world);
    until(&world, "ops", "there is no secret", |status| status["state"] == "notify.credentials");
    std::fs::write(&path, SECRET).unwrap();
    let open = until(&world, "ops", "others may read it", |status| {
        status["message"].as_str().is_some_and(|text| text.contains("others may read it"))
    });
    assert_eq!(open["state"], "notify.credentials");
    secret(&world, "hook-secret", "whsec_c2hvcnQ=");
    until(&world, "ops", "it is short", |status| {
        status["message"].as_str().is_some_and(|text| text.contains("24 to 64"))
    });
    secret(&world, "hook-secret", SECRET);
    receiver.until(1);
}

/// What prints a secret in each of the common forms, in Python.
const PRINTS: [&str; 6] = [
    "s",
    "base64.b64encode(s.encode()).decode()",
    "s.encode().hex()",
    "s.encode().hex().upper()",
    "u.quote(s, safe='')",
    "json.dumps(s)",
];

#[test]
fn no_secret_leaves_in_what_is_told_whatever_its_form() {
    let canary = "canary-\"5\" / + & s3cret";
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    // Another sink's password, which a check that fails prints in every form.
    declare(
        &mut world,
        "mail",
        "email: { server: \"127.0.0.1:1\", tls: none, from: a@example.org, to: [b@example.org], username: a, password: { file: canary } }",
    );
    secret(&world, "canary", canary);
    world.declared.commands = vec!["/usr/bin/env".into()];
    let printed = PRINTS.map(|print| format!("print({print})"));
    let program = format!(
        "import base64,json,sys,urllib.parse as u; s=open(sys.argv[1]).read().strip(); {}; sys.exit(1)",
        printed.join("; ")
    );
    let command = serde_json::json!(["/usr/bin/env", "python3", "-c", program, world.path("canary")]);
    let check = format!(
        "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: {{ name: leak }}\nspec: {{ command: {command} }}\n"
    );
    // And one that says what it was told.
    receiver.server().answer_with(move |request| if echoes(request) { answer(200, &[], canary) } else { ok() });
    start(&mut world);
    receiver.until(1);
    world.repo.write("web/check.yaml", check).write("web/root/etc/motd", "two\n").land("it prints");
    let taken = receiver.until(3);
    // As it went over the wire, and as whoever parses it reads it.
    let read =
        |request: &Request| format!("{:?} {} {}", request.headers, body(request)["message"], body(request)["text"]);
    let sent: String =
        taken.iter().map(|request| String::from_utf8_lossy(&request.body).into_owned() + &read(request)).collect();
    assert!(sent.contains("[redacted]"), "the check did print something: {sent}");
    let report = world.cli(&["notify", "test", "ops"]).stdout;
    let log = world.stderr() + &report + &world.cli(&["status", "--json"]).stdout;
    for (form, bytes) in forms(canary) {
        assert!(!holds(sent.as_bytes(), &bytes), "{form} in {sent}");
        assert!(!holds(log.as_bytes(), &bytes), "{form} in {log}");
    }
    eventually("mail waits", SOON, || status(&world, "mail")["waiting"] == 3);
}

fn echoes(request: &Request) -> bool {
    ["failed", "test"].contains(&body(request)["event"].as_str().unwrap_or_default())
}
