//! Signatures made with OpenPGP keys (`gpg --detach-sign`): RFC 9580, of which the `pgp` crate does the packets and the
//! arithmetic. What a key may do, and when, is judged here.

use pgp::armor::{BlockType, Dearmor};
use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Packet, PacketParser, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, PublicParams, Tag, VerifyingKey};

use super::canonical::Canonical;
use super::{SKEW, Unverified, refused};
use crate::source::error::harmless;
use crate::source::{SignedBy, SourceError};

type Refused<T> = Result<T, SourceError>;

/// Returns who signed. `now` in seconds since 1970.
pub(super) fn verify(keys: &[SignedPublicKey], object: &Canonical, armoured: &str, now: i64) -> Refused<SignedBy> {
    let signature = read(armoured)?;
    let made = made(&signature, now)?;
    for key in keys {
        if issued(&signature, key) {
            primary(key, made)?;
            if !newest(&self_signatures(key)).is_some_and(|it| it.key_flags().sign()) {
                return Err(refused(Unverified::UnknownKey, format!("{} is not a key to sign with", name(key))));
            }
            strong_key(key.public_params())?;
            over(&signature, key, object)?;
            return Ok(SignedBy { ids: vec![key.fingerprint().to_string()], shown: name(key) });
        }
        if let Some(sub) = key.public_subkeys.iter().find(|sub| issued(&signature, *sub)) {
            primary(key, made)?;
            subkey(key, sub, made)?;
            strong_key(sub.public_params())?;
            over(&signature, sub, object)?;
            let ids = vec![key.fingerprint().to_string(), sub.fingerprint().to_string()];
            return Ok(SignedBy { ids, shown: format!("{}, subkey {}", name(key), sub.fingerprint()) });
        }
    }
    let issuers = signature.issuer_fingerprint().first().map(ToString::to_string);
    let issuer = issuers.or_else(|| signature.issuer_key_id().first().map(ToString::to_string));
    let message =
        format!("it is signed with the OpenPGP key {}, which is not among the keys", issuer.unwrap_or_default());
    Err(refused(Unverified::UnknownKey, message))
}

/// Reads the one signature there is.
fn read(armoured: &str) -> Refused<Signature> {
    let odd = |why: String| refused(Unverified::Malformed, format!("its signature cannot be read: {why}"));
    let packets = packets(armoured, BlockType::Signature).map_err(odd)?;
    let signature = match <[Packet; 1]>::try_from(packets) {
        Ok([Packet::Signature(signature)]) => signature,
        Ok(_) => return Err(odd("it is of another kind".into())),
        Err(several) => return Err(odd(format!("expected one signature, found {}", several.len()))),
    };
    let Some(config) = signature.config() else { return Err(odd("its version is not known".into())) };
    if config.typ() != SignatureType::Binary {
        return Err(odd("it is not one over the exact content".into()));
    }
    if !strong_hash(&signature) {
        return Err(refused(Unverified::Weak, format!("its signature rests on {:?}", config.hash_alg)));
    }
    // What the signer calls critical must be understood, or the signature does not say what it seems to say.
    let unknown = |data: &SubpacketData| {
        matches!(data, SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(..))
    };
    if config.hashed_subpackets().any(|one| one.is_critical && unknown(&one.data)) {
        return Err(odd("it has a critical part that is not known".into()));
    }
    Ok(signature)
}

/// Returns the packets of one armoured block; each must be readable.
pub(super) fn packets(armoured: &str, wanted: BlockType) -> Result<Vec<Packet>, String> {
    let mut dearmor = Dearmor::new(armoured.as_bytes());
    dearmor.read_header().map_err(|error| error.to_string())?;
    if dearmor.typ.as_ref() != Some(&wanted) {
        return Err(format!("expected a {wanted}"));
    }
    let packets: Result<Vec<_>, _> = PacketParser::new(std::io::BufReader::new(dearmor)).collect();
    packets.map_err(|error| error.to_string())
}

/// Returns when the signature was made: not in the future. One that is good for a time only would let a commit be valid today
/// and not tomorrow, and what was applied does not end.
fn made(signature: &Signature, now: i64) -> Refused<i64> {
    let Some(made) = signature.created().map(|made| i64::from(made.as_secs())) else {
        return Err(refused(Unverified::Malformed, "its signature does not say when it was made"));
    };
    if made > now.saturating_add(SKEW) {
        return Err(refused(Unverified::Expired, "its signature was made in the future"));
    }
    let lasts = signature.signature_expiration_time().map_or(0, pgp::types::Duration::as_secs);
    if lasts != 0 {
        return Err(refused(Unverified::Expired, "its signature is good for a time only"));
    }
    Ok(made)
}

/// Whether the signature says that this key made it. One that names no key is nobody's.
fn issued(signature: &Signature, key: &impl KeyDetails) -> bool {
    let prints = signature.issuer_fingerprint();
    if prints.is_empty() {
        return signature.issuer_key_id().contains(&&key.legacy_key_id());
    }
    prints.contains(&&key.fingerprint())
}

fn over(signature: &Signature, key: &impl VerifyingKey, object: &Canonical) -> Refused<()> {
    signature.verify(key, object.payload.as_slice()).map_err(|error| {
        let message = format!("the signature with {} is not one over this content", key.fingerprint());
        refused(Unverified::BadSignature, message).because(anyhow::anyhow!(error.to_string()))
    })
}

