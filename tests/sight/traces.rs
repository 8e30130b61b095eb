//! Traces of a real daemon, at a collector that reads them with the types of OpenTelemetry's own protocol.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

use super::asking::{SOON, world};
use super::world::{App, Fault, HttpServer, World, eventually};

const SECRET: &str = "Bearer a-token-for-the-collector";

/// Returns a world that tells a collector, and the collector.
fn told() -> (World, HttpServer) {
    let mut world = world();
    let folder = world.path("collector");
    fs::create_dir(&folder).unwrap();
    let collector = HttpServer::start(&folder);
    collector.inject(Fault::Status(200));
    let token = world.path("home").join("otlp");
    fs::write(&token, SECRET).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let endpoint = format!("http://{}", collector.address());
    world.declared.daemon =
        format!("telemetry:\n  traces:\n    endpoint: {endpoint}\n    authorization: {{ file: {} }}", token.display());
    (world, collector)
}

fn spans(collector: &HttpServer) -> Vec<Span> {
    let requests = collector.requests().into_iter().filter(|request| request.path == "/v1/traces");
    let read = |body: Vec<u8>| ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let resources = requests.flat_map(|request| read(request.body).resource_spans);
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

fn attributes(span: &Span) -> BTreeMap<String, String> {
    let text = |value: &opentelemetry_proto::tonic::common::v1::KeyValue| format!("{:?}", value.value);
    span.attributes.iter().map(|value| (value.key.clone(), text(value))).collect()
}

/// Returns the whole of a sync that ended so, and the rooms that it passed.
fn trace(collector: &HttpServer, application: &str, outcome: &str) -> Option<(Span, Vec<Span>)> {
    let all = spans(collector);
    let is = |span: &&Span| {
        let about = attributes(span);
        let holds = |key: &str, value: &str| about.get(key).is_some_and(|one| one.contains(&format!("\"{value}\"")));
        span.name == "sync" && holds("trueup.outcome", outcome) && holds("trueup.application", application)
    };
    let whole = all.iter().find(is)?.clone();
    let rooms = all.into_iter().filter(|span| span.parent_span_id == whole.span_id).collect();
    Some((whole, rooms))
}

#[test]
fn a_sync_is_one_trace_with_a_span_for_each_room_and_nothing_secret() {
    let (mut world, collector) = told();
    let canary = "canary-9d1f";
    world.repo.write("web/root/etc/motd", format!("{canary}\n")).land(&format!("a message with {canary}"));
    world.start();
    world.until_live("/etc/motd", &format!("{canary}\n"));
    eventually("it is traced", SOON, || trace(&collector, "web", "applied").is_some_and(|(_, rooms)| rooms.len() >= 8));
    let (whole, rooms) = trace(&collector, "web", "applied").unwrap();
    let names: Vec<_> = rooms.iter().map(|room| room.name.as_str()).collect();
    assert_eq!(names, ["source", "render", "preview", "plan", "policy", "execute", "health", "audit"]);
    assert!(whole.parent_span_id.is_empty());
    for room in &rooms {
        assert_eq!(room.trace_id, whole.trace_id);
        assert!(
            room.start_time_unix_nano >= whole.start_time_unix_nano
                && room.end_time_unix_nano >= room.start_time_unix_nano
        );
    }
    let about = attributes(&whole);
    let record = world.cli(&["audit", "list", "--json"]).code(0).stdout;
    let sync = about["trueup.sync"].split('"').nth(1).unwrap().to_owned();
    assert!(record.contains(&sync), "the trail knows sync {sync}");
    assert!(
        about["trueup.revision"].contains(&world.repo.head()) && about["trueup.target"].contains("host"),
        "{about:?}"
    );
    let requests = collector.requests();
    for request in &requests {
        assert_eq!(request.headers["authorization"], SECRET);
        let body = String::from_utf8_lossy(&request.body);
        assert!(!body.contains(canary) && !body.contains("a-token-for"), "{body}");
        assert!(body.contains("service.name") && body.contains("trueup"));
    }
    assert!(!world.stderr().contains("a-token-for"));
}

#[test]
fn what_is_refused_is_an_error_in_the_room_that_refused_it_and_quiet_syncs_are_left_out() {
    let (mut world, collector) = told();
    world.declared.apps = vec![App::new("web", &["web"]).sync("interval: 1s")];
    world.start();
    world.until_live("/etc/motd", "one\n");
    world.repo.write("web/broken.yaml", "kind: [\n").land("broken");
    eventually("it is traced", SOON, || trace(&collector, "web", "refused").is_some_and(|(_, rooms)| rooms.len() >= 4));
    let (whole, rooms) = trace(&collector, "web", "refused").unwrap();
    let error = |span: &Span| span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32);
    assert!(error(&whole));
    assert!(attributes(&whole).contains_key("trueup.code"));
    // It is kept true to what was applied, which goes well.
    let wrong: Vec<_> = rooms.iter().filter(|room| error(room)).map(|room| room.name.as_str()).collect();
    assert_eq!(wrong, ["render"], "{rooms:?}");
    assert!(rooms.iter().any(|room| room.name == "preview"));
    assert!(
        spans(&collector).iter().all(|span| !attributes(span).values().any(|value| value.contains("\"unchanged\"")))
    );
}

#[test]
fn a_collector_that_hangs_holds_up_neither_a_sync_nor_a_stop() {
    let (mut world, collector) = told();
    collector.inject(Fault::Hang);
    world.start();
    world.until_live("/etc/motd", "one\n");
    std::thread::sleep(Duration::from_secs(3));
    let began = Instant::now();
    for number in 0..5 {
        world.repo.write("web/root/etc/motd", format!("{number}\n")).land("more");
        world.until_live("/etc/motd", &format!("{number}\n"));
    }
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let began = Instant::now();
    assert!(world.stop().success());
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
}

#[test]
fn what_waits_is_sent_at_the_stop_and_an_outage_is_told_once() {
    let (mut world, collector) = told();
    collector.inject(Fault::Status(503));
    world.start();
    world.until_live("/etc/motd", "one\n");
    eventually("the outage is told", SOON, || world.stderr().contains("could not send traces"));
    collector.inject(Fault::Status(200));
    world.repo.write("web/root/etc/motd", "two\n").land("second");
    world.until_live("/etc/motd", "two\n");
    assert!(world.stop().success());
    let head = world.repo.head();
    let sent = spans(&collector).into_iter().any(|span| attributes(&span).values().any(|value| value.contains(&head)));
    assert!(sent, "the last sync was not told of");
    assert_eq!(world.stderr().matches("could not send traces").count(), 1);
}
