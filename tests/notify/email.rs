//! Mail, by a real server.

use std::fs;

use serde_json::Value;

use super::receiver::{SOON, Server, declare, land, secret, start, status, unknown_kind, until, world};
use super::world::{Authority, World, eventually};

const PASSWORD: &str = "canary pass/word+1";

/// A world with an authority, and a server that wants a login.
fn post(world: &World, mode: &str) -> Option<Server> {
    let authority = Authority::new(&world.path("home"), "ca");
    let [certificate, key] = authority.write_server("mail", &["localhost"]);
    fs::copy(authority.file(), world.path("ca.pem")).unwrap();
    let files = [certificate.to_str().unwrap().to_owned(), key.to_str().unwrap().to_owned()];
    secret(world, "password", PASSWORD);
    match mode {
        "plain" => Server::start(world, "smtp.py", &["plain", "trueup", PASSWORD]),
        mode => Server::start(world, "smtp.py", &[mode, &files[0], &files[1], "trueup", PASSWORD]),
    }
}

fn port(server: &Server) -> String {
    fs::read_to_string(server.path("port")).unwrap()
}

fn email(server: &Server, tls: &str) -> String {
    format!(
        "email: {{ server: \"localhost:{}\", tls: {tls}, from: \"trueup on web-1 <trueup@example.org>\", \
         to: [ops@example.org, \"On Call <oncall@example.org>\"], username: trueup, password: {{ file: password }} }}, \
         tls: {{ ca: ca.pem }}",
        port(server)
    )
}

/// Returns a mail that was taken, as Python's own parser reads it.
fn mail(server: &Server, number: usize) -> Value {
    eventually("the mail is there", SOON, || server.read(&format!("{number}.json")).is_some());
    let mut mail = server.read(&format!("{number}.json")).unwrap();
    let script = "import email,email.policy,json,sys; m=email.message_from_string(json.load(open(sys.argv[1]))['content'], policy=email.policy.default); print(json.dumps({'headers': [[k, str(v)] for k, v in m.items()], 'text': m.get_content()}))";
    let path = server.path(&format!("{number}.json"));
    let output = super::world::must(std::process::Command::new("python3").args(["-c", script]).arg(path));
    mail["parsed"] = serde_json::from_slice(&output.stdout).unwrap();
    mail
}

fn header(mail: &Value, name: &str) -> Vec<String> {
    let headers = mail["parsed"]["headers"].as_array().unwrap();
    let named = headers.iter().filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name));
    named.map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
}

