//! One attempt: what is in the branch now decides what is to be done, and one step of it is done.

use std::sync::Arc;

use tokio::time::Instant;

use super::message::{Words, message};
use crate::agent::status::Board;
use crate::audit::Redactor;
use crate::config::{Application, Repository};
use crate::forge::{Forge, ForgeError, ForgeErrorKind, NewPull};
use crate::model::view::SharedFiles;
use crate::model::{Digest, Name, Revision, chain};
use crate::render;
use crate::source::{Commit, Head, Made, Push, Relation, Reverter, Shared, SourceError, SourceErrorKind, Wanted};
use crate::store::{MadeCommit, Revert};

/// What every such commit has in its message, by whichever daemon it was made.
const TRAILER: &str = "\nTrueup-Reverts: ";

/// All that one attempt needs, so that it waits beside the application's task.
pub(super) struct Errand {
    pub(super) name: Name,
    pub(super) revert: Revert,
    /// Commits of ours that took something out of Git before.
    pub(super) earlier: Vec<Revision>,
    pub(super) branch: String,
    pub(super) reverter: Arc<Reverter>,
    pub(super) source: Arc<Shared>,
    pub(super) application: Arc<Application>,
    pub(super) repository: Arc<Repository>,
    pub(super) redactor: Arc<Redactor>,
    pub(super) board: Arc<Board>,
}

/// What came of an attempt.
pub(in crate::agent) enum Came {
    /// To be written down before it is pushed.
    Made(MadeCommit),
    Pushed,
    /// It lies in a branch of its own, and in this pull request; or why there is none.
    Proposed(Option<Result<String, String>>),
    /// The followed branch does not take it, for this reason: it goes to this branch of its own.
    Protected(String, String),
    /// The branch is not where it was.
    Moved,
    /// For good; a stable code, and why.
    Refused(&'static str, String),
    /// It is not needed.
    Dropped(String),
    /// To be tried again.
    Failed(Failure),
}

/// Why something could not be done now.
pub(in crate::agent) struct Failure {
    /// Stable.
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Most often it is over before anyone could look.
    pub(super) passing: bool,
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let passing = matches!(error.kind, SourceErrorKind::Unreachable | SourceErrorKind::TimedOut);
        Self { code: error.kind.code(), message: chain(&error), passing }
    }
}

impl From<ForgeError> for Failure {
    fn from(error: ForgeError) -> Self {
        let passing = matches!(error.kind, ForgeErrorKind::Unreachable | ForgeErrorKind::Busy);
        Self { code: error.kind.code(), message: chain(&error), passing }
    }
}

impl Errand {
    pub(super) async fn go(self) -> Came {
        self.step().await.unwrap_or_else(Came::Failed)
    }

    async fn step(&self) -> Result<Came, Failure> {
        let polled = self.source.poll(Instant::now()).await;
        let head = polled.head.map_err(|error| SourceError {
            kind: error.kind,
            message: "could not look at the branch".into(),
            source: Some(anyhow::anyhow!(chain(error.as_ref()))),
        })?;
        if self.has(&head).await? {
            return Ok(Came::Pushed);
        }
        let inputs = self.inputs(&head.revision).await?.digest;
        if inputs != self.revert.inputs {
            return Ok(Came::Dropped(format!("what failed is in it no more, at {}", head.revision.short())));
        }
        let Some(good) = &self.revert.good else {
            return Ok(Came::Refused("revert.no-good", "no revision was good before".into()));
        };
        // Whoever signs vouches for what lies behind it: nothing is laid over what nobody else vouches for.
        self.source.verify(&head, &self.name).await?;
        let bad = self.source.source().commit(&self.revert.bad).await?;
        if self.revert.asked.is_none() && self.is_ours(&bad, inputs).await? {
            let why = "what failed is itself a commit that took a failure out of Git: somebody must look";
            return Ok(Came::Refused("revert.itself", why.into()));
        }
        if !matches!(self.relation(good, &head.revision).await?, Relation::Same | Relation::Descends) {
            let why = format!("{} is not known to lie behind {}", good.short(), head.revision.short());
            return Ok(Came::Refused("revert.not-behind", why));
        }
        // Set back to a tree that does not have them, they would be gone.
        let missing = self.inputs(good).await?.missing;
        if !missing.is_empty() {
            let why = format!("its paths were others then: {} has no {}", good.short(), missing.join(", "));
            return Ok(Came::Refused("revert.paths-changed", why));
        }
        let wanted = self.wanted(&head, good, &bad);
        let made = self.reverter.make(&wanted).await?;
        if let Some(came) = self.barred(&made, good) {
            return Ok(came);
        }
        match &self.revert.made {
            Some(before) if before.commit == made.commit => match &self.revert.beside {
                Some(beside) => self.propose(&made.commit, beside, &wanted.message).await,
                None => Ok(self.push(&made.commit, &head.revision).await?),
            },
            _ => Ok(Came::Made(MadeCommit { commit: made.commit, tip: head.revision })),
        }
    }

