//! What is asked for twice: acts under a key, and reads whose answer is known.

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::estate::{Answer, ask, estate};
use super::world::World;

const SUSPEND: &str = "/v1/applications/api/suspend";

fn act(world: &World, key: &str, path: &str, body: &Value) -> Answer {
    ask(world, "POST", path, &[("idempotency-key", key)], Some(body))
}

/// Returns how many acts of this sort the trail tells of.
fn acts(world: &World, act: &str) -> usize {
    let records = ask(world, "GET", "/v1/audit/records?limit=1000", &[], None).json();
    records.as_array().unwrap().iter().filter(|one| one["body"]["act"] == act).count()
}

#[test]
fn an_act_is_done_once_for_each_key() {
    let mut estate = estate();
    let world = &estate.world;
    let (one, other) = (json!({ "reason": "one" }), json!({ "reason": "other" }));
    let first = act(world, "\"k\"", SUSPEND, &one);
    assert_eq!(first.status, 200, "{first:?}");
    ask(world, "POST", "/v1/applications/api/resume", &[], None);
    let again = act(world, "\"k\"", SUSPEND, &one);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(acts(world, "suspend"), 1, "it was done again");
    for (path, body) in [(SUSPEND, &other), ("/v1/applications/web/suspend", &one)] {
        let reused = act(world, "\"k\"", path, body);
        assert_eq!((reused.status, &reused.json()["code"]), (422, &"idempotency.reused".into()));
    }
    assert_eq!(act(world, "\"another\"", SUSPEND, &one).status, 200);
    assert_eq!(acts(world, "suspend"), 2);
    // A refusal is an answer too.
    let refused = act(world, "\"r\"", "/v1/applications/nobody/sync", &json!({}));
    assert_eq!(
        (refused.status, act(world, "\"r\"", "/v1/applications/nobody/sync", &json!({})).body),
        (404, refused.body)
    );
    for bad in ["", "a b", &"x".repeat(129)] {
        let bad = act(world, bad, SUSPEND, &one);
        assert_eq!((bad.status, &bad.json()["code"]), (400, &"idempotency.key".into()));
    }
    // As docs/api.md says.
    estate.world.restart();
    assert_eq!(act(&estate.world, "\"k\"", SUSPEND, &one).status, 200);
    assert_eq!(acts(&estate.world, "suspend"), 3);
}

#[test]
fn many_who_ask_at_once_under_one_key_cause_one_act() {
    let estate = estate();
    let world = &estate.world;
    let sync = || act(world, "\"k\"", "/v1/applications/web/sync", &json!({}));
    let answers: Vec<_> = thread::scope(|scope| {
        let asking: Vec<_> = (0..16).map(|_| scope.spawn(sync)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for answer in &answers {
        let under_way = answer.status == 409 && answer.json()["code"] == "idempotency.under-way";
        assert!(answer.status == 200 || under_way && answer.header("retry-after") == Some("1"), "{answer:?}");
    }
    assert!(answers.iter().any(|answer| answer.status == 200));
    assert_eq!(acts(world, "sync"), 1);
    assert_eq!(sync().status, 200, "who asks later gets the answer");
}

#[test]
fn what_is_known_is_not_sent_again() {
    let estate = estate();
    let world = &estate.world;
    let get = |path: &str, headers: &[(&str, &str)]| ask(world, "GET", path, headers, None);
    let policies = get("/v1/policies", &[]);
    let tag = policies.header("etag").unwrap().to_owned();
    assert_eq!(policies.header("cache-control"), Some("private, no-cache"));
    for known in [tag.clone(), format!("\"x\", W/{tag}"), "*".into()] {
        let same = get("/v1/policies", &[("if-none-match", &known)]);
        assert_eq!((same.status, same.header("etag"), same.body.len()), (304, Some(&*tag), 0), "{known}");
    }
    assert_eq!(get("/v1/policies", &[("if-none-match", "\"x\"")]).body, policies.body);
    let bound = |path: &str, tag: &str| get(path, &[("if-match", tag)]).status;
    assert_eq!((bound("/v1/policies", &tag), bound("/v1/policies", "\"x\"")), (200, 412));
    // A plan that is the same has the same tag, and another one has not.
    let plan = || get("/v1/applications/web/plan", &[]).header("etag").unwrap().to_owned();
    let before = plan();
    assert_eq!(plan(), before);
    world.edit("/etc/web", "by hand\n");
    thread::sleep(Duration::from_millis(50));
    assert_ne!(plan(), before);
    let head = ask(world, "HEAD", "/v1/policies", &[], None);
    assert_eq!((head.status, head.header("etag"), head.body.len()), (200, Some(&*tag), 0));
    assert_eq!(get("/v1/nowhere", &[("if-none-match", "*")]).status, 404);
    let act = ask(world, "POST", "/v1/applications/web/sync", &[("if-match", "*")], Some(&json!({})));
    assert_eq!((act.status, &act.json()["code"]), (412, &"api.precondition".into()));
}

#[test]
fn a_secret_is_told_once_also_to_who_asks_twice() {
    let estate = estate();
    let asked = json!({ "robot": "ci", "roles": ["viewer"] });
    let made = act(&estate.world, "\"k\"", "/v1/tokens", &asked);
    assert_eq!((made.status, made.header("cache-control")), (200, Some("no-store")), "{made:?}");
    let again = act(&estate.world, "\"k\"", "/v1/tokens", &asked);
    assert_eq!((again.status, &again.json()["code"]), (409, &"idempotency.not-kept".into()));
    let tokens = ask(&estate.world, "GET", "/v1/tokens", &[], None).json();
    assert_eq!(tokens.as_array().unwrap().len(), 1);
}
