//! Changes one byte of one record in the store, as somebody who owns the machine could.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Told, failed, untrue};

const STORE: &str = "trueup.db";

/// The digit that was changed, to be put back. A page that was moved leaves its old bytes behind in the file, so there may be
/// more than one place.
pub(super) struct Changed {
    file: PathBuf,
    places: Vec<u64>,
    before: u8,
}

/// Changes the first digit of the time of the record `sequence`.
pub(super) fn change(data: &Path, sequence: u64) -> Told<Changed> {
    let mark = format!("\"seq\":{sequence},\"time\":");
    let file = data.join(STORE);
    let bytes = fs::read(&file).map_err(failed(format!("read {}", file.display())))?;
    let found = bytes.windows(mark.len()).enumerate().filter(|(_, window)| *window == mark.as_bytes());
    let places: Vec<u64> = found.filter_map(|(at, _)| u64::try_from(at + mark.len()).ok()).collect();
    let first = places.first().and_then(|place| usize::try_from(*place).ok());
    let Some(before) = first.and_then(|place| bytes.get(place)).copied() else {
        return untrue(format!("record {sequence} is not in {}", file.display()));
    };
    let changed = Changed { file, places, before };
    changed.put(if before == b'2' { b'3' } else { b'2' })?;
    Ok(changed)
}

impl Changed {
    pub(super) fn put_back(&self) -> Told<()> {
        self.put(self.before)
    }

    pub(super) fn place(&self) -> String {
        format!("byte {} of {STORE}", self.places.first().copied().unwrap_or_default())
    }

    fn put(&self, byte: u8) -> Told<()> {
        let write = |file: fs::File| {
            self.places.iter().try_for_each(|place| file.write_all_at(&[byte], *place)).and_then(|()| file.sync_all())
        };
        let written = fs::OpenOptions::new().write(true).open(&self.file).and_then(write);
        written.map_err(failed(format!("change {}", self.file.display())))
    }
}
