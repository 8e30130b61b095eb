//! Tokens from their making to their end.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::there::{SOON, There, document};
use super::world::{eventually, private};

#[test]
fn a_token_is_shown_once_speaks_for_its_person_and_ends_at_once() {
    let there = There::begun();
    let token = there.token("ada", &["operator", "viewer"], &["--application", "web", "--for", "30d"]);
    let secret = There::secret(&token);
    assert_eq!(secret.len(), 88, "{secret}");
    let synced = there.cli(&token, &["sync", "web", "--json"]).code(0).json();
    assert_eq!(synced["application"], "web");
    // It is ada, whatever she came as; and the trail says with what.
    let records = there.records();
    let by = |act: &str| records.iter().find(|one| one["body"]["act"] == act).unwrap_or_else(|| panic!("{act}"));
    assert_eq!((&by("sync")["actor"]["kind"], &by("sync")["actor"]["person"]), (&"token".into(), &"ada".into()));
    let id = secret.split('_').nth(1).unwrap();
    assert!(by("sync")["actor"]["display"].as_str().unwrap().contains(id));
    let made = &by("create-token")["body"];
    let reason = made["reason"].as_str().unwrap();
    assert!(
        reason.contains(id) && reason.contains("person ada") && reason.contains("viewer, operator of web"),
        "{reason}"
    );
    assert!(made["expires"].is_number(), "{made}");
    // No wider than it was made, though ada may more.
    assert_eq!(there.post(&token, "/v1/applications/db/sync", "{}").code(), "application.unknown");
    assert_eq!(there.post(&token, "/v1/applications/web/destroy", "{}").code(), "api.forbidden");

    let listed = there.world.cli(&["token", "list"]).code(0);
    assert!(listed.stdout.contains(id) && !listed.stdout.contains(&secret), "{}", listed.stdout);
    let _ = there.world.cli(&["token", "revoke", id]).code(0);
    assert_eq!(there.get(&token, "/v1/status").status, 401);
    let ran = there.cli(&token, &["status"]).code(2);
    assert!(
        ran.stderr.contains(token.to_str().unwrap()) && ran.stderr.contains("(api.unauthenticated)"),
        "{}",
        ran.stderr
    );
    assert_eq!(there.records()[0]["body"]["act"], "revoke-token");

    // The secret is nowhere but where it was printed.
    let half = secret.rsplit('_').next().unwrap().to_owned();
    drop(token);
    let data = fs::read_dir(there.world.path("data")).unwrap().map(|entry| entry.unwrap().path());
    for file in data.filter(|path| path.is_file()).chain([there.world.path("stderr")]) {
        let bytes = fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(half.len()).any(|part| part == half.as_bytes()), "{}", file.display());
    }
}

#[test]
fn what_is_taken_away_from_a_person_is_taken_from_their_tokens_at_once() {
    let mut there = There::begun();
    let token = there.token("olga", &["operator"], &[]);
    there.world.restart();
    assert_eq!(there.post(&token, "/v1/applications/web/sync", "{}").status, 200, "a restart forgets none");
    let whole = there.world.declared.more.clone();
    there.world.declared.more = whole.replace("{ role: operator, people: [olga]", "{ role: viewer, people: [olga]");
    there.reload();
    eventually("olga may only see", SOON, || {
        there.post(&token, "/v1/applications/web/sync", "{}").code() == "api.forbidden"
    });
    assert_eq!(there.get(&token, "/v1/applications/web/plan").status, 200);
    let gone = document("Person", "olga", "{}");
    let role = document("Role", "olga", "{ role: operator, people: [olga], match: { applications: [w*] } }");
    assert!(whole.contains(&gone) && whole.contains(&role));
    there.world.declared.more = whole.replace(&gone, "").replace(&role, "");
    there.reload();
    eventually("olga is nobody", SOON, || there.get(&token, "/v1/status").code() == "token.void");
    there.world.declared.more = whole;
    there.reload();
    eventually("olga is back", SOON, || there.get(&token, "/v1/status").status == 200);
}

