use std::collections::{HashMap, HashSet};
use std::sync::{Arc, mpsc};

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sqlx::{AnyConnection, Row};
use tokio::runtime::Handle;

use super::states::{decode, encode};
use super::tx::statement;
use super::{Result, Store, StoreError, StoreErrorKind, Tx, database, random};
use crate::model::{Contents, ContentsError, Digest, DigestKey};

const READ: &str = "read a stored content";
const WRITE: &str = "write a content";
const NONCE: usize = 12;

impl Store {
    /// Returns the bytes whose SHA-256 is `digest`, or `None` where they are not kept.
    ///
    /// # Errors
    /// `store.damaged` where they are not what was put.
    pub async fn content(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>> {
        content(&mut *self.session().await?, self.key(), digest).await
    }

    /// Returns which of these are not kept.
    pub async fn missing(&self, digests: &[Digest]) -> Result<Vec<Digest>> {
        missing(&mut *self.session().await?, self.key(), digests).await
    }

    /// Returns the stored contents for code that blocks: a target's `apply`, a render. To be called on the runtime that will
    /// serve the reads.
    #[must_use]
    pub fn contents(&self) -> Arc<dyn Contents> {
        Arc::new(StoredContents { store: self.clone(), runtime: Handle::current() })
    }
}

impl Tx {
    /// Keeps bytes, encrypted, and returns their plain SHA-256, by which they are found again.
    pub async fn put_content(&mut self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        let address = address(self.store().key(), &digest);
        let kept = sqlx::query("SELECT 1 FROM contents WHERE address = $1")
            .bind(&address)
            .fetch_optional(self.connection())
            .await
            .map_err(database(WRITE))?;
        if kept.is_none() {
            let sealed = seal(self.store().key(), &address, bytes)?;
            sqlx::query("INSERT INTO contents (address, bytes) VALUES ($1, $2)")
                .bind(address)
                .bind(sealed)
                .execute(self.connection())
                .await
                .map_err(database(WRITE))?;
        }
        Ok(digest)
    }

    /// Returns which of these are not kept, as of this change.
    pub async fn missing(&mut self, digests: &[Digest]) -> Result<Vec<Digest>> {
        let key = self.store().key().clone();
        missing(self.connection(), &key, digests).await
    }

    /// Returns kept bytes, as [`Store::content`] does.
    pub(super) async fn content(&mut self, digest: &Digest) -> Result<Option<Arc<[u8]>>> {
        let key = self.store().key().clone();
        content(self.connection(), &key, digest).await
    }

