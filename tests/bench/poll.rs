//! One poll of a repository with 10,000 refs, beside `git ls-remote` of the same ref. `cargo bench --bench poll`.
#![allow(clippy::print_stdout, clippy::expect_used)]

mod table;
#[path = "../world/mod.rs"]
mod world;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use table::{ms, quantile, row};
use trueup::config::{Repository, Transport};
use trueup::source::{GitSource, Source};
use world::{HttpServer, Repo, clean, must};

const REFS: usize = 10_000;
const ROUNDS: usize = 50;

fn main() {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch folder can be made");
    let git = scratch.path().join("git");
    let repo = Repo::new(&git, "platform");
    repo.write("a.conf", "a\n");
    let head = repo.land("start");
    many_refs(&repo, &head);
    let server = HttpServer::start(&git);
    let url = server.url(repo.name());

    let declared = serde_json::json!({ "url": url });
    let declared: Repository = serde_json::from_value(declared).expect("a Repository document");
    let source = GitSource::new(&declared, &[Transport::Http], scratch.path().join("mirror")).expect("a source");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime can be made");
    let poll = || runtime.block_on(source.poll(&[])).expect("the server answers");
    poll();

    let mut ours = Counted::default();
    let mut theirs = Counted::default();
    for _ in 0..ROUNDS {
        let before = Sample::begin(&server);
        let found = poll();
        ours.add(before.end(&server));
        assert_eq!(found.revision.as_str(), head);

        let before = Sample::begin(&server);
        let mut command = clean("git", scratch.path());
        let listed = must(command.args(["ls-remote", &url, "refs/heads/main"])).stdout;
        theirs.add(before.end(&server));
        assert!(String::from_utf8_lossy(&listed).starts_with(&head));
    }
    let name = |what: &str| format!("{REFS} refs: {what}");
    let (one, other) = (quantile(&ours.times, 0.5), quantile(&theirs.times, 0.5));
    row(&name("one poll, time, p50"), &ms(one), &format!("`git ls-remote`: {}", ms(other)), Some(one <= other));
    let (one, other) = (quantile(&ours.times, 0.99), quantile(&theirs.times, 0.99));
    row(&name("one poll, time, p99"), &ms(one), &format!("`git ls-remote`: {}", ms(other)), Some(one <= other));
    let (one, other) = (ours.bytes / ROUNDS, theirs.bytes / ROUNDS);
    let goal = format!("`git ls-remote`: {other}");
    row(&name("one poll, bytes of all bodies"), &one.to_string(), &goal, Some(one <= other));
    let (one, other) = (ours.requests / ROUNDS, theirs.requests / ROUNDS);
    let goal = format!("`git ls-remote`: {other}");
    row(&name("one poll, requests"), &one.to_string(), &goal, Some(one <= other));
}

fn many_refs(repo: &Repo, head: &str) {
    let mut text = String::new();
    for number in 0..REFS {
        let _ = writeln!(text, "create refs/heads/team-{}/branch-{number} {head}", number % 100);
    }
    let mut command = clean("git", &repo.bare());
    command.arg("-C").arg(repo.bare()).args(["update-ref", "--stdin"]).stdin(Stdio::piped());
    let mut child = command.spawn().expect("git can be started");
    child.stdin.take().expect("its input is piped").write_all(text.as_bytes()).expect("git takes the refs");
    assert!(child.wait().expect("git ends").success());
    repo.git_bare(&["pack-refs", "--all"]);
}

#[derive(Default)]
struct Counted {
    times: Vec<Duration>,
    bytes: usize,
    requests: usize,
}

impl Counted {
    fn add(&mut self, (time, bytes, requests): (Duration, usize, usize)) {
        self.times.push(time);
        self.bytes += bytes;
        self.requests += requests;
    }
}

struct Sample {
    began: Instant,
    bytes: usize,
    requests: usize,
}

impl Sample {
    fn begin(server: &HttpServer) -> Self {
        let (bytes, requests) = total(server);
        Self { bytes, requests, began: Instant::now() }
    }

    fn end(self, server: &HttpServer) -> (Duration, usize, usize) {
        let time = self.began.elapsed();
        let (bytes, requests) = total(server);
        (time, bytes - self.bytes, requests - self.requests)
    }
}

fn total(server: &HttpServer) -> (usize, usize) {
    let (received, sent) = server.bytes();
    (received + sent, server.requests().len())
}
