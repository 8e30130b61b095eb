//! Writes one signed commit that sets paths back onto a branch, and pushes it. The objects that it stands on are read from the
//! mirror; what is new lies in a bare repository of our own until it is pushed.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

use super::bare::Bare;
use super::error::harmless;
use super::mirror::Generation;
use super::{GitSource, Plumbing, SetBack, SourceError, SourceErrorKind, disk, secret};
use crate::config::{Repository, RepositoryRevert, Transport};
use crate::model::{Revision, Time};

/// Whose signature it is: git's own namespace, so that it is no signature of anything else.
const NAMESPACE: &str = "git";
/// Of what a server says with its refusal, the last lines.
const LINES: usize = 3;

/// Makes and pushes the commit of one application at a time.
pub struct Reverter {
    git: GitSource,
    bare: Bare,
    signs: RepositoryRevert,
}

/// What is to be set back to what, and what the commit says of it. The same makes the same commit, whenever it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What the commit stands on.
    pub tip: Revision,
    pub to: Revision,
    /// `.` is all of the repository.
    pub paths: Vec<String>,
    pub message: String,
    pub time: Time,
}

/// A commit that no ref names yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub commit: Revision,
    /// What it changes; nothing where all is as it was already: then it is not to be pushed.
    pub files: Vec<String>,
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    Done,
    /// The ref is not where it was expected: nothing happened.
    Moved,
    /// The server does not take it, for this reason.
    Refused(String),
}

impl Reverter {
    /// Nothing is asked of the server yet. `folder` is made, and emptied, with each commit.
    ///
    /// # Errors
    /// `Transport` for a URL that is refused or not among `transports`.
    pub fn new(
        git: GitSource,
        declared: &Repository,
        signs: &RepositoryRevert,
        transports: &[Transport],
        folder: PathBuf,
    ) -> Result<Self, SourceError> {
        let credentials = signs.push.as_ref().or(declared.credentials.as_ref()).cloned();
        let declared = Repository { credentials, ..declared.clone() };
        Ok(Self { git, bare: Bare::new(&declared, transports, folder)?, signs: signs.clone() })
    }

    /// Makes the commit.
    ///
    /// # Errors
    /// Where an object cannot be had, the key not be read, or `git` refuses: nothing has happened anywhere then.
    pub async fn make(&self, wanted: &Wanted) -> Result<Made, SourceError> {
        let generation = self.git.holding([&wanted.tip, &wanted.to]).await?;
        self.bare.begin().await?;
        self.borrow(&generation)?;
        let index = Indexed { bare: &self.bare, index: self.bare.folder().join("trueup.index") };
        let back = SetBack::of(&index, &wanted.tip, &wanted.to, &wanted.paths).await?;
        let commit = self.signed(&self.unsigned(&back, wanted))?;
        let write = ["hash-object", "-t", "commit", "-w", "--stdin"];
        let id = self.bare.git(&write, commit.as_bytes()).await?;
        let odd = |error| SourceError::new(SourceErrorKind::Mirror, "git made no commit").because(error);
        let commit = id.trim().parse().map_err(|error: crate::model::InvalidRevision| odd(error))?;
        Ok(Made { commit, files: back.files })
    }