/// Judges a primary key at the moment of the signature.
fn primary(key: &SignedPublicKey, made: i64) -> Refused<()> {
    // Whatever its reason, and whether it can be verified or not: a thief would date a signature before it.
    if !key.details.revocation_signatures.is_empty() {
        return Err(refused(Unverified::Revoked, format!("{} is revoked", name(key))));
    }
    strong_key(key.public_params())?;
    let signatures = self_signatures(key);
    if signatures.is_empty() {
        let message = format!("{} has no valid self-signature but such as rest on a weak hash, or none", name(key));
        return Err(refused(Unverified::Weak, message));
    }
    let direct: Vec<_> = signatures.iter().copied().filter(|one| one.typ() == Some(SignatureType::Key)).collect();
    let certified: Vec<_> = signatures.iter().copied().filter(|one| one.typ() != Some(SignatureType::Key)).collect();
    for newest in [newest(&direct), newest(&certified)].into_iter().flatten() {
        lives(key, newest, made, &name(key))?;
    }
    Ok(())
}

/// Judges a subkey: bound by its primary key, itself in agreement, to sign with, and not expired.
fn subkey(key: &SignedPublicKey, sub: &SignedPublicSubKey, made: i64) -> Refused<()> {
    let title = format!("{}, subkey {}", name(key), sub.fingerprint());
    if sub.signatures.iter().any(|one| one.typ() != Some(SignatureType::SubkeyBinding)) {
        return Err(refused(Unverified::Revoked, format!("{title} is revoked")));
    }
    let bound = |one: &&Signature| strong_hash(one) && one.verify_subkey_binding(&key.primary_key, &sub.key).is_ok();
    let bindings: Vec<_> = sub.signatures.iter().filter(bound).collect();
    let Some(binding) = newest(&bindings) else {
        return Err(refused(Unverified::Weak, format!("{title} is not bound to its key by a strong signature")));
    };
    // Without its own agreement, anybody could call another's subkey theirs.
    let back = binding.embedded_signature().filter(|back| strong_hash(back));
    let agreed = back.is_some_and(|back| back.verify_primary_key_binding(&sub.key, &key.primary_key).is_ok());
    if !(binding.key_flags().sign() && agreed) {
        return Err(refused(Unverified::UnknownKey, format!("{title} is not a key to sign with")));
    }
    lives(sub, binding, made, &title)
}

/// Returns the valid statements of a key about itself: over names that are not revoked, or over nothing but the key.
fn self_signatures(key: &SignedPublicKey) -> Vec<&Signature> {
    let mut found = Vec::new();
    for user in &key.details.users {
        let valid = |one: &&Signature| {
            strong_hash(one) && one.verify_certification(&key.primary_key, Tag::UserId, &user.id).is_ok()
        };
        let valid: Vec<_> = user.signatures.iter().filter(valid).collect();
        if !valid.iter().any(|one| one.typ() == Some(SignatureType::CertRevocation)) {
            found.extend(valid);
        }
    }
    let direct = key.details.direct_signatures.iter();
    found.extend(direct.filter(|one| {
        one.typ() == Some(SignatureType::Key) && strong_hash(one) && one.verify_key(&key.primary_key).is_ok()
    }));
    found
}

fn newest<'s>(signatures: &[&'s Signature]) -> Option<&'s Signature> {
    signatures.iter().copied().max_by_key(|one| one.created())
}

/// Whether a key had begun and had not ended when the signature was made.
fn lives(key: &impl KeyDetails, statement: &Signature, made: i64, title: &str) -> Refused<()> {
    let began = i64::from(key.created_at().as_secs());
    let lasts = statement.key_expiration_time().map_or(0, pgp::types::Duration::as_secs);
    if made < began || (lasts != 0 && began + i64::from(lasts) <= made) {
        return Err(refused(Unverified::Expired, format!("{title} was not valid when it was signed")));
    }
    Ok(())
}

fn strong_hash(signature: &Signature) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    matches!(signature.hash_alg(), Some(Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512))
}

fn strong_key(params: &PublicParams) -> Refused<()> {
    let weak = |what: String| Err(refused(Unverified::Weak, format!("it is signed with {what}")));
    match params {
        // An RSA key begins with the length of its modulus, in bits (RFC 9580, 3.2).
        PublicParams::RSA(rsa) => {
            let bytes = rsa.to_bytes().unwrap_or_default();
            match bytes.first_chunk::<2>().map(|bits| u16::from_be_bytes(*bits)) {
                Some(bits) if bits >= 2048 => Ok(()),
                bits => weak(format!("an RSA key of {} bits, fewer than 2048", bits.unwrap_or_default())),
            }
        }
        PublicParams::DSA(_) | PublicParams::Elgamal(_) => weak("a DSA key".into()),
        _ => Ok(()),
    }
}

/// Returns whose key it is, as far as the key itself says.
fn name(key: &SignedPublicKey) -> String {
    let user = key.details.users.first().map(|user| harmless(user.id.id()));
    let user = user.map(|user| format!("{user} with ")).unwrap_or_default();
    format!("{user}the OpenPGP key {}", key.fingerprint())
}
