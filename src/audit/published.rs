//! Checkpoints where they are published: the file that they are appended to, and whether the trail still is what was said there.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::note::{MARK, Note, notes};
use super::{Checkpoint, Keys, TrailError, leaves, verify};
use crate::store::Store;

/// Many notes lie in the end of a file that is as long as this.
const TAIL: u64 = 64 * 1024;

/// Holds the trail against the last checkpoint that was published at a place.
///
/// # Errors
/// Where the trail has not the records that it covers, or it is not of this trail, and no person has decided to go on without it.
pub async fn hold_against(store: &Store, place: &str, note: &Note) -> Result<(), TrailError> {
    let keys = Keys::of(store).await?;
    if keys.forgone.contains(&note.to_string()) {
        return Ok(());
    }
    let foreign = |error: super::NoteError| TrailError::Foreign { place: place.into(), why: error.to_string() };
    note.verify(keys.iter()).map_err(foreign)?;
    let published = Checkpoint::parse(note).map_err(foreign)?.head;
    let here = verify::head(store).await?;
    if published.size > here.size {
        return Err(TrailError::RolledBack { place: place.into(), published: published.size, here: here.size });
    }
    let root = if published.size == here.size { here.root } else { leaves::root_at(store, published.size).await? };
    if root == published.root {
        Ok(())
    } else {
        Err(TrailError::Forked { place: place.into(), published: published.size })
    }
}

/// A file that checkpoints are appended to, with a blank line after each. It may be one that can only be appended to.
#[derive(Clone, Debug)]
pub struct CheckpointFile {
    path: PathBuf,
}

impl CheckpointFile {
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the last checkpoint in it; `None` where there is no file, or nothing in it. Blocking.
    ///
    /// # Errors
    /// When it cannot be read, or holds no checkpoint at all: then it is not a file of ours.
    pub fn last(&self) -> io::Result<Option<Note>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (bytes, whole) = tail(&mut file)?;
        let text = String::from_utf8_lossy(&bytes);
        let all = notes(&text);
        // The first one of a tail may have lost its beginning.
        let mut known = all.into_iter().skip(usize::from(!whole));
        match known.rfind(Result::is_ok) {
            Some(note) => Ok(note.ok()),
            None if text.trim().is_empty() => Ok(None),
            None => Err(io::Error::new(ErrorKind::InvalidData, "it holds something else than checkpoints")),
        }
    }

    /// Appends a checkpoint, durably. What a write that broke off left is cut away where that can be done. Blocking.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, note: &Note) -> io::Result<()> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o644).open(&self.path)?;
        let torn = torn(&tail(&mut file)?.0);
        let length = file.metadata()?.len();
        let part = if torn > 0 && file.set_len(length.saturating_sub(torn)).is_err() { "\n\n" } else { "" };
        file.write_all(format!("{part}{note}\n").as_bytes())?;
        file.sync_data()?;
        if length == 0 {
            // It may be new: its name lies in the folder.
            File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

/// Returns the end of a file, and whether that is all of it.
fn tail(file: &mut File) -> io::Result<(Vec<u8>, bool)> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = vec![];
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok((bytes, length <= TAIL))
}

/// Returns how many bytes at the end belong to no whole note.
fn torn(bytes: &[u8]) -> u64 {
    let (mut whole, mut at) = (0, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if (line.starts_with(MARK.as_bytes()) && line.ends_with(b"\n")) || (line == b"\n" && whole + 1 == at) {
            whole = at;
        }
    }
    (bytes.len() - whole) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::SigningKey;

    #[test]
    fn what_was_appended_last_is_found_whatever_broke_off_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = CheckpointFile::new(&folder.path().join("checkpoints"));
        assert_eq!(file.last().unwrap(), None);
        let key = SigningKey::from_seed("log", [1; 32]).unwrap();
        let note = |text: &str| Note::sign(format!("{text}\n"), &[&key]);
        let (one, two) = (note("one"), note("two"));
        file.append(&one).unwrap();
        let good = std::fs::read(file.path()).unwrap();
        assert_eq!(file.last().unwrap(), Some(one.clone()));
        let whole = two.to_string().into_bytes();
        for cut in 1..whole.len() {
            std::fs::write(file.path(), [&good, &whole[..cut]].concat()).unwrap();
            file.append(&two).unwrap();
            assert_eq!(std::fs::read_to_string(file.path()).unwrap(), format!("{one}\n{two}\n"), "cut at {cut}");
            assert_eq!(file.last().unwrap(), Some(two.clone()));
        }
        for number in 0..2000 {
            file.append(&note(&format!("number {number}"))).unwrap();
        }
        assert!(std::fs::metadata(file.path()).unwrap().len() > TAIL);
        assert_eq!(file.last().unwrap(), Some(note("number 1999")));
        std::fs::write(file.path(), "127.0.0.1 localhost\n").unwrap();
        assert_eq!(file.last().unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