#[test]
fn nobody_hands_out_what_they_have_not_nor_somebody_else() {
    let there = There::begun();
    let make = |token, body: &str| there.post(token, "/v1/tokens", body);
    let (olga, ada) = (there.token("olga", &["operator"], &[]), there.token("ada", &["admin"], &[]));
    let own = make(&olga, r#"{ "roles": ["viewer"], "match": { "applications": ["web"] } }"#);
    assert_eq!(own.status, 200, "{}", own.text);
    for (body, code) in [
        (r#"{ "roles": ["approver"] }"#, "token.forbidden"),
        (r#"{ "roles": ["viewer"], "match": { "applications": ["*"] } }"#, "token.forbidden"),
        (r#"{ "roles": ["approver"], "match": { "applications": ["web"] } }"#, "token.forbidden"),
        (r#"{ "roles": ["operator"], "match": { "applications": ["web", "db"] } }"#, "token.forbidden"),
        (r#"{ "roles": ["viewer"], "person": "ada" }"#, "token.forbidden"),
        (r#"{ "roles": [], "match": { "applications": ["web"] } }"#, "token.asked"),
        (r#"{ "roles": ["viewer"], "match": { "applications": ["web"] }, "seconds": 40000000 }"#, "token.asked"),
        (r#"{ "roles": ["viewer"], "robot": "vera", "match": { "applications": ["web"] } }"#, "token.name"),
        (r#"{ "roles": ["viewer"], "grants": [] }"#, "api.body"),
    ] {
        assert_eq!(make(&olga, body).code(), code, "{body}");
    }
    // Not even who may do everything is somebody else, or lets a program say yes.
    assert_eq!(make(&ada, r#"{ "roles": ["viewer"], "person": "vera" }"#).code(), "token.forbidden");
    for role in ["approver", "break-glass", "admin"] {
        assert_eq!(make(&ada, &format!(r#"{{ "roles": ["{role}"], "robot": "ci" }}"#)).code(), "token.forbidden");
    }
    // A robot is who it is called, does what it was made for, and makes none of its kind.
    let program = make(&olga, r#"{ "roles": ["operator"], "robot": "ci" }"#);
    let robot = private(&there.world, "robot", program.body["secret"].as_str().unwrap());
    let robot = std::path::Path::new(&robot);
    assert_eq!(there.post(robot, "/v1/applications/web/sync", "{}").status, 200);
    assert_eq!(there.post(robot, "/v1/applications/db/sync", "{}").code(), "application.unknown");
    let body = r#"{ "roles": ["viewer"], "robot": "next", "match": { "applications": ["web"] } }"#;
    assert_eq!(make(robot, body).code(), "token.forbidden");
    let by = |records: &[serde_json::Value]| {
        records.iter().find(|one| one["body"]["act"] == "sync").unwrap()["actor"].clone()
    };
    let actor = by(&there.records());
    assert_eq!((&actor["subject"], actor.get("person")), (&"ci".into(), None), "{actor}");
    // Others' tokens are not there.
    let id = program.body["id"].as_str().unwrap();
    let vera = there.token("vera", &["viewer"], &[]);
    assert_eq!(there.post(&vera, &format!("/v1/tokens/{id}/revoke"), "{}").code(), "token.unknown");
    assert_eq!(there.post(&vera, "/v1/tokens/0000000000000000/revoke", "{}").code(), "token.unknown");
    assert_eq!(there.get(&vera, "/v1/tokens").body.as_array().unwrap().len(), 1);
    assert_eq!(there.get(&olga, "/v1/tokens").body.as_array().unwrap().len(), 3);
    assert_eq!(there.get(&ada, "/v1/tokens").body.as_array().unwrap().len(), 5);
    assert_eq!(there.post(&olga, &format!("/v1/tokens/{id}/revoke"), "{}").status, 200);
    assert_eq!(there.get(robot, "/v1/status").status, 401);
}

#[test]
fn a_token_makes_none_that_is_more_than_itself() {
    let there = There::begun();
    let make = |token, body: &str| there.post(token, "/v1/tokens", body);
    // She may everything, and this may little for an hour.
    let narrow = there.token("ada", &["operator"], &["--application", "web", "--for", "1h"]);
    for body in [
        r#"{ "roles": ["operator"] }"#,
        r#"{ "roles": ["operator"], "match": { "applications": ["*"] } }"#,
        r#"{ "roles": ["operator"], "match": { "applications": ["db"] } }"#,
        r#"{ "roles": ["admin"], "match": { "applications": ["web"] } }"#,
        r#"{ "roles": ["viewer"], "person": "ada" }"#,
        r#"{ "roles": ["viewer"], "robot": "ci" }"#,
        r#"{ "roles": ["viewer"], "match": { "applications": ["web"] }, "seconds": 3700 }"#,
    ] {
        assert_eq!(make(&narrow, body).code(), "token.forbidden", "{body}");
    }
    let mine = there.get(&narrow, "/v1/tokens").body[0].clone();
    for body in [
        r#"{ "roles": ["viewer"], "match": { "applications": ["web"] } }"#,
        r#"{ "roles": ["operator"], "robot": "ci", "match": { "applications": ["web"] } }"#,
    ] {
        let answer = make(&narrow, body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["expires"], mine["expires"], "{body}");
    }
}

#[test]
fn the_command_says_what_is_wrong_with_what_it_comes_with() {
    let there = There::begun();
    let token = there.token("vera", &["viewer"], &[]);
    let open = there.world.path("home/open");
    fs::write(&open, There::secret(&token)).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = there.cli(&open, &["status"]).code(2);
    assert!(ran.stderr.contains("others may read it") && ran.stderr.contains("chmod 600"), "{}", ran.stderr);

    let run = |arguments: &[&str]| {
        let mut command = super::world::clean(env!("CARGO_BIN_EXE_trueup"), &there.world.path("home"));
        super::world::Ran::from(command.args(arguments).output().unwrap())
    };
    let (file, url) = (token.to_str().unwrap(), there.url());
    let ran = run(&["status", "--server", &url, "--token-file", file]).code(2);
    assert!(ran.stderr.contains("could not trust") && ran.stderr.contains("--ca FILE"), "{}", ran.stderr);
    let ran = run(&["status", "--server", &url]).code(2);
    assert!(ran.stderr.contains("--token-file"), "{}", ran.stderr);
    let ran = run(&["status", "--server", "http://web-1.example.org", "--token-file", file]).code(2);
    assert!(ran.stderr.contains("loopback"), "{}", ran.stderr);
    let ran = run(&["check", "--server", &url]).code(2);
    assert!(ran.stderr.contains("on this machine alone"), "{}", ran.stderr);
    let nobody = format!("https://localhost:{}", super::world::free().port());
    let ca = there.authority.file().display().to_string();
    let ran = run(&["status", "--server", &nobody, "--token-file", file, "--ca", &ca]).code(2);
    assert!(ran.stderr.contains("could not talk to the daemon at"), "{}", ran.stderr);
    // From the environment, too; and commands of this machine do not mind.
    let mut command = super::world::clean(env!("CARGO_BIN_EXE_trueup"), &there.world.path("home"));
    command.env("TRUEUP_SERVER", &url).env("TRUEUP_TOKEN_FILE", file).env("TRUEUP_CA", &ca);
    let _ = super::world::Ran::from(command.args(["policy", "list"]).output().unwrap()).code(0);
    let config = there.world.path("config.yaml");
    let _ = super::world::Ran::from(command.arg("-h").output().unwrap());
    let mut command = super::world::clean(env!("CARGO_BIN_EXE_trueup"), &there.world.path("home"));
    command.env("TRUEUP_SERVER", &url).arg("check").arg(config);
    let _ = super::world::Ran::from(command.output().unwrap()).code(0);
}
