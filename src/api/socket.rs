use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::access::{self, Access};

/// The daemon's unix socket, open to its owner and its group; removed when dropped.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: Option<UnixListener>,
    pub(super) access: Access,
    path: PathBuf,
    inode: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("another daemon answers at {}", .0.display())]
    Taken(PathBuf),
    #[error("something that is not a socket lies at {}", .0.display())]
    NotASocket(PathBuf),
    #[error("the group {0} does not exist")]
    Group(String),
    #[error("could not open the socket {}", .path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Socket {
    /// Listens at `path`, and lets members of `group` act. Must run inside the runtime, and only by whoever holds the data
    /// folder: a socket that nobody answers at is then a dead daemon's, and is replaced.
    pub fn bind(path: &Path, group: Option<&str>) -> Result<Self, SocketError> {
        let owner = match group {
            Some(name) => Some(access::group_id(name).ok_or_else(|| SocketError::Group(name.into()))?),
            None => None,
        };
        clear(path)?;
        let access = Access { group: group.map(str::to_owned) };
        let opened = open(path, owner).map_err(|source| SocketError::Io { path: path.into(), source });
        let (listener, inode) = opened?;
        Ok(Self { listener: Some(listener), access, path: path.into(), inode })
    }

    /// Returns what listens, once: the socket's file stays as long as this does.
    pub fn take(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A successor may have put its own in our place.
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn clear(path: &Path) -> Result<(), SocketError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(SocketError::NotASocket(path.into())),
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => Err(SocketError::Taken(path.into())),
        _ => Ok(()),
    }
}

/// Bound under another name and renamed, so that nobody can open it before its mode and group are right, and a dead one is
/// replaced without a moment in which there is none.
fn open(path: &Path, group: Option<u32>) -> io::Result<(UnixListener, u64)> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let closed = folder.join(format!(".{}", std::process::id()));
    match std::fs::remove_file(&closed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&closed)?;
    let ready = std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::os::unix::fs::chown(&closed, None, group))
        .and_then(|()| std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o660)))
        .and_then(|()| std::fs::symlink_metadata(&closed))
        .and_then(|made| std::fs::rename(&closed, path).map(|()| made.ino()));
    if ready.is_err() {
        let _ = std::fs::remove_file(&closed);
    }
    Ok((listener, ready?))
}
