//! Writes a text to a ref of a repository, as one commit on top of the one before.

use std::path::PathBuf;

use super::bare::Bare;
use super::error::harmless;
use super::{SourceError, SourceErrorKind};
use crate::config::{Repository, Transport};
use crate::model::Time;

/// The one file of each commit.
const FILE: &str = "checkpoint";
/// Where the commit that was last seen at the remote is kept.
const SEEN: &str = "refs/trueup/seen";
/// A checkpoint is not longer.
const LONGEST: u64 = 256 * 1024;
/// Each push leaves three small files in the repository at hand; after so many it is made anew.
const PUSHES: u32 = 256;

/// A ref of a declared repository that only we write to.
pub struct Publisher {
    /// Holds no more than what is pushed.
    bare: Bare,
    reference: String,
    pushes: u32,
}

impl Publisher {
    /// Nothing is asked of the server yet. `folder` is made, and emptied, when it is needed.
    ///
    /// # Errors
    /// `Transport` for a URL that is refused or not among `transports`.
    pub fn new(
        declared: &Repository,
        transports: &[Transport],
        reference: &str,
        folder: PathBuf,
    ) -> Result<Self, SourceError> {
        Ok(Self { bare: Bare::new(declared, transports, folder)?, reference: reference.into(), pushes: PUSHES })
    }

    /// Returns the ref that is written to.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Returns the text that lies at the ref now; `None` where there is no such ref.
    ///
    /// # Errors
    /// When the server cannot be asked, or what lies there was not published by the likes of us.
    pub async fn last(&mut self) -> Result<Option<String>, SourceError> {
        let found = self.found().await;
        self.doubted(found)
    }

    async fn found(&mut self) -> Result<Option<String>, SourceError> {
        let url = self.bare.url();
        self.fresh().await?;
        let listed = self.bare.git(&["ls-remote", "--quiet", "--", &url, &self.reference], b"").await?;
        let found = listed.lines().filter_map(|line| line.split_once('\t')).any(|(_, name)| name == self.reference);
        if !found {
            // What is pushed next begins anew: the server may have lost what it would build on.
            self.bare.git(&["update-ref", "-d", SEEN], b"").await?;
            return Ok(None);
        }
        let refs = format!("+{}:{SEEN}", self.reference);
        self.bare.git(&["fetch", "--quiet", "--no-tags", "--depth=1", "--", &url, &refs], b"").await?;
        let file = format!("{SEEN}:{FILE}");
        let size = self.bare.git(&["cat-file", "-s", &file], b"").await.map_err(|error| self.strange(&error))?;
        if size.trim().parse::<u64>().is_ok_and(|size| size <= LONGEST) {
            return self.bare.git(&["cat-file", "blob", &file], b"").await.map(Some);
        }
        Err(SourceError::new(SourceErrorKind::TooLarge, format!("the file {FILE} at {} is too large", self.reference)))
    }

    /// Puts a text at the ref, on top of what [`Publisher::last`] or an earlier push saw there.
    ///
    /// # Errors
    /// `Rejected` where the ref has moved meanwhile, or the server does not take it; others when it cannot be asked.
    pub async fn push(&mut self, text: &str, now: Time) -> Result<(), SourceError> {
        let pushed = self.pushed(text, now).await;
        self.doubted(pushed)
    }

    /// Has the repository at hand made anew after a failure: it may be what is broken. What the server says of the ref is no sign of
    /// that.
    fn doubted<T>(&mut self, done: Result<T, SourceError>) -> Result<T, SourceError> {
        if done.as_ref().is_err_and(|error| error.kind != SourceErrorKind::Rejected) {
            self.pushes = PUSHES;
        }
        done
    }

    async fn pushed(&mut self, text: &str, now: Time) -> Result<(), SourceError> {
        let commit = self.commit(text, now).await?;
        let (url, refs) = (self.bare.url(), format!("{commit}:{}", self.reference));
        let told = self.bare.git(&["push", "--quiet", "--porcelain", "--no-verify", "--", &url, &refs], b"").await?;
        if let Some(line) = told.lines().find(|line| line.starts_with("!\t")) {
            let message = format!("the server did not take it: {}", harmless(line.as_bytes()));
            return Err(SourceError::new(SourceErrorKind::Rejected, message));
        }
        self.bare.git(&["update-ref", SEEN, &commit], b"").await?;
        self.pushes += 1;
        Ok(())
    }

    /// Makes a commit of one file, whose message is the text too: so `git log` alone tells all that was ever published.
    async fn commit(&self, text: &str, now: Time) -> Result<String, SourceError> {
        let id = |printed: String| printed.trim().to_owned();
        let blob = id(self.bare.git(&["hash-object", "-w", "--stdin"], text.as_bytes()).await?);
        let tree = id(self.bare.git(&["mktree"], format!("100644 blob {blob}\t{FILE}\n").as_bytes()).await?);
        let parent = self.bare.git(&["rev-parse", "--verify", "--quiet", SEEN], b"").await.map(id).ok();
        let date = format!("{} +0000", now.0.div_euclid(1_000_000));
        let mut arguments = vec!["commit-tree", &tree, "-F", "-"];
        arguments.extend(parent.as_deref().into_iter().flat_map(|parent| ["-p", parent]));
        let mut command = self.bare.command(&arguments);
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "trueup").env(format!("GIT_{who}_EMAIL"), "trueup@localhost");
            command.env(format!("GIT_{who}_DATE"), &date);
        }
        self.bare.run(command, text.as_bytes()).await.map(|told| id(told.text()))
    }

    /// Makes the repository at hand anew, where it may have grown or is not there.
    async fn fresh(&mut self) -> Result<(), SourceError> {
        if self.pushes < PUSHES && self.bare.folder().is_dir() {
            return Ok(());
        }
        self.bare.begin().await?;
        self.pushes = 0;
        Ok(())
    }

    /// Whether the ref is to be looked at again before the next push.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.pushes >= PUSHES
    }

    fn strange(&self, error: &SourceError) -> SourceError {
        let message = format!("{} holds something else than checkpoints: {}", self.reference, error.message);
        SourceError::new(SourceErrorKind::Rejected, message)
    }
}
