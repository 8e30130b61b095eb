//! One request at a time: bounded, by a deadline, with the token in a header that no log shows.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION};
use reqwest::{Client, Method, Proxy, Response, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{ForgeError, ForgeErrorKind};
use super::host::{Comment, Hook, NewHook, NewPull, Protection, Pull, Pulls, Status, Statuses, User};
use crate::config::{self, Endpoint, Repository, SecretSource};
use crate::model::Revision;
use crate::notify::asked_wait;
use crate::source::{self, harmless};

/// One request is answered within this, or not at all.
const DEADLINE: Duration = Duration::from_secs(30);

/// No answer is longer: a pull request with many long comments comes near.
const ANSWER: usize = 16 * 1024 * 1024;

/// Of an answer that refuses, so much is read.
const REFUSAL: usize = 4096;

/// A renamed repository is one redirect away.
const REDIRECTS: usize = 3;

/// So many pull requests are looked through.
const MOST: usize = 1000;

/// What the host lists at once; it may list fewer.
const PAGE: &str = "50";

/// A repository at its Git host.
pub struct Forge {
    http: Client,
    /// Ends in `/`.
    base: Url,
    owner: String,
    name: String,
    token: SecretSource,
}

impl Forge {
    /// Returns the Git host of a repository, as it is declared. Nothing is asked of it yet.
    ///
    /// # Errors
    /// Where the declared authorities or proxy cannot be used, or its URL must not be.
    pub fn of(declared: &Repository, forge: &config::Forge) -> Result<Self, ForgeError> {
        let odd = |what: &str| ForgeError::new(ForgeErrorKind::Odd, format!("the Git host's {what} cannot be used"));
        let endpoint = Endpoint::parse(&forge.url).map_err(|_| odd("URL"))?;
        let mut base = endpoint.url().clone();
        // Nobody resolves an address, and so nobody else would look at where it leads.
        source::check_literal(base.host_str().unwrap_or_default())?;
        base.path_segments_mut().map_err(|()| odd("URL"))?.pop_if_empty().push("");
        let mut builder = source::outbound(declared.tls.ca.as_deref())?
            .user_agent(concat!("trueup/", env!("CARGO_PKG_VERSION")))
            .timeout(DEADLINE);
        match &declared.proxy {
            Some(proxy) => builder = builder.proxy(Proxy::all(proxy).map_err(|_| odd("proxy"))?),
            // Reading the machine's certificates would take longer than the request.
            None if base.scheme() == "http" && declared.tls.ca.is_none() => builder = builder.tls_certs_only([]),
            None => {}
        }
        let http = builder.build().map_err(|error| ForgeError::from(source::told(error)))?;
        let (owner, name) = forge.repository.split_once('/').ok_or_else(|| odd("repository"))?;
        let (owner, name, token) = (owner.to_owned(), name.to_owned(), forge.token.clone());
        Ok(Self { http, base, owner, name, token })
    }

    /// Takes another token than the one that is declared.
    #[must_use]
    pub fn by(mut self, token: SecretSource) -> Self {
        self.token = token;
        self
    }

    /// Returns the account that the token belongs to.
    pub async fn login(&self) -> Result<String, ForgeError> {
        let user: User = self.get("find out whose token it is", &["api", "v1", "user"], &[]).await?;
        Ok(user.login)
    }

    /// Whether it is a Forgejo: only that says which version of Forgejo it is.
    pub async fn is_forgejo(&self) -> Result<bool, ForgeError> {
        #[derive(Deserialize)]
        struct Version {
            #[serde(rename = "version")]
            _version: String,
        }
        let asked = self.get::<Version>("ask for the version", &["api", "forgejo", "v1", "version"], &[]).await;
        match asked {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind, ForgeErrorKind::Missing | ForgeErrorKind::Odd) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns the newest status of each context on a commit.
    pub async fn statuses(&self, commit: &Revision) -> Result<Vec<Status>, ForgeError> {
        let path = self.path(&["commits", commit.as_str(), "status"]);
        let found: Statuses = self.get("read the statuses of a commit", &path, &[("limit", PAGE)]).await?;
        Ok(found.statuses.unwrap_or_default())
    }

    /// Puts a status on a commit.
    pub async fn set_status(&self, commit: &Revision, status: &Status) -> Result<(), ForgeError> {
        let path = self.path(&["statuses", commit.as_str()]);
        self.send("put a status on a commit", Method::POST, &path, status).await.map(drop)
    }

    /// Returns the open pull requests, those that changed last first: up to the page on which `most` were found that `fit`, and at
    /// most 1,000. One that is odd hides no other.
    pub async fn pulls(&self, most: usize, fit: impl Fn(&Pull) -> bool) -> Result<Pulls, ForgeError> {
        let (mut pulls, mut listed) = (Pulls::default(), 0);
        let path = self.path(&["pulls"]);
        for page in 1.. {
            let page = page.to_string();
            let query = [("state", "open"), ("sort", "recentupdate"), ("limit", PAGE), ("page", page.as_str())];
            let more: Vec<Value> = self.get("list the pull requests", &path, &query).await?;
            listed += more.len();
            let before = (pulls.found.len(), pulls.odd);
            for pull in more {
                match serde_json::from_value::<Pull>(pull) {
                    // One that changes meanwhile moves, and comes twice.
                    Ok(pull) if pulls.found.iter().any(|known| known.number == pull.number) => {}
                    Ok(pull) => pulls.found.push(pull),
                    Err(_) => pulls.odd += 1,
                }
            }
            let enough = pulls.found.iter().filter(|pull| fit(pull)).count() >= most;
            if (pulls.found.len(), pulls.odd) == before || enough || listed >= MOST {
                break;
            }
        }
        Ok(pulls)
    }

    /// Returns a pull request.
    pub async fn pull(&self, number: u64) -> Result<Pull, ForgeError> {
        let number = number.to_string();
        self.get("read a pull request", &self.path(&["pulls", &number]), &[]).await
    }

    /// Opens a pull request. One that is open already, from this branch to that, is returned as it is.
    pub async fn open_pull(&self, new: &NewPull) -> Result<Pull, ForgeError> {
        let opened = self.send("open a pull request", Method::POST, &self.path(&["pulls"]), new).await;
        match opened {
            Ok(answer) => read(&answer, "open a pull request"),
            // 409 where there is one, in every version; which, it does not say.
            Err(error) if error.kind == ForgeErrorKind::Refused => {
                let fits =
                    |pull: &Pull| pull.head.name == new.head && pull.base.name == new.base && !pull.is_from_fork();
                self.pulls(1, fits).await?.found.into_iter().find(fits).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the comments of a pull request, oldest first.
    pub async fn comments(&self, pull: u64) -> Result<Vec<Comment>, ForgeError> {
        let number = pull.to_string();
        self.get("read the comments of a pull request", &self.path(&["issues", &number, "comments"]), &[]).await
    }

    /// Writes a comment, in Markdown.
    pub async fn comment(&self, pull: u64, body: &str) -> Result<Comment, ForgeError> {
        let (number, what) = (pull.to_string(), "comment on a pull request");
        let path = self.path(&["issues", &number, "comments"]);
        read(&self.send(what, Method::POST, &path, &json!({ "body": body })).await?, what)
    }

    /// Writes a comment anew. Whoever subscribed is told of it only where it is a new one.
    pub async fn edit_comment(&self, comment: u64, body: &str) -> Result<(), ForgeError> {
        let id = comment.to_string();
        let path = self.path(&["issues", "comments", &id]);
        self.send("edit a comment", Method::PATCH, &path, &json!({ "body": body })).await.map(drop)
    }

    /// Returns the webhooks of the repository.
    pub async fn hooks(&self) -> Result<Vec<Hook>, ForgeError> {
        self.get("list the webhooks", &self.path(&["hooks"]), &[("limit", PAGE)]).await
    }

    /// Registers a webhook.
    pub async fn create_hook(&self, new: &NewHook) -> Result<(), ForgeError> {
        let config = json!({ "url": new.url, "content_type": "json", "secret": new.secret });
        let body = json!({
            "type": new.kind, "active": true, "branch_filter": "*", "events": new.events, "config": config,
        });
        self.send("register a webhook", Method::POST, &self.path(&["hooks"]), &body).await.map(drop)
    }

    /// Removes a webhook.
    pub async fn delete_hook(&self, hook: u64) -> Result<(), ForgeError> {
        let id = hook.to_string();
        self.ask(Method::DELETE, &self.path(&["hooks", &id]), &[], None)
            .await
            .map(drop)
            .map_err(|error| error.while_doing("remove a webhook"))
    }

    /// Whether the repository is there, for whom the token is.
    pub async fn is_there(&self) -> Result<bool, ForgeError> {
        match self.get::<Value>("look for the repository", &self.path(&[]), &[]).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ForgeErrorKind::Missing => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Returns how a branch is protected; `None` where there is no such branch.
    pub async fn protection(&self, branch: &str) -> Result<Option<Protection>, ForgeError> {
        match self.get("read how a branch is protected", &self.path(&["branches", branch]), &[]).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind == ForgeErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns a path of the repository, by its segments.
    fn path<'p>(&'p self, rest: &[&'p str]) -> Vec<&'p str> {
        ["api", "v1", "repos", &self.owner, &self.name].iter().chain(rest).copied().collect()
    }

    async fn get<T: DeserializeOwned>(
        &self,
        what: &str,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, ForgeError> {
        let answer = self.ask(Method::GET, path, query, None).await;
        read(&answer.map_err(|error| error.while_doing(what))?, what)
    }

    async fn send(
        &self,
        what: &str,
        method: Method,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Vec<u8>, ForgeError> {
        let odd = |_| ForgeError::new(ForgeErrorKind::Refused, "it cannot be written as JSON");
        let body = serde_json::to_value(body).map_err(odd)?;
        self.ask(method, path, &[], Some(&body)).await.map_err(|error| error.while_doing(what))
    }

    /// Asks, and returns the answer where it is a success. Redirects are followed on the same host alone, and where they keep
    /// what is asked.
    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Vec<u8>, ForgeError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        for _ in 0..=REDIRECTS {
            let mut request = self.http.request(method.clone(), url.clone()).header(AUTHORIZATION, self.header()?);
            request = request.header(ACCEPT, "application/json");
            if let Some(body) = body {
                request = request.json(body);
            }
            let mut answer = request.send().await.map_err(|error| ForgeError::from(source::told(error)))?;
            if !answer.status().is_redirection() {
                return judge(&mut answer).await;
            }
            url = self.onward(&method, &url, &answer)?;
        }
        Err(ForgeError::new(ForgeErrorKind::Odd, "it redirects in circles"))
    }

    fn onward(&self, method: &Method, from: &Url, answer: &Response) -> Result<Url, ForgeError> {
        let status = answer.status();
        let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()).and_then(|to| from.join(to).ok());
        let keeps = matches!(status.as_u16(), 307 | 308) || *method == Method::GET;
        let same = |to: &Url| to.origin() == self.base.origin() && to.username().is_empty();
        to.filter(|to| keeps && same(to)).ok_or_else(|| {
            let message = format!("it answered {status}, which leads elsewhere: put the right address into forge.url");
            ForgeError::new(ForgeErrorKind::Odd, message)
        })
    }

    /// Reads the token, as it is now.
    fn header(&self) -> Result<HeaderValue, ForgeError> {
        let token = source::secret(&self.token)?;
        let odd = |_| ForgeError::new(ForgeErrorKind::Credentials, "the token does not fit into a header");
        let mut value = HeaderValue::from_str(&format!("token {}", token.reveal())).map_err(odd)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn read<T: DeserializeOwned>(answer: &[u8], what: &str) -> Result<T, ForgeError> {
    serde_json::from_slice(answer).map_err(|error| {
        // What serde says of a value may repeat it.
        let place = format!("line {}, column {}", error.line(), error.column());
        let message = format!("the answer is not what a Forgejo or Gitea says ({place})");
        ForgeError::new(ForgeErrorKind::Odd, message).while_doing(what)
    })
}

async fn judge(answer: &mut Response) -> Result<Vec<u8>, ForgeError> {
    let status = answer.status();
    let wait = asked_wait(answer.headers());
    let limit = if status.is_success() { ANSWER } else { REFUSAL };
    let mut body = vec![];
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) if status.is_success() => {
                let message = format!("the answer has more than {} MiB", ANSWER / 1024 / 1024);
                return Err(ForgeError::new(ForgeErrorKind::Odd, message));
            }
            Err(error) if status.is_success() => return Err(source::told(error).into()),
            // Of a refusal, the status has said what matters.
            Ok(_) | Err(_) => break,
        }
    }
    if status.is_success() {
        return Ok(body);
    }
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let said = said.get("message").and_then(Value::as_str).unwrap_or_default();
    let said = harmless(said.lines().next().unwrap_or_default().as_bytes());
    let colon = if said.is_empty() { "" } else { ": " };
    let message = format!("the Git host answered {status}{colon}{said}");
    Err(ForgeError { kind: ForgeErrorKind::of(status), message, wait, status: Some(status.as_u16()) })
}
