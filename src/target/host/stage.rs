//! New things made beside the old one, under a private name, until they are complete.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, fchmod, fchown, fstat, fsync, openat, symlinkat, unlinkat};
use rustix::io::{Errno, write};

use super::found::look;
use super::paths::MadeFolders;
use super::shape::Access;
use crate::model::SyncId;

const MARK: &str = ".trueup-";

/// Longest name of a file, in bytes (`NAME_MAX`).
const LONGEST: usize = 255;

/// A temporary sibling of the object, removed again unless it is renamed into place. Folders that had to be made for it go
/// with it.
pub(super) struct Staged {
    pub(super) folder: OwnedFd,
    pub(super) name: String,
    /// The open temporary file; `None` for a link.
    pub(super) file: Option<OwnedFd>,
    made: MadeFolders,
    placed: bool,
}

impl Staged {
    /// Makes a file that only its owner may read, with `content`.
    pub(super) fn file(folder: OwnedFd, made: MadeFolders, name: String, content: &[u8]) -> Result<Self, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let file = fresh(&folder, &name, || openat(&folder, &name, flags, private))?;
        let mut staged = Self { folder, name, file: None, made, placed: false };
        write_all(&file, content)?;
        staged.file = Some(file);
        Ok(staged)
    }

    pub(super) fn link(folder: OwnedFd, made: MadeFolders, name: String, to: &[u8]) -> Result<Self, Errno> {
        fresh(&folder, &name, || symlinkat(to, &folder, &name))?;
        Ok(Self { folder, name, file: None, made, placed: false })
    }

    /// Gives the file its owner, then its mode (a change of owner clears setuid), then makes it durable: all of it before
    /// anyone sees the content under its name.
    pub(super) fn finish(&self, access: Access) -> Result<(), Errno> {
        let Some(file) = &self.file else { return Ok(()) };
        give(file, access)?;
        fsync(file)
    }

    /// Tells whether the name still is the file that was staged: whoever may write in the folder could have changed it.
    pub(super) fn untouched(&self) -> Result<bool, Errno> {
        let Some(file) = &self.file else { return Ok(true) };
        let ours = fstat(file)?;
        let there = look(&self.folder, &self.name)?;
        Ok(there.is_some_and(|there| (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)))
    }

    /// Notes that the temporary name is gone, because it was renamed.
    pub(super) fn placed(&mut self) {
        self.placed = true;
        self.made.keep();
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            // A temporary that cannot be removed now is removed by recovery.
            let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

/// Gives an open file or folder its owner and mode.
pub(super) fn give(file: &OwnedFd, access: Access) -> Result<(), Errno> {
    let now = fstat(file)?;
    let owner = (now.st_uid != access.uid).then(|| Uid::from_raw(access.uid));
    let group = (now.st_gid != access.gid).then(|| Gid::from_raw(access.gid));
    if owner.is_some() || group.is_some() {
        fchown(file, owner, group)?;
    }
    fchmod(file, Mode::from_raw_mode(access.mode))
}

/// Makes something new under a temporary name; what a crash of the same step left there goes first.
fn fresh<T>(folder: &OwnedFd, name: &str, make: impl Fn() -> Result<T, Errno>) -> Result<T, Errno> {
    match make() {
        Err(Errno::EXIST) => {
            unlinkat(folder, name, AtFlags::empty())?;
            make()
        }
        other => other,
    }
}

fn write_all(file: &OwnedFd, mut content: &[u8]) -> Result<(), Errno> {
    while !content.is_empty() {
        match write(file, content) {
            Ok(0) => return Err(Errno::IO),
            Ok(n) => content = &content[n..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Returns the temporary name of one step's object: the same step has the same, so that no crash leaves two.
pub(super) fn temporary_name(leaf: &str, sync: &SyncId, number: usize) -> String {
    let end = format!("{MARK}{sync}-{number}");
    let mut room = LONGEST.saturating_sub(end.len() + 1).min(leaf.len());
    while !leaf.is_char_boundary(room) {
        room -= 1;
    }
    format!(".{}{end}", &leaf[..room])
}

/// Tells whether a name is one that [`temporary_name`] returns.
pub(super) fn is_temporary(name: &str) -> bool {
    let Some((leaf, end)) = name.strip_prefix('.').and_then(|rest| rest.rsplit_once(MARK)) else { return false };
    let Some((sync, number)) = end.rsplit_once('-') else { return false };
    let hexadecimal = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    !leaf.is_empty()
        && sync.len() == 32
        && sync.bytes().all(hexadecimal)
        && !number.is_empty()
        && number.bytes().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_is_its_owners_alone_until_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let open = || rustix::fs::open(folder.path(), OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let staged = Staged::file(open(), MadeFolders::default(), ".a.tmp".into(), b"secret").unwrap();
        let mode = || fstat(staged.file.as_ref().unwrap()).unwrap().st_mode & 0o7777;
        assert_eq!(mode(), 0o600);
        let now = fstat(staged.file.as_ref().unwrap()).unwrap();
        staged.finish(Access { mode: 0o640, uid: now.st_uid, gid: now.st_gid }).unwrap();
        assert_eq!(mode(), 0o640);
        // What a crash left under its name, however wide, is not written into.
        std::fs::write(folder.path().join(".b.tmp"), "").unwrap();
        std::fs::set_permissions(folder.path().join(".b.tmp"), std::os::unix::fs::PermissionsExt::from_mode(0o666))
            .unwrap();
        let staged = Staged::file(open(), MadeFolders::default(), ".b.tmp".into(), b"secret").unwrap();
        assert_eq!(fstat(staged.file.as_ref().unwrap()).unwrap().st_mode & 0o7777, 0o600);
    }

    #[test]
    fn temporary_names_fit_and_are_known_again() {
        let sync = SyncId("0123456789abcdef0123456789abcdef".into());
        for leaf in ["a", "site.conf", &"x".repeat(255), &"é".repeat(127)] {
            let name = temporary_name(leaf, &sync, 12);
            assert!(name.len() <= 255 && is_temporary(&name), "{name}");
        }
        for other in [".a.trueup-", ".a.trueup-0123-1", "a.trueup-0123456789abcdef0123456789abcdef-1", ".trueup-x"] {
            assert!(!is_temporary(other), "{other}");
        }
    }
}
