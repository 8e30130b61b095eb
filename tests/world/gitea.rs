//! A real Git host: a Gitea of the test's own, or the Forgejo that `TRUEUP_TEST_FORGEJO_URL` and `TRUEUP_TEST_FORGEJO_TOKEN` name.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{World, clean, eventually, must, parts, scratch};

/// It answers within this.
const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct-Horse-7";
/// What a person's token may do here; what a test is about, it asks for itself.
const SCOPES: [&str; 5] = ["write:repository", "write:issue", "write:user", "read:user", "read:misc"];

/// A Git host on which a test may do as it likes. What it made ends with it.
pub struct Gitea {
    url: String,
    admin: Person,
    /// Behind the names of all that is made, where others use the host too.
    suffix: String,
    /// `None` where the host is not ours.
    own: Option<Own>,
    made: Mutex<Vec<String>>,
    client: Client,
    runtime: Runtime,
}

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Person {
    pub name: String,
    /// Empty where the environment names only a token.
    pub password: String,
    pub token: String,
}

/// The process, and all that it keeps.
struct Own {
    process: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl Gitea {
    /// Starts one on loopback, or says SKIP and returns `None` where none was built.
    pub fn start() -> Option<Self> {
        if let (Ok(url), Ok(token)) =
            (std::env::var("TRUEUP_TEST_FORGEJO_URL"), std::env::var("TRUEUP_TEST_FORGEJO_TOKEN"))
        {
            return Some(Self::at(&url, token));
        }
        let program = parts::built("gitea")?;
        let mut own = Own { process: None, port: 0, folder: scratch() };
        own.lay_out(&program);
        must(own.gitea().args(["migrate"]));
        let made = must(
            own.gitea()
                .args(["admin", "user", "create", "--admin", "--username", "root1", "--password", PASSWORD])
                .args(["--email", "root1@example.org", "--must-change-password=false", "--access-token"]),
        );
        let said = String::from_utf8_lossy(&made.stdout).into_owned();
        let token = said.split_whitespace().last().expect("it ends in the token").to_owned();
        own.run();
        let admin = Person { name: "root1".into(), password: PASSWORD.into(), token };
        Some(Self::new(format!("http://127.0.0.1:{}", own.port), admin, Some(own), String::new()))
    }

    fn at(url: &str, token: String) -> Self {
        let admin = Person { name: String::new(), password: String::new(), token };
        let suffix = format!("-{:x}", std::process::id());
        let mut host = Self::new(url.trim_end_matches('/').to_owned(), admin, None, suffix);
        host.admin.name = text(&host.get("user")["login"]);
        host
    }

    fn new(url: String, admin: Person, own: Option<Own>, suffix: String) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder().no_proxy().timeout(SOON).pool_max_idle_per_host(0);
        if url.starts_with("http:") {
            client = client.tls_certs_only([]);
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let client = client.build().expect("a client can be made");
        Self { url, admin, suffix, own, made: Mutex::default(), client, runtime }
    }

    /// Returns where it is, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn admin(&self) -> &Person {
        &self.admin
    }

    /// Makes somebody, who may do what people do with their own repositories.
    pub fn person(&self, name: &str) -> Person {
        let name = format!("{name}{}", self.suffix);
        let body = json!({
            "username": name, "email": format!("{name}@example.org"), "password": PASSWORD, "must_change_password": false,
        });
        self.post("admin/users", &body);
        self.made.lock().unwrap().push(format!("admin/users/{name}?purge=true"));
        let mut person = Person { name, password: PASSWORD.into(), token: String::new() };
        person.token = self.token(&person, &SCOPES);
        person
    }

    /// Makes a token of somebody, for these scopes.
    pub fn token(&self, of: &Person, scopes: &[&str]) -> String {
        let already = self.made.lock().unwrap().len();
        let body = json!({ "name": format!("token {already} {}", scopes.join(" ")), "scopes": scopes });
        let path = format!("users/{}/tokens", of.name);
        let request = self.request(Method::POST, &path).basic_auth(&of.name, Some(&of.password)).json(&body);
        let (status, made) = self.send(request);
        assert_eq!(status, 201, "{made}");
        text(&made["sha1"])
    }

