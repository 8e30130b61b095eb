//! Contents that are encrypted in Git.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::RenderError;
use super::contents::{Blob, Origin};
use super::error::Mistakes;
use super::files::Files;
use super::sops::{self, Fault, Keyring, Unreadable};
use crate::config::SecretSource;
use crate::model::{Digest, DigestKey, Mistake, Place, chain};
use crate::source::{self, Entry, EntryKind};

/// What becomes of encrypted files.
#[derive(Clone, Copy)]
pub enum Keys<'a> {
    /// They stay closed: for whoever looks at a render on a machine without the keys.
    Sealed,
    Open {
        keyring: &'a dyn Keyring,
        /// For the digest of what is secret.
        digest: &'a DigestKey,
        /// Is told what was encrypted, so that it can be masked wherever a program prints it.
        learn: &'a dyn Fn(BTreeSet<Vec<u8>>),
    },
}

/// The identities that a repository declares, read each time they are needed.
pub struct DeclaredKeys<'a>(pub &'a [SecretSource]);

impl Keyring for DeclaredKeys<'_> {
    fn identities(&self) -> Result<sops::Identities, Fault> {
        let files = source::identities(self.0).map_err(|error| {
            let hint = "an identity file belongs to the daemon's user or root, with mode 0600";
            Fault::no_key(chain(&error), hint)
        })?;
        sops::Identities::read(&files)
    }
}

/// The content of a file: where it lies, what it digests to, and what mode a new file gets.
pub(super) struct Content {
    pub(super) origin: Origin,
    pub(super) blob: Blob,
    pub(super) secret: Option<Digest>,
    pub(super) default_mode: u32,
}

impl Content {
    /// Returns content that is written in a document.
    pub(super) fn inline(bytes: Vec<u8>, secret: Option<Digest>) -> Self {
        let blob = Blob { digest: Digest::of(&bytes), size: bytes.len() as u64, sealed: false };
        let default_mode = if secret.is_some() { 0o600 } else { 0o644 };
        Self { origin: Origin::Inline(Arc::from(bytes)), blob, secret, default_mode }
    }
}

impl Keys<'_> {
    /// Returns what stands for content that was encrypted.
    pub(super) fn mark(&self, content: &[u8]) -> Digest {
        match self {
            Self::Sealed => Digest::ABSENT,
            Self::Open { digest, .. } => digest.digest("trueup/secret/v1", content),
        }
    }
}

impl Files<'_> {
    /// Returns the content of a file, opened where it is encrypted; nothing, and a mistake, where it cannot be.
    pub(super) fn content(
        &self,
        path: &str,
        entry: &Entry,
        place: &Place,
        mistakes: &mut Mistakes,
    ) -> Result<Option<Content>, RenderError> {
        let executable = entry.kind == EntryKind::Executable;
        let blob = self.blob(entry)?;
        let open = Content {
            origin: Origin::Tree(entry.clone()),
            blob,
            secret: None,
            default_mode: if executable { 0o755 } else { 0o644 },
        };
        if !blob.sealed {
            return Ok(Some(open));
        }
        let bytes = self.read(entry)?;
        let private = if executable { 0o700 } else { 0o600 };
        let fault = match (sops::sealed(path, &bytes), self.keys()) {
            (Ok(None), _) => return Ok(Some(open)),
            (Ok(Some(_)), Keys::Sealed) => {
                let secret = Some(self.keys().mark(&bytes));
                return Ok(Some(Content { secret, default_mode: private, ..open }));
            }
            (Ok(Some(sealed)), keys @ Keys::Open { keyring, learn, .. }) => match sealed.open(keyring) {
                Ok(opened) => {
                    learn(opened.values);
                    let secret = Some(keys.mark(&opened.content));
                    return Ok(Some(Content { default_mode: private, ..Content::inline(opened.content, secret) }));
                }
                Err(fault) => fault,
            },
            (Err(Unreadable::Fault(fault)), _) => fault,
            (Err(Unreadable::Yaml(found)), _) => {
                mistakes.extend(found);
                return Ok(None);
            }
        };
        refuse(path, place, fault, mistakes);
        Ok(None)
    }
}

/// Adds the mistake that a file does not open. It names the file, never what is in it.
pub(super) fn refuse(path: &str, place: &Place, fault: Fault, mistakes: &mut Mistakes) {
    let message = format!("could not decrypt {path}: {}", fault.message);
    mistakes.push(Mistake { code: fault.code.into(), place: place.clone(), message, hint: fault.hint });
}
