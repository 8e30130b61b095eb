//! Class K of the hostile inputs: what may be sent to whoever listens. After each, the daemon runs, nothing is live but what was, the
//! Git server was not asked, and no secret is in the log.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::sender::{Answer, Delivery, NAME, SECRET, SOON, application, ask, begin, looks, push, signature, world};
use super::world::{World, eventually};

/// Nothing came of it.
fn harmless(world: &World, looked: usize) {
    let log = world.stderr();
    assert!(!log.contains(SECRET) && !log.contains("panicked"), "{log}");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(looks(world), looked);
    assert_eq!(application(world)["code"], serde_json::Value::Null);
    let trail = world.cli(&["audit", "list", "--json"]).code(0).stdout;
    assert!(!trail.contains("hook"), "{trail}");
}

fn refused(answer: &Answer, status: u16, code: &str, what: &str) {
    assert_eq!((answer.status, answer.said()), (status, code), "{what}: {}", answer.text);
    assert!(answer.text.contains("application/problem+json"), "{what}: {}", answer.text);
}

#[test]
fn k1_bodies_without_end_and_those_who_never_say_what_they_want() {
    let (mut world, to) = world();
    begin(&mut world);
    let looked = looks(&world);
    let head = |more: &str| {
        format!("POST /hooks/platform HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{more}\r\n")
    };
    let large = ask(to, head("Content-Length: 1073741824\r\n").as_bytes());
    refused(&large, 413, "api.body-too-large", "a body of 1 GiB is refused before it is sent");
    let bomb = ask(to, head("Content-Encoding: gzip\r\nContent-Length: 5\r\n").as_bytes());
    refused(&bomb, 415, "api.encoding", "a compressed body");
    let form = Delivery::forgejo("push", "f", push()).instead("content-type", "application/x-www-form-urlencoded");
    refused(&form.send(to), 415, "api.media-type", "a form");
    let just = Delivery::forgejo("push", "big", vec![b' '; 1024 * 1024]);
    refused(&just.send(to), 400, "hooks.payload", "1 MiB is read");
    refused(
        &Delivery::forgejo("push", "big", vec![b' '; 1024 * 1024 + 1]).send(to),
        413,
        "api.body-too-large",
        "no more",
    );
    endless(to, &head("Transfer-Encoding: chunked\r\n"));
    for mut head in [vec![b'a'; 1024 * 1024], b"POST /hooks/platform HTTP/1.1\r\n".to_vec()] {
        head.extend(b"X: y\r\n".repeat(200_000));
        let answer = ask(to, &head);
        assert!(matches!(answer.status, 0 | 400 | 431), "{}", answer.text);
    }

    // Slow ones, all at once: the head, the body, and one that says nothing at all. Meanwhile others are heard.
    let began = Instant::now();
    let slow =
        [head("").into_bytes()[..40].to_vec(), head("Content-Length: 10\r\n").into_bytes(), vec![]].map(|sent| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(to).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(25))).unwrap();
                stream.write_all(&sent).unwrap();
                let mut answer = vec![];
                let _ = stream.read_to_end(&mut answer);
                Answer::of(&answer)
            })
        });
    assert_eq!(Delivery::github("ping", "", b"{}".to_vec()).send(to).said(), "pong");
    let [head, body, silent] = slow.map(|slow| slow.join().unwrap());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    refused(&body, 408, "api.timeout", "a body that does not come");
    assert!(matches!(head.status, 0 | 400 | 408) && silent.status == 0, "{} {}", head.text, silent.text);
    harmless(&world, looked);
}

/// A body in chunks for as long as somebody takes them.
fn endless(to: SocketAddr, head: &str) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = [b"10000\r\n".to_vec(), vec![b'a'; 0x10000], b"\r\n".to_vec()].concat();
    let sent = (0..1024).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 256, "64 MiB were taken");
}

