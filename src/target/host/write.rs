//! Writes: prepared in private, compared once more, visible whole.

use std::time::Instant;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, Stat, fstat, fsync, mkdirat, openat, renameat, renameat_with, unlinkat,
};
use rustix::io::Errno;

use super::apply::{Due, Seen, strangers};
use super::errors::refused;
use super::found::{fingerprint, holds_the_same, look};
use super::paths::{Located, MadeFolders, make_folder};
use super::shape::Shape;
use super::stage::{Staged, give, temporary_name};
use super::{HostTarget, blocking};
use crate::model::host::{CommandSpec, HostSpec};
use crate::model::{Action, Fingerprint};
use crate::target::{Act, Batch, Call, Done, TargetError};

/// One write on its way: what was seen, and what comes.
struct Write<'a> {
    seen: Seen<'a>,
    comes: Shape,
}

impl HostTarget {
    pub(super) async fn write(
        &self,
        call: &Call,
        batch: &Batch<'_>,
        act: &Act<'_>,
        spec: &HostSpec,
    ) -> Result<Done, TargetError> {
        let place = self.roots.locate(&act.step.id.name)?;
        let staged = blocking(|| -> Result<_, TargetError> {
            let seen = match self.due(act, place)? {
                Due::Nothing(done) => return Ok(Err(done)),
                Due::Act(seen) => seen,
            };
            let write = self.write_due(spec, seen)?;
            if matches!(write.comes, Shape::Directory { .. }) {
                return self.place_folder(&write).map(Err);
            }
            let staged = self.stage(call, batch, &write)?;
            Ok(Ok((write, staged)))
        })?;
        let (write, staged) = match staged {
            Ok(staged) => staged,
            Err(done) => return Ok(done),
        };
        if let HostSpec::File(file) = spec
            && let Some(validate) = &file.validate
        {
            // Dropping this future, at cancellation too, removes the temporary.
            self.validate(call, place, &staged, validate).await?;
        }
        blocking(|| self.place(&write, staged))
    }

