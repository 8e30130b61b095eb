//! A daemon that is elsewhere, and those who come to it.

#![allow(dead_code, unreachable_pub)]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use super::world::{App, Authority, Ran, World, eventually, free, private};

pub const SOON: Duration = Duration::from_secs(30);

/// People, and what each may: `ada` everything; the others have one role each, with those that begin with `w` alone; `nell` has none.
pub const PEOPLE: [(&str, &str, &str); 7] = [
    ("ada", "admin", ""),
    ("ann", "admin", "match: { applications: [w*] }"),
    ("vera", "viewer", "match: { applications: [w*] }"),
    ("olga", "operator", "match: { applications: [w*] }"),
    ("per", "approver", "match: { applications: [w*] }"),
    ("bree", "break-glass", "match: { applications: [w*] }"),
    ("ella", "viewer", ""),
];

/// A daemon over TLS, with the applications `web` and `db`.
pub struct There {
    pub world: World,
    pub to: SocketAddr,
    pub authority: Authority,
}

pub struct Answer {
    /// 0 where the connection ended without one.
    pub status: u16,
    pub head: String,
    pub text: String,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl There {
    /// Returns one that runs, in which both applications are live.
    pub fn begun() -> Self {
        let mut there = Self::new();
        there.world.repo.write("web/root/etc/motd", "one\n").write("db/root/etc/db", "one\n").land("first");
        there.world.start();
        there.world.until_live("/etc/motd", "one\n");
        there.world.until_live("/etc/db", "one\n");
        there
    }

    pub fn new() -> Self {
        let (mut world, to) = (World::new(), free());
        let authority = Authority::new(&world.path("home"), "ours");
        let [certificate, key] = authority.write_server("server", &["localhost", "127.0.0.1"]);
        fs::copy(certificate, world.path("home/shown.crt")).unwrap();
        private(&world, "shown.key", &fs::read_to_string(key).unwrap());
        world.declared.daemon = format!(
            "api:\n  listen: {to}\n  tls: {{ certificate: home/shown.crt, key: {{ file: home/shown.key }} }}\n  \
             url: https://localhost:{}",
            to.port()
        );
        world.declared.apps = vec![App::new("web", &["web"]), App::new("db", &["db"])];
        world.declared.more = people();
        Self { world, to, authority }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.to.port())
    }

    /// Makes a token for a person, as root at the socket, and returns the file that it is in.
    pub fn token(&self, person: &str, roles: &[&str], more: &[&str]) -> PathBuf {
        let roles: Vec<_> = roles.iter().flat_map(|role| ["--role", *role]).collect();
        let ran = self.world.cli(&[&["token", "create", "--person", person], &roles[..], more].concat()).code(0);
        let name = format!("token-{person}-{}", fs::read_dir(self.world.path("home")).unwrap().count());
        private(&self.world, &name, &ran.stdout).into()
    }

    /// Returns the text of the token in a file.
    pub fn secret(token: &Path) -> String {
        fs::read_to_string(token).unwrap().trim().to_owned()
    }

    /// Runs a command that comes from elsewhere: nothing of this machine's daemon is named.
    pub fn cli(&self, token: &Path, arguments: &[&str]) -> Ran {
        let (url, ca) = (self.url(), self.authority.file().display().to_string());
        let there = ["--server", &url, "--ca", &ca, "--token-file", token.to_str().unwrap()];
        let mut command = super::world::clean(env!("CARGO_BIN_EXE_trueup"), &self.world.path("home"));
        command.current_dir(self.world.path("home")).env("NO_COLOR", "1");
        Ran::from(command.args(there).args(arguments).output().unwrap())
    }

    /// Returns a connection over TLS.
    pub fn connect(&self) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.authority.file()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(self.to).expect("it listens");
        stream.set_read_timeout(Some(SOON)).unwrap();
        StreamOwned::new(connection, stream)
    }

    /// Sends bytes, and returns all that comes back until the connection ends.
    pub fn send(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect();
        // It may answer and close before it has read everything.
        let _ = stream.write_all(request);
        let mut answer = vec![];
        let _ = stream.read_to_end(&mut answer);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let kept = head.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n");
        Answer { status, head: kept, body: serde_json::from_str(body).unwrap_or_default(), text: body.to_owned() }
    }

    /// Asks with these headers: `GET /v1/status`, or an act with a body.
    pub fn ask(&self, line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        self.send(format!("{request}\r\n{body}").as_bytes())
    }

    /// Asks with a token.
    pub fn get(&self, token: &Path, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[("Authorization", &format!("Bearer {}", Self::secret(token)))], "")
    }

    pub fn post(&self, token: &Path, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", Self::secret(token));
        self.ask(&format!("POST {path}"), &[("Authorization", &bearer), ("Content-Type", "application/json")], body)
    }

    /// Returns the records of the trail, newest first, as root sees them.
    pub fn records(&self) -> Vec<Value> {
        self.world.cli(&["audit", "list", "-n", "500", "--json"]).json().as_array().unwrap().clone()
    }

    /// Takes the configuration as it is declared now.
    pub fn reload(&self) {
        self.world.configure();
        self.world.signal(rustix::process::Signal::HUP);
    }

    /// Returns the plan of an application that waits.
    pub fn held(&self, application: &str) -> String {
        let mut plan = String::new();
        eventually("a plan waits", SOON, || {
            let status = self.world.cli(&["status", "--json"]).json();
            let all = status["applications"].as_array().unwrap();
            let one = all.iter().find(|one| one["name"] == application);
            one.and_then(|one| one["plan"].as_str()).unwrap_or_default().clone_into(&mut plan);
            !plan.is_empty()
        });
        plan
    }
}

pub fn people() -> String {
    PEOPLE.iter().fold(document("Person", "nell", "{}"), |text, (name, role, matches)| {
        let spec = format!("{{ role: {role}, people: [{name}]");
        let spec = if matches.is_empty() { spec + " }" } else { format!("{spec}, {matches} }}") };
        text + &document("Person", name, "{}") + &document("Role", name, &spec)
    })
}

pub fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}
