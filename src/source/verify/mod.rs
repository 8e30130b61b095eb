//! Signatures: whether the revision that a poll found was signed by whom the machine trusts, before anything of it is rendered.
//!
//! Everything is judged in this process, over the exact bytes of the objects as they were hashed; no `git`, `gpg` or
//! `ssh-keygen` is asked. Anything but valid is a refusal with its own code, and nothing passes it by.

mod canonical;
mod openpgp;
mod signers;
mod ssh;
mod trust;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gix::ObjectId;
use gix::objs::Kind;
use tokio::runtime::Handle;

use self::canonical::Canonical;
use self::trust::{Files, Trust};
use super::git::{Inner, id_of, noted};
use super::mirror::Generation;
use super::objects::Objects;
use super::range::{self, Range};
use super::{Head, SignedBy, SourceError, SourceErrorKind};
use crate::config::{Config, Verify, VerifyPolicy};
use crate::model::{Digest, Mistake, Revision, Time};

/// A clock may be so many seconds ahead of ours.
const SKEW: i64 = 300;

/// So many verdicts are remembered.
const VERDICTS: usize = 200_000;

/// Why a signature is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unverified {
    Unsigned,
    UnknownKey,
    BadSignature,
    /// The key or the signature was not valid when it was made, or was made in the future.
    Expired,
    Revoked,
    /// It was made for something else than Git.
    Namespace,
    /// It rests on what can be forged: SHA-1, MD5, DSA, short RSA.
    Weak,
    /// The object or the signature is not written in the one way that leaves no doubt.
    Malformed,
    /// The tag says that it is another.
    TagName,
    /// The commits to be judged are not all at hand.
    History,
    /// Who may sign cannot be told.
    TrustRoot,
}

impl Unverified {
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Unsigned => "verify.unsigned",
            Self::UnknownKey => "verify.unknown-key",
            Self::BadSignature => "verify.bad-signature",
            Self::Expired => "verify.expired",
            Self::Revoked => "verify.revoked",
            Self::Namespace => "verify.namespace",
            Self::Weak => "verify.weak",
            Self::Malformed => "verify.malformed",
            Self::TagName => "verify.tag-name",
            Self::History => "verify.history",
            Self::TrustRoot => "verify.trust-root",
        }
    }
}

/// Returns every mistake in the files that say who may sign.
#[must_use]
pub fn mistakes(config: &Config) -> Vec<Mistake> {
    let declared = config.repositories.values().filter_map(|repository| repository.verify.as_ref());
    let read = |declared: &Verify| Files::read(declared).and_then(|files| files.parse(declared)).err();
    declared.filter_map(read).flatten().collect()
}

/// Judges the objects of one repository.
pub(super) struct Judge {
    declared: Verify,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    trust: Option<(Digest, Arc<Trust>)>,
    /// What was seen of the files last, and how often that was something new.
    seen: Option<Digest>,
    changes: u64,
    /// Who validly signed an object, by the trust root of now. What is not valid is judged anew each time.
    signers: HashMap<ObjectId, SignedBy>,
}

impl Judge {
    pub(super) fn new(declared: &Verify) -> Self {
        Self { declared: declared.clone(), known: Mutex::default() }
    }

    /// Returns how often the files were seen to change, having looked at them.
    pub(super) fn changes(&self) -> u64 {
        let _ = self.files();
        self.known().changes
    }

    /// Reads the files again: a key that was taken out counts no more from now on.
    fn trust(&self) -> Result<Arc<Trust>, SourceError> {
        let wrong = |mistakes: Vec<Mistake>| {
            let told: Vec<_> = mistakes.iter().take(5).map(ToString::to_string).collect();
            refused(Unverified::TrustRoot, format!("could not tell who may sign: {}", told.join("; ")))
        };
        let files = self.files().map_err(wrong)?;
        if let Some((digest, trust)) = &self.known().trust
            && *digest == files.digest
        {
            return Ok(Arc::clone(trust));
        }
        let trust = Arc::new(files.parse(&self.declared).map_err(wrong)?);
        let mut known = self.known();
        known.signers.clear();
        known.trust = Some((files.digest, Arc::clone(&trust)));
        Ok(trust)
    }