    /// Drops every content but these. Returns how many went.
    pub async fn sweep(&mut self, keep: &HashSet<Digest>) -> Result<u64> {
        let key = self.store().key().clone();
        let keep: HashSet<String> = keep.iter().map(|digest| address(&key, digest)).collect();
        let rows =
            sqlx::query("SELECT address FROM contents").fetch_all(self.connection()).await.map_err(database(WRITE))?;
        let all = rows.iter().map(|row| row.try_get::<String, _>(0)).collect::<std::result::Result<Vec<_>, _>>();
        let gone: Vec<_> = all.map_err(database(WRITE))?.into_iter().filter(|a| !keep.contains(a)).collect();
        for chunk in gone.chunks(200) {
            let marks: Vec<_> = (1..=chunk.len()).map(|n| format!("${n}")).collect();
            let text = format!("DELETE FROM contents WHERE address IN ({})", marks.join(", "));
            let query = sqlx::query(statement(text)).persistent(false);
            let query = chunk.iter().fold(query, sqlx::query::Query::bind);
            query.execute(self.connection()).await.map_err(database(WRITE))?;
        }
        Ok(gone.len() as u64)
    }
}

async fn missing(connection: &mut AnyConnection, key: &DigestKey, digests: &[Digest]) -> Result<Vec<Digest>> {
    let mut lacking: HashMap<String, Digest> = digests.iter().map(|digest| (address(key, digest), *digest)).collect();
    let addresses: Vec<String> = lacking.keys().cloned().collect();
    for chunk in addresses.chunks(200) {
        let marks: Vec<_> = (1..=chunk.len()).map(|n| format!("${n}")).collect();
        let text = format!("SELECT address FROM contents WHERE address IN ({})", marks.join(", "));
        let query = chunk.iter().fold(sqlx::query(statement(text)).persistent(false), sqlx::query::Query::bind);
        for row in query.fetch_all(&mut *connection).await.map_err(database(READ))? {
            lacking.remove(&row.try_get::<String, _>(0).map_err(database(READ))?);
        }
    }
    Ok(lacking.into_values().collect())
}

async fn content(connection: &mut AnyConnection, key: &DigestKey, digest: &Digest) -> Result<Option<Arc<[u8]>>> {
    let address = address(key, digest);
    let row = sqlx::query("SELECT bytes FROM contents WHERE address = $1")
        .bind(&address)
        .fetch_optional(connection)
        .await
        .map_err(database(READ))?;
    let Some(row) = row else { return Ok(None) };
    let sealed: Vec<u8> = row.try_get(0).map_err(database(READ))?;
    let damaged = || StoreError::new(StoreErrorKind::Damaged, format!("could not read content {}", digest.short()));
    let bytes = unseal(key, &address, &sealed).ok_or_else(damaged)?;
    if Digest::of(&bytes) != *digest {
        return Err(damaged());
    }
    Ok(Some(bytes.into()))
}

/// The content store, for code that blocks.
///
/// # Assumes
/// It is read on a thread that may block (`spawn_blocking`, a thread of one's own), while that thread holds no [`Tx`].
pub struct StoredContents {
    store: Store,
    runtime: Handle,
}

impl Contents for StoredContents {
    /// The read runs as a task and this thread waits for its answer: unlike `block_on` that cannot panic, and a runtime that
    /// shuts down drops the task, which ends the wait.
    fn read(&self, digest: &Digest) -> std::result::Result<Arc<[u8]>, ContentsError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let (store, wanted) = (self.store.clone(), *digest);
        self.runtime.spawn(async move {
            // Nobody waits any more when this fails.
            let _ = sender.send(store.content(&wanted).await);
        });
        let source = match receiver.recv() {
            Ok(Ok(Some(bytes))) => return Ok(bytes),
            Ok(Ok(None)) => anyhow::anyhow!("the store does not keep it"),
            Ok(Err(error)) => error.into(),
            Err(_) => anyhow::anyhow!("the daemon is stopping"),
        };
        Err(ContentsError { digest: *digest, source })
    }
}

/// A keyed digest of the plain one: whoever reads the table cannot tell whether it holds a file that they know.
fn address(key: &DigestKey, digest: &Digest) -> String {
    key.digest("trueup/content-address/v1", digest.as_bytes()).to_string()
}

fn cipher(key: &DigestKey) -> Aes256Gcm {
    Aes256Gcm::new(key.derive("trueup/contents/v1").as_bytes().into())
}

/// Encodes a row that names contents, encrypted: the plain digest of a secret that can be guessed is not for whoever has the
/// database alone. `place` is where the row lies, and goes in as an address does.
pub(super) fn encode_sealed(key: &DigestKey, place: &str, value: &impl serde::Serialize) -> Result<String> {
    Ok(BASE64.encode(seal(key, place, encode(value)?.as_bytes())?))
}

/// Returns what [`encode_sealed`] was given. What an earlier version wrote lies there in clear, and is an object of JSON.
pub(super) fn decode_sealed<T: serde::de::DeserializeOwned>(key: &DigestKey, place: &str, text: &str) -> Result<T> {
    if text.starts_with('{') {
        return decode(text);
    }
    let bytes = BASE64.decode(text).ok().and_then(|sealed| unseal(key, place, &sealed));
    let damaged = || StoreError::new(StoreErrorKind::Damaged, format!("could not decrypt a row of {place}"));
    let text = String::from_utf8(bytes.ok_or_else(damaged)?).map_err(|_| damaged())?;
    decode(&text)
}

/// Returns nonce and ciphertext; the address goes in as associated data, so that no row can stand in for another.
pub(crate) fn seal(key: &DigestKey, address: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let nonce = random::<NONCE>()?;
    let payload = Payload { msg: bytes, aad: address.as_bytes() };
    let failed = |_| StoreError::new(StoreErrorKind::Unavailable, "could not encrypt a content");
    let sealed = cipher(key).encrypt(&nonce.into(), payload).map_err(failed)?;
    Ok([&nonce[..], &sealed].concat())
}

/// Returns what [`seal`] was given; `None` where it is not that, or lies under another address.
pub(crate) fn unseal(key: &DigestKey, address: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
    cipher(key).decrypt(&(*nonce).into(), Payload { msg: sealed, aad: address.as_bytes() }).ok()
}