    /// Pushes a commit that was just made to a branch that is at `expected`, or that is not there. Never by force.
    ///
    /// # Errors
    /// When the server cannot be asked. It may have taken it all the same.
    pub async fn push(
        &self,
        commit: &Revision,
        branch: &str,
        expected: Option<&Revision>,
    ) -> Result<Push, SourceError> {
        let reference = format!("refs/heads/{branch}");
        // What is pushed stands on what is expected, so that the lease lets nothing through that is no fast-forward.
        let lease = format!("--force-with-lease={reference}:{}", expected.map_or("", Revision::as_str));
        let refspec = format!("{commit}:{reference}");
        let (options, url) =
            (["push", "--porcelain", "--no-verify", "--no-follow-tags", &lease, "--"], self.bare.url());
        let told = self.bare.told(&[&options[..], &[&url, &refspec]].concat(), b"").await?;
        let printed = told.text();
        let Some(line) = printed.lines().find(|line| line.starts_with("!\t")) else { return Ok(Push::Done) };
        if self.at(branch).await?.as_ref() != expected {
            return Ok(Push::Moved);
        }
        let reason = line.split('\t').nth(2).unwrap_or(line);
        // It would have it, and could not: that passes.
        let could_not = ["unpack", "failed to update ref", "cannot lock"];
        if could_not.iter().any(|sign| reason.to_lowercase().contains(sign)) {
            let message = format!("the server could not store what was pushed ({})", harmless(reason.as_bytes()));
            return Err(SourceError::new(SourceErrorKind::Unreachable, message));
        }
        let said = told.said.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim);
        let said: Vec<_> = said.filter(|line| !line.is_empty()).collect();
        let said = said[said.len().saturating_sub(LINES)..].iter().map(|line| harmless(line.as_bytes()));
        Ok(Push::Refused([harmless(reason.as_bytes())].into_iter().chain(said).collect::<Vec<_>>().join("; ")))
    }

    /// Returns where a branch is at the server.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub async fn at(&self, branch: &str) -> Result<Option<Revision>, SourceError> {
        let reference = format!("refs/heads/{branch}");
        let listed = self.bare.git(&["ls-remote", "--quiet", "--", &self.bare.url(), &reference], b"").await?;
        let found = listed.lines().filter_map(|line| line.split_once('\t')).find(|(_, name)| *name == reference);
        Ok(found.and_then(|(id, _)| id.parse().ok()))
    }

    /// Removes the repository at hand.
    pub fn forget(&self) {
        // What is left goes with the next commit.
        let _ = std::fs::remove_dir_all(self.bare.folder());
    }

    /// Lets the repository at hand have what the mirror has.
    fn borrow(&self, generation: &Generation) -> Result<(), SourceError> {
        let failed = |error| SourceError::mirror("could not let git read the mirror", error);
        let objects = format!("{}\n", generation.path.join("objects").display());
        disk::replace(&self.bare.folder().join("objects/info/alternates"), objects.as_bytes()).map_err(failed)?;
        let boundary = generation.shallow()?;
        if !boundary.is_empty() {
            let lines: String = boundary.iter().flat_map(|id| [id.to_string(), "\n".into()]).collect();
            disk::replace(&self.bare.folder().join("shallow"), lines.as_bytes()).map_err(failed)?;
        }
        Ok(())
    }

    fn unsigned(&self, back: &SetBack, wanted: &Wanted) -> String {
        let RepositoryRevert { name, email, .. } = &self.signs;
        let who = format!("{name} <{email}> {} +0000", wanted.time.0.div_euclid(1_000_000).max(0));
        let Wanted { tip, message, .. } = wanted;
        format!("tree {}\nparent {tip}\nauthor {who}\ncommitter {who}\n\n{message}", back.tree)
    }

    /// Returns a commit with its signature, as git writes it.
    fn signed(&self, commit: &str) -> Result<String, SourceError> {
        let pem = secret::secret_bytes(&self.signs.key)?;
        let odd = |error: ssh_key::Error| {
            let message = "could not use `revert.key`: it is no SSH private key that can be signed with";
            SourceError::new(SourceErrorKind::Credentials, message).because(error)
        };
        let key = PrivateKey::from_openssh(&pem).map_err(odd)?;
        if key.is_encrypted() {
            let message = "could not use `revert.key`: it has a passphrase, which nobody is there to type";
            return Err(SourceError::new(SourceErrorKind::Credentials, message));
        }
        let signature = key.sign(NAMESPACE, HashAlg::Sha512, commit.as_bytes()).map_err(odd)?;
        let signature = signature.to_pem(LineEnding::LF).map_err(odd)?;
        let folded = signature.trim_end().replace('\n', "\n ");
        let (head, message) = commit.split_once("\n\n").unwrap_or((commit, ""));
        Ok(format!("{head}\ngpgsig {folded}\n\n{message}"))
    }
}

/// The repository at hand, with an index of this one change.
struct Indexed<'a> {
    bare: &'a Bare,
    index: PathBuf,
}

#[async_trait]
impl Plumbing for Indexed<'_> {
    type Error = SourceError;

    async fn feed(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, SourceError> {
        let mut command = self.bare.command(arguments);
        command.env("GIT_INDEX_FILE", &self.index);
        self.bare.run(command, input).await.map(|told| told.printed)
    }
}

impl GitSource {
    /// Returns a mirror that has all of these commits, fetched by their ids where needed.
    async fn holding(&self, commits: [&Revision; 2]) -> Result<Arc<Generation>, SourceError> {
        let ids = commits.map(super::git::id_of);
        let [one, other] = ids;
        let (one, other) = (one?, other?);
        self.blocking("read what is set back".into(), move |inner, runtime| {
            // Fetching one may have begun the mirror anew, without the other.
            inner.ensure(runtime.clone(), &one)?;
            let generation = inner.ensure(runtime.clone(), &other)?;
            if super::git::has_commit(&generation, &one) {
                return Ok(generation);
            }
            inner.ensure(runtime, &one)
        })
        .await
    }
}
