//! The files of the archive: how they are named and written, and what a crash leaves of them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Segment, erasures};
use crate::audit::export::{Item, Line, export, verify_export};
use crate::audit::verify::{Given, head};
use crate::audit::{Keys, leaves};
use crate::model::Digest;
use crate::store::{Store, StoreError, StoreErrorKind};

/// What the name of a file ends with as long as it is being written.
const UNFINISHED: &str = ".new";

/// Returns the name for the records from `first` to `last`. Trails that share a folder, or follow each other there, have names of their
/// own.
pub(super) async fn name(store: &Store, first: u64, last: u64) -> Result<String, StoreError> {
    let keys = Keys::of(store).await?;
    let trail = mark(keys.newest().map_or("", |key| key.name()));
    Ok(format!("records-{trail}-{first:012}-{last:012}.jsonl"))
}

/// Returns what tells the files of one trail from those of others.
fn mark(origin: &str) -> String {
    let mut digest = Digest::of(origin.as_bytes()).to_string();
    digest.truncate(16);
    digest
}

/// Returns which records a file is of, by its name, and whether it is finished; `None` where none of these trails has such files.
fn range(name: &str, marks: &[String]) -> Option<(u64, u64, bool)> {
    let (whole, finished) = name.strip_suffix(UNFINISHED).map_or((name, true), |whole| (whole, false));
    let mut parts = whole.strip_prefix("records-")?.strip_suffix(".jsonl")?.split('-');
    let (trail, first, last) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_none() && marks.iter().any(|mark| mark == trail)).then_some((first, last, finished))
}

/// Removes what a crash left of files of this trail: those that were being written, and whole ones that no record names, where the store
/// has all that is in them. The files of others stay, and so does one that says more than the store: a copy of this trail that went on
/// may have dropped its records.
pub(in crate::audit) async fn sweep(store: &Store, folder: &Path, segments: &[Segment]) -> Result<(), StoreError> {
    let failed = |error| StoreError::file(format!("could not use the archive {}", folder.display()), error);
    let marks: Vec<_> = Keys::of(store).await?.iter().map(|key| mark(key.name())).collect();
    let archived = segments.last().map_or(0, |segment| segment.last);
    let files = match folder.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        files => files.map_err(failed)?,
    };
    let mut any = false;
    for file in files {
        let file = file.map_err(failed)?;
        let Some((first, last, finished)) = file.file_name().to_str().and_then(|name| range(name, &marks)) else {
            continue;
        };
        if !finished || first > archived && is_copy(store, &file.path(), first, last).await? {
            std::fs::remove_file(file.path()).map_err(failed)?;
            any = true;
        }
    }
    if any { File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed) } else { Ok(()) }
}

/// Whether a file has just these records, as the store has them.
async fn is_copy(store: &Store, path: &Path, first: u64, last: u64) -> Result<bool, StoreError> {
    if last > head(store).await?.size {
        return Ok(false);
    }
    let failed = |error| StoreError::file(format!("could not read {}", path.display()), error);
    let file = BufReader::new(File::open(path).map_err(failed)?);
    let found = verify_export(file, &Given::default()).await?;
    Ok((found.begin + 1, found.size) == (first, last) && found.root == leaves::root_at(store, last).await?)
}

/// Writes the file of a segment, and verifies it by reading it back.
pub(super) async fn write(store: &Store, folder: &Path, segment: &Segment, note: &str) -> Result<(), StoreError> {
    let failed = |error| StoreError::file(format!("could not write {}", segment.file), error);
    let (path, beside) = (folder.join(&segment.file), unfinished(&folder.join(&segment.file)));
    if path.try_exists().map_err(failed)? {
        let other = "it is there already, with other records: whatever wrote it, move it to another folder";
        return Err(failed(io::Error::new(ErrorKind::AlreadyExists, other)));
    }
    let file = tokio::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).await;
    let mut file = tokio::io::BufWriter::with_capacity(1 << 18, file.map_err(failed)?);
    export(store, segment.first - 1, Some(segment.last), &mut file).await?;
    file.into_inner().sync_all().await.map_err(failed)?;
    let mut given = Given { erasures: erasures(store).await?, ..Given::default() };
    let odd = |error| StoreError::because(StoreErrorKind::Damaged, "a checkpoint is damaged", error);
    given.hold_against("its checkpoint", note.to_owned()).map_err(odd)?;
    let report = verify_export(BufReader::new(File::open(&beside).map_err(failed)?), &given).await?;
    if let Some(problem) = report.problems.first() {
        let message = format!("what was written into {} is not what was to be: {}", segment.file, problem.what);
        return Err(StoreError::new(StoreErrorKind::Damaged, message));
    }
    put(&beside, &path).map_err(failed)
}

/// A file of the archive as it is to be, beside what it is. Dropped, it is gone.
pub(in crate::audit) struct Rewritten {
    beside: PathBuf,
    path: PathBuf,
}

impl Rewritten {
    /// Writes a file anew, with some of its records changed. Blocking.
    pub(in crate::audit) fn of(path: &Path, change: impl Fn(&mut Line)) -> io::Result<Self> {
        let rewritten = Self { beside: unfinished(path), path: path.into() };
        let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&rewritten.beside)?;
        file.set_permissions(std::fs::metadata(path)?.permissions())?;
        let mut out = BufWriter::new(file);
        for line in BufReader::new(File::open(path)?).lines() {
            let mut item: Item = serde_json::from_str(&line?)?;
            if let Item::Record(line) = &mut item {
                change(line);
            }
            writeln!(out, "{}", serde_json::to_string(&item)?)?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok(rewritten)
    }

    /// Puts it in the place of what it was. Blocking.
    pub(in crate::audit) fn put(self) -> io::Result<()> {
        put(&self.beside, &self.path)
    }
}

impl Drop for Rewritten {
    fn drop(&mut self) {
        // Where it was put, or cannot be removed, there is nothing to do: the latter is swept away later.
        let _ = std::fs::remove_file(&self.beside);
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

fn put(beside: &Path, path: &Path) -> io::Result<()> {
    std::fs::rename(beside, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
