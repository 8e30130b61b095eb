//! What changes, as it changes: read line by line off the daemon's socket.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::asking::{SOON, open, world};
use super::world::{App, World, eventually};

/// One event: its sort, its id and its data.
#[derive(Debug)]
struct Event {
    sort: String,
    id: Option<u64>,
    data: Value,
}

struct Reader(BufReader<Box<dyn Read>>);

impl Reader {
    /// Begins to read, and returns the state that is.
    fn begin(world: &World, headers: &str) -> (Self, Event) {
        Self::of(Box::new(open(world, "/v1/events", headers)))
    }

    fn of(stream: Box<dyn Read>) -> (Self, Event) {
        let mut reader = Self(BufReader::new(stream));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.0.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-type: text/event-stream"), "{head}");
        let first = reader.next().expect("a first event");
        assert_eq!(first.sort, "state");
        (reader, first)
    }

    /// Returns the next event; `None` at the end. What keeps the line open, and the sizes of chunks, are passed over.
    fn next(&mut self) -> Option<Event> {
        let mut event = Event { sort: String::new(), id: None, data: Value::Null };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap_or(0) == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", sort)) => event.sort = sort.into(),
                Some(("id", id)) => event.id = id.parse().ok(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if event.sort.is_empty() || event.data.is_null() => {}
                _ => return Some(event),
            }
        }
    }

    fn until(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        let began = Instant::now();
        loop {
            let event = self.next().unwrap_or_else(|| panic!("it ended before {what}"));
            if wanted(&event) {
                return event;
            }
            assert!(began.elapsed() < SOON, "no {what}");
        }
    }
}

#[test]
fn the_state_comes_first_and_then_whatever_changes() {
    let mut world = world();
    world.declared.apps.push(App::new("later", &["later"]).sync("automatic: false"));
    world.start();
    world.until_live("/etc/motd", "one\n");
    eventually("all is quiet", SOON, || world.cli(&["status", "--json"]).stdout.contains("\"applied\""));
    let (mut reader, first) = Reader::begin(&world, "");
    assert_eq!(first.data["status"]["applications"].as_array().unwrap().len(), 2);
    assert!(first.id.unwrap() > 0 && first.data["breakGlass"].as_array().unwrap().is_empty());

    world.repo.write("web/root/etc/motd", "two\n").write("later/root/etc/later", "x\n").land("second");
    let revision = world.repo.head();
    // Whichever of them comes first.
    let (mut applied, mut offered) = (false, false);
    reader.until("a sync, and a plan", |event| {
        let about = |name: &str| event.sort == "application" && event.data["name"] == name;
        applied |= about("web") && event.data["applied"] == revision.as_str();
        offered |= about("later") && event.data["plan"].is_string();
        applied && offered
    });

    let _ = world.cli(&["suspend", "web", "--reason", "a look"]).code(0);
    let (mut suspended, mut recorded) = (false, false);
    reader.until("the suspension, and its record", |event| {
        suspended |= event.sort == "application" && event.data["suspended"] == "a look";
        if event.sort == "record" && event.data["body"]["reason"] == "a look" {
            assert_eq!(event.id, event.data["seq"].as_u64());
            recorded = true;
        }
        suspended && recorded
    });

    world.declared.apps.pop();
    world.configure();
    reader.until("its end", |event| event.sort == "gone" && event.data["name"] == "later");
    // It ends with the daemon, which waits for no reader.
    let began = Instant::now();
    assert!(world.stop().success());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    while reader.next().is_some() {}
}

#[test]
fn who_was_cut_off_is_told_the_records_that_they_missed() {
    let mut world = world();
    world.start();
    world.until_live("/etc/motd", "one\n");
    let (mut reader, _) = Reader::begin(&world, "");
    let _ = world.cli(&["suspend", "web", "--reason", "one"]).code(0);
    let last =
        reader.until("a record", |event| event.sort == "record" && event.data["body"]["reason"] == "one").id.unwrap();
    drop(reader);
    let _ = world.cli(&["resume", "web"]).code(0);
    let _ = world.cli(&["suspend", "web", "--reason", "two"]).code(0);
    let (mut reader, first) = Reader::begin(&world, &format!("Last-Event-ID: {last}\r\n"));
    assert_eq!(first.id, Some(last));
    let next = reader.until("the next record", |event| event.sort == "record");
    assert_eq!(next.id, Some(last + 1));
    reader.until("the last record", |event| event.sort == "record" && event.data["body"]["reason"] == "two");
    // A number that was never told is none to go on from.
    let (_, first) = Reader::begin(&world, "Last-Event-ID: 999999\r\n");
    assert!(first.id.unwrap() < 999_999);
}

#[test]
fn l12_one_reads_a_few_times_and_no_more_and_a_slow_reader_is_told_less() {
    let mut world = world();
    world.start();
    world.until_live("/etc/motd", "one\n");
    let readers: Vec<_> = (0..8).map(|_| Reader::begin(&world, "")).collect();
    let mut refused = String::new();
    open(&world, "/v1/events", "").read_to_string(&mut refused).unwrap();
    assert!(refused.starts_with("HTTP/1.1 429") && refused.contains("events.too-many"), "{refused}");
    // Nobody takes anything, and much happens.
    for number in 0..30 {
        let _ = world.cli(&["suspend", "web", "--reason", &format!("reason {number}")]).code(0);
        let _ = world.cli(&["resume", "web"]).code(0);
    }
    assert!(world.cli(&["status"]).code <= 1, "others are answered");
    drop(readers);
    eventually("there is a place again", SOON, || {
        let mut stream = open(&world, "/v1/events", "");
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        &head == b"HTTP/1.1 200"
    });
}

#[test]
fn l9_whose_token_is_revoked_is_told_no_more() {
    let mut world = world();
    let api = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.declared.daemon = format!("api:\n  listen: {api}");
    world.start();
    world.until_live("/etc/motd", "one\n");
    let made = world.cli(&["token", "create", "--robot", "watch", "--role", "viewer", "--json"]).code(0).json();
    let (secret, id) = (made["secret"].as_str().unwrap(), made["id"].as_str().unwrap());
    let mut stream = TcpStream::connect(api).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let head = format!("GET /v1/events HTTP/1.1\r\nHost: {api}\r\nAuthorization: Bearer {secret}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let (mut reader, first) = Reader::of(Box::new(stream));
    assert_eq!(first.data["status"]["applications"][0]["name"], "web");
    let _ = world.cli(&["suspend", "web", "--reason", "before"]).code(0);
    reader.until("what is told before", |event| event.sort == "record" && event.data["body"]["reason"] == "before");
    let began = Instant::now();
    let _ = world.cli(&["token", "revoke", id]).code(0);
    let _ = world.cli(&["resume", "web"]).code(0);
    while let Some(event) = reader.next() {
        assert!(event.sort != "record" || !event.data.to_string().contains("resume"), "{event:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}
