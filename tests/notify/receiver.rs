//! Who is told, and the turns of phrase of these stories.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::world::{App, Fault, HttpServer, Options, Request, World, eventually, parts};

/// Whatever a story waits for comes within this.
pub(super) const SOON: Duration = Duration::from_mins(1);

pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server that takes webhooks, answers as it is told, and can be away for a while.
pub(super) struct Receiver {
    folder: tempfile::TempDir,
    address: SocketAddr,
    server: Option<HttpServer>,
    /// What came before it was away.
    before: Vec<Request>,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(super) fn with(options: Options<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = HttpServer::with(folder.path(), options);
        server.inject(ok());
        Self { folder, address: server.address(), server: Some(server), before: vec![] }
    }

    pub(super) fn server(&self) -> &HttpServer {
        self.server.as_ref().expect("it is up")
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Goes away: nobody listens at its port any more.
    pub(super) fn down(&mut self) {
        if let Some(server) = self.server.take() {
            self.before.extend(server.requests());
        }
    }

    /// Comes back, at the same port.
    pub(super) fn up(&mut self) {
        let listener = TcpListener::bind(self.address).expect("its port is still free");
        let server = HttpServer::on(listener, self.folder.path(), Options::default());
        server.inject(ok());
        self.server = Some(server);
    }

    /// Returns what was taken, in the order in which it came; what comes while it is asked may be missing.
    pub(super) fn taken(&self) -> Vec<Request> {
        let now = self.server.iter().flat_map(HttpServer::requests);
        self.before.iter().cloned().chain(now).filter(|request| request.status == 200).collect()
    }

    /// Waits until so many were taken, and returns them.
    pub(super) fn until(&self, count: usize) -> Vec<Request> {
        eventually(&format!("{count} deliveries"), SOON, || self.taken().len() >= count);
        let taken = self.taken();
        assert_eq!(taken.len(), count, "{:#?}", told(&taken));
        taken
    }
}

pub(super) fn ok() -> Fault {
    Fault::Body("text/plain", b"ok".to_vec())
}

pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Fault::Answer(status, headers, body.into())
}

/// Returns the body of a delivery.
pub(super) fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

pub(super) fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    request.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
}

/// Returns what deliveries tell: `web changed`.
pub(super) fn told(requests: &[Request]) -> Vec<String> {
    let one = |request: &Request| {
        let body = body(request);
        let word = |name: &str| body[name].as_str().unwrap_or("-").to_owned();
        format!("{} {}", word("application"), word("event"))
    };
    requests.iter().map(one).collect()
}

/// Returns whether an independent program finds the signature of a delivery good.
pub(super) fn verifies(request: &Request) -> bool {
    let given = json!({
        "secret": SECRET,
        "id": header(request, "webhook-id"),
        "timestamp": header(request, "webhook-timestamp"),
        "signature": header(request, "webhook-signature"),
        "body": String::from_utf8(request.body.clone()).unwrap(),
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notify/verify.py");
    let mut python = Command::new("python3").arg(script).stdin(Stdio::piped()).spawn().expect("python3 can be started");
    python.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    python.wait().unwrap().success()
}

/// Returns a world with one application, `web`, and the secret of its sinks in a file.
pub(super) fn world() -> World {
    let mut world = World::new();
    world.declared.apps = vec![App::new("web", &["web"])];
    secret(&world, "hook-secret", SECRET);
    world
}

/// Writes a secret beside the configuration, for nobody else to read.
pub(super) fn secret(world: &World, name: &str, text: &str) {
    let path = world.path(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Declares a sink: `spec` is YAML in flow style, between braces.
pub(super) fn declare(world: &mut World, name: &str, spec: &str) {
    let head = "---\napiVersion: trueup.dev/v1alpha1\nkind: Notification\nmetadata: { name: ";
    let document = format!("{head}{name} }}\nspec: {{ {spec} }}\n");
    world.declared.more.push_str(&document);
}

pub(super) fn webhook(receiver: &Receiver) -> String {
    format!("webhook: {{ url: \"{}\", secret: {{ file: hook-secret }} }}", receiver.url())
}

/// Lands the first revision and starts the daemon, and waits until it is live. So the first thing to tell is that something changed.
pub(super) fn start(world: &mut World) -> String {
    let revision = world.repo.write("web/root/etc/motd", "one\n").land("one");
    world.start();
    world.until_live("/etc/motd", "one\n");
    revision
}

/// Lands a revision that changes `/etc/motd`, and waits until it is live.
pub(super) fn land(world: &World, text: &str) -> String {
    let revision = world.repo.write("web/root/etc/motd", format!("{text}\n")).land(text);
    world.until_live("/etc/motd", &format!("{text}\n"));
    revision
}

/// Returns a document whose kind says what its author likes; so does the mistake that it is.
pub(super) fn unknown_kind(kind: &str) -> String {
    let kind = Value::from(kind);
    format!("apiVersion: host.trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: x }}\n")
}

/// Returns what `status` says of a sink.
pub(super) fn status(world: &World, name: &str) -> Value {
    let status = world.cli(&["status", "--json"]).json();
    let all = status["notifications"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|one| one["name"] == name).unwrap_or_default()
}

/// Waits until `status` says so of a sink.
pub(super) fn until(world: &World, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let start = std::time::Instant::now();
    while !holds(&last) {
        assert!(start.elapsed() < SOON, "waited in vain: {what}\n{last:#}\n{}", world.stderr());
        std::thread::sleep(Duration::from_millis(30));
        last = status(world, name);
    }
    last
}

/// A server in Python, with a folder of its own; ended when dropped.
pub(super) struct Server {
    child: Child,
    folder: PathBuf,
}

static SERVERS: AtomicUsize = AtomicUsize::new(0);

impl Server {
    /// Starts a script of `tests/notify`; `None` where its Python is missing.
    pub(super) fn start(world: &World, script: &str, arguments: &[&str]) -> Option<Self> {
        let folder = world.path(&format!("server-{}", SERVERS.fetch_add(1, Ordering::SeqCst)));
        fs::create_dir(&folder).unwrap();
        Self::begin(folder, script, arguments)
    }

    fn begin(folder: PathBuf, script: &str, arguments: &[&str]) -> Option<Self> {
        let python = parts::python()?;
        let _ = fs::remove_file(folder.join("ready"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notify").join(script);
        let log = fs::File::create(folder.join("log")).unwrap();
        let mut command = super::world::clean(python, &folder);
        command.arg(script).arg(&folder).args(arguments).stdout(Stdio::null()).stderr(log);
        let mut server = Self { child: command.spawn().unwrap(), folder };
        let (ready, log) = (server.folder.join("ready"), server.folder.join("log"));
        eventually("the server is ready", SOON, || {
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {}", fs::read_to_string(&log).unwrap_or_default());
            ready.exists()
        });
        Some(server)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn read(&self, name: &str) -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(self.path(name)).ok()?).ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