    fn files(&self) -> Result<Files, Vec<Mistake>> {
        let files = Files::read(&self.declared);
        let seen = match &files {
            Ok(files) => files.digest,
            Err(mistakes) => Digest::of_json("trueup/no-trust-root/v1", mistakes),
        };
        let mut known = self.known();
        if known.seen.replace(seen) != Some(seen) {
            known.changes += 1;
        }
        files
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns who signed an object, judging it where that is not known.
    fn signer(
        &self,
        id: &ObjectId,
        trust: &Arc<Trust>,
        judge: impl FnOnce() -> Result<SignedBy, SourceError>,
    ) -> Result<SignedBy, SourceError> {
        let remembered = self.known().signers.get(id).cloned();
        if let Some(signer) = remembered {
            return Ok(signer);
        }
        let signer = judge()?;
        let mut known = self.known();
        // The files may have changed meanwhile.
        if known.trust.as_ref().is_some_and(|(_, now)| Arc::ptr_eq(now, trust)) {
            if known.signers.len() >= VERDICTS {
                known.signers.clear();
            }
            known.signers.insert(*id, signer.clone());
        }
        Ok(signer)
    }
}

impl Trust {
    /// Returns who signed.
    fn judge(&self, object: &Canonical, now: i64) -> Result<SignedBy, SourceError> {
        let Some(signature) = &object.signature else { return Err(refused(Unverified::Unsigned, "it is not signed")) };
        if object.time > now.saturating_add(SKEW) {
            return Err(refused(Unverified::Expired, "it is dated in the future"));
        }
        let other = |kind: &str| {
            refused(
                Unverified::UnknownKey,
                format!("it is signed with {kind} key, and none may sign by the configuration"),
            )
        };
        if signature.starts_with("-----BEGIN SSH SIGNATURE-----") {
            return ssh::verify(self.ssh.as_deref().ok_or_else(|| other("an SSH"))?, object, signature);
        }
        if signature.starts_with("-----BEGIN PGP SIGNATURE-----") {
            return openpgp::verify(
                self.openpgp.as_deref().ok_or_else(|| other("an OpenPGP"))?,
                object,
                signature,
                now,
            );
        }
        Err(refused(Unverified::Malformed, "its signature is of a kind that is not known: neither SSH nor OpenPGP"))
    }
}

impl Inner {
    /// Returns who signed the revision, where the repository asks for signatures, having judged all that its policy names.
    pub(super) fn verify(
        &self,
        runtime: &Handle,
        head: &Head,
        applied: Option<&Revision>,
        now: Time,
    ) -> Result<Option<SignedBy>, SourceError> {
        let Some(judge) = &self.judge else { return Ok(None) };
        let now = now.0.div_euclid(1_000_000);
        let trust = judge.trust()?;
        let tip = id_of(&head.revision)?;
        let generation = self.ensure(runtime.clone(), &tip)?;
        let mut objects = Objects::new(&generation.store()?);
        let object = ObjectId::from_hex(head.object.as_bytes()).unwrap_or(tip);
        let commit = |objects: &mut Objects, id: &ObjectId| {
            let judged = || trust.judge(&Canonical::commit(objects.content(id, Kind::Commit)?)?, now);
            let signer = judge.signer(id, &trust, judged).map_err(|error| noted(&generation, error));
            signer.map_err(|error| error.while_doing(format!("could not take the commit {id}")))
        };
        // A signed tag vouches for the commit that it names; a tag without an object is but a name.
        let signer = if object == tip {
            commit(&mut objects, &tip)?
        } else {
            let named = head.reference.rsplit_once("refs/tags/").map_or(head.reference.as_str(), |(_, name)| name);
            let judged = || {
                let (tag, name) = Canonical::tag(objects.content(&object, Kind::Tag)?)?;
                if name == named { trust.judge(&tag, now) } else { Err(misnamed(named, &name)) }
            };
            let signer = judge.signer(&object, &trust, judged);
            signer.map_err(|error| error.while_doing(format!("could not take the tag {named}")))?
        };
        let Some(from) = applied.filter(|_| judge.declared.policy != VerifyPolicy::Tip) else {
            return Ok(Some(signer));
        };
        let commits = self.behind(runtime, &generation, tip, id_of(from)?, judge.declared.policy)?;
        let unknown = |why| refused(Unverified::History, why);
        for id in commits.map_err(unknown)? {
            commit(&mut Objects::new(&generation.store()?), &id)?;
        }
        Ok(Some(signer))
    }

    /// Returns who validly signed a commit, where that is asked for and so.
    pub(super) fn signer(&self, objects: &mut Objects, id: &ObjectId, now: Time) -> Option<SignedBy> {
        let judge = self.judge.as_ref()?;
        let trust = judge.trust().ok()?;
        let now = now.0.div_euclid(1_000_000);
        let judged = || trust.judge(&Canonical::commit(objects.content(id, Kind::Commit)?)?, now);
        judge.signer(id, &trust, judged).ok()
    }

    /// Returns the commits behind `tip` that the policy names, fetching history where it takes more to tell; or why that cannot be
    /// told.
    pub(super) fn behind(
        &self,
        runtime: &Handle,
        generation: &Generation,
        tip: ObjectId,
        from: ObjectId,
        policy: VerifyPolicy,
    ) -> Result<Result<Vec<ObjectId>, String>, SourceError> {
        let what = || format!("could not tell which commits lie between {from} and {tip}");
        let mut step = 0;
        loop {
            let mut objects = Objects::new(&generation.store()?);
            let found = range::behind(&mut objects, tip, from, policy).map_err(|error| noted(generation, error));
            match found.map_err(|error| error.while_doing(what()))? {
                Range::Whole(commits) => return Ok(Ok(commits)),
                Range::TooLong => {
                    return Ok(Err(format!("{}: they are more than {}", what(), range::COMMITS)));
                }
                Range::Missing if self.further(runtime, generation, tip, from, step)? => step += 1,
                Range::Missing => {
                    return Ok(Err(format!("{}: the history that the server gives ends before", what())));
                }
            }
        }
    }
}

/// Returns the refusal of a tag that was put under another name.
pub(super) fn misnamed(asked: &str, said: &str) -> SourceError {
    let said = super::error::harmless(said.as_bytes());
    let message = format!("the tag {asked} says that it is {said}: it was put under another name");
    refused(Unverified::TagName, message)
}

fn refused(why: Unverified, message: impl Into<String>) -> SourceError {
    SourceError::new(SourceErrorKind::Unverified(why), message)
}
