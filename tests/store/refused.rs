//! What is refused: a second daemon, a newer schema, damage, lost keys.

use std::os::unix::fs::PermissionsExt;

use sqlx::{Connection, SqliteConnection};
use trueup::store::{Store, StoreErrorKind};

use super::{folder, name, open, owned, path, refused, tamper};

#[tokio::test]
async fn a_second_daemon_is_refused_and_the_first_is_named() {
    let folder = folder();
    let store = open(&folder).await;
    let error = refused(&folder).await;
    assert_eq!(error.code(), "store.locked");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    store.close().await.unwrap();
    open(&folder).await;
}

#[tokio::test]
async fn a_second_writer_that_knows_no_lock_file_is_refused_too() {
    let folder = folder();
    let store = open(&folder).await;
    let url = format!("sqlite://{}", store.folder().join("trueup.db").display());
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
    let options = options.busy_timeout(std::time::Duration::from_millis(50));
    let result = match SqliteConnection::connect_with(&options).await {
        Ok(mut other) => sqlx::query("DELETE FROM records").execute(&mut other).await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(result.unwrap_err().to_string().contains("locked"));
}

#[tokio::test]
async fn a_link_in_place_of_the_database_or_the_lock_is_refused() {
    for file in ["trueup.db", "lock", "content.key"] {
        let folder = folder();
        open(&folder).await.close().await.unwrap();
        let data = folder.path().join("data");
        std::fs::rename(data.join(file), folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), data.join(file)).unwrap();
        refused(&folder).await;
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = folder();
    open(&folder).await.close().await.unwrap();
    tamper(
        &folder,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (9, 'later', TRUE, x'00', 0)",
    )
    .await;
    assert_eq!(refused(&folder).await.code(), "store.newer");
}

#[tokio::test]
async fn a_flipped_page_is_damage_and_is_not_repaired() {
    let folder = folder();
    let store = open(&folder).await;
    let mut tx = store.write().await.unwrap();
    for n in 0..500 {
        tx.put_owned(&name("web"), &name("nginx"), &path(&format!("/etc/{n}")), &owned()).await.unwrap();
    }
    tx.commit().await.unwrap();
    store.close().await.unwrap();
    let file = folder.path().join("data/trueup.db");
    let whole = std::fs::read(&file).unwrap();
    let mut refusals = 0;
    for page in 1..whole.len() / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..page * 4096 + 64].iter_mut().for_each(|byte| *byte ^= 0xff);
        std::fs::write(&file, &bytes).unwrap();
        match Store::open(&folder.path().join("data")).await {
            Ok(store) => store.close().await.unwrap(),
            Err(error) => {
                assert_eq!(error.kind, StoreErrorKind::Damaged, "page {page}: {error:?}");
                assert_eq!(std::fs::read(&file).unwrap(), bytes, "page {page} was written to");
                refusals += 1;
            }
        }
    }
    // A free page may be anything.
    assert!(refusals >= whole.len() / 4096 - 2, "{refusals} of {}", whole.len() / 4096 - 1);
    let mut bytes = whole;
    bytes[..16].fill(0);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(refused(&folder).await.code(), "store.damaged");
}

#[tokio::test]
async fn a_lost_foreign_or_open_key_is_refused_and_never_made_anew() {
    let folder = folder();
    open(&folder).await.close().await.unwrap();
    let file = folder.path().join("data/content.key");
    let key = std::fs::read(&file).unwrap();
    assert_eq!(key.len(), 32);

    std::fs::remove_file(&file).unwrap();
    assert_eq!(refused(&folder).await.code(), "store.key");
    assert!(!file.exists());

    std::fs::write(&file, [7; 32]).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(refused(&folder).await.code(), "store.key");

    std::fs::write(&file, &key[..31]).unwrap();
    assert_eq!(refused(&folder).await.code(), "store.key");

    std::fs::write(&file, &key).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(refused(&folder).await.code(), "store.key");
}
