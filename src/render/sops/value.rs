//! One value: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]` (SOPS, `aes/cipher.go`).

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::fault::Fault;

pub(super) const PREFIX: &str = "ENC[AES256_GCM,";

/// SOPS takes a nonce of 32 bytes, not the usual 12.
pub(super) type Cipher = AesGcm<Aes256, U32>;

/// Makes the cipher of a file's data key; `None` where that has not 32 bytes.
pub(super) fn cipher(data_key: &[u8]) -> Option<Cipher> {
    Cipher::new_from_slice(data_key).ok()
}

/// A value in the clear.
pub(super) enum Plain {
    /// In a binary file any bytes, else UTF-8.
    Text(Vec<u8>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// RFC 3339.
    Time(String),
    Comment(String),
}

impl Plain {
    /// Returns what the MAC is made over; nothing for a comment.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(bytes) => bytes.clone(),
            Self::Int(int) => int.to_string().into_bytes(),
            Self::Float(float) => float.to_string().into_bytes(),
            Self::Bool(bool) => bool_bytes(*bool).to_vec(),
            Self::Time(time) => time.clone().into_bytes(),
            Self::Comment(_) => vec![],
        }
    }

    /// Returns text, where it is text.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            Self::Time(text) | Self::Comment(text) => Some(text),
            Self::Int(_) | Self::Float(_) | Self::Bool(_) => None,
        }
    }
}

/// As the first SOPS, written in Python, had them.
pub(super) const fn bool_bytes(bool: bool) -> &'static [u8] {
    if bool { b"True" } else { b"False" }
}

/// Decrypts one value; `None` where this is not the form of one, or it does not open here.
pub(super) fn open(cipher: &Cipher, text: &str, aad: &str) -> Option<Plain> {
    let inner = text.strip_prefix(PREFIX)?.strip_suffix(']')?;
    let mut fields = inner.splitn(4, ',');
    let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix(':');
    let data = STANDARD.decode(field("data")?).ok()?;
    let iv: [u8; 32] = STANDARD.decode(field("iv")?).ok()?.try_into().ok()?;
    let tag = STANDARD.decode(field("tag")?).ok()?;
    let sort = field("type")?;
    if tag.len() != 16 {
        return None;
    }
    let sealed = [data, tag].concat();
    let bytes = cipher.decrypt(&iv.into(), Payload { msg: &sealed, aad: aad.as_bytes() }).ok()?;
    typed(bytes, sort)
}

fn typed(bytes: Vec<u8>, sort: &str) -> Option<Plain> {
    if matches!(sort, "str" | "bytes") {
        return Some(Plain::Text(bytes));
    }
    let text = String::from_utf8(bytes).ok()?;
    Some(match sort {
        "int" => Plain::Int(text.parse().ok()?),
        "float" => Plain::Float(text.parse().ok().filter(|float: &f64| float.is_finite())?),
        "bool" => Plain::Bool(matches!(text.as_str(), "True" | "true" | "TRUE" | "1" | "t" | "T")),
        "time" => Plain::Time(text),
        "comment" => Plain::Comment(text),
        _ => return None,
    })
}

/// Whether text has the form of an encrypted value. What only begins like one is refused where one is due.
pub(super) fn has_form(text: &str) -> bool {
    text.starts_with(PREFIX) && text.ends_with(']')
}

/// Text that cannot stand in a format of text.
pub(super) fn not_text(shown: &str) -> Fault {
    Fault::invalid(format!("the value at {shown} is no text: only a file encrypted as binary may hold other bytes"))
}