#[test]
fn mail_goes_by_starttls_with_a_login() {
    let mut world = world();
    let Some(server) = post(&world, "starttls") else { return };
    // A line break of the template's own ends no header either.
    let title = "template: { title: \"{{ summary }}\\r\\nX-Evil: {{ message }}\" }";
    declare(&mut world, "mail", &format!("{}, {title}", email(&server, "starttls")));
    let first = start(&mut world);
    let taken = mail(&server, 0);
    assert_eq!((&taken["encrypted"], &taken["user"]), (&true.into(), &"trueup".into()));
    assert_eq!((&taken["from"], &taken["to"][1]), (&"trueup@example.org".into(), &"oncall@example.org".into()));
    assert_eq!(header(&taken, "subject"), [format!("web changed at {}: 1 create X-Evil:", &first[..10])]);
    assert_eq!(header(&taken, "auto-submitted"), ["auto-generated"]);
    let id = header(&taken, "message-id").remove(0);
    assert!(id.starts_with("<msg_") && id.ends_with("@example.org>"), "{id}");
    assert!(
        header(&taken, "date").len() == 1 && taken["parsed"]["text"].as_str().unwrap().contains(&first),
        "{taken:#}"
    );

    // Nothing that an author writes becomes a header, and several wait in order while the server has no room.
    fs::write(server.path("refuse"), "452 4.2.2 no room just now").unwrap();
    let hostile = "x\r\nBcc: evil@example.org\r\n\r\nbody \u{1b}[2J é";
    world.repo.write("web/bad.yaml", unknown_kind(hostile)).land("bad");
    let busy = until(&world, "mail", "it waits", |status| status["state"] == "notify.unreachable");
    assert!(busy["message"].as_str().unwrap().contains("no room just now"), "{busy:#}");
    world.repo.remove("web/bad.yaml");
    land(&world, "two");
    fs::remove_file(server.path("refuse")).unwrap();
    let taken = [mail(&server, 1), mail(&server, 2)];
    assert!(
        taken.iter().all(|mail| header(mail, "bcc").is_empty()
            && header(mail, "x-evil").is_empty()
            && mail["to"].as_array().unwrap().len() == 2),
        "{taken:#?}"
    );
    assert!(header(&taken[0], "subject")[0].starts_with("web was refused"), "{taken:#?}");
    assert!(taken[0]["parsed"]["text"].as_str().unwrap().contains("\\r\\nBcc: evil"), "{taken:#?}");
    assert!(header(&taken[1], "subject")[0].starts_with("web is well again"), "{taken:#?}");
    eventually("nothing waits", SOON, || status(&world, "mail")["waiting"] == 0);
    let ran = world.cli(&["notify", "test", "mail"]).code(0);
    assert!(ran.stdout.contains("250"), "{}", ran.stdout);
    assert!(server.read("4.json").is_none() && !world.stderr().contains(PASSWORD));
}

#[test]
fn mail_goes_by_tls_from_the_first_byte() {
    let mut world = world();
    let Some(server) = post(&world, "implicit") else { return };
    declare(&mut world, "mail", &email(&server, "implicit"));
    start(&mut world);
    assert_eq!(mail(&server, 0)["user"], "trueup");
}

#[test]
fn nothing_is_said_to_a_server_that_is_not_trusted_or_does_not_encrypt() {
    let mut world = world();
    let Some(server) = post(&world, "starttls") else { return };
    let spec = email(&server, "starttls");
    // Another authority than the one that signed.
    fs::copy(Authority::new(&world.path("home"), "other").file(), world.path("ca.pem")).unwrap();
    declare(&mut world, "mail", &spec);
    start(&mut world);
    let failing = until(&world, "mail", "it is not trusted", |status| status["state"] == "notify.tls");
    assert!(failing["message"].as_str().unwrap().contains("certificate"), "{failing:#}");
    assert!(server.read("0.json").is_none());
    drop(server);

    let Some(plain) = post(&world, "plain") else { return };
    world.declared.more.clear();
    declare(&mut world, "mail", &email(&plain, "starttls"));
    world.configure();
    let failing = until(&world, "mail", "it does not encrypt", |status| {
        status["message"].as_str().is_some_and(|text| text.contains("no STARTTLS"))
    });
    assert_eq!(failing["state"], "notify.tls");
    assert!(plain.read("0.json").is_none());
    // To this very machine it may be asked for in so many words.
    world.declared.more.clear();
    declare(&mut world, "mail", &email(&plain, "none"));
    world.configure();
    assert_eq!(mail(&plain, 0)["encrypted"], false);
}

#[test]
fn a_wrong_password_is_told_and_waits_for_the_right_one() {
    let mut world = world();
    let Some(server) = post(&world, "starttls") else { return };
    declare(&mut world, "mail", &email(&server, "starttls"));
    secret(&world, "password", "not the canary");
    start(&mut world);
    let denied = until(&world, "mail", "it is denied", |status| status["state"] == "notify.denied");
    assert!(denied["message"].as_str().unwrap().contains("535"), "{denied:#}");
    secret(&world, "password", PASSWORD);
    let _ = world.cli(&["notify", "test", "mail"]).code(0);
    let taken = [mail(&server, 0), mail(&server, 1)];
    assert!(taken.iter().any(|mail| header(mail, "subject")[0].starts_with("web changed")), "{taken:#?}");
}
