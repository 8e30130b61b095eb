//! The metrics of a real daemon, read by the parser of Prometheus' own client for Python.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use super::asking::{SOON, get, world};
use super::world::{Fault, World, clean, eventually, parts};

/// Prints each sample as `NAME LABELS VALUE`; fails on whatever is no OpenMetrics.
const READ: &str = "\
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        labels = ','.join(f'{key}={value}' for key, value in sorted(sample.labels.items()))
        print(family.type, sample.name, labels, sample.value, sep='\\t')
";

/// Returns each series, after its name and labels.
fn read(world: &World) -> Option<BTreeMap<(String, String), f64>> {
    let (status, head, text) = get(world, "/metrics");
    assert_eq!(status, 200, "{text}");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{head}");
    let mut command = clean(parts::python()?, &world.path("home"));
    command.args(["-c", READ]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut reader = command.spawn().unwrap();
    reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let read = reader.wait_with_output().unwrap();
    assert!(read.status.success(), "{}\n{text}", String::from_utf8_lossy(&read.stderr));
    let line = |line: &str| {
        let [_, name, labels, value] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        ((name.to_owned(), labels.to_owned()), value.parse().unwrap())
    };
    Some(String::from_utf8(read.stdout).unwrap().lines().map(line).collect())
}

#[test]
fn what_prometheus_reads_follows_the_daemon() {
    let mut world = world();
    world.declared.apps.push(super::world::App::new("later", &["later"]).sync("automatic: false"));
    world.repo.write("later/root/etc/later", "x\n").land("second");
    world.start();
    world.until_live("/etc/motd", "one\n");
    let all = || {
        let Some(all) = read(&world) else { return BTreeMap::new() };
        all.into_iter().map(|((name, labels), value)| (format!("{name}{{{labels}}}"), value)).collect()
    };
    let first: BTreeMap<String, f64> = all();
    if first.is_empty() {
        return;
    }
    eventually("one is applied, and the plan of the other waits", SOON, || {
        let now = all();
        let waits = now.get("trueup_plan_held_since_seconds{application=later}").is_some_and(|since| *since > 1.0e9);
        waits && now.get("trueup_application_synced{application=web}") == Some(&1.0)
    });
    let now = all();
    let at = |series: &str| *now.get(series).unwrap_or_else(|| panic!("no {series} in {now:#?}"));
    assert!(at("trueup_syncs_total{application=web,outcome=applied}") >= 1.0);
    assert!(at("trueup_steps_total{result=done}") >= 1.0);
    assert!(at("trueup_sync_duration_seconds_count{}") >= 2.0);
    for room in ["source", "render", "preview", "plan", "policy", "execute", "health", "audit"] {
        assert!(at(&format!("trueup_room_duration_seconds_count{{room={room}}}")) >= 1.0, "{room}");
    }
    assert!(at("trueup_repository_up{repository=platform}") > 0.5);
    assert!(at("trueup_trail_records{}") >= 5.0);
    assert!(at("process_resident_memory_bytes{}") > 1_000_000.0 && at("process_open_fds{}") > 5.0);

    world.server.inject(Fault::Status(503));
    eventually("the repository is told to be away", SOON, || {
        let now = all();
        now.get("trueup_repository_up{repository=platform}") == Some(&0.0)
            && now
                .get("trueup_repository_polls_total{repository=platform,result=failed}")
                .is_some_and(|count| *count >= 1.0)
    });
}

#[test]
fn o3_what_is_declared_no_more_has_no_series() {
    let mut world = world();
    world.declared.apps.push(super::world::App::new("later", &["later"]));
    world.repo.write("later/root/etc/later", "x\n").land("second");
    world.start();
    world.until_live("/etc/later", "x\n");
    eventually("it is counted", SOON, || {
        get(&world, "/metrics").2.contains("trueup_syncs_total{application=\"later\"")
    });
    world.declared.apps.pop();
    world.configure();
    eventually("it is gone", SOON, || {
        let page = get(&world, "/metrics").2;
        !page.contains("\"later\"") && page.contains("trueup_orphans 1")
    });
}
