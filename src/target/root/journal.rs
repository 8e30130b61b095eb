//! The journal: append-only, durable before what it tells of is done, each line held to the one before.
//!
//! A line is 64 hexadecimal digits, a space, and the JSON of one [`Entry`]. The digits are HMAC-SHA-256, under a key of this
//! root half, over the digits of the line before (none before the first) and the JSON. A last line without its end was torn by
//! a crash before anything was done for it, and goes. Anything else that is wrong means that the journal cannot be trusted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::ledger::{Entry, Ledger};
use crate::model::{Digest, DigestKey};
use crate::store::NOFOLLOW;
use crate::target::TargetError;

/// A journal below this is never written anew, in bytes.
const SMALL: u64 = 4 * 1024 * 1024;
/// A journal above this is not read, in bytes.
const LARGEST: u64 = 1024 * 1024 * 1024;

/// The open journal, with what it says.
pub(super) struct Journal {
    pub(super) ledger: Ledger,
    path: PathBuf,
    key: DigestKey,
    /// `Err` where it cannot be trusted, with the reason.
    file: Result<File, String>,
    length: u64,
    chain: String,
    /// Its length when this process last wrote it anew. 0 before: a root half comes and goes with its clients, and were what it
    /// found its measure, a journal that never doubles within one life would grow for ever.
    compact: u64,
}

impl Journal {
    /// Opens the journal of a folder, or makes it.
    pub(super) fn open(folder: &Path, key: DigestKey) -> Self {
        let path = folder.join("journal");
        let (ledger, chain) = (Ledger::default(), String::new());
        let mut journal = Self { ledger, path, key, file: Err(String::new()), length: 0, chain, compact: 0 };
        journal.file = journal.read().map_err(|error| error.to_string());
        if let Err(why) = &journal.file {
            tracing::error!(why, "the journal cannot be trusted: nothing is changed on this host");
        }
        journal
    }

    fn read(&mut self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(NOFOLLOW)
            .open(&self.path)?;
        let damaged = |line: usize| io::Error::other(format!("line {line} is not what was written"));
        if file.metadata()?.len() > LARGEST {
            return Err(io::Error::other("it is larger than it can be"));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let mut rest = &text[..];
        for number in 1.. {
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { break };
            let line = &rest[..end];
            rest = &rest[end + 1..];
            let entry = self.checked(line).ok_or_else(|| damaged(number))?;
            self.ledger.note(&entry);
            self.length += line.len() as u64 + 1;
        }
        if !rest.is_empty() {
            tracing::warn!(bytes = rest.len(), "the last line of the journal was torn by a crash, and goes");
            file.set_len(self.length)?;
            file.sync_all()?;
        }
        file.seek(SeekFrom::Start(self.length))?;
        if self.length == 0 {
            File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()?;
        }
        Ok(file)
    }

    /// Returns the entry of a line, if it follows the one before.
    fn checked(&mut self, line: &[u8]) -> Option<Entry> {
        let line = std::str::from_utf8(line).ok()?;
        let (digits, json) = line.split_once(' ')?;
        let expected = check(&self.key, &self.chain, json);
        if digits != expected {
            return None;
        }
        self.chain = expected;
        serde_json::from_str(json).ok()
    }

    /// # Errors
    /// When the journal cannot be trusted: then nothing is done.
    pub(super) fn sound(&self) -> Result<(), TargetError> {
        self.file.as_ref().map(|_| ()).map_err(|why| TargetError::Denied {
            code: "host.journal-damaged".into(),
            reason: format!(
                "the journal of the root half cannot be trusted ({why}), so nothing is changed; restore {} or, knowing that \
                 what ran may run again, remove it",
                self.path.display()
            ),
        })
    }

    /// Writes entries down, durably, and takes note of them.
    ///
    /// # Errors
    /// When they cannot be written; then nothing of them holds.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), TargetError> {
        self.sound()?;
        let Ok(file) = &mut self.file else { return Ok(()) };
        let (text, chain) = lines(&self.key, &self.chain, entries);
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        if let Err(source) = written {
            let back = file.set_len(self.length).and_then(|()| file.seek(SeekFrom::Start(self.length))).map(drop);
            if let Err(error) = back {
                self.file = Err(format!("it could not be taken back to its last good line: {error}"));
            }
            let doing = "could not write the journal of the root half".into();
            return Err(TargetError::Unavailable { doing, source: Some(source.into()) });
        }
        self.length += text.len() as u64;
        self.chain = chain;
        for entry in entries {
            self.ledger.note(entry);
        }
        if self.length > SMALL
            && self.length > 2 * self.compact
            && let Err(error) = self.compact()
        {
            tracing::warn!(%error, "could not write the journal anew; it goes on growing");
            self.compact = self.length;
        }
        Ok(())
    }

    /// Writes the journal anew, without what no longer matters.
    fn compact(&mut self) -> io::Result<()> {
        let entries = self.ledger.compacted();
        let (text, chain) = lines(&self.key, "", &entries);
        let beside = self.path.with_extension("new");
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&beside, &self.path)?;
        (self.length, self.compact, self.chain) = (text.len() as u64, text.len() as u64, chain);
        // From here on the new file is the journal, durable or not: what follows is appended to it.
        self.file = Ok(file);
        File::open(self.path.parent().unwrap_or(Path::new("/")))?.sync_all()
    }
}

fn check(key: &DigestKey, before: &str, json: &str) -> String {
    let digest: Digest = key.digest("trueup/root-journal-line/v1", format!("{before}\n{json}").as_bytes());
    digest.to_string()
}

/// Returns the lines of entries, and the digits of the last.
fn lines(key: &DigestKey, before: &str, entries: &[Entry]) -> (Vec<u8>, String) {
    let (mut text, mut chain) = (Vec::new(), before.to_owned());
    for entry in entries {
        // Plain data with string keys: serialisation cannot fail, and an empty line would not be read back as one.
        let json = serde_json::to_string(entry).unwrap_or_default();
        chain = check(key, &chain, &json);
        text.extend_from_slice(chain.as_bytes());
        text.push(b' ');
        text.extend_from_slice(json.as_bytes());
        text.push(b'\n');
    }
    (text, chain)
}

#[cfg(test)]
mod tests;
