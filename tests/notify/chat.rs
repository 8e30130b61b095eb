//! Chats: one as strict as Slack says it is, and a real Matrix homeserver.

use serde_json::Value;

use super::receiver::{
    Receiver, SOON, Server, answer, body, declare, header, land, ok, secret, start, unknown_kind, until, world,
};
use super::world::{Fault, Request, eventually};

const HOSTILE: &str = "<!channel> @everyone <https://evil.example.org|click> [x](https://evil.example.org) `*~";

/// Answers as <https://api.slack.com/messaging/webhooks> says: what the payload may hold, and what is said where it does not fit.
fn slack(request: &Request) -> Fault {
    const KNOWN: [&str; 7] = ["text", "blocks", "attachments", "thread_ts", "mrkdwn", "unfurl_links", "unfurl_media"];
    let Ok(Value::Object(payload)) = serde_json::from_slice(&request.body) else {
        return answer(400, &[], "invalid_payload");
    };
    let text = payload.get("text").and_then(Value::as_str).unwrap_or_default();
    let json = header(request, "content-type").starts_with("application/json");
    match () {
        () if request.path != "/services/T0000/B0000/canary-s3cret-XXXX" => answer(404, &[], "no_service"),
        () if request.method != "POST" || !json => answer(400, &[], "invalid_payload"),
        () if payload.keys().any(|key| !KNOWN.contains(&key.as_str())) => answer(400, &[], "invalid_payload"),
        () if text.is_empty() => answer(400, &[], "no_text"),
        () if text.chars().count() > 4000 => answer(400, &[], "msg_too_long"),
        () => ok(),
    }
}

#[test]
fn a_chat_like_slack_is_told_and_nobody_is_called() {
    let (mut world, receiver) = (world(), Receiver::new());
    receiver.server().answer_with(slack);
    secret(&world, "url", &receiver.url().replace("/hook", "/services/T0000/B0000/canary-s3cret-XXXX"));
    declare(&mut world, "chat", "slack: { url: { file: url } }");
    start(&mut world);
    let taken = receiver.until(1);
    let text = body(&taken[0])["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("web changed at ") && text.contains("application web on host"), "{text}");
    // A long list of mistakes that says what its author likes.
    let names: Vec<_> = (0..400).map(|n| format!("  {}: {n}", Value::from(format!("{HOSTILE}{n}")))).collect();
    let head = "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: { name: /etc/x }\nspec:\n  content: x\n";
    let document = format!("{head}{}\n", names.join("\n"));
    world.repo.write("web/bad.yaml", document).land(HOSTILE);
    let taken = receiver.until(2);
    let text = body(&taken[1])["text"].as_str().unwrap().to_owned();
    assert!(text.contains("channel") && text.chars().count() <= 4000, "{text}");
    assert!(!text.contains(['<', '@', '[', '`', '*']), "{text}");
    // The URL is the secret.
    let all = world.stderr() + &world.cli(&["status", "--json"]).stdout + &world.cli(&["audit", "export"]).stdout;
    assert!(!all.contains("canary-s3cret"), "{all}");
    receiver.server().answer_with(|request| answer(404, &[], &format!("no_service {}", request.path)));
    land_nothing(&world);
    let denied = until(&world, "chat", "it is denied", |status| status["state"] == "notify.denied");
    assert!(!denied.to_string().contains("canary") && !world.stderr().contains("canary"), "{denied:#}");
}

fn land_nothing(world: &super::world::World) {
    world.repo.remove("web/bad.yaml").land("good again");
}

/// Returns the texts in the room, oldest first, and whether each mentions nobody.
fn said(ready: &Value) -> Vec<Value> {
    let text = |name: &str| ready[name].as_str().unwrap().to_owned();
    let url = format!("{}/_matrix/client/v3/rooms/{}/messages?dir=b&limit=100", text("server"), text("room"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let answer: Value = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        client.get(url).bearer_auth(text("reader")).send().await.unwrap().json().await.unwrap()
    });
    let mut all: Vec<Value> = answer["chunk"].as_array().unwrap().clone();
    all.retain(|event| event["type"] == "m.room.message");
    all.reverse();
    all
}

#[test]
fn a_matrix_room_is_told_by_a_real_homeserver() {
    let mut world = world();
    let Some(server) = Server::start(&world, "homeserver.py", &[]) else { return };
    let ready = server.read("ready").unwrap();
    let text = |name: &str| ready[name].as_str().unwrap().to_owned();
    secret(&world, "token", &text("token"));
    let matrix = |room: &str| {
        format!("matrix: {{ server: \"{}\", room: \"{room}\", token: {{ file: token }} }}", text("server"))
    };
    declare(&mut world, "room", &matrix(&text("room")));
    start(&mut world);
    eventually("the room is told", SOON, || said(&ready).len() == 1);
    world.repo.write("web/bad.yaml", unknown_kind("@room <b>x</b>")).land("bad");
    eventually("the room is told", SOON, || said(&ready).len() == 2);
    let all = said(&ready);
    let body = |event: &Value| event["content"]["body"].as_str().unwrap().to_owned();
    assert!(body(&all[0]).starts_with("web changed at "), "{all:#?}");
    assert!(!body(&all[1]).contains('@') && all[1]["content"]["formatted_body"].is_null(), "{all:#?}");
    assert!(all.iter().all(|event| event["content"]["m.mentions"] == serde_json::json!({})), "{all:#?}");

    // It limits who talks too much; all comes through, once, in order.
    world.repo.remove("web/bad.yaml");
    for n in 0..12 {
        land(&world, &format!("burst {n}"));
    }
    eventually("all is told", SOON, || said(&ready).len() == 14);
    let bodies: Vec<_> = said(&ready).iter().map(body).collect();
    let revisions = world.repo.git(&["log", "-12", "--format=%H", "--reverse"]);
    for (revision, body) in revisions.lines().zip(&bodies[2..]) {
        assert!(body.contains(revision), "{revision} in {bodies:#?}");
    }
    let ran = world.cli(&["notify", "test", "room"]).code(0);
    assert!(ran.stdout.contains("event_id"), "{}", ran.stdout);

    // A room in which it is not, and a token that is none.
    world.declared.more.clear();
    declare(&mut world, "room", &matrix("!nowhere:example.org"));
    world.configure();
    let ran = || world.cli(&["notify", "test", "room"]);
    eventually("it is denied", SOON, || ran().stderr.contains("notify.denied"));
    secret(&world, "token", "syt_none");
    let ran = ran().code(2);
    assert!(ran.stderr.contains("notify.denied") && ran.stderr.contains("M_UNKNOWN_TOKEN"), "{}", ran.stderr);
    assert!(!world.stderr().contains(&text("token")));
}
