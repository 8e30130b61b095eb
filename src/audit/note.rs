//! Signed notes: a text, and who signed it. The format is that of <https://c2sp.org/signed-note>.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::key::{SigningKey, VerifyKey};

/// What comes before a signature: an em dash and a space.
pub(super) const MARK: &str = "\u{2014} ";

/// More signatures are nobody's: a log, its next key and a handful of witnesses sign a note.
const MOST_SIGNATURES: usize = 32;

/// A text that somebody signed. Nothing in it is to be believed before [`Note::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

/// Why a note is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("it is no signed note: {0}")]
    Malformed(&'static str),
    #[error("the signature of {0} is wrong")]
    Forged(String),
    #[error("no key that is known here signed it")]
    Unknown,
}

impl Note {
    /// Signs a text, which ends with a line break, with each of these keys.
    #[must_use]
    pub(super) fn sign(text: String, keys: &[&SigningKey]) -> Self {
        let signature = |key: &&SigningKey| {
            let public = key.public();
            Signature { name: public.name().into(), id: public.id(), bytes: key.sign(text.as_bytes()) }
        };
        let signatures = keys.iter().map(signature).collect();
        Self { text, signatures }
    }

    /// Reads one note, and nothing before or after it.
    ///
    /// # Errors
    /// `Malformed`, where it is anything but what the format allows.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = |why| Err(NoteError::Malformed(why));
        if text.bytes().any(|c| c < 0x20 && c != b'\n') {
            return malformed("it holds control characters");
        }
        let Some(at) = text.rfind("\n\n") else { return malformed("no blank line parts text and signatures") };
        let (text, lines) = (&text[..=at], &text[at + 2..]);
        let Some(lines) = lines.strip_suffix('\n') else { return malformed("its last line does not end") };
        let signatures = lines.split('\n').map(signature).collect::<Option<Vec<_>>>();
        match signatures {
            Some(signatures) if signatures.len() <= MOST_SIGNATURES => Ok(Self { text: text.into(), signatures }),
            Some(_) => malformed("it has too many signatures"),
            None => malformed("a signature is not one"),
        }
    }

    /// Returns the keys among `keys` that signed it: one at least.
    ///
    /// # Errors
    /// `Forged`, where one of them did not sign it though the note says so; `Unknown`, where the note names none of them.
    pub fn verify<'k>(&self, keys: impl IntoIterator<Item = &'k VerifyKey>) -> Result<Vec<&'k VerifyKey>, NoteError> {
        let mut signers = vec![];
        for key in keys {
            for signature in self.signatures.iter().filter(|one| one.name == key.name() && one.id == key.id()) {
                if !key.verifies(self.text.as_bytes(), &signature.bytes) {
                    return Err(NoteError::Forged(key.name().into()));
                }
                if !signers.contains(&key) {
                    signers.push(key);
                }
            }
        }
        if signers.is_empty() { Err(NoteError::Unknown) } else { Ok(signers) }
    }

    /// Returns what is signed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|Signature { name, id, bytes }| {
            let encoded = BASE64.encode([id.as_slice(), bytes].concat());
            writeln!(f, "{MARK}{name} {encoded}")
        })
    }
}

fn signature(line: &str) -> Option<Signature> {
    let (name, encoded) = line.strip_prefix(MARK)?.split_once(' ')?;
    let bytes = BASE64.decode(encoded).ok().filter(|_| is_key_name(name))?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    Some(Signature { name: name.into(), id: *id, bytes: bytes.into() })
}

/// Whether a key may be called so.
pub(super) fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}

/// Returns the notes in a text that may hold many, one after the other: a file that notes are appended to, or what
/// `git log --format=%B` prints. Each is the paragraph before its signatures: what a write that broke off left behind spoils
/// itself and no other.
#[must_use]
pub fn notes(text: &str) -> Vec<Result<Note, NoteError>> {
    let stray = || Err(NoteError::Malformed("a text without a signature"));
    let mut notes = vec![];
    let (mut paragraph, mut closed, mut signatures) = (String::new(), String::new(), String::new());
    for line in text.split('\n').chain([""]) {
        if line.starts_with(MARK) {
            signatures.extend([line, "\n"]);
            continue;
        }
        if !signatures.is_empty() {
            let blank = if paragraph.is_empty() { "\n" } else { "" };
            notes.push(Note::parse(&format!("{closed}{blank}{paragraph}{signatures}")));
            (paragraph, closed, signatures) = Default::default();
        }
        if !line.is_empty() {
            paragraph.extend([line, "\n"]);
        } else if !paragraph.is_empty() {
            let before = std::mem::replace(&mut closed, std::mem::take(&mut paragraph));
            notes.extend((!before.is_empty()).then(stray));
        }
    }
    notes.extend((!closed.is_empty()).then(stray));
    notes
}

#[cfg(test)]
mod tests;