    /// Whether the branch has the commit already: what an attempt pushed, and could not write down.
    async fn has(&self, head: &Head) -> Result<bool, SourceError> {
        let Some(made) = &self.revert.made else { return Ok(false) };
        if made.commit == head.revision {
            return Ok(true);
        }
        Ok(self.relation(&made.commit, &head.revision).await? == Relation::Descends)
    }

    async fn relation(&self, from: &Revision, to: &Revision) -> Result<Relation, SourceError> {
        self.source.source().relation(from, to).await
    }

    /// Whether what failed came with a commit of this kind, of this daemon or another one.
    async fn is_ours(&self, bad: &Commit, inputs: Digest) -> Result<bool, SourceError> {
        if self.earlier.contains(&bad.revision) || bad.message.contains(TRAILER) {
            return Ok(true);
        }
        for earlier in &self.earlier {
            // One that is gone, by force, says nothing any more.
            match self.inputs(earlier).await {
                Ok(of) if of.digest == inputs => return Ok(true),
                Ok(_) => {}
                Err(error) if error.kind == SourceErrorKind::RevisionMissing => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    async fn inputs(&self, revision: &Revision) -> Result<render::Inputs, SourceError> {
        let tree = self.source.source().tree(revision).await?;
        let application = self.application.clone();
        let read = tokio::task::spawn_blocking(move || render::inputs(tree.as_ref(), &application));
        let broken = |error: tokio::task::JoinError| SourceError {
            kind: SourceErrorKind::Mirror,
            message: "could not finish reading Git".into(),
            source: Some(error.into()),
        };
        read.await.map_err(broken)?
    }

    fn wanted(&self, head: &Head, good: &Revision, bad: &Commit) -> Wanted {
        let paths: Vec<_> = self.application.source.layers().into_iter().map(path).collect();
        let words = Words {
            application: &self.name,
            revert: &self.revert,
            good,
            subject: bad.subject(),
            paths: &paths,
            redactor: &self.redactor,
        };
        let message = message(&words) + &format!("{TRAILER}{} {}\n", self.name, self.revert.inputs);
        Wanted { tip: head.revision.clone(), to: good.clone(), paths, message, time: self.revert.since }
    }

    /// Says why it is not pushed: what is set back by itself is the application's alone.
    fn barred(&self, made: &Made, good: &Revision) -> Option<Came> {
        if made.files.is_empty() {
            return Some(Came::Dropped(format!("its paths are as they were at {}", good.short())));
        }
        let (applications, repositories) = (self.board.applications(), self.board.repositories());
        let at = (self.repository.url.as_str(), &*format!("refs/heads/{}", self.branch));
        let shared = SharedFiles::with(&self.name, (&applications, &repositories), at, &made.files);
        let named: Vec<_> =
            shared.iter().map(|one| format!("{} ({})", one.application, one.paths.join(", "))).collect();
        let name = &self.name;
        (!named.is_empty()).then(|| {
            let all = named.join(", ");
            let why = format!(
                "other applications have some of the files: {all}; `trueup rollback {name}` shows what it takes back"
            );
            Came::Refused("revert.shared", why)
        })
    }

    /// Pushes what is written down already.
    async fn push(&self, commit: &Revision, tip: &Revision) -> Result<Came, SourceError> {
        Ok(match self.reverter.push(commit, &self.branch, Some(tip)).await? {
            Push::Done => Came::Pushed,
            Push::Moved => Came::Moved,
            Push::Refused(why) => Came::Protected(format!("trueup/revert-{}-{}", self.name, commit.short()), why),
        })
    }

    /// Pushes it beside, and opens a pull request where the Git host is declared.
    async fn propose(&self, commit: &Revision, beside: &str, message: &str) -> Result<Came, Failure> {
        if self.reverter.at(beside).await?.as_ref() != Some(commit) {
            match self.reverter.push(commit, beside, None).await? {
                Push::Done => {}
                Push::Moved => {
                    return Ok(Came::Refused("revert.branch-taken", format!("there is another branch {beside}")));
                }
                Push::Refused(why) => return Ok(Came::Refused("revert.refused", why)),
            }
        }
        let Some(declared) = &self.repository.forge else { return Ok(Came::Proposed(None)) };
        let forge = Forge::of(&self.repository, declared)?;
        let (title, rest) = message.split_once('\n').unwrap_or((message, ""));
        // What strangers wrote names nobody, and is no link.
        let body = format!("~~~text\n{}\n~~~\n", rest.trim().replace("~~~", "---"));
        let (head, base) = (beside.to_owned(), self.branch.clone());
        match forge.open_pull(&NewPull { head, base, title: title.to_owned(), body }).await {
            Ok(pull) => Ok(Came::Proposed(Some(Ok(pull.html_url)))),
            Err(error) if error.kind.lasts() => Err(error.into()),
            Err(error) => Ok(Came::Proposed(Some(Err(chain(&error))))),
        }
    }
}

fn path(layer: &str) -> String {
    let plain = layer.trim_matches('/');
    if plain.is_empty() { ".".into() } else { plain.to_owned() }
}
