use std::borrow::Cow;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use sqlx::any::AnyConnectOptions;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, ConnectOptions, Connection, Row, SqlSafeStr};
use tokio::sync::watch;

use super::{Inner, Result, Store, StoreError, StoreErrorKind, database, key, lock, reserve};
use crate::model::DigestKey;

pub(super) const FILE: &str = "trueup.db";

/// `EXCLUSIVE` before the first access: no shared memory file, and no second writer whatever it is. `FULL` syncs the journal
/// at every commit, which is what an intent before an act rests on. The cache is small on purpose: the tables are read rarely.
/// `secure_delete`: what is deleted, or moved to another page, leaves nothing behind where that costs no write of its own.
const SETTINGS: [&str; 7] = [
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -2048",
    "PRAGMA secure_delete = FAST",
];

impl Store {
    /// Opens the store in the folder `data`, which becomes ours alone; makes folder, key and database where there are none.
    ///
    /// # Errors
    /// When another process holds it, when it is damaged (it is never repaired by guessing), when a newer trueup wrote it, when
    /// the key is not the one that it was made with.
    pub async fn open(data: &Path) -> Result<Self> {
        prepare_folder(data)?;
        let lock = lock::Lock::take(data)?;
        let path = data.join(FILE);
        let first_start = prepare_file(&path)?;
        let key = key::load(data, first_start)?;
        let mut connection = connect(&path, "mode=rw").await?;
        let prepared = match prepare(&mut connection, &key).await {
            // Counting the holders takes a few bytes: a full disk is no reason to answer no question.
            Err(error) if error.kind == StoreErrorKind::Full && reserve::give_left(data) => {
                prepare(&mut connection, &key).await
            }
            prepared => prepared,
        };
        let fence = match prepared {
            Ok(fence) => fence,
            Err(error) => {
                // A connection that is only dropped lets go of the file some time later. What is wrong with it was said.
                let _ = connection.close().await;
                return Err(error);
            }
        };
        let inner = Inner {
            fence,
            folder: data.to_owned(),
            key,
            connection: Arc::new(tokio::sync::Mutex::new(Some(connection))),
            begun: AtomicBool::new(false),
            failing: Mutex::new(None),
            memo: Mutex::new(None),
            appended: watch::Sender::new(0),
            reserve: reserve::Reserve::default(),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

async fn prepare(connection: &mut AnyConnection, key: &DigestKey) -> Result<u64> {
    for setting in SETTINGS {
        sqlx::query(setting).execute(&mut *connection).await.map_err(database("open the store"))?;
    }
    check(connection).await?;
    migrate(connection).await?;
    check_key(connection, key).await?;
    next_fence(connection).await
}

fn prepare_folder(folder: &Path) -> Result<()> {
    let failed = |source| StoreError::file(format!("could not prepare the data folder {}", folder.display()), source);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let mode = std::fs::metadata(folder).map_err(failed)?.permissions().mode();
    if mode & 0o777 != 0o700 {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Returns whether there was no database. It is made here, and not by SQLite, so that it (and the journal, which takes
/// after it) is never readable by others.
fn prepare_file(path: &Path) -> Result<bool> {
    let failed = |source| StoreError::file(format!("could not open the store {}", path.display()), source);
    match std::fs::symlink_metadata(path) {
        // An empty file is what a crash at first start leaves.
        Ok(found) if found.is_file() => Ok(found.len() == 0),
        Ok(_) => Err(StoreError::new(
            StoreErrorKind::Damaged,
            format!("could not open the store {}: it is a link or no regular file", path.display()),
        )),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
            Ok(true)
        }
        Err(e) => Err(failed(e)),
    }
}

pub(super) async fn connect(path: &Path, how: &str) -> Result<AnyConnection> {
    sqlx::any::install_default_drivers();
    let options = AnyConnectOptions::from_str(&url(path, how)?).map_err(database("read the path of the store"))?;
    options.disable_statement_logging().connect().await.map_err(database("open the store"))
}

fn url(path: &Path, how: &str) -> Result<String> {
    let path = path.to_str().ok_or_else(|| {
        StoreError::new(
            StoreErrorKind::Unavailable,
            format!("could not open the store: {} is not UTF-8", path.display()),
        )
    })?;
    let plain = |c: &u8| c.is_ascii_alphanumeric() || b"/-_.~".contains(c);
    let encode = |c: u8| if plain(&c) { char::from(c).to_string() } else { format!("%{c:02X}") };
    let encoded: String = path.bytes().map(encode).collect();
    Ok(format!("sqlite://{encoded}?{how}"))
}

/// Reads the whole database once: a page that is not what was written is found now, not in the middle of a sync.
pub(super) async fn check(connection: &mut AnyConnection) -> Result<()> {
    let rows = sqlx::query("PRAGMA quick_check(5)").fetch_all(connection).await.map_err(database("check the store"))?;
    let said: Vec<String> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<std::result::Result<_, _>>()
        .map_err(database("check the store"))?;
    if said == ["ok"] {
        return Ok(());
    }
    Err(StoreError::because(
        StoreErrorKind::Damaged,
        "could not open the store: it is damaged, restore it from a backup",
        anyhow::anyhow!("{}", said.join("; ")),
    ))
}

async fn migrate(connection: &mut AnyConnection) -> Result<()> {
    // A version that does not know one of these refuses the store (`store.newer`): it would sweep contents that they need.
    let all = [
        (1, "first", include_str!("migrations/sqlite/0001.sql")),
        (2, "preimages", include_str!("migrations/sqlite/0002.sql")),
        (3, "people", include_str!("migrations/sqlite/0003.sql")),
        (4, "trail", include_str!("migrations/sqlite/0004.sql")),
        (5, "sinks", include_str!("migrations/sqlite/0005.sql")),
        (6, "tokens", include_str!("migrations/sqlite/0006.sql")),
    ];
    let migration = |(version, name, text): (i64, &'static str, &'static str)| {
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, text.into_sql_str(), false)
    };
    Migrator::with_migrations(all.map(migration).to_vec()).run(connection).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => StoreError::new(
            StoreErrorKind::Newer,
            format!("could not open the store: a newer trueup wrote it (schema {version})"),
        ),
        MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
            database("bring the store up to this version")(source)
        }
        other => StoreError::because(StoreErrorKind::Damaged, "could not bring the store up to this version", other),
    })
}

/// Counts the holders of the data folder, so that a target that knows fencing can refuse what an earlier one still sends.
async fn next_fence(connection: &mut AnyConnection) -> Result<u64> {
    let doing = || database("count the holders of the store");
    let row = sqlx::query("SELECT body FROM meta WHERE name = 'fence'").fetch_optional(&mut *connection).await;
    let last: Option<String> = row.map_err(doing())?.map(|row| row.try_get(0)).transpose().map_err(doing())?;
    let fence = last.and_then(|last| last.parse::<u64>().ok()).unwrap_or(0) + 1;
    sqlx::query(
        "INSERT INTO meta (name, body) VALUES ('fence', $1) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
    )
    .bind(fence.to_string())
    .execute(connection)
    .await
    .map_err(doing())?;
    Ok(fence)
}

/// Keeps a keyed digest of nothing, by which another key is noticed before anything is read with it.
async fn check_key(connection: &mut AnyConnection, key: &DigestKey) -> Result<()> {
    let doing = || database("check the content key");
    let mine = key.digest("trueup/key-check/v1", b"").to_string();
    let found = sqlx::query("SELECT body FROM meta WHERE name = 'key'")
        .fetch_optional(&mut *connection)
        .await
        .map_err(doing())?;
    let Some(row) = found else {
        let insert = sqlx::query("INSERT INTO meta (name, body) VALUES ('key', $1)").bind(mine);
        insert.execute(connection).await.map_err(doing())?;
        return Ok(());
    };
    if row.try_get::<String, _>(0).map_err(doing())? == mine {
        return Ok(());
    }
    Err(StoreError::new(StoreErrorKind::Key, "could not open the store: it was made with another content key"))
}
