//! A Git host, people, a repository there, and a daemon that follows it; and the turns of phrase of these stories.

#![allow(dead_code, unreachable_pub)]

use super::world::signing::SshKey;
use super::world::{App, Authority, Front, Gitea, Person, World, free, parts, private};
use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

pub const SECRET: &str = "a webhook secret of thirty-two characters";
pub const SOON: Duration = Duration::from_secs(30);

pub struct Scene {
    pub world: World,
    pub host: Gitea,
    /// Who pushes.
    pub ada: Person,
    /// The repository as the host names it.
    pub repository: String,
    pub listen: SocketAddr,
}

impl Scene {
    /// Makes one with the application `web`, of the folder `web`, that is polled once an hour. `None` where there is no Git host.
    pub fn new() -> Option<Self> {
        let host = Gitea::start()?;
        let (mut world, listen) = (World::new(), free());
        let ada = host.person("ada");
        let repository = host.repository(&ada, "platform");
        host.serve(&mut world, &repository, &ada);
        world.declared.apps = vec![App::new("web", &["web"]).sync("interval: 1h")];
        world.declared.poll = "1h".into();
        world.declared.daemon = format!("hooks:\n  listen: {listen}");
        let secret = private(&world, "hook", SECRET);
        world.declared.repository = format!("webhook:\n  secret: {{ file: {secret} }}\n  names: [{repository}]");
        Some(Self { world, host, ada, repository, listen })
    }

    /// Lets the daemon talk to the Git host, with these more lines of `forge`, and returns its account there.
    pub fn forge(&mut self, more: &str) -> Person {
        let (robot, lines) = forge(&self.world, &self.host, &self.repository);
        let more = more.lines().fold(String::new(), |text, line| text + "\n  " + line);
        let _ = write!(self.world.declared.repository, "\n{lines}{more}");
        robot
    }

    /// Lets the daemon push what takes a failed change out of Git, by this account: over TLS, since a password is sent over nothing
    /// else. What is returned has to live as long. `None`, and a SKIP line, where the host is not ours: it has a TLS of its own.
    pub fn reverts(&mut self, robot: &Person) -> Option<Front> {
        let _ = parts::program("ssh-keygen")?;
        if !self.host.is_ours() {
            parts::say("SKIP: another host has its own TLS, and is not put behind ours");
            return None;
        }
        let home = self.world.path("home");
        let authority = Authority::new(&home, "ours");
        let behind = self.host.url().trim_start_matches("http://").trim_end_matches('/');
        let behind = behind.to_socket_addrs().unwrap().find(SocketAddr::is_ipv4).unwrap();
        let front = Front::start(&authority, behind);
        let key = SshKey::new(&home, "reverter", &["-t", "ed25519"]);
        let token = private(&self.world, "push", &robot.token);
        self.world.declared.url = Some(format!("{}/{}.git", front.url(), self.repository));
        let _ = write!(
            self.world.declared.repository,
            "\ntls: {{ ca: {} }}\nrevert:\n  key: {{ file: {} }}\n  push: {{ username: {}, file: {token} }}",
            authority.file().display(),
            key.path(),
            robot.name
        );
        Some(front)
    }

    /// Returns what `main` is at the host.
    pub fn main(&self) -> String {
        let found = self.host.get(&format!("repos/{}/branches/main", self.repository));
        found["commit"]["id"].as_str().unwrap().to_owned()
    }

    /// Lets people push to `main` again.
    pub fn unprotect(&self) {
        let path = format!("repos/{}/branch_protections/main", self.repository);
        self.host.by(self.host.admin(), reqwest::Method::DELETE, &path, &serde_json::Value::Null);
    }

    /// Returns where the daemon hears webhooks of the repository.
    pub fn hook(&self) -> String {
        format!("http://{}/hooks/platform", self.listen)
    }

    /// Pushes a first revision, starts the daemon, waits until that is live, and registers the webhook.
    pub fn begin(&mut self) -> &mut Self {
        self.world.repo.write("web/root/etc/motd", "one\n").land("first");
        self.world.start();
        self.world.until_live("/etc/motd", "one\n");
        self.host.webhook(&self.repository, &self.hook(), SECRET);
        self
    }
}

/// Returns the lines of a repository's `forge`, for an account of trueup's own, which may write to the repository.
pub fn forge(world: &World, host: &Gitea, repository: &str) -> (Person, String) {
    let robot = host.person("robot");
    host.invite(&robot, repository);
    let scopes = ["write:repository", "write:issue", "read:user"];
    let token = private(world, "token", &host.token(&robot, &scopes));
    let lines = format!("forge:\n  url: {}\n  repository: {repository}\n  token: {{ file: {token} }}", host.url());
    (robot, lines)
}

/// Returns an account that may write to the repository, and a token of it.
pub fn forge_again(scene: &Scene) -> (Person, String) {
    let robot = scene.host.person("robot2");
    scene.host.invite(&robot, &scene.repository);
    let token = scene.host.token(&robot, &["write:repository", "write:issue", "read:user"]);
    (robot, token)
}