#[test]
fn k2_payloads_that_are_none() {
    let (mut world, to) = world();
    begin(&mut world);
    let looked = looks(&world);
    let payloads = [
        r#"{"ref":"x","repository":null}"#,
        r#"{"ref":123,"after":"000..0","commits":null}"#,
        r#"{"commits":[null],"repository":{}}"#,
        r#"{"Repo":null}"#,
        r#"{"eventType":"git.push","resource":{"refUpdates":[]}}"#,
        r#"{"links":{"clone":"boom","self":[{"href":[]}]},"repository":{"links":{"clone":[]}}}"#,
        r#"{"repository":{"full_name":["ops/platform"]}}"#,
        r#"{"repository":{"full_name":{"$ne":""}}}"#,
        r#"{"repository":{"full_name":"ops/platform"},"repository":{"full_name":"ops/platform"}}"#,
        r#"{"repository":{"full_name":"ops/platform"}"#,
        r#"{"project":{"path_with_namespace":null}}"#,
        "[]",
        "null",
        "",
        "{}",
        "\u{feff}{}",
    ];
    for payload in payloads {
        let answer = Delivery::forgejo("push", "", payload.as_bytes().to_vec()).send(to);
        refused(&answer, 400, "hooks.payload", payload);
    }
    let deep = [b"{\"repository\":".to_vec(), b"[".repeat(500_000)].concat();
    refused(&Delivery::forgejo("push", "", deep).send(to), 400, "hooks.payload", "500,000 levels");
    let latin = b"{\"repository\":{\"full_name\":\"ops/pl\xe4tform\"}}".to_vec();
    refused(&Delivery::forgejo("push", "", latin).send(to), 400, "hooks.payload", "no UTF-8");
    harmless(&world, looked);
}

#[test]
fn k3_signatures_that_are_none() {
    let (mut world, to) = world();
    begin(&mut world);
    let looked = looks(&world);
    let good = Delivery::forgejo("push", "", push());
    let digits = signature(&push());
    let mut cases = vec![
        ("none", good.clone().without("signature")),
        ("SHA-1 alone", good.clone().without("signature").with("X-Hub-Signature", "sha1=0000")),
        ("of another body", Delivery { body: [push(), b" ".to_vec()].concat(), ..good.clone() }),
        ("repeated", good.clone().with("X-Forgejo-Signature", &digits)),
        ("a token beside it", good.clone().with("X-Gitlab-Token", "not it")),
        ("an empty token", Delivery::gitlab("Push Hook", "").instead("X-Gitlab-Token", "")),
        ("no token", Delivery::gitlab("Push Hook", "").without("token")),
        ("no such token", Delivery::gitlab("Push Hook", "").instead("X-Gitlab-Token", &SECRET[1..])),
        ("of nobody", good.clone().to("nobody")),
        ("of no name", good.clone().to("%ff%00")),
        ("of a path", good.clone().to("..%2fplatform")),
    ];
    let (upper, other) = (digits.to_uppercase(), digits.replace(['0', '1', '2', '3'], "f"));
    for (what, value) in [
        ("empty", ""),
        ("odd", &digits[1..]),
        ("short", &digits[2..]),
        ("in capitals", &upper),
        ("none", "zz"),
        ("other", &other),
    ] {
        for name in ["X-Forgejo-Signature", "X-Gitea-Signature", "X-Gogs-Signature"] {
            cases.push((what, good.clone().instead(name, value)));
        }
        cases.push((
            what,
            Delivery::github("push", "", push()).instead("X-Hub-Signature-256", &format!("sha256={value}")),
        ));
    }
    let expected = good.clone().to("nobody").send(to).text;
    for (what, delivery) in cases {
        let answer = delivery.send(to);
        refused(&answer, 403, "hooks.signature", what);
        assert_eq!(answer.text, expected, "{what}");
    }
    harmless(&world, looked);
    assert_eq!(good.send(to).said(), "look", "the good one was good");
}

#[test]
fn k4_nothing_is_heard_without_a_secret_that_holds() {
    let (mut world, _) = world();
    let usual = world.declared.repository.clone();
    let none = [
        format!("webhook:\n  names: [{NAME}]"),
        format!("webhook:\n  secret: {{}}\n  names: [{NAME}]"),
        usual.replace("names: [\"ops/platform\"]", "names: []"),
    ];
    for repository in none {
        world.declared.repository.clone_from(&repository);
        world.configure();
        let told = world.cli(&["check"]).code(2);
        assert!(told.stdout.contains("config.yaml:") || told.stderr.contains("config.yaml:"), "{repository}: {told:?}");
    }
    world.declared.repository = usual;
    world.repo.write("web/root/etc/motd", "one\n").land("first");
    for (content, why) in
        [("", "empty"), ("short", "fewer than 16 characters"), ("two\nlines of text that are long", "one line")]
    {
        super::world::private(&world, "hook", content);
        world.spawn();
        assert!(!world.wait().success());
        let told = world.stderr();
        assert!(told.contains("webhook of repository platform") && told.contains(why), "{why}: {told}");
        assert!(content.is_empty() || !told.contains(content), "{told}");
    }
}

