use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde_json::Value;

use super::args::Global;
use super::remote::Server;
use super::show::printable;
use super::trouble::Trouble;
use crate::config;
use crate::model::{Problem, chain};
use crate::store::random;
use crate::yaml::{self, Profile};

/// Talks to the daemon: over its unix socket, or to one elsewhere.
pub(super) struct Client {
    http: reqwest::Client,
    there: There,
}

enum There {
    Socket(PathBuf),
    Server(Server),
}

impl Client {
    pub(super) fn new(global: &Global) -> Result<Self, Trouble> {
        if let Some((server, http)) = Server::of(global)? {
            return Ok(Self { http, there: There::Server(server) });
        }
        let socket = match &global.socket {
            Some(socket) => socket.clone(),
            None => socket_of(&global.config)?,
        };
        // Nothing goes over TLS here; reading the machine's certificates would take longer than the request.
        let built = reqwest::Client::builder().unix_socket(socket.clone()).no_proxy().tls_certs_only([]).build();
        let http = built.map_err(|error| Trouble::chain(&error))?;
        Ok(Self { http, there: There::Socket(socket) })
    }

    /// Asks for what lies at `path`.
    pub(super) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value, Trouble> {
        let mut url = self.address(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.http.request(Method::GET, url)).await
    }

    /// Asks for all of a list, page by page.
    pub(super) async fn list(&self, path: &[&str]) -> Result<Value, Trouble> {
        let (mut url, mut all) = (self.address(path)?, vec![]);
        url.set_query(Some("limit=1000"));
        loop {
            let request = self.http.request(Method::GET, url.clone());
            let response = request.send().await.map_err(|error| self.unreachable(&error))?;
            let next = next_page(response.headers());
            let Value::Array(mut page) = self.answered(response).await? else {
                return Err(Trouble::new("the daemon answered with something that is no list"));
            };
            all.append(&mut page);
            match next {
                Some(query) => url.set_query(Some(&query)),
                None => return Ok(all.into()),
            }
        }
    }

    /// Asks for bytes as they are.
    pub(super) async fn bytes(&self, path: &[&str]) -> Result<Vec<u8>, Trouble> {
        let request = self.http.request(Method::GET, self.address(path)?);
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response.bytes().await.map_err(|error| Trouble::chain(&error))?.to_vec());
        }
        Err(self.refusal(response).await)
    }

    /// Asks for an act, under a key of its own: whoever carries the request may ask twice, and it is done once.
    pub(super) async fn post(&self, path: &[&str], body: &impl Serialize) -> Result<Value, Trouble> {
        let key = u128::from_be_bytes(random().map_err(|error| Trouble::chain(&error))?);
        let request = self.http.request(Method::POST, self.address(path)?);
        let request = request.header("idempotency-key", format!("\"{key:032x}\""));
        self.send(request.json(body)).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, Trouble> {
        self.answered(request.send().await.map_err(|error| self.unreachable(&error))?).await
    }

    async fn answered(&self, response: Response) -> Result<Value, Trouble> {
        if response.status().is_success() {
            return response.json().await.map_err(|error| Trouble::chain(&error));
        }
        Err(self.refusal(response).await)
    }

    fn address(&self, path: &[&str]) -> Result<Url, Trouble> {
        let mut url = match &self.there {
            There::Socket(_) => Url::parse("http://trueup/").map_err(|error| Trouble::chain(&error))?,
            There::Server(server) => server.url.clone(),
        };
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        Ok(url)
    }

    async fn refusal(&self, response: Response) -> Trouble {
        let status = response.status();
        match (response.json::<Problem>().await, &self.there) {
            (Ok(problem), There::Server(server)) => server.refused(problem),
            (Ok(problem), There::Socket(_)) => problem.into(),
            (Err(_), _) => Trouble::new(format!("the daemon answered {status} without saying why")),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Trouble {
        let socket = match &self.there {
            There::Socket(socket) => socket.display().to_string(),
            There::Server(server) => return server.unreachable(error),
        };
        let socket = printable(&socket);
        match io_kind(error) {
            Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => Trouble::new(format!(
                "no daemon answers at {socket}"
            ))
            .hint("start it with `trueup run`, or name its configuration with --config or its socket with --socket"),
            Some(io::ErrorKind::PermissionDenied) => Trouble::new(format!("you may not open {socket}"))
                .hint("act as root, or ask to be made a member of the group that the configuration names"),
            _ => Trouble::new(format!("could not talk to the daemon at {socket}: {}", printable(&chain(error)))),
        }
    }
}

/// Returns the query of the page that follows (RFC 8288), where the daemon says that there is one.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let (target, relation) = headers.get(LINK)?.to_str().ok()?.split_once(';')?;
    let query = target.strip_prefix("<?")?.strip_suffix('>')?;
    (relation.trim() == "rel=\"next\"").then(|| query.to_owned())
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

/// Returns the socket that the configuration names. Mistakes elsewhere in it must not keep anyone from asking the daemon
/// that still runs with the one before, so nothing else is read.
fn socket_of(config: &Path) -> Result<PathBuf, Trouble> {
    let usual = config::Daemon::default().socket;
    let files = match files_of(config) {
        Ok(files) => files,
        Err(error) if error.kind() == io::ErrorKind::NotFound && config == Path::new("/etc/trueup/trueup.yaml") => {
            return Ok(usual);
        }
        Err(error) => {
            let message = format!("could not read {}: {error}", printable(&config.display().to_string()));
            return Err(Trouble::new(message).hint("name the configuration with --config, or the socket with --socket"));
        }
    };
    Ok(files.iter().find_map(|(file, text)| declared(file, text)).unwrap_or(usual))
}

fn declared(file: &str, text: &[u8]) -> Option<PathBuf> {
    let documents = yaml::parse(file, text, Profile::Config).ok()?;
    let daemon = documents.iter().find(|node| node.at("/kind").and_then(yaml::Node::as_str) == Some("Daemon"))?;
    daemon.at("/spec/socket")?.as_str().map(PathBuf::from)
}

fn files_of(config: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    if !config.is_dir() {
        return Ok(vec![(config.display().to_string(), std::fs::read(config)?)]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(config)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push((path.display().to_string(), std::fs::read(&path)?));
        }
    }
    Ok(files)
}
