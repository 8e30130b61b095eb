//! A daemon with something of everything: what is live, what waits, what is overridden, and a trail of it.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::world::{App, Fault, HttpServer, World, eventually};

const SOON: Duration = Duration::from_secs(30);
const MORE: &str = "---\napiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: { name: never }\n\
    spec: { match: { applications: [web] }, deny: { when: plan.updates > 0, message: not today } }\n\
    ---\napiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: { name: few }\nspec: { limit: { deletes: 50 } }\n\
    ---\napiVersion: trueup.dev/v1alpha1\nkind: Person\nmetadata: { name: ada }\nspec: { emails: [ada@example.org] }\n\
    ---\napiVersion: trueup.dev/v1alpha1\nkind: Role\nmetadata: { name: all }\nspec: { role: admin, people: [ada] }\n\
    ---\napiVersion: trueup.dev/v1alpha1\nkind: Notification\nmetadata: { name: people }\n\
    spec: { webhook: { url: \"SINK\", secret: { file: hook-secret } } }\n";

/// Such a daemon, and a server that takes its notifications.
pub(crate) struct Estate {
    pub(crate) world: World,
    /// Where it answers over TCP.
    pub(crate) base: String,
    _sink: HttpServer,
}

/// Returns one whose application `web` has a plan that waits for an approval, `api` one that was carried out and overwrote something,
/// and whose `old` is declared no more.
pub(crate) fn estate() -> Estate {
    let mut world = World::new();
    let sink = HttpServer::start(&world.path("home"));
    sink.inject(Fault::Body("text/plain", b"ok".to_vec()));
    let secret = world.path("hook-secret");
    fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    fs::set_permissions(secret, fs::Permissions::from_mode(0o600)).unwrap();
    world.declared.more = MORE.replace("SINK", &format!("http://{}/hook", sink.address()));
    world.declared.apps = vec![App::new("web", &["web"]), App::new("api", &["api"]), App::new("old", &["old"])];
    let (archive, file) = (world.path("archive"), world.path("checkpoints"));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port();
    world.declared.daemon = format!(
        "api: {{ listen: \"127.0.0.1:{port}\" }}\ntrail: {{ archive: {}, publish: {{ file: {} }} }}",
        archive.display(),
        file.display()
    );
    for app in ["web", "api", "old"] {
        world.repo.write(&format!("{app}/root/etc/{app}"), "one\n");
    }
    world.repo.land("first");
    world.start();
    for app in ["web", "api", "old"] {
        world.until_live(&format!("/etc/{app}"), "one\n");
    }
    world.declared.apps.pop();
    world.configure();
    world.signal(Signal::HUP);
    world.repo.write("web/root/etc/web", "two\n").write("api/root/etc/api", "two\n").land("second");
    world.until_live("/etc/api", "two\n");
    eventually("a plan of web waits", SOON, || waiting(&world).is_some());
    eventually("old is nobody's", SOON, || status(&world)["orphans"][0]["name"] == "old");
    Estate { world, base: format!("http://127.0.0.1:{port}"), _sink: sink }
}

impl Estate {
    /// Returns a token with which everything may be done.
    pub(crate) fn token(&self) -> String {
        let made = self.world.cli(&["token", "create", "--person", "ada", "--role", "admin"]).code(0);
        made.stdout.trim().to_owned()
    }
}

fn status(world: &World) -> Value {
    ask(world, "GET", "/v1/status", &[], None).json()
}

/// Returns the id of the plan of `web` that waits.
pub(crate) fn waiting(world: &World) -> Option<String> {
    let status = status(world);
    let web = status["applications"].as_array()?.iter().find(|one| one["name"] == "web")?.clone();
    Some(web["plan"].as_str()?.to_owned())
}

/// Returns the id of the plan of `api` that overwrote something.
pub(crate) fn carried_out(world: &World) -> String {
    let records = ask(world, "GET", "/v1/audit/records?application=api&limit=1000", &[], None).json();
    let closed = |one: &&Value| one["kind"] == "closed" && one["body"]["outcome"] == "applied";
    let newest = records.as_array().and_then(|all| all.iter().find(closed)).expect("one was carried out");
    newest["plan"].as_str().expect("it had a plan").to_owned()
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends one request over the daemon's socket, and reads the answer to its end.
pub(crate) fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
    let stream = UnixStream::connect(world.path("run/trueup.sock")).expect("the daemon can be reached");
    stream.set_read_timeout(Some(SOON)).expect("a deadline can be set");
    ask_over(stream, method, path, headers, body)
}

impl Estate {
    /// The same over TCP.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let address = self.base.strip_prefix("http://").expect("it is in the clear");
        let stream = TcpStream::connect(address).expect("the daemon can be reached");
        stream.set_read_timeout(Some(SOON)).expect("a deadline can be set");
        ask_over(stream, method, path, headers, body)
    }
}

fn ask_over(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: trueup\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers.iter().chain((!body.is_empty()).then_some(&("content-type", "application/json"))) {
        request.extend([name, ": ", value, "\r\n"]);
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).expect("it can be asked");
    let mut bytes = vec![];
    stream.read_to_end(&mut bytes).expect("it answers");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or_else(|| panic!("no head: {bytes:?}"));
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
    let (line, rest) = head.split_once("\r\n").expect("a head has lines");
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    Answer {
        status: line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status"),
        headers: rest.lines().filter_map(header).collect(),
        body: bytes[end + 4..].to_vec(),
    }
}
