use std::fs;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gix::odb::pack::Bundle;
use gix::odb::pack::bundle::write::Options;
use gix::odb::pack::data::input::Mode;

use super::budget::Budget;
use super::mirror::Generation;
use super::{SourceError, SourceErrorKind, disk};

/// Takes a pack into the mirror: indexes it, which checks every object and the whole, and makes it durable.
///
/// The index is always ours; a pack must be complete in itself.
pub(super) fn take(pack: &mut dyn Read, generation: &Generation, budget: &Budget) -> Result<(), SourceError> {
    take_in(pack, generation, budget).inspect_err(|_| {
        // A full disk must not grow fuller with each try. The error itself may hold a temporary file, for as long as it is
        // remembered.
        if let Err(error) = generation.clean() {
            tracing::warn!(path = %generation.path.display(), %error, "could not remove what a failed fetch left");
        }
    })
}

fn take_in(pack: &mut dyn Read, generation: &Generation, budget: &Budget) -> Result<(), SourceError> {
    let folder = generation.packs();
    // Reading stops by itself when time is up; computing must be told.
    let stop = Arc::new(AtomicBool::new(false));
    let alarm = budget.alarm(Arc::clone(&stop));
    let options =
        Options { iteration_mode: Mode::Verify, alloc_limit_bytes: Some(generation.alloc), ..Options::default() };
    let written = Bundle::write_to_directory(
        &mut BufReader::new(&mut *pack),
        Some(&folder),
        &mut gix::progress::Discard,
        &stop,
        None::<gix::odb::HandleArc>,
        gix::hash::Kind::Sha1,
        options,
    );
    alarm.abort();
    if written.is_err() && budget.is_over() {
        let message = "the pack could not be taken in before `limits.timeout`".into();
        return Err(budget.refuse(SourceErrorKind::TimedOut, message).into());
    }
    let written = written.map_err(|error| budget.refusal().unwrap_or_else(|| bad_pack(error)))?;
    // What follows the pack belongs to the answer; a connection that is used again must not find it.
    std::io::copy(pack, &mut std::io::sink())?;
    let failed = |error| SourceError::mirror("could not keep the pack", error);
    for path in [&written.data_path, &written.index_path].into_iter().flatten() {
        disk::sync(path).map_err(failed)?;
    }
    written.keep_path.as_deref().map_or(Ok(()), remove).map_err(failed)?;
    disk::sync(&folder).map_err(failed)?;
    generation.reload();
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    fs::remove_file(path)
}

fn bad_pack(error: gix::Error) -> SourceError {
    let disk = |error: &(dyn std::error::Error + 'static)| {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        kind.is_some_and(|kind| {
            matches!(kind, std::io::ErrorKind::StorageFull | std::io::ErrorKind::ReadOnlyFilesystem)
        })
    };
    if error.iter_errors().any(disk) {
        return SourceError::new(SourceErrorKind::Mirror, "could not write the pack").because(error);
    }
    if error.is_resource_exhausted() {
        let message = "the pack holds an object that is larger than anything a repository of configuration needs";
        return SourceError::new(SourceErrorKind::TooLarge, message).because(error);
    }
    SourceError::new(SourceErrorKind::Corrupt, "the server sent a pack that is broken").because(error)
}