    /// Makes an empty public repository of somebody, and returns its name as the host has it: `owner/name`.
    pub fn repository(&self, owner: &Person, name: &str) -> String {
        let body = json!({ "name": format!("{name}{}", self.suffix), "default_branch": "main", "auto_init": false });
        text(&self.by(owner, Method::POST, "user/repos", &body)["full_name"])
    }

    /// Copies a repository to somebody, and returns the copy's name.
    pub fn fork(&self, by: &Person, repository: &str) -> String {
        text(&self.by(by, Method::POST, &format!("repos/{repository}/forks"), &json!({}))["full_name"])
    }

    /// Lets somebody push to a repository.
    pub fn invite(&self, whom: &Person, repository: &str) {
        let path = format!("repos/{repository}/collaborators/{}", whom.name);
        self.by(&self.admin, Method::PUT, &path, &json!({ "permission": "write" }));
    }

    /// Registers a webhook, as a person does by hand.
    pub fn webhook(&self, repository: &str, url: &str, secret: &str) -> u64 {
        let body = json!({
            "type": if self.is_forgejo() { "forgejo" } else { "gitea" }, "active": true, "events": ["push", "pull_request"],
            "config": { "url": url, "content_type": "json", "secret": secret },
        });
        self.post(&format!("repos/{repository}/hooks"), &body)["id"].as_u64().expect("a hook has an id")
    }

    /// Protects a branch: nobody pushes to it, and these statuses must be green before a merge.
    pub fn protect(&self, repository: &str, branch: &str, required: &[&str]) {
        let body = json!({
            "branch_name": branch, "rule_name": branch, "enable_push": false,
            "enable_status_check": !required.is_empty(), "status_check_contexts": required,
        });
        self.post(&format!("repos/{repository}/branch_protections"), &body);
    }

    /// Opens a pull request, and returns its number. `head` is a branch, or `owner:branch` of a fork.
    pub fn pull(&self, by: &Person, repository: &str, head: &str, title: &str) -> u64 {
        let body = json!({ "head": head, "base": "main", "title": title });
        self.by(by, Method::POST, &format!("repos/{repository}/pulls"), &body)["number"]
            .as_u64()
            .expect("it has a number")
    }

    /// Merges a pull request, once the host knows whether it can, and returns what `main` is then.
    pub fn merge(&self, by: &Person, repository: &str, number: u64) -> String {
        eventually("the pull request can be merged", SOON, || self.try_merge(by, repository, number) == 200);
        text(&self.get(&format!("repos/{repository}/branches/main"))["commit"]["id"])
    }

    /// Asks for a merge once, and returns the status of the answer.
    pub fn try_merge(&self, by: &Person, repository: &str, number: u64) -> u16 {
        self.ask(by, Method::POST, &format!("repos/{repository}/pulls/{number}/merge"), &json!({ "Do": "merge" })).0
    }

    /// Returns the newest status of each context on a commit: context, state, description, link.
    pub fn statuses(&self, repository: &str, commit: &str) -> Vec<[String; 4]> {
        let answer = self.get(&format!("repos/{repository}/commits/{commit}/status"));
        let all = answer["statuses"].as_array().cloned().unwrap_or_default();
        all.iter()
            .map(|one| ["context", "status", "description", "target_url"].map(|field| text(&one[field])))
            .collect()
    }

    /// Returns every status of a context on a commit, oldest first.
    pub fn history(&self, repository: &str, commit: &str, context: &str) -> Vec<String> {
        let answer = self.get(&format!("repos/{repository}/commits/{commit}/statuses?sort=oldest&limit=50"));
        let all = answer.as_array().cloned().unwrap_or_default();
        let mut all: Vec<_> = all.into_iter().filter(|one| one["context"] == context).collect();
        all.sort_by_key(|one| one["id"].as_u64());
        all.iter().map(|one| format!("{}: {}", text(&one["status"]), text(&one["description"]))).collect()
    }

