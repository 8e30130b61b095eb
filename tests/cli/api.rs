//! The API over a real socket, spoken to byte by byte.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use trueup::api::{Socket, SocketError};

use crate::fake::{Fake, Served};

/// Sends bytes and returns the status, the content type and the body of the answer.
fn ask(served: &Served, request: &[u8]) -> (u16, String, Value) {
    let mut stream = UnixStream::connect(&served.socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The daemon may answer and close before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-type: ").map(str::to_owned));
    (status, kind.unwrap_or_default(), serde_json::from_str(body).unwrap_or_default())
}

fn request(line: &str, kind: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("{line} HTTP/1.1\r\nhost: trueup\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const JSON: &str = "application/json";
const SUSPEND: &str = "POST /v1/applications/nginx/suspend";

#[test]
fn every_refusal_is_a_problem_with_a_stable_code() {
    let served = Served::new(Fake::default(), None);
    let large = vec![b' '; 65 * 1024];
    let cases: [(u16, &str, Vec<u8>); 13] = [
        (404, "api.not-found", request("GET /v2/status", JSON, b"")),
        (404, "api.not-found", request("GET /v1/applications//plan/x", JSON, b"")),
        (405, "api.method", request("DELETE /v1/status", JSON, b"")),
        (404, "application.unknown", request("GET /v1/applications/nope/plan", JSON, b"")),
        (400, "api.query", request("GET /v1/applications/nginx/plan?revison=main", JSON, b"")),
        (400, "api.path", request("GET /v1/audit/records/minus-one", JSON, b"")),
        (400, "api.path", request("GET /v1/applications/%ff/plan", JSON, b"")),
        (400, "api.body", request(SUSPEND, JSON, b"{\"reason\": ")),
        (400, "api.body", request(SUSPEND, JSON, b"[\"x\"]")),
        (400, "api.query", request("GET /v1/audit/records?limit=1000000000000000000", JSON, b"")),
        (400, "api.body", request(SUSPEND, JSON, b"{\"reason\": \"x\", \"force\": true}")),
        (415, "api.media-type", request(SUSPEND, "text/plain", b"{\"reason\": \"x\"}")),
        (413, "api.body-too-large", request(SUSPEND, JSON, &large)),
    ];
    for (status, code, request) in cases {
        let words = String::from_utf8_lossy(&request[..60]).into_owned();
        let (got, kind, problem) = ask(&served, &request);
        assert_eq!((got, kind.as_str()), (status, "application/problem+json"), "{words}: {problem}");
        assert_eq!(problem["code"], code, "{words}");
        assert_eq!(problem["status"], status, "{words}");
        assert_eq!(problem["type"], format!("https://trueup.dev/problems/{code}"));
    }
    assert_eq!(served.daemon.acts.load(Ordering::SeqCst), 0);
}

#[test]
fn a_good_body_gets_through_and_its_actor_is_the_peer() {
    let served = Served::new(Fake::default(), None);
    let (status, kind, body) =
        ask(&served, &request(SUSPEND, "application/json; charset=utf-8", b"{\"reason\": \"why\"}"));
    assert_eq!((status, kind.as_str(), &body["suspended"]), (200, JSON, &Value::from("why")));
    let (status, _, body) = ask(&served, b"POST /v1/applications/nginx/sync HTTP/1.1\r\nhost: x\r\n\r\n");
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(status, 200);
    assert!(body["message"].as_str().unwrap().starts_with(&format!("by {uid}/")), "{body}");
}

#[test]
fn an_act_goes_on_when_its_caller_goes_away() {
    let served = Served::new(Fake { pause: Duration::from_millis(300), ..Fake::default() }, None);
    let mut stream = UnixStream::connect(&served.socket).unwrap();
    stream.write_all(b"POST /v1/applications/nginx/sync HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    drop(stream);
    assert_eq!(served.daemon.acts.load(Ordering::SeqCst), 0);
    let deadline = Instant::now() + Duration::from_secs(10);
    while served.daemon.acts.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "the act was dropped with its caller");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_act_that_panics_is_a_problem_and_the_daemon_lives() {
    let served = Served::new(Fake::default(), None);
    let (status, _, problem) = ask(&served, &request("POST /v1/applications/panics/sync", JSON, b"{}"));
    assert_eq!((status, &problem["code"]), (500, &Value::from("api.internal")));
    assert_eq!(ask(&served, &request("GET /v1/status", JSON, b"")).0, 200);
}

#[test]
fn whoever_says_nothing_is_put_out() {
    let served = Served::new(Fake::default(), None);
    let mut stream = UnixStream::connect(&served.socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /v1/sta").unwrap();
    let began = Instant::now();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(began.elapsed() < Duration::from_secs(15), "still open after {:?}", began.elapsed());
    assert!(began.elapsed() > Duration::from_secs(5), "closed after {:?}", began.elapsed());
}

#[test]
fn the_socket_is_closed_to_others_and_goes_when_the_daemon_goes() {
    let served = Served::new(Fake::default(), None);
    let found = std::fs::symlink_metadata(&served.socket).unwrap();
    assert_eq!(found.permissions().mode() & 0o777, 0o660);
    assert_eq!(found.uid(), rustix::process::getuid().as_raw());
    let names: Vec<_> = std::fs::read_dir(served.socket.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[tokio::test]
async fn only_a_dead_daemons_socket_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trueup.sock");
    let first = Socket::bind(&path, None).unwrap();
    assert!(matches!(Socket::bind(&path, None), Err(SocketError::Taken(_))));
    drop(first);
    assert!(!path.exists());

    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the socket of a dead listener");
    let second = Socket::bind(&path, None).unwrap();
    assert!(UnixStream::connect(&path).is_ok());
    drop(second);

    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(Socket::bind(&path, None), Err(SocketError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    assert!(matches!(Socket::bind(&folder.path().join("s"), Some("no-such-group")), Err(SocketError::Group(_))));
}
