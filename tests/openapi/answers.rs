//! Real answers of a real daemon, each held against what the description says of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::estate::{Answer, Estate, ask, carried_out, estate, waiting};
use super::world::{Fault, World, clean, parts};

/// What was asked, and what came of it.
struct Told<'a> {
    world: &'a World,
    answers: Vec<Value>,
}

impl Told<'_> {
    /// Asks for what lies at a path of the description, with this in the place of what stands in braces.
    fn ask(&mut self, method: &str, template: &str, named: &[&str], query: &str, body: Option<&Value>) -> Value {
        let mut parts = named.iter();
        let filled =
            |part: &str| if part.starts_with('{') { (*parts.next().unwrap()).to_owned() } else { part.to_owned() };
        let path = template.split('/').map(filled).collect::<Vec<_>>().join("/") + query;
        let answer = ask(self.world, method, &path, &[], body);
        self.note(method, template, &answer)
    }

    /// Takes note of an answer, and returns what it holds.
    fn note(&mut self, method: &str, template: &str, answer: &Answer) -> Value {
        let status = answer.status;
        let kind = answer.header("content-type").unwrap().to_owned();
        let body =
            if kind.ends_with("json") { answer.json() } else { Value::from(String::from_utf8_lossy(&answer.body)) };
        let operation = format!("{} {template}", method.to_ascii_lowercase());
        self.answers.push(json!({ "operation": operation, "status": status, "type": kind, "body": body }));
        body
    }

    fn get(&mut self, template: &str, named: &[&str]) -> Value {
        self.ask("GET", template, named, "", None)
    }

    fn act(&mut self, template: &str, named: &[&str], body: &Value) -> Value {
        self.ask("POST", template, named, "", Some(body))
    }
}

