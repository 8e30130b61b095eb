//! Opens the values of one file in their order, and holds them against its MAC.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha512};

use super::fault::Fault;
use super::identity::Keyring;
use super::metadata::Metadata;
use super::path::Path;
use super::value::{self, Cipher, Plain};

/// One file may hold this many values.
const MOST_VALUES: usize = 100_000;
/// A shorter value is no secret that could be looked for: it would be found everywhere.
const SHORTEST_LEARNT: usize = 8;
/// A longer content is found by its values.
const LONGEST_LEARNT: usize = 4096;
const MOST_LEARNT: usize = 1000;

/// What the MAC of a file begins with where it covers encrypted values alone: SHA-256 of `sops` (`sops.go`).
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b, 0x97, 0x5b,
    0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// A file in the clear. It has no way into a log.
pub(in crate::render) struct Opened {
    pub(in crate::render) content: Vec<u8>,
    /// What was encrypted in it, for whoever masks secrets.
    pub(in crate::render) values: BTreeSet<Vec<u8>>,
}

pub(super) struct Opener {
    cipher: Cipher,
    mac: Sha512,
    only_encrypted: bool,
    count: usize,
    values: BTreeSet<Vec<u8>>,
}

impl Opener {
    pub(super) fn new(metadata: &Metadata, keyring: &dyn Keyring) -> Result<Self, Fault> {
        let data_key = keyring.identities()?.data_key(metadata)?;
        let cipher = value::cipher(&data_key).ok_or_else(|| Fault::invalid("its data key has not 32 bytes"))?;
        let mut mac = Sha512::new();
        if metadata.mac_only_encrypted {
            mac.update(ONLY_ENCRYPTED);
        }
        Ok(Self { cipher, mac, only_encrypted: metadata.mac_only_encrypted, count: 0, values: BTreeSet::new() })
    }

    /// Takes in a value that is text in the file. Returns what it says, or `None` where it stands there in the clear.
    pub(super) fn text(&mut self, path: &Path<'_>, text: &str) -> Result<Option<Plain>, Fault> {
        self.counted()?;
        let selected = path.selected().unwrap_or_else(|| value::has_form(text));
        // SOPS leaves empty text as it is.
        if !selected || text.is_empty() {
            if !self.only_encrypted {
                self.mac.update(text);
            }
            return Ok(None);
        }
        if !value::has_form(text) {
            return Err(Fault::tampered(format!("the value at {} is not encrypted, and should be", path.shown())));
        }
        let plain = value::open(&self.cipher, text, path.aad()).ok_or_else(|| {
            Fault::tampered(format!(
                "the value at {} does not open: it was changed, or belongs elsewhere",
                path.shown()
            ))
        })?;
        self.mac.update(plain.bytes());
        self.learn(&plain);
        Ok(Some(plain))
    }

    /// Takes in a value that is no text: a number, a boolean. `bytes` is what the MAC is made over.
    pub(super) fn other(&mut self, path: &Path<'_>, bytes: &[u8]) -> Result<(), Fault> {
        self.counted()?;
        if path.selected() == Some(true) {
            return Err(Fault::tampered(format!("the value at {} is not encrypted, and should be", path.shown())));
        }
        if !self.only_encrypted {
            self.mac.update(bytes);
        }
        Ok(())
    }

    /// Returns what a comment says, under the first of these paths where it opens. Comments are outside the MAC, and one that
    /// does not open is taken for one that never was encrypted, as SOPS does.
    pub(super) fn comment<'p>(&mut self, text: &str, aads: impl Iterator<Item = &'p str>) -> Option<String> {
        self.counted().ok()?;
        for aad in aads {
            if let Some(plain) = value::open(&self.cipher, text, aad) {
                self.learn(&plain);
                return plain.text().map(str::to_owned);
            }
        }
        None
    }

    /// Holds what was taken in against the MAC of the file.
    pub(super) fn finish(mut self, metadata: &Metadata, content: Vec<u8>) -> Result<Opened, Fault> {
        let wrong = || Fault::tampered("its MAC does not cover the values that it holds");
        let stored = value::open(&self.cipher, &metadata.mac, &metadata.lastmodified).ok_or_else(wrong)?;
        let mut made = String::with_capacity(128);
        for byte in self.mac.finalize_reset() {
            // Writing to a string cannot fail.
            let _ = write!(made, "{byte:02X}");
        }
        if stored.bytes() != made.as_bytes() {
            return Err(wrong());
        }
        if content.len() <= LONGEST_LEARNT && content.trim_ascii().len() >= SHORTEST_LEARNT {
            self.values.insert(content.trim_ascii().to_vec());
        }
        Ok(Opened { content, values: self.values })
    }

    fn counted(&mut self) -> Result<(), Fault> {
        self.count += 1;
        if self.count <= MOST_VALUES {
            return Ok(());
        }
        Err(Fault::invalid(format!("it holds more than {MOST_VALUES} values")))
    }

    fn learn(&mut self, plain: &Plain) {
        let bytes = plain.bytes();
        let bytes = plain.text().map_or(bytes.as_slice(), str::as_bytes).trim_ascii();
        if (SHORTEST_LEARNT..=LONGEST_LEARNT).contains(&bytes.len()) && self.values.len() < MOST_LEARNT {
            self.values.insert(bytes.to_vec());
        }
    }
}
