use std::collections::BTreeSet;
use std::time::Duration;

use super::counts::Counts;
use super::process::Process;
use super::reading::Reading;
use super::table::{ALL, Kind};
use super::text;
use crate::model::view::Status;
use crate::model::{Name, SyncId, Time};
use crate::sync::{Passage, Passed, Room};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// One in which every metric has a series.
fn reading() -> Reading {
    let place = |place: &str, code: Option<&str>| serde_json::json!({ "place": place, "published": 40, "at": 1_795_867_200_000_000_i64, "code": code });
    let application = |name: &str, outcome: &str| {
        serde_json::json!({
            "name": name, "target": "web-1", "repository": "platform", "outcome": outcome, "syncing": false,
            "since": 1_795_867_200_000_000_i64, "plan": "0".repeat(64), "applied": null, "good": null, "objects": 3, "syncs": 1,
        })
    };
    let status: Status = serde_json::from_value(serde_json::json!({
        "version": "0.1.0", "started": 1_795_863_600_000_000_i64,
        "trail": { "places": [place("/var/log/checkpoints", None), place("refs/heads/trail of ops", Some("source.denied"))] },
        "repositories": [{
            "name": "platform", "url": "https://git.example.org/x.git", "reference": "refs/heads/main", "head": null,
            "state": "source.unreachable", "polled": 1_795_867_200_000_000_i64,
        }],
        "applications": [application("web", "held"), application("db", "applied")],
        "notifications": [
            { "name": "chat", "kind": "slack", "state": "notify.denied", "delivered": null, "waiting": 2, "dropped": 1 },
        ],
    }))
    .unwrap();
    let counts = Counts::default();
    let passage = Passage { room: Room::Render, entered: Time(0), took: Duration::from_millis(20), failed: false };
    let passed = Passed { passages: vec![passage], sync: Some(SyncId("s".into())) };
    for (application, outcome) in [("web", "held"), ("web", "held"), ("gone", "applied")] {
        let step =
            serde_json::json!({ "id": { "kind": "File", "name": "/etc/motd" }, "action": "create", "result": "done" });
        let report = serde_json::json!({
            "application": application, "outcome": outcome, "revision": null, "steps": [step], "corrective": 0,
            "milliseconds": 700,
        });
        counts.synced(&serde_json::from_value(report).unwrap(), &passed);
    }
    counts.polled(&name("platform"), true);
    counts.polled(&name("gone"), true);
    Reading {
        status,
        records: 42,
        open_glass: 1,
        deliveries: vec![("look", 7), ("hooks.signature", 0)],
        process: Process { resident: Some(1024), files: Some(9) },
        counted: counts.counted(),
        counts: counts.into(),
    }
}

fn has(page: &str, line: &str) {
    assert!(page.lines().any(|one| one == line), "no line {line} in\n{page}");
}

#[test]
fn what_an_operator_looks_for_is_there() {
    let page = text(reading()).unwrap();
    for line in [
        r#"trueup_build_info{version="0.1.0"} 1"#,
        r#"trueup_application_info{application="web",target="web-1",repository="platform"} 1"#,
        r#"trueup_application_state{application="web",state="held"} 1"#,
        r#"trueup_application_synced{application="web"} 0"#,
        r#"trueup_application_synced{application="db"} 1"#,
        r#"trueup_plan_held_since_seconds{application="web"} 1795867200"#,
        r#"trueup_syncs_total{application="web",outcome="held"} 2"#,
        r#"trueup_steps_total{result="done"} 3"#,
        r#"trueup_sync_duration_seconds_bucket{le="0.5"} 0"#,
        r#"trueup_sync_duration_seconds_bucket{le="1.0"} 3"#,
        r#"trueup_room_duration_seconds_bucket{le="0.1",room="render"} 3"#,
        r#"trueup_repository_up{repository="platform"} 0"#,
        r#"trueup_repository_polls_total{repository="platform",result="ok"} 1"#,
        "trueup_break_glass_open 1",
        "trueup_trail_records 42",
        r#"trueup_trail_published_records{place="file"} 40"#,
        r#"trueup_trail_place_up{place="git"} 0"#,
        r#"trueup_notifications_waiting{notification="chat"} 2"#,
        r#"trueup_notifications_dropped_total{notification="chat"} 1"#,
        r#"trueup_webhook_deliveries_total{answer="look"} 7"#,
        "# EOF",
    ] {
        has(&page, line);
    }
    // A plan that is no held one any more waits for nobody.
    assert!(!page.contains(r#"trueup_plan_held_since_seconds{application="db"}"#), "{page}");
}

#[test]
fn o3_labels_are_declared_names_and_fixed_words_and_what_is_gone_has_no_series() {
    let page = text(reading()).unwrap();
    assert!(!page.contains("gone"), "{page}");
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let known = ALL.iter().any(|metric| {
            let series = line.split(['{', ' ']).next().unwrap();
            let parts = ["_bucket", "_sum", "_count"].map(|part| format!("{}{part}", metric.name));
            let named = if metric.kind == Kind::Histogram {
                parts.iter().any(|part| part == series)
            } else {
                series == metric.name
            };
            let labels: BTreeSet<_> =
                line.split(['{', ',']).skip(1).filter_map(|label| label.split('=').next()).collect();
            named && labels.iter().all(|label| *label == "le" || metric.labels.contains(label))
        });
        assert!(known, "{line} is in no row of the table");
    }
    for metric in ALL {
        has(&page, &format!("# TYPE {} {}", metric.family(), metric.kind.as_str()));
    }
    let counts = Counts::default();
    counts.polled(&name("platform"), false);
    counts.forget_repository(&name("platform"));
    assert!(counts.counted().polls.is_empty());
}

#[test]
fn o3_a_quotation_mark_or_a_line_end_in_a_value_stays_in_it() {
    let mut reading = reading();
    reading.status.version = "1\"} 1\nforged{x=\"\\".into();
    let page = text(reading).unwrap();
    has(&page, r#"trueup_build_info{version="1\"} 1\nforged{x=\"\\"} 1"#);
    assert!(!page.lines().any(|line| line.starts_with("forged")), "{page}");
}

#[test]
fn the_guide_has_every_metric() {
    let guide = include_str!("../../../docs/metrics.md").split_once("| metric |").unwrap().1;
    // The first table that begins so; others follow it.
    let lines = guide.lines().skip(1).take_while(|line| line.starts_with('|'));
    let rows: BTreeSet<_> = lines.filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    let row = |metric: &&super::table::Metric| {
        let labels = metric.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        format!("| `{}` | {} | {labels} | {} |", metric.name, metric.kind.as_str(), metric.meaning)
    };
    let table: BTreeSet<_> = ALL.iter().map(row).collect();
    let missing: Vec<_> = table.difference(&rows).collect();
    assert!(
        missing.is_empty(),
        "docs/metrics.md lacks\n{}",
        missing.into_iter().cloned().collect::<Vec<_>>().join("\n")
    );
    assert_eq!(rows.difference(&table).collect::<Vec<_>>(), Vec::<&String>::new());
}
