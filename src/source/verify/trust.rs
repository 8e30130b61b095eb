//! The trust root: the files of the machine that say who may sign.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use pgp::armor::BlockType;
use pgp::composed::{SignedPublicKey, SignedPublicKeyParser};
use pgp::packet::{Packet, SignatureType};

use super::openpgp;
use super::signers::{self, Signer};
use crate::config::Verify;
use crate::model::{Digest, Mistake, Place};

/// No file that says who may sign is larger, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// Who may sign.
#[derive(Default)]
pub(super) struct Trust {
    /// `None` where the configuration names no such file.
    pub(super) ssh: Option<Vec<Signer>>,
    pub(super) openpgp: Option<Vec<SignedPublicKey>>,
}

/// The files as they are now.
pub(super) struct Files {
    ssh: Option<String>,
    openpgp: Option<String>,
    pub(super) digest: Digest,
}

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// Where one cannot be read, or somebody else could write it.
    pub(super) fn read(declared: &Verify) -> Result<Self, Vec<Mistake>> {
        let ssh = declared.ssh.as_ref().map(|ssh| text(&ssh.allowed_signers)).transpose();
        let openpgp = declared.openpgp.as_ref().map(|openpgp| text(&openpgp.keys)).transpose();
        match (ssh, openpgp) {
            (Ok(ssh), Ok(openpgp)) => {
                let digest = Digest::of_json("trueup/trust-root/v1", &(&ssh, &openpgp));
                Ok(Self { ssh, openpgp, digest })
            }
            (ssh, openpgp) => Err(ssh.err().into_iter().chain(openpgp.err()).collect()),
        }
    }

    /// Returns what they say, or every mistake in them.
    pub(super) fn parse(&self, declared: &Verify) -> Result<Trust, Vec<Mistake>> {
        let (mut trust, mut mistakes) = (Trust::default(), Vec::new());
        if let (Some(text), Some(ssh)) = (&self.ssh, &declared.ssh) {
            match signers::read(&ssh.allowed_signers, text) {
                Ok(signers) => trust.ssh = Some(signers),
                Err(found) => mistakes.extend(found),
            }
        }
        if let (Some(text), Some(openpgp)) = (&self.openpgp, &declared.openpgp) {
            match keys(&openpgp.keys, text) {
                Ok(keys) => trust.openpgp = Some(keys),
                Err(found) => mistakes.extend(found),
            }
        }
        if mistakes.is_empty() { Ok(trust) } else { Err(mistakes) }
    }
}

/// Reads armoured public keys, in any number of blocks.
fn keys(file: &Path, text: &str) -> Result<Vec<SignedPublicKey>, Vec<Mistake>> {
    let hint = "gpg --armor --export WHO… prints public keys, each with its revocation";
    let (mut keys, mut mistakes, mut from, mut at) = (Vec::new(), Vec::new(), 0, 1_u32);
    let lines = |part: &str| u32::try_from(part.matches('\n').count()).unwrap_or(u32::MAX);
    while let Some(begin) = text[from..].find("-----BEGIN ").map(|begin| from + begin) {
        at = at.saturating_add(lines(&text[from..begin]));
        let end = text[begin + 1..].find("-----BEGIN ").map_or(text.len(), |next| begin + 1 + next);
        match block(&text[begin..end]) {
            Ok(found) => keys.extend(found),
            Err(why) => mistakes.push(mistake("verify.keys", file, at, 1, why, Some(hint))),
        }
        from = end;
        at = at.saturating_add(lines(&text[begin..end]));
    }
    if mistakes.is_empty() && keys.is_empty() {
        mistakes.push(mistake("verify.keys", file, 0, 0, "there is no public key in it", Some(hint)));
    }
    if mistakes.is_empty() { Ok(keys) } else { Err(mistakes) }
}

fn block(armoured: &str) -> Result<Vec<SignedPublicKey>, String> {
    let packets = openpgp::packets(armoured, BlockType::PublicKey)?;
    if !matches!(packets.first(), Some(Packet::PublicKey(_))) {
        return Err("this block does not begin with a public key; a revocation alone is to be imported first".into());
    }
    let revokes = |packet: &&Packet| matches!(packet, Packet::Signature(signature) if signature.typ() == Some(SignatureType::KeyRevocation));
    let revocations = packets.iter().filter(revokes).count();
    let keys = SignedPublicKeyParser::from_packets(packets.into_iter().map(Ok).peekable());
    let keys: Vec<_> = keys.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
    // One that stands where it does not belong would be passed over.
    if keys.iter().map(|key| key.details.revocation_signatures.len()).sum::<usize>() != revocations {
        return Err("a revocation does not stand right behind its key".into());
    }
    Ok(keys)
}

fn text(path: &Path) -> Result<String, Mistake> {
    let wrong = |what: String, hint: &str| mistake("verify.trust-root", path, 0, 0, what, Some(hint));
    let unreadable = |error: std::io::Error| {
        wrong(format!("could not read who may sign: {error}"), "the daemon's user must be able to read this file")
    };
    // A pipe without a writer would be waited for.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&about.uid());
    if !about.is_file() || about.len() > LIMIT {
        return Err(wrong("this is not a file of at most 4 MiB".into(), "name the file itself"));
    }
    if !ours || about.mode() & 0o022 != 0 {
        let hint = "chown root FILE; chmod go-w FILE";
        return Err(wrong("others may write this file, and so decide who may sign".into(), hint));
    }
    let mut text = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut text).map_err(unreadable)?;
    String::from_utf8(text).map_err(|_| wrong("expected text".into(), "keys are armoured: gpg --armor --export"))
}

pub(super) fn mistake(
    code: &str,
    file: &Path,
    line: u32,
    column: usize,
    message: impl Into<String>,
    hint: Option<&str>,
) -> Mistake {
    let column = u32::try_from(column).unwrap_or(u32::MAX);
    let place = Place { file: file.to_string_lossy().into(), line, column };
    Mistake { code: code.into(), place, message: message.into(), hint: hint.map(Into::into) }
}