    /// Returns the comments of a pull request: author and text.
    pub fn comments(&self, repository: &str, number: u64) -> Vec<(String, String)> {
        let all = self.get(&format!("repos/{repository}/issues/{number}/comments"));
        let all = all.as_array().cloned().unwrap_or_default();
        all.iter().map(|one| (text(&one["user"]["login"]), text(&one["body"]))).collect()
    }

    /// Returns how text in Markdown looks in a comment of a repository, as HTML.
    pub fn rendered(&self, repository: &str, markdown: &str) -> String {
        let body = json!({ "Text": markdown, "Mode": "comment", "Context": repository, "Wiki": false });
        let request = self.request(Method::POST, "markup").bearer_auth(&self.admin.token).json(&body);
        self.runtime.block_on(async { request.send().await.expect("it answers").text().await.expect("it is text") })
    }

    /// Registers an application that people log in to by OAuth 2, and returns its id and secret.
    pub fn oauth(&self, by: &Person, redirect: &str, confidential: bool) -> (String, String) {
        let body = json!({ "name": "trueup", "redirect_uris": [redirect], "confidential_client": confidential });
        let made = self.by(by, Method::POST, "user/applications/oauth2", &body);
        (text(&made["client_id"]), text(&made["client_secret"]))
    }

    pub fn is_forgejo(&self) -> bool {
        let request = self.client.get(format!("{}/api/forgejo/v1/version", self.url));
        self.send(request).0 == 200
    }

    /// Points the work clone of a world at a repository, for pushes of somebody, and its daemon too.
    pub fn serve(&self, world: &mut World, repository: &str, by: &Person) {
        world.repo.git(&["remote", "set-url", "origin", &self.remote(repository, by)]);
        world.declared.url = Some(format!("{}/{repository}.git", self.url));
    }

    /// Returns the URL by which somebody pushes.
    pub fn remote(&self, repository: &str, by: &Person) -> String {
        let (scheme, rest) = self.url.split_once("://").expect("a URL");
        format!("{scheme}://{}:{}@{rest}/{repository}.git", by.name, by.token)
    }

    /// Reads what the admin may see.
    pub fn get(&self, path: &str) -> Value {
        self.by(&self.admin, Method::GET, path, &Value::Null)
    }

    pub fn post(&self, path: &str, body: &Value) -> Value {
        self.by(&self.admin, Method::POST, path, body)
    }

    /// Asks as somebody, and returns what was answered.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn by(&self, person: &Person, method: Method, path: &str, body: &Value) -> Value {
        let asked = format!("{method} {path}");
        let (status, answer) = self.ask(person, method, path, body);
        assert!((200..300).contains(&status), "{asked}: {status} {answer}\n{}", self.log());
        answer
    }

    /// Asks as somebody, and returns the status of the answer and its body.
    pub fn ask(&self, person: &Person, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let request = self.request(method, path).bearer_auth(&person.token);
        self.send(if body.is_null() { request } else { request.json(body) })
    }

    /// Ends it, as a host goes down.
    pub fn stop(&mut self) {
        self.own.as_mut().expect("a host of our own").stop();
    }

    /// Starts it again where it was.
    pub fn resume(&mut self) {
        self.own.as_mut().expect("a host of our own").run();
    }

    /// Returns whether [`Gitea::stop`] may be called: nobody else's host is taken down.
    pub fn is_ours(&self) -> bool {
        self.own.is_some()
    }

    /// Returns what it logged so far.
    pub fn log(&self) -> String {
        let own = self.own.as_ref().map(|own| own.folder.path().join("log"));
        own.and_then(|log| fs::read(log).ok()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}/api/v1/{path}", self.url))
    }

    fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        self.runtime.block_on(async {
            let answer = request.send().await.expect("the Git host answers");
            let status = answer.status().as_u16();
            (status, serde_json::from_str(&answer.text().await.expect("it is text")).unwrap_or_default())
        })
    }
}

