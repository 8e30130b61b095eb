//! Signatures made with SSH keys (`ssh-keygen -Y sign -n git`): OpenSSH's PROTOCOL.sshsig.

use ssh_key::{Algorithm, Error, HashAlg, LineEnding, PublicKey, SshSig};

use super::canonical::Canonical;
use super::signers::{Signer, fits, rsa_bits};
use super::{Unverified, refused};
use crate::source::{SignedBy, SourceError};

/// What git signs with, so that a signature for anything else (a file, a login) proves nothing of a commit.
const NAMESPACE: &str = "git";

/// Returns who signed.
pub(super) fn verify(signers: &[Signer], object: &Canonical, armoured: &str) -> Result<SignedBy, SourceError> {
    let odd = |error: Error| match error {
        Error::AlgorithmUnsupported { .. } | Error::AlgorithmUnknown => {
            refused(Unverified::Weak, "its signature is of a kind that is not taken").because(error)
        }
        error => refused(Unverified::Malformed, "its signature cannot be read").because(error),
    };
    let signature = SshSig::from_pem(armoured.trim_end()).map_err(odd)?;
    // Version and lengths are not among what is signed, and the crate passes over some that are wrong.
    let again = signature.to_pem(LineEnding::LF).map_err(odd)?;
    if signature.version() != SshSig::VERSION || again.trim_end() != armoured.trim_end() {
        return Err(refused(Unverified::Malformed, "its signature is not written as ssh-keygen writes it"));
    }
    let key = signature.public_key();
    let print = key.fingerprint(HashAlg::Sha256);
    let named: Vec<_> = signers.iter().filter(|signer| signer.key == *key).collect();
    if named.is_empty() {
        return Err(refused(Unverified::UnknownKey, format!("it is signed with {print}, which no allowed signer has")));
    }
    if signature.namespace() != NAMESPACE {
        let message = format!("it is signed for {:?}, not for {NAMESPACE:?}", signature.namespace());
        return Err(refused(Unverified::Namespace, message));
    }
    weak(&signature)?;
    let verified = PublicKey::from(key.clone()).verify(NAMESPACE, &object.payload, &signature);
    verified.map_err(|error| {
        let message = format!("the signature with {print} is not one over this content");
        refused(Unverified::BadSignature, message).because(error)
    })?;
    let allowed = named.iter().filter(|it| it.namespaces.as_ref().is_none_or(|patterns| fits(patterns, NAMESPACE)));
    let allowed: Vec<_> = allowed.collect();
    if allowed.is_empty() {
        let message = format!("{print} may sign, but not for {NAMESPACE:?}");
        return Err(refused(Unverified::Namespace, message));
    }
    let holds = |signer: &&&&Signer| {
        signer.valid_after.is_none_or(|after| after <= object.time)
            && signer.valid_before.is_none_or(|before| object.time < before)
    };
    match allowed.iter().find(holds) {
        Some(signer) => {
            let plain = |name: &&str| !name.is_empty() && !name.contains(['*', '?', '!']);
            let principals = signer.principals.split(',').filter(plain).map(str::to_owned);
            let ids = [print.to_string()].into_iter().chain(principals).collect();
            Ok(SignedBy { ids, shown: format!("{} with the SSH key {print}", signer.principals) })
        }
        None => Err(refused(Unverified::Expired, format!("{print} was not valid when it was signed"))),
    }
}

fn weak(signature: &SshSig) -> Result<(), SourceError> {
    let short = rsa_bits(signature.public_key()).filter(|bits| *bits < 2048);
    if let Some(bits) = short {
        return Err(refused(Unverified::Weak, format!("it is signed with an RSA key of {bits} bits, fewer than 2048")));
    }
    if matches!(signature.algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
        return Err(refused(Unverified::Weak, "its signature rests on SHA-1"));
    }
    Ok(())
}