#[test]
fn what_a_daemon_answers_is_what_the_description_says() {
    let Some(schemathesis) = parts::schemathesis() else { return };
    let estate = estate();
    let world = &estate.world;
    let mut told = Told { world, answers: vec![] };
    reads(&mut told);
    acts(&mut told);
    tokens(&mut told);
    refusals(&mut told);
    elsewhere(&mut told, &estate);
    let good = told.answers.iter().filter(|one| one["status"] == 200);
    let good: BTreeSet<_> = good.map(|one| one["operation"].as_str().unwrap().to_owned()).collect();
    let all = described();
    // An answer that never ends: tests/sight reads it.
    let but = BTreeSet::from(["get /v1/events".to_owned()]);
    assert_eq!(&all - &good, but, "{:#?}", told.answers);
    let (description, answers) = (world.path("home/description"), world.path("home/answers"));
    std::fs::write(&description, trueup::api::document().to_string()).unwrap();
    std::fs::write(&answers, serde_json::to_string(&told.answers).unwrap()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openapi/conform.py");
    let mut command = clean(schemathesis.with_file_name("python3"), &world.path("home"));
    let output = command.arg(script).args([&description, &answers]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

fn described() -> BTreeSet<String> {
    let document = trueup::api::document();
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect()
}

fn reads(told: &mut Told) {
    for path in ["/v1/openapi.json", "/v1/status", "/v1/policies", "/v1/break-glass", "/v1/break-glass/requests"] {
        told.get(path, &[]);
    }
    for path in ["/v1/applications/{name}/plan", "/v1/applications/{name}/policies"] {
        told.get(path, &["web"]);
    }
    told.ask("GET", "/v1/audit/records", &[], "?limit=1000", None);
    let plan = carried_out(told.world);
    told.get("/v1/plans/{plan}/preimages", &[&plan]);
    told.get("/v1/plans/{plan}/preimages/{number}", &[&plan, "0"]);
    for path in ["/v1/audit/records/{sequence}", "/v1/audit/records/{sequence}/proof"] {
        told.get(path, &["2"]);
    }
    told.ask("GET", "/v1/audit/export", &[], "?after=3&begins=true", None);
    told.act("/v1/audit/verify", &[], &json!({}));
}

fn acts(told: &mut Told) {
    let plan = waiting(told.world).unwrap();
    told.act("/v1/plans/{plan}/approve", &[&plan], &json!({}));
    for path in ["sync", "adopt", "resume"] {
        told.act(&format!("/v1/applications/{{name}}/{path}"), &["web"], &json!({}));
    }
    told.act("/v1/plans/{plan}/reject", &[&plan[..8]], &json!({ "reason": "not now" }));
    told.world.server.inject(Fault::Status(503));
    told.act("/v1/applications/{name}/rollback", &["api"], &json!({}));
    told.world.server.inject(Fault::None);
    told.act("/v1/applications/{name}/suspend", &["api"], &json!({ "reason": "a look" }));
    told.act("/v1/applications/{name}/destroy", &["old"], &json!({}));
    told.act("/v1/notifications/{name}/test", &["people"], &json!({}));
    let asked = json!({ "applications": ["web"], "liveEdit": ["*"], "reason": "a look", "seconds": 60 });
    let glass = told.act("/v1/break-glass", &[], &asked);
    let id = glass["id"].as_str().unwrap().to_owned();
    told.world.edit("/etc/web", "by hand\n");
    told.act("/v1/break-glass/{id}/edits", &[&id], &json!({}));
    told.act("/v1/break-glass/{id}/close", &[&id], &json!({}));
    told.get("/v1/break-glass", &[]);
    let old = std::fs::read_to_string(told.world.path("checkpoints")).unwrap();
    let old = old.split_once("\n\n— ").map(|(text, rest)| format!("{text}\n\n— {}\n", rest.lines().next().unwrap()));
    told.act("/v1/audit/growth", &[], &json!({ "old": old }));
    told.act("/v1/audit/rotate-key", &[], &json!({ "reason": "a look" }));
    told.act("/v1/audit/records/{sequence}/erase", &["3"], &json!({ "reason": "a look" }));
    told.act("/v1/audit/archive", &[], &json!({ "older": "30d" }));
}

fn tokens(told: &mut Told) {
    let asked = json!({ "robot": "ci", "roles": ["operator"], "match": { "labels": { "team": "edge" } } });
    let made = told.act("/v1/tokens", &[], &asked);
    told.get("/v1/tokens", &[]);
    told.act("/v1/tokens/{id}/revoke", &[made["id"].as_str().unwrap()], &json!({}));
}

/// What is asked for over TCP: by a second person, and by nobody.
fn elsewhere(told: &mut Told, estate: &Estate) {
    let asked = json!({ "applications": ["web"], "policies": ["never"], "reason": "a look", "seconds": 60 });
    let glass = told.act("/v1/break-glass", &[], &asked);
    let bearer = format!("Bearer {}", estate.token());
    let path = format!("/v1/break-glass/{}/agree", glass["id"].as_str().unwrap());
    let agreed = estate.ask("POST", &path, &[("authorization", &bearer)], Some(&json!({})));
    told.note("POST", "/v1/break-glass/{id}/agree", &agreed);
    for path in ["/v1/status", "/v1/openapi.json", "/v1/policies"] {
        let nobody = estate.ask("GET", path, &[], None);
        assert_eq!(nobody.status, 401);
        told.note("GET", path, &nobody);
    }
    let plain = estate.ask("POST", "/v1/applications/web/sync", &[("authorization", &bearer)], None);
    assert_eq!(plain.status, 415);
    told.note("POST", "/v1/applications/{name}/sync", &plain);
}

fn refusals(told: &mut Told) {
    told.get("/v1/applications/{name}/plan", &["nobody"]);
    told.ask("GET", "/v1/applications/{name}/plan", &["web"], "?revision=nowhere", None);
    told.ask("GET", "/v1/applications/{name}/plan", &["web"], "?revison=main", None);
    told.get("/v1/audit/records/{sequence}", &["one"]);
    told.get("/v1/audit/records/{sequence}", &["999999"]);
    told.ask("GET", "/v1/audit/records", &[], "?limit=1000000000000000000", None);
    told.ask("GET", "/v1/policies", &[], "?limit=1001", None);
    told.act("/v1/applications/{name}/rollback", &["api"], &json!({}));
    told.act("/v1/plans/{plan}/approve", &["1234"], &json!({}));
    told.act("/v1/plans/{plan}/approve", &["00000000"], &json!({}));
    told.act("/v1/applications/{name}/suspend", &["web"], &json!({ "reason": "x", "force": true }));
    told.act("/v1/break-glass", &[], &json!({ "reason": "no application" }));
    told.act("/v1/break-glass/{id}/close", &["nothing"], &json!({}));
    told.act("/v1/notifications/{name}/test", &["nobody"], &json!({}));
    told.act("/v1/audit/growth", &[], &json!({ "old": "nothing" }));
    told.act("/v1/audit/records/{sequence}/erase", &["3"], &json!({ "reason": "again" }));
    told.act("/v1/audit/records/{sequence}/erase", &["2"], &json!({ "reason": " " }));
}