    fn write_due<'a>(&self, spec: &HostSpec, seen: Seen<'a>) -> Result<Write<'a>, TargetError> {
        let path = seen.place.path;
        let there = seen.live.as_ref().map(|found| &found.shape);
        let comes = self.rules.wanted(path, spec, there)?.ok_or_else(|| seen.stale())?;
        // What was planned has another meaning now: a user was renumbered, say.
        if comes.digest(&self.key) != seen.act.step.after {
            return Err(seen.stale());
        }
        let makes_room = there.filter(|there| there.sort() != comes.sort());
        if let Some(there) = makes_room
            && !matches!(seen.act.step.action, Action::Replace | Action::Adopt)
        {
            let reason = format!("{path} is a {} and is replaced only by a step that says so", there.sort());
            return Err(TargetError::Denied { code: "host.not-a-replace".into(), reason });
        }
        Ok(Write { seen, comes })
    }

    fn stage(&self, call: &Call, batch: &Batch<'_>, write: &Write<'_>) -> Result<Staged, TargetError> {
        let path = write.seen.place.path;
        let content = match &write.comes {
            Shape::File { content, .. } => {
                Some(batch.contents.read(content).map_err(|error| TargetError::Unavailable {
                    doing: format!("could not read the new content of {path}"),
                    source: Some(error.into()),
                })?)
            }
            _ => None,
        };
        let (folder, made) = self.make_parent(write.seen.place)?;
        let name = temporary_name(write.seen.place.leaf, &call.sync, write.seen.act.number);
        let staged = match (&write.comes, &content) {
            (Shape::Symlink { to }, _) => Staged::link(folder, made, name, to),
            (_, content) => Staged::file(folder, made, name, content.as_deref().unwrap_or_default()),
        };
        staged.map_err(|errno| refused("write", path, errno))
    }

    async fn validate(
        &self,
        call: &Call,
        place: Located<'_>,
        staged: &Staged,
        validate: &CommandSpec,
    ) -> Result<(), TargetError> {
        let parent = if place.folder == "." { "" } else { place.folder };
        let path = self.roots.real(parent).join(&staged.name);
        let path = path.to_str().unwrap_or_default();
        let argv: Vec<_> = validate.command.iter().map(|word| word.replace("{}", path)).collect();
        let told = self.run(call, &argv, validate.timeout, "host.validate-failed").await;
        // The temporary's name says nothing to people.
        told.map(drop).map_err(|error| match error {
            TargetError::Invalid { code, reason } => TargetError::Invalid {
                code,
                reason: format!("{} was not accepted: {}", place.path, reason.replace(path, place.path)),
            },
            other => other,
        })
    }

    /// Puts what was staged in its place. The name gets a new inode: a file with several names loses this one, and what the
    /// others name is never written to.
    fn place(&self, write: &Write<'_>, mut staged: Staged) -> Result<Done, TargetError> {
        let path = write.seen.place.path;
        let failed = |errno| refused("write", path, errno);
        if let Some(access) = write.comes.access() {
            staged.finish(access).map_err(failed)?;
        }
        let before = staged.file.as_ref().map(fstat).transpose().map_err(failed)?;
        self.is_as_staged(write, &staged)?;
        self.still_before(&write.seen, &staged.folder)?;
        if write.seen.is_folder() {
            remove_folder(&write.seen, &staged.folder)?;
        }
        rename(&write.seen, &staged).map_err(|errno| match errno {
            Errno::EXIST | Errno::ISDIR => write.seen.stale(),
            other => failed(other),
        })?;
        staged.placed();
        self.left(&write.seen, &staged.folder, staged.file.as_ref().zip(before))
    }

    /// A validator ran on the file, and its folder may be another user's: what becomes visible is what was planned.
    fn is_as_staged(&self, write: &Write<'_>, staged: &Staged) -> Result<(), TargetError> {
        let path = write.seen.place.path;
        let tampered = || TargetError::Conflict {
            object: write.seen.act.step.id.clone(),
            holder: "whoever changed its temporary file".into(),
        };
        if !staged.untouched().map_err(|errno| refused("write", path, errno))? {
            return Err(tampered());
        }
        let Some(file) = &staged.file else { return Ok(()) };
        let found = self.reader.content(file).map_err(|unknown| unknown.stops(path))?;
        if found.is_some_and(|found| found.shape == write.comes) { Ok(()) } else { Err(tampered()) }
    }

    fn place_folder(&self, write: &Write<'_>) -> Result<Done, TargetError> {
        let (path, leaf) = (write.seen.place.path, write.seen.place.leaf);
        let failed = |errno| refused("write", path, errno);
        let Some(access) = write.comes.access() else { return Err(failed(Errno::INVAL)) };
        let (at, mut made) = self.make_parent(write.seen.place)?;
        self.still_before(&write.seen, &at)?;
        let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if write.seen.is_folder() {
            let there = openat(&at, leaf, folder, Mode::empty()).map_err(failed)?;
            give(&there, access).and_then(|()| fsync(&there)).map_err(failed)?;
            return self.left(&write.seen, &at, found_as(&there).map_err(failed)?);
        }
        if write.seen.live.is_some() {
            unlinkat(&at, leaf, AtFlags::empty()).map_err(failed)?;
        }
        mkdirat(&at, leaf, Mode::RWXU).map_err(|errno| match errno {
            Errno::EXIST => write.seen.stale(),
            other => failed(other),
        })?;
        let new = openat(&at, leaf, folder, Mode::empty()).map_err(failed)?;
        let given = give(&new, access).and_then(|()| fsync(&new));
        if let Err(errno) = given {
            let _ = unlinkat(&at, leaf, AtFlags::REMOVEDIR);
            return Err(failed(errno));
        }
        made.keep();
        self.left(&write.seen, &at, found_as(&new).map_err(failed)?)
    }

    /// Makes the change of the folder durable, and returns what we left: the open thing itself where there is one, so that
    /// what another put in its place meanwhile is not taken for ours. Nor is what another wrote into it since it was looked at: it has no
    /// fingerprint then, and is read at the next look.
    fn left(&self, seen: &Seen<'_>, at: &OwnedFd, open: Option<(&OwnedFd, Stat)>) -> Result<Done, TargetError> {
        let doubt = |errno: Errno| TargetError::InDoubt {
            doing: format!("make {} durable", seen.place.path),
            source: Some(anyhow::Error::new(std::io::Error::from(errno))),
        };
        fsync(at).map_err(doubt)?;
        let since = Instant::now();
        let now = match &open {
            Some((open, _)) => Some(fstat(open)),
            None => look(at, seen.place.leaf).transpose(),
        };
        let now = now.transpose().map_err(doubt)?;
        let now = now.filter(|now| open.as_ref().is_none_or(|(_, before)| holds_the_same(before, now)));
        let fingerprint = now.map_or_else(|| Fingerprint("".into()), |stat| fingerprint(&stat));
        self.young.took(seen.place.path, &fingerprint, seen.act.step.after, since);
        Ok(Done { left: Some((seen.act.step.after, fingerprint)), already: false, output: None })
    }

    fn make_parent(&self, place: Located<'_>) -> Result<(OwnedFd, MadeFolders), TargetError> {
        make_folder(self.roots.base()?, place.folder).map_err(|errno| refused("reach", place.path, errno))
    }
}

/// Returns an open folder as it is now.
fn found_as(open: &OwnedFd) -> Result<Option<(&OwnedFd, Stat)>, Errno> {
    Ok(Some((open, fstat(open)?)))
}

fn rename(seen: &Seen<'_>, staged: &Staged) -> Result<(), Errno> {
    let (folder, leaf) = (&staged.folder, seen.place.leaf);
    // An empty folder that was there has just been removed.
    if seen.live.is_some() && !seen.is_folder() {
        return renameat(folder, &staged.name, folder, leaf);
    }
    match renameat_with(folder, &staged.name, folder, leaf, RenameFlags::NOREPLACE) {
        // A filesystem that does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) => renameat(folder, &staged.name, folder, leaf),
        other => other,
    }
}

/// Removes the empty folder that a file or link replaces.
fn remove_folder(seen: &Seen<'_>, at: &OwnedFd) -> Result<(), TargetError> {
    match unlinkat(at, seen.place.leaf, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(TargetError::Denied {
            code: "host.folder-not-empty".into(),
            reason: format!("could not replace {}: {}", seen.place.path, strangers(seen, at)),
        }),
        Err(errno) => Err(refused("replace", seen.place.path, errno)),
    }
}
