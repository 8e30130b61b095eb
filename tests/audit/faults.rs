//! What happens to SQLite files behind SQLite's back (<https://sqlite.org/howtocorrupt.html>) never passes for a shorter trail.

use trueup::audit::{self, By, CheckpointFile, Given, Redactor, Signer, TrailError, hold_against};
use trueup::model::{Actor, Time};
use trueup::store::{ReadOnly, Store, StoreErrorKind};

use crate::{Trail, observed};

/// Copies files of a data folder that is in use.
fn copied(trail: &Trail, files: &[&str]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in files {
        std::fs::copy(trail.store().folder().join(file), copy.path().join(file)).unwrap();
        let mode: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(copy.path().join(file), mode).unwrap();
    }
    copy
}

#[tokio::test]
async fn n8_a_store_whose_journal_was_deleted_is_behind_what_was_published() {
    let trail = Trail::empty().await;
    let signer = trail.signed().await;
    trail.append(&(0..50).map(|n| observed("a", &format!("early {n}"))).collect::<Vec<_>>()).await;
    // What is there so far is written back, as SQLite does from time to time.
    let store = trail.store().clone();
    store.close().await.unwrap();
    let trail = trail.reopened().await;
    trail.append(&(0..50).map(|n| observed("a", &format!("late {n}"))).collect::<Vec<_>>()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = CheckpointFile::new(&folder.path().join("checkpoints"));
    file.append(&signer.checkpoint(trail.store()).await.unwrap()).unwrap();
    let note = file.last().unwrap().unwrap();
    hold_against(trail.store(), "the file", &note).await.unwrap();

    let copy = copied(&trail, &["trueup.db", "content.key", "trail.key"]);
    let behind = Store::open(copy.path()).await.unwrap();
    let error = hold_against(&behind, "the file", &note).await.unwrap_err();
    assert!(matches!(error, TrailError::RolledBack { published: 101, here: 51, .. }), "{error}");
    behind.close().await.unwrap();
    // With it, the copy is all there, to be written to or only read.
    let copy = copied(&trail, &["trueup.db", "trueup.db-wal", "content.key", "trail.key"]);
    let before = std::fs::read(copy.path().join("trueup.db-wal")).unwrap();
    let mut given = Given::default();
    given.hold_against("the file", note.to_string()).unwrap();
    let report = audit::verify(&ReadOnly::open(copy.path()).await.unwrap(), &given).await.unwrap();
    assert!(report.is_intact() && report.size == 101, "{:?}", report.problems);
    assert_eq!(std::fs::read(copy.path().join("trueup.db-wal")).unwrap(), before, "what is only read stays as it was");
    let whole = Store::open(copy.path()).await.unwrap();
    hold_against(&whole, "the file", &note).await.unwrap();
}

#[tokio::test]
async fn n2_a_trail_that_was_gone_on_with_from_a_copy_is_told_from_the_one_that_was_published() {
    let trail = Trail::empty().await;
    let signer = trail.signed().await;
    let copy = copied(&trail, &["trueup.db", "trueup.db-wal", "content.key", "trail.key"]);
    trail.append(&[observed("a", "one way")]).await;
    let note = signer.checkpoint(trail.store()).await.unwrap();
    let (fork, redactor) = (Store::open(copy.path()).await.unwrap(), Redactor::default());
    let mut tx = fork.write().await.unwrap();
    audit::append(&mut tx, Time(1), &redactor, &[observed("a", "the other way")]).await.unwrap();
    tx.commit().await.unwrap();
    // Of the same size, and then longer: the roots tell.
    for _ in 0..2 {
        let error = hold_against(&fork, "the file", &note).await.unwrap_err();
        assert!(matches!(error, TrailError::Forked { published: 2, .. }), "{error}");
        let mut tx = fork.write().await.unwrap();
        audit::append(&mut tx, Time(2), &redactor, &[observed("a", "and on")]).await.unwrap();
        tx.commit().await.unwrap();
    }
    let stranger = Trail::empty().await;
    let error = hold_against(stranger.store(), "the file", &note).await.unwrap_err();
    assert!(matches!(error, TrailError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn n8_no_program_that_is_started_inherits_a_handle_of_the_store() {
    // A child that closed one would let go of the locks that its parent holds.
    let trail = Trail::long().await;
    let listed = std::process::Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let data = trail.store().folder().display().to_string();
    assert!(listed.contains("/proc/") && !listed.contains(&data), "{listed}");
}

#[tokio::test]
async fn a_folder_that_a_daemon_holds_is_not_read_behind_its_back() {
    let trail = Trail::long().await;
    match ReadOnly::open(trail.store().folder()).await {
        Ok(_) => panic!("it was read"),
        Err(error) => assert_eq!(error.kind, StoreErrorKind::Locked),
    }
    let nothing = tempfile::tempdir().unwrap();
    assert!(ReadOnly::open(nothing.path()).await.is_err());
    std::os::unix::fs::symlink(trail.store().folder().join("trueup.db"), nothing.path().join("trueup.db")).unwrap();
    assert!(ReadOnly::open(nothing.path()).await.is_err(), "a link is not followed");
}

#[tokio::test]
async fn n6_a_replacement_of_the_key_that_a_crash_interrupted_has_happened_or_not() {
    let trail = Trail::empty().await;
    let folder = trail.store().folder().to_owned();
    let (key, next) = (folder.join("trail.key"), folder.join("trail.key.next"));
    let redactor = Redactor::default();
    let by = || By { actor: Actor::unix_user(0, "root".into()), reason: None, redactor: &redactor, now: Time(0) };
    let open = async || Signer::open(trail.store(), None).await;
    let signer = open().await.unwrap();
    assert!(signer.introduce(trail.store(), &by()).await.unwrap().is_some());
    assert_eq!(signer.introduce(trail.store(), &by()).await.unwrap(), None, "again is once");
    let old = std::fs::read(&key).unwrap();
    let private = |path: &std::path::Path, bytes: &[u8]| {
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    let (new, _) = signer.rotate(trail.store(), &by()).await.unwrap();
    let public = new.key().public().to_string();
    let bytes = std::fs::read(&key).unwrap();
    // The record is durable, and the new key lies beside the old one, or beside what is left of it.
    for left in [old.clone(), vec![0; old.len()]] {
        private(&key, &left);
        private(&next, &bytes);
        assert_eq!(open().await.unwrap().key().public().to_string(), public);
        assert_eq!((std::fs::read(&key).unwrap(), next.exists()), (bytes.clone(), false));
    }
    // A key that no record introduces is nobody's.
    private(&next, &old);
    assert_eq!(open().await.unwrap().key().public().to_string(), public);
    assert!(!next.exists());
    let report = trail.verify().await;
    assert!(report.is_intact() && report.covered == report.size && report.keys.len() == 2, "{report:?}");
}

#[tokio::test]
async fn nothing_is_signed_beside_a_checkpoint_that_the_trail_does_not_bear_out() {
    for (column, value) in
        [("note", "replace(note, char(10) || '2' || char(10), char(10) || '900' || char(10))"), ("size", "size")]
    {
        let trail = Trail::empty().await;
        let signer = trail.signed().await;
        trail.append(&[observed("a", "one")]).await;
        let note = signer.checkpoint(trail.store()).await.unwrap();
        let statement = format!("UPDATE checkpoints SET {column} = {value} WHERE size = 2");
        let folder = trail.store().folder().to_owned();
        trail.store().clone().close().await.unwrap();
        crate::attacker::run(&folder, &statement).await;
        let trail = trail.reopened().await;
        let again = signer.checkpoint(trail.store()).await;
        match column {
            "note" => assert_eq!(again.unwrap_err().kind, StoreErrorKind::Damaged),
            _ => assert_eq!(again.unwrap(), note),
        }
    }
}
