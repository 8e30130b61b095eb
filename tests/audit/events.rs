//! What other tools take: every event is one that the two standards allow, field by field.

use std::collections::BTreeSet;

use serde_json::Value;
use trueup::audit::{self, Act, ActBody, Body, ClosedBody, Counts, Entry, Events, Item, Redactor};
use trueup::model::{Actor, Outcome, Time};
use trueup::store::new_sync_id;

use crate::{Trail, observed};

const ORIGIN: &str = "trueup.dev/web-1/0123456789abcdef";
const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

fn closed(application: &str, outcome: Outcome, revision: Option<&str>, executed: bool) -> Entry {
    let body = Body::Closed(ClosedBody {
        outcome,
        code: None,
        message: Some("as it went".into()),
        counts: Counts::default(),
        duration_ms: None,
        quiet: None,
    });
    Entry {
        revision: revision.map(|revision| revision.parse().unwrap()),
        sync: executed.then(|| new_sync_id().unwrap()),
        body,
        ..observed(application, "")
    }
}

/// The rules of CloudEvents 1.0.2, and of the JSON format's schema.
fn is_cloud_event(event: &Value) {
    let text = |name: &str| event[name].as_str().filter(|text| !text.is_empty());
    for (name, value) in event.as_object().unwrap() {
        assert!(name.len() <= 20 && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{name}");
        assert!(name == "data" || value.as_str().is_some_and(|text| !text.is_empty()), "{name}: {value}");
    }
    assert_eq!(text("specversion"), Some("1.0"));
    let reference = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    assert!(text("source").unwrap().chars().all(reference));
    assert!(text("id").is_some() && text("type").is_some_and(|kind| kind.starts_with("dev.")), "{event}");
    assert!(event.get("time").is_none_or(is_time), "{event}");
    assert!(event["data"].is_object());
}

/// RFC 3339, as `date-time` of JSON Schema wants it.
fn is_time(time: &Value) -> bool {
    let text = time.as_str().unwrap_or_default();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000000Z"
}

/// The schema of `service` events, CDEvents 0.4.1, and how they lie in a CloudEvent.
fn is_cd_event(event: &Value) {
    let data = &event["data"];
    let keys = |value: &Value, allowed: &[&str]| {
        let there: BTreeSet<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert!(there.is_subset(&allowed.iter().copied().collect()), "{there:?}");
    };
    keys(data, &["context", "subject", "customData", "customDataContentType"]);
    let (context, subject) = (&data["context"], &data["subject"]);
    keys(context, &["version", "id", "source", "type", "timestamp"]);
    keys(subject, &["id", "source", "type", "content"]);
    keys(&subject["content"], &["environment", "artifactId"]);
    keys(&subject["content"]["environment"], &["id", "source"]);
    assert_eq!(event["datacontenttype"], "application/cdevents+json");
    for (name, there) in [("id", "id"), ("source", "source"), ("type", "type"), ("time", "timestamp")] {
        assert_eq!(event[name], context[there], "the binding says that they are the same");
    }
    assert_eq!((&event["subject"], &subject["type"]), (&subject["id"], &"service".into()));
    assert_eq!(context["version"], "0.4.1");
    assert!(subject["content"]["artifactId"].as_str().unwrap().starts_with("pkg:generic/"));
    assert!(!subject["content"]["environment"]["id"].as_str().unwrap().is_empty() && data["customData"].is_object());
}

#[tokio::test]
async fn every_record_is_an_event_and_what_went_live_is_one_of_delivery() {
    let trail = Trail::empty().await;
    trail
        .append(&[
            closed("web", Outcome::Refused, None, false),
            closed("web", Outcome::Applied, Some(ONE), true),
            closed("web", Outcome::Applied, None, true),
            closed("web", Outcome::Applied, Some(TWO), true),
            closed("db", Outcome::Applied, Some(TWO), true),
            closed("web", Outcome::Failed, Some(ONE), true),
            closed("web", Outcome::RolledBack, None, true),
            closed("new", Outcome::RolledBack, None, true),
            Entry {
                application: None,
                sync: None,
                actor: Actor::unix_user(0, "ada \" \u{202e}".into()),
                body: Body::Act(ActBody { act: Act::Suspend, reason: Some("night\n".into()), expires: None }),
                ..observed("a", "")
            },
        ])
        .await;
    for time in [i64::MIN, i64::MAX, 0, 4_102_444_800_000_001] {
        let mut tx = trail.store().write().await.unwrap();
        let entry = closed("web", Outcome::Applied, Some(ONE), true);
        audit::append(&mut tx, Time(time), &Redactor::default(), &[entry]).await.unwrap();
        tx.commit().await.unwrap();
    }
    let items = audit::export_page(trail.store(), 0, 100).await.unwrap();
    let mut events = Events::of(ORIGIN);
    let made: Vec<Value> =
        items.iter().filter_map(Item::record).map(|line| events.event(line).unwrap().unwrap()).collect();
    let kinds: Vec<_> = made.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let (own, of) = ("dev.trueup.trail.closed.v1", |what: &str| format!("dev.cdevents.service.{what}.0.2.0"));
    let (upgraded, deployed, back) = (of("upgraded"), of("deployed"), of("rolledback"));
    assert_eq!(
        kinds,
        [
            own,
            &deployed,
            own,
            &upgraded,
            &deployed,
            own,
            &back,
            own,
            "dev.trueup.trail.act.v1",
            own,
            own,
            &upgraded,
            &upgraded
        ]
    );
    assert_eq!(made[6]["data"]["subject"]["content"]["artifactId"], format!("pkg:generic/web@{TWO}"));
    let order: Vec<_> = made.iter().map(|event| event["sequence"].as_str().unwrap()).collect();
    assert!(order.is_sorted());
    for event in &made {
        is_cloud_event(event);
        if event["type"].as_str().unwrap().starts_with("dev.cdevents.") {
            is_cd_event(event);
        }
        let record =
            if event["data"]["customData"].is_object() { &event["data"]["customData"] } else { &event["data"] };
        assert_eq!(record["seq"].to_string(), event["id"].as_str().unwrap());
    }
    // Nobody knows any more what came before what was archived.
    let mut events = Events::of(ORIGIN);
    let gone = audit::Line { seq: 1, bytes: String::new(), hash: None, salt: None, payload: None };
    assert_eq!(events.event(&gone).unwrap(), None);
    let line = items.iter().filter_map(Item::record).nth(1).unwrap();
    assert_eq!(events.event(line).unwrap().unwrap()["type"], upgraded);
}