#[test]
fn k5_an_old_delivery_that_comes_again_takes_nothing_back() {
    let (mut world, to) = world();
    begin(&mut world);
    let first = world.repo.head();
    let payload = String::from_utf8(push()).unwrap().replace(&"0".repeat(40), &first).into_bytes();
    let old = Delivery::forgejo("push", "old", payload.clone());
    assert_eq!(old.send(to).said(), "look");
    world.repo.write("web/root/etc/motd", "two\n").land("second");
    assert_eq!(Delivery::forgejo("push", "new", push()).send(to).said(), "look");
    world.until_live("/etc/motd", "two\n");
    let looked = looks(&world);
    assert_eq!(old.send(to).said(), "seen");
    // Ids are not signed: under another one it is heard, and a look finds what Git says now.
    assert_eq!(Delivery::forgejo("push", "forged", payload).send(to).said(), "look");
    eventually("it has looked once", SOON, || looks(&world) == looked + 1);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(world.read("/etc/motd").as_deref(), Some("two\n"));
}

#[test]
fn k6_names_are_no_patterns_on_either_side() {
    let (mut world, to) = world();
    begin(&mut world);
    let looked = looks(&world);
    let forged = [
        "https://.*/example/repo",
        "https://github.com/.*/.*",
        "%%",
        "",
        ".*",
        "*",
        "ops/*",
        "OPS/platform",
        "ops/Platform",
        "ops/platform ",
        "ops/platform.git",
        "ops//platform",
        "ops/platform\u{0}",
        "ops/pl\u{430}tform",
        "../ops/platform",
        "platform",
    ];
    for name in forged {
        let payload = serde_json::json!({ "repository": { "full_name": name } }).to_string().into_bytes();
        refused(&Delivery::forgejo("push", "", payload).send(to), 422, "hooks.repository", name);
    }
    let both = serde_json::json!({ "repository": { "full_name": NAME }, "project": { "path_with_namespace": "a/b" } });
    let both = Delivery::forgejo("push", "", both.to_string().into_bytes()).send(to);
    refused(&both, 422, "hooks.repository", "one of two names");
    assert!(!both.text.contains("ops"), "it does not tell which it wants");
    harmless(&world, looked);
}

#[test]
fn k9_a_payload_with_a_secret_in_it_is_not_kept() {
    let (mut world, to) = world();
    begin(&mut world);
    let looked = looks(&world);
    let canary = "c4n4ry-0f-4n-0ld-f0rg3j0";
    let payload = serde_json::json!({ "secret": canary, "repository": { "full_name": canary } });
    let payload = payload.to_string().into_bytes();
    refused(&Delivery::forgejo("push", canary, payload.clone()).send(to), 422, "hooks.repository", "another name");
    let wrong = Delivery::plain(payload).with("X-Gitlab-Token", canary).to(canary).send(to);
    refused(&wrong, 403, "hooks.signature", "no signature");
    harmless(&world, looked);
    let log = world.stderr();
    assert!(log.contains("refused deliveries of webhooks: 1"), "{log}");
    assert!(!log.contains(canary), "{log}");
    let kept = std::process::Command::new("grep").args(["-rlaF", canary]).arg(world.path("data")).output().unwrap();
    assert!(kept.stdout.is_empty(), "{}", String::from_utf8_lossy(&kept.stdout));
}

#[test]
fn only_one_address_answers_and_it_says_nothing_of_what_is_declared() {
    let (mut world, to) = world();
    begin(&mut world);
    let get = |line: &str| ask(to, format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
    for line in [
        "GET /",
        "GET /v1/status",
        "POST /v1/applications/web/sync",
        "POST /hooks",
        "POST /hooks/",
        "POST /hooks/platform/x",
    ] {
        refused(&get(line), 404, "api.not-found", line);
    }
    for line in ["GET /hooks/platform", "GET /hooks/nobody", "DELETE /hooks/platform", "PUT /hooks/nobody"] {
        refused(&get(line), 405, "api.method", line);
    }
    for raw in ["\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET", "\u{16}\u{3}\u{1}\u{2}"] {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.write_all(raw.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer);
        assert!(!String::from_utf8_lossy(&answer).contains(" 200 "));
    }
    assert_eq!(Delivery::github("ping", "", b"{}".to_vec()).send(to).said(), "pong");
}
