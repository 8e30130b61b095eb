//! The keys that sign checkpoints: Ed25519 (RFC 8032), written as <https://c2sp.org/signed-note> and Go's `sumdb/note` write them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::note::is_key_name;
use super::tree::hash;
use crate::store::{StoreError, StoreErrorKind, random};

/// The signature type of Ed25519.
const ALGORITHM: u8 = 1;
/// What a private key begins with.
const PRIVATE: &str = "PRIVATE+KEY+";

/// A public key, with the name that it signs under: `NAME+ID+BASE64` (a *vkey*).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifyKey {
    name: String,
    public: [u8; 32],
}

/// A private key. It has no way into a log.
pub struct SigningKey {
    public: VerifyKey,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

/// A text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is NAME+ID+BASE64, with an id that fits the other two")]
pub struct InvalidKey;

impl VerifyKey {
    /// The name that stands before its signatures: the origin of the trail.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of SHA-256(name ‖ 0x0A ‖ algorithm ‖ key).
    pub(super) fn id(&self) -> [u8; 4] {
        let digest = hash(&[self.name.as_bytes(), &[b'\n', ALGORITHM], &self.public]);
        let [a, b, c, d, ..] = *digest.as_bytes();
        [a, b, c, d]
    }

    pub(super) fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(text, signature).is_ok()
    }
}

impl fmt::Display for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = BASE64.encode([&[ALGORITHM], self.public.as_slice()].concat());
        write!(f, "{}+{:08x}+{encoded}", self.name, u32::from_be_bytes(self.id()))
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for VerifyKey {
    type Err = InvalidKey;

    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let (name, id, public) = parts(text)?;
        let key = Self { name: name.into(), public };
        if format!("{:08x}", u32::from_be_bytes(key.id())) == id { Ok(key) } else { Err(InvalidKey) }
    }
}

impl Serialize for VerifyKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifyKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Takes apart what public and private keys have in common: name, id, and 32 bytes after the algorithm.
fn parts(text: &str) -> Result<(&str, &str, [u8; 32]), InvalidKey> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(InvalidKey);
    };
    let bytes = BASE64.decode(encoded).ok().filter(|_| is_key_name(name)).ok_or(InvalidKey)?;
    match bytes.split_first() {
        Some((&ALGORITHM, key)) => Ok((name, id, key.try_into().map_err(|_| InvalidKey)?)),
        _ => Err(InvalidKey),
    }
}

impl SigningKey {
    /// Makes a key that nobody had before.
    ///
    /// # Errors
    /// When the operating system has no random bytes.
    pub(super) fn generate(name: &str) -> Result<Self, StoreError> {
        let failed = |error| StoreError::because(StoreErrorKind::Unavailable, "could not make a signing key", error);
        Self::from_seed(name, random()?).map_err(failed)
    }

    pub(super) fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, InvalidKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| InvalidKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| InvalidKey)?;
        Ok(Self { public: VerifyKey { name: name.into(), public }, seed, pair })
    }

    /// Reads what [`SigningKey::secret`] wrote. White space around it does not matter.
    pub(super) fn read(text: &str) -> Result<Self, InvalidKey> {
        let (name, id, seed) = parts(text.trim_ascii().strip_prefix(PRIVATE).ok_or(InvalidKey)?)?;
        let key = Self::from_seed(name, seed)?;
        if format!("{:08x}", u32::from_be_bytes(key.public.id())) == id { Ok(key) } else { Err(InvalidKey) }
    }

    /// Returns the key as it is kept.
    pub(super) fn secret(&self) -> String {
        let encoded = BASE64.encode([&[ALGORITHM], self.seed.as_slice()].concat());
        format!("{PRIVATE}{}+{:08x}+{encoded}\n", self.public.name, u32::from_be_bytes(self.public.id()))
    }

    #[must_use]
    pub fn public(&self) -> &VerifyKey {
        &self.public
    }

    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        self.pair.sign(text).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.name)
    }
}
impl schemars::JsonSchema for VerifyKey {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "VerifyKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A public key: NAME+ID+BASE64." })
    }
}
