//! Changes one byte of one record in the store, as somebody who owns the machine could.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Told, failed, untrue};

/// The byte that was changed, to be put back.
pub(super) struct Changed {
    file: PathBuf,
    offset: u64,
    before: u8,
}

/// Changes the first digit of the time of the record `sequence`.
pub(super) fn change(data: &Path, sequence: u64) -> Told<Changed> {
    let mark = format!("\"seq\":{sequence},\"time\":");
    for entry in fs::read_dir(data).map_err(failed("read the data folder"))?.flatten() {
        let file = entry.path();
        if !file.is_file() {
            continue;
        }
        let bytes = fs::read(&file).map_err(failed(format!("read {}", file.display())))?;
        let Some(found) = bytes.windows(mark.len()).position(|window| window == mark.as_bytes()) else { continue };
        let at = found + mark.len();
        let (Ok(offset), Some(before)) = (u64::try_from(at), bytes.get(at).copied()) else { continue };
        let changed = Changed { file, offset, before };
        changed.put(if before == b'2' { b'3' } else { b'2' })?;
        return Ok(changed);
    }
    untrue(format!("record {sequence} is in no file of {}", data.display()))
}

impl Changed {
    pub(super) fn put_back(&self) -> Told<()> {
        self.put(self.before)
    }

    pub(super) fn place(&self) -> String {
        let file = self.file.file_name().unwrap_or_default().to_string_lossy();
        format!("byte {} of {file}", self.offset)
    }

    fn put(&self, byte: u8) -> Told<()> {
        let written = fs::OpenOptions::new().write(true).open(&self.file);
        let written = written.and_then(|file| file.write_all_at(&[byte], self.offset).and_then(|()| file.sync_all()));
        written.map_err(failed(format!("change {}", self.file.display())))
    }
}
