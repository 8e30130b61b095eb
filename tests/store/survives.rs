//! What survives, and that reading leaves no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use trueup::model::{Actor, Digest, ObjectId, Time};
use trueup::store::{BadInputs, Suspended, new_sync_id};

use super::{folder, name, open, owned, path, revision};

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart_and_what_was_dropped_is_not() {
    let folder = folder();
    let store = open(&folder).await;
    let bad = BadInputs {
        inputs: Digest::of(b"i"),
        revision: revision(),
        reason: "check failed".into(),
        sync: new_sync_id().unwrap(),
        created: Some(BTreeSet::from([ObjectId::new("path", "/etc/new")])),
        plan: None,
        reverted: None,
    };
    let mut state = store.application(&name("nginx")).await.unwrap();
    state.bad_inputs = Some(bad);
    state.suspended = Some(Suspended { by: Actor::unix_user(0, "root".into()), at: Time(5), reason: "night".into() });
    let mut tx = store.write().await.unwrap();
    tx.put_application(&name("nginx"), &state).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.write().await.unwrap();
    tx.put_application(&name("dropped"), &state).await.unwrap();
    drop(tx);
    assert_eq!(store.application(&name("dropped")).await.unwrap().suspended, None);
    store.close().await.unwrap();

    let store = open(&folder).await;
    assert_eq!(store.applications().await.unwrap(), BTreeMap::from([(name("nginx"), state)]));
}

#[tokio::test]
async fn a_change_that_is_cancelled_half_way_leaves_the_store_usable() {
    let folder = folder();
    let store = open(&folder).await;
    for _ in 0..20 {
        let task = tokio::spawn({
            let store = store.clone();
            async move {
                let mut tx = store.write().await.unwrap();
                loop {
                    tx.put_application(&name("half"), &trueup::store::ApplicationState::default()).await.unwrap();
                }
            }
        });
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        task.abort();
        let _ = task.await;
        assert!(store.applications().await.unwrap().is_empty());
    }
    store.probe().await.unwrap();
    assert_eq!(store.failing(), None);
}

#[tokio::test]
async fn reading_changes_neither_bytes_nor_times_in_the_data_folder() {
    let folder = folder();
    let store = open(&folder).await;
    let mut tx = store.write().await.unwrap();
    let digest = tx.put_content(b"hello").await.unwrap();
    tx.claim(&name("web"), &name("nginx"), &[path("/a")]).await.unwrap();
    tx.put_owned(&name("web"), &name("nginx"), &path("/a"), &owned()).await.unwrap();
    tx.commit().await.unwrap();

    let before = picture(store.folder());
    for _ in 0..50 {
        store.application(&name("nginx")).await.unwrap();
        store.inventory(&name("web"), &name("nginx")).await.unwrap();
        store.holders(&name("web"), &[path("/a")]).await.unwrap();
        store.owed(&name("nginx")).await.unwrap();
        store.open_syncs().await.unwrap();
        store.held_plan(&name("nginx")).await.unwrap();
        store.content(&digest).await.unwrap();
    }
    assert_eq!(picture(store.folder()), before);
    assert!(!store.folder().join("trueup.db-shm").exists());
}

/// Every file with its bytes and its times.
fn picture(folder: &Path) -> BTreeMap<String, (Digest, i64, i64, i64)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let one = |entry: std::fs::DirEntry| {
        let meta = entry.metadata().unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, (Digest::of(&bytes), meta.mtime(), meta.mtime_nsec(), meta.ctime_nsec()))
    };
    entries.map(one).collect()
}

#[tokio::test]
async fn nothing_in_the_data_folder_is_readable_by_others() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::set_permissions(folder.path().join("data"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let store = open(&folder).await;
    store.probe().await.unwrap();
    assert_eq!(std::fs::metadata(store.folder()).unwrap().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(store.folder()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o077, 0, "{}", entry.path().display());
    }
}
