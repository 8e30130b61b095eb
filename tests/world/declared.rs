use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What the configuration of a world says. The defaults: http and file, a poll each second, `/etc` allowed.
#[derive(Clone, Debug)]
pub struct Declared {
    /// More lines below the daemon's `spec`, as YAML without indentation.
    pub daemon: String,
    pub transports: Vec<String>,
    /// The repository's URL; the world's own http server where it is `None`.
    pub url: Option<String>,
    /// What is followed: `branch: main`, `tag: v1`, `commit: …`.
    pub follow: String,
    pub poll: String,
    /// More lines below the repository's `spec`, as YAML without indentation.
    pub repository: String,
    pub allow: Vec<String>,
    pub commands: Vec<String>,
    /// More lines below the target's `host`.
    pub host: String,
    /// The target is reached by way of a root half, which has its own lists and root.
    pub via: Option<PathBuf>,
    pub apps: Vec<App>,
    /// More documents.
    pub more: String,
}

/// One application.
#[derive(Clone, Debug)]
pub struct App {
    pub name: String,
    pub paths: Vec<String>,
    /// Lines below `sync`.
    pub sync: String,
}

impl App {
    /// Returns one that lays these folders of the repository over the host.
    pub fn new(name: &str, paths: &[&str]) -> Self {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Self { name: name.to_owned(), paths, sync: String::new() }
    }

    /// Sets lines of `sync`: `automatic: false`, `drift: hold`, `interval: 1s`.
    #[must_use]
    pub fn sync(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.sync);
        self
    }
}

impl Default for Declared {
    fn default() -> Self {
        Self {
            daemon: String::new(),
            transports: ["https", "ssh", "http", "file"].map(str::to_owned).to_vec(),
            url: None,
            follow: "branch: main".into(),
            poll: "1s".into(),
            repository: String::new(),
            allow: vec!["/etc".into()],
            commands: vec![],
            host: String::new(),
            via: None,
            apps: vec![],
            more: String::new(),
        }
    }
}

impl Declared {
    /// Returns the documents, for a world in `folder` whose server knows the repository as `url`.
    pub(super) fn text(&self, folder: &Path, url: &str) -> String {
        let mut text = String::new();
        let path = |name: &str| quoted(&folder.join(name).display().to_string());
        let daemon = format!(
            "data: {}\nsocket: {}\ntransports: {}\n{}",
            path("data"),
            path("run/trueup.sock"),
            list(&self.transports),
            self.daemon
        );
        document(&mut text, "Daemon", "story", &daemon);
        let url = quoted(self.url.as_deref().unwrap_or(url));
        let repository = format!("url: {url}\n{}\npoll: {}\n{}", self.follow, self.poll, self.repository);
        document(&mut text, "Repository", "platform", &repository);
        let reached = match &self.via {
            Some(socket) => format!("via: {}", quoted(&socket.display().to_string())),
            None => self.lists(folder),
        };
        let host = format!("{reached}\n{}", self.host);
        document(&mut text, "Target", "host", &format!("host:\n{}", indented(&host)));
        for app in &self.apps {
            let source = format!("source:\n  repository: platform\n  paths: {}", list(&app.paths));
            let sync = if app.sync.is_empty() { String::new() } else { format!("sync:\n{}", indented(&app.sync)) };
            document(&mut text, "Application", &app.name, &format!("{source}\ntarget: host\n{sync}"));
        }
        text + &self.more
    }

    /// Returns what the root half of this host may do: the same as the daemon by itself.
    pub fn host_access(&self, folder: &Path) -> String {
        let mut text = String::new();
        let data = quoted(&folder.join("half").display().to_string());
        document(&mut text, "HostAccess", "host", &format!("{}\ndata: {data}", self.lists(folder)));
        text
    }

    fn lists(&self, folder: &Path) -> String {
        let root = quoted(&folder.join("root").display().to_string());
        format!("root: {root}\nallow: {}\ncommands: {}", list(&self.allow), list(&self.commands))
    }
}

fn document(text: &mut String, kind: &str, name: &str, spec: &str) {
    let start = format!("---\napiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n");
    let _ = write!(text, "{start}{}", indented(spec));
}

fn indented(lines: &str) -> String {
    lines.lines().filter(|line| !line.trim().is_empty()).fold(String::new(), |text, line| text + "  " + line + "\n")
}

/// JSON is YAML, and needs no rules of its own about what to quote.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn list(items: &[String]) -> String {
    serde_json::Value::from(items).to_string()
}