impl Drop for Gitea {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("-- the Git host's log\n{}--", self.log());
        }
        if self.own.is_none() {
            for path in self.made.lock().unwrap().drain(..) {
                let request = self.client.delete(format!("{}/api/v1/{path}", self.url)).bearer_auth(&self.admin.token);
                let _ = self.runtime.block_on(request.send());
            }
        }
    }
}

impl Own {
    /// Copies what it reads to where its user can, for the cache may be its builder's alone.
    fn lay_out(&mut self, program: &Path) {
        let folder = self.folder.path().to_owned();
        fs::hard_link(program, folder.join("gitea"))
            .or_else(|_| fs::copy(program, folder.join("gitea")).map(|_| ()))
            .unwrap();
        let beside = program.parent().and_then(Path::parent).expect("the cache").join("gitea");
        must(clean("cp", &folder).arg("-r").arg(beside).arg(folder.join("static")));
        fs::create_dir_all(folder.join("work")).unwrap();
        self.configure();
        if rustix::process::geteuid().is_root() {
            must(clean("chown", &folder).args(["-R", "nobody"]).arg(folder.join("work")));
            must(clean("chmod", &folder).arg("711").arg(&folder));
        }
    }

    fn configure(&mut self) {
        self.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (folder, port) = (self.folder.path().display(), self.port);
        let user = if rustix::process::geteuid().is_root() { "nobody".into() } else { whoami(self.folder.path()) };
        let text = format!(
            "RUN_USER = {user}\nRUN_MODE = prod\nWORK_PATH = {folder}/work\n\
             [server]\nHTTP_ADDR = 127.0.0.1\nHTTP_PORT = {port}\nROOT_URL = http://127.0.0.1:{port}/\n\
             STATIC_ROOT_PATH = {folder}/static\nDISABLE_SSH = true\nOFFLINE_MODE = true\n\
             [database]\nDB_TYPE = sqlite3\nPATH = {folder}/work/gitea.db\nSQLITE_JOURNAL_MODE = WAL\n\
             [security]\nINSTALL_LOCK = true\nSECRET_KEY = of-the-tests\nPASSWORD_HASH_ALGO = pbkdf2_v1\n\
             [repository]\nDEFAULT_BRANCH = main\n[webhook]\nALLOWED_HOST_LIST = loopback\n\
             [log]\nMODE = console\nLEVEL = Warn\n[session]\nPROVIDER = memory\n[queue]\nTYPE = channel\n\
             [indexer]\nISSUE_INDEXER_TYPE = db\n[actions]\nENABLED = false\n[cron]\nENABLED = false\n\
             [cron.update_checker]\nENABLED = false\n[service]\nDISABLE_REGISTRATION = true\n[lfs]\nENABLED = false\n"
        );
        fs::write(self.folder.path().join("work/app.ini"), text).unwrap();
    }

    /// Returns the program as its own user, which ends with the thread that starts it.
    fn gitea(&self) -> Command {
        let folder = self.folder.path();
        let mut command = clean("setpriv", &folder.join("work"));
        // It writes its own settings of git into its home.
        command.env_remove("GIT_CONFIG_GLOBAL").args(["--pdeathsig", "KILL"]);
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]);
        }
        command
            .arg(folder.join("gitea"))
            .arg("--config")
            .arg(folder.join("work/app.ini"))
            .current_dir(folder.join("work"));
        command
    }

    fn run(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = self.gitea();
        command.arg("web").stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).process_group(0);
        let mut process = command.spawn().expect("setpriv can be started");
        let folder = self.folder.path().to_owned();
        let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
        eventually("Gitea listens", SOON, || {
            assert!(process.try_wait().unwrap().is_none(), "Gitea ended:\n{}", log());
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        self.process = Some(process);
    }

    fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let group = rustix::process::Pid::from_child(&process);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = process.wait();
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stop();
    }
}

fn whoami(home: &Path) -> String {
    String::from_utf8_lossy(&must(clean("id", home).arg("-un")).stdout).trim().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
