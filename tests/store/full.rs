//! A full disk.

use std::io::Write as _;
use std::path::Path;

use trueup::store::{Store, StoreErrorKind};

use super::folder;

#[tokio::test]
async fn a_full_disk_stops_changes_and_not_reading_and_ends_by_itself() {
    let folder = folder();
    let Some(mount) = Tmpfs::mount(folder.path()) else {
        let _ = writeln!(std::io::stderr(), "SKIP a small tmpfs cannot be mounted here (needs root)");
        return;
    };
    let store = Store::open(&folder.path().join("data")).await.unwrap();
    let mut tx = store.write().await.unwrap();
    let digest = tx.put_content(b"there before").await.unwrap();
    tx.commit().await.unwrap();

    let ballast = folder.path().join("ballast");
    let _ = std::fs::write(&ballast, vec![1; 16 << 20]);
    let error = fill(&store).await;
    assert_eq!(error.code(), "store.full", "{error:?}");
    assert_eq!(store.failing(), Some(StoreErrorKind::Full));
    assert_eq!(&*store.content(&digest).await.unwrap().unwrap(), b"there before");

    std::fs::remove_file(&ballast).unwrap();
    store.probe().await.unwrap();
    assert_eq!(store.failing(), None);
    store.close().await.unwrap();
    let store = Store::open(&folder.path().join("data")).await.unwrap();
    assert_eq!(&*store.content(&digest).await.unwrap().unwrap(), b"there before");
    store.close().await.unwrap();
    drop(mount);
}

/// Writes until it fails.
async fn fill(store: &Store) -> trueup::store::StoreError {
    for n in 0..100_u8 {
        let mut tx = match store.write().await {
            Ok(tx) => tx,
            Err(error) => return error,
        };
        let written = tx.put_content(&vec![n; 1 << 16]).await;
        match written {
            Ok(_) => {
                if let Err(error) = tx.commit().await {
                    return error;
                }
            }
            Err(error) => return error,
        }
    }
    panic!("the disk never filled");
}

struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        let command = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(folder)
            .stderr(std::process::Stdio::null())
            .status();
        command.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0).status();
    }
}
