//! Who sends deliveries, and the turns of phrase of these stories.
//!
//! The headers are those of Forgejo's and Gitea's `services/webhook/deliver.go`, of GitHub's and GitLab's documentation, and of Gogs.

#![allow(dead_code, unreachable_pub)]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::world::{App, World, eventually, free, private};

pub const SECRET: &str = "d41d8cd98f00b204e9800998ecf8427e";
pub const NAME: &str = "ops/platform";
pub const SOON: Duration = Duration::from_secs(30);

/// HMAC-SHA-256 as RFC 2104 writes it.
pub fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    let key = if key.len() > 64 { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block[..key.len()].copy_from_slice(&key);
    let padded = |pad: u8, message: &[u8]| {
        let block: Vec<u8> = block.iter().map(|byte| byte ^ pad).collect();
        Sha256::digest([&block, message].concat()).to_vec()
    };
    padded(0x5c, &padded(0x36, message))
}

pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub fn signature(body: &[u8]) -> String {
    hexadecimal(&hmac(SECRET.as_bytes(), body))
}

/// What a push tells.
pub fn push() -> Vec<u8> {
    let zero = "0".repeat(40);
    let payload = json!({
        "ref": "refs/heads/main", "before": zero, "after": zero, "compare_url": "", "commits": [], "total_commits": 0,
        "repository": { "id": 7, "name": "platform", "full_name": NAME, "private": true, "owner": { "login": "ops" } },
        "pusher": { "login": "ada" }, "sender": { "login": "ada" },
    });
    payload.to_string().into_bytes()
}

/// One request.
#[derive(Clone)]
pub struct Delivery {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Delivery {
    pub fn plain(body: Vec<u8>) -> Self {
        let headers = vec![("Content-Type".into(), "application/json".into())];
        Self { path: "/hooks/platform".into(), headers, body }
    }

    /// As Forgejo sends it: its own headers, and those of all that it grew from.
    pub fn forgejo(event: &str, id: &str, body: Vec<u8>) -> Self {
        let digits = signature(&body);
        Self::plain(body)
            .with("X-Forgejo-Delivery", id)
            .with("X-Forgejo-Event", event)
            .with("X-Forgejo-Event-Type", event)
            .with("X-Forgejo-Signature", &digits)
            .with("X-Gitea-Delivery", id)
            .with("X-Gitea-Event", event)
            .with("X-Gitea-Event-Type", event)
            .with("X-Gitea-Signature", &digits)
            .with("X-Gogs-Delivery", id)
            .with("X-Gogs-Event", event)
            .with("X-Gogs-Event-Type", event)
            .with("X-Gogs-Signature", &digits)
            .with("X-Hub-Signature", "sha1=0000000000000000000000000000000000000000")
            .with("X-Hub-Signature-256", &format!("sha256={digits}"))
            .with("X-GitHub-Delivery", id)
            .with("X-GitHub-Event", event)
            .with("X-GitHub-Event-Type", event)
    }

    pub fn gogs(event: &str, id: &str, body: Vec<u8>) -> Self {
        let digits = signature(&body);
        Self::plain(body).with("X-Gogs-Delivery", id).with("X-Gogs-Event", event).with("X-Gogs-Signature", &digits)
    }

    pub fn github(event: &str, id: &str, body: Vec<u8>) -> Self {
        let signature = format!("sha256={}", signature(&body));
        Self::plain(body)
            .with("X-GitHub-Delivery", id)
            .with("X-GitHub-Event", event)
            .with("X-Hub-Signature-256", &signature)
    }

    pub fn gitlab(event: &str, id: &str) -> Self {
        let payload = json!({
            "object_kind": "push", "ref": "refs/heads/main",
            "project": { "id": 7, "path_with_namespace": NAME }, "repository": { "name": "platform" },
        });
        Self::plain(payload.to_string().into_bytes())
            .with("X-Gitlab-Event-UUID", id)
            .with("X-Gitlab-Event", event)
            .with("X-Gitlab-Token", SECRET)
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Takes out a header, and puts in another value.
    #[must_use]
    pub fn instead(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(one, _)| !one.eq_ignore_ascii_case(name));
        self.with(name, value)
    }

    #[must_use]
    pub fn without(mut self, ending: &str) -> Self {
        self.headers.retain(|(one, _)| !one.to_ascii_lowercase().contains(ending));
        self
    }

    #[must_use]
    pub fn to(mut self, repository: &str) -> Self {
        self.path = format!("/hooks/{repository}");
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut head =
            format!("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", self.path, self.body.len());
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }

    pub fn send(&self, to: SocketAddr) -> Answer {
        ask(to, &self.bytes())
    }

    /// Sends it from another address of this machine: all of 127.0.0.0/8 are.
    pub fn send_from(&self, from: Ipv4Addr, to: SocketAddr) -> Answer {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::from((from, 0))).unwrap();
        connect(&socket, &to).expect("it listens");
        heard(socket.into(), &self.bytes())
    }
}

#[derive(Clone, Debug)]
pub struct Answer {
    /// 0 where the connection ended without one.
    pub status: u16,
    /// All that came, but for the date.
    pub text: String,
    pub body: Value,
}

impl Answer {
    pub fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let body = serde_json::from_str(body).unwrap_or_default();
        let text = text.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n");
        Self { status, text, body }
    }

    /// Returns what it says of itself: a result, or the code of a problem.
    pub fn said(&self) -> &str {
        self.body["result"].as_str().or(self.body["code"].as_str()).unwrap_or_default()
    }
}

/// Sends bytes, and returns all that comes back until the connection ends.
pub fn ask(to: SocketAddr, request: &[u8]) -> Answer {
    heard(TcpStream::connect(to).expect("it listens"), request)
}

fn heard(mut stream: TcpStream, request: &[u8]) -> Answer {
    stream.set_read_timeout(Some(SOON)).unwrap();
    // It may answer and close before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    Answer::of(&answer)
}

/// Returns a world that is polled once an hour and hears webhooks, and where.
pub fn world() -> (World, SocketAddr) {
    let (mut world, listen) = (World::new(), free());
    world.declared.apps = vec![App::new("web", &["web"]).sync("interval: 1h")];
    world.declared.poll = "1h".into();
    world.declared.daemon = format!("hooks:\n  listen: {listen}");
    let secret = private(&world, "hook", SECRET);
    world.declared.repository = webhook(&secret, &[NAME]);
    (world, listen)
}

pub fn webhook(secret: &str, names: &[&str]) -> String {
    format!("webhook:\n  secret: {{ file: {secret} }}\n  names: {names:?}")
}

/// Commits a first revision, starts the daemon, and waits until it is live and all is quiet.
pub fn begin(world: &mut World) {
    world.repo.write("web/root/etc/motd", "one\n").land("first");
    world.start();
    world.until_live("/etc/motd", "one\n");
    // What is newly watched rings once more.
    let mut before = (Value::Null, 0);
    eventually("all is quiet", SOON, || {
        std::thread::sleep(Duration::from_millis(500));
        let status = application(world);
        let now = (status["syncs"].clone(), looks(world));
        let quiet = status["syncing"] == false && status["outcome"] != Value::Null && now == before;
        before = now;
        quiet
    });
}

pub fn application(world: &World) -> Value {
    world.cli(&["status", "--json"]).json()["applications"][0].clone()
}

/// Returns how often the daemon asked the Git server where the ref is.
pub fn looks(world: &World) -> usize {
    world.server.requests().iter().filter(|request| request.path.ends_with("/info/refs")).count()
}
