//! Whoever owns the machine: they rewrite the database as they like, compute every hash anew, and sign with the key that lies there.
//! What they cannot change is a checkpoint that somebody else kept.

use std::path::Path;

use sqlx::{Connection, Row as _, SqliteConnection};
use trueup::audit::Signer;
use trueup::model::Digest;
use trueup::store::Store;

/// One record, as the attacker would have it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) application: Option<String>,
    pub(crate) kind: String,
    pub(crate) sync: Option<String>,
    pub(crate) bytes: String,
    pub(crate) salt: Option<String>,
    pub(crate) payload: Option<String>,
}

impl Row {
    /// Puts other words into the payload, and makes the leaf commit to them.
    pub(crate) fn rephrase(&mut self, from: &str, to: &str) {
        let old = self.commitment();
        self.payload = self.payload.take().map(|payload| payload.replacen(from, to, 1));
        let new = self.commitment();
        self.bytes = self.bytes.replacen(&old, &new, 1);
    }

    fn commitment(&self) -> String {
        let (salt, payload) = (self.salt.as_deref().unwrap_or_default(), self.payload.as_deref().unwrap_or_default());
        Digest::of(format!("{salt}{payload}").as_bytes()).to_string()
    }

    fn numbered(&self, seq: usize) -> String {
        let (before, rest) = self.bytes.split_once("\"seq\":").unwrap_or((&self.bytes, "0,"));
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        format!("{before}\"seq\":{seq}{rest}")
    }
}

/// Reads a database, lets `change` loose on its records, and makes everything in it fit again: numbers, hashes, head and
/// checkpoints.
pub(crate) async fn rewrite(data: &Path, change: impl FnOnce(&mut Vec<Row>)) {
    let mut connection = connect(data).await;
    let mut rows = read(&mut connection).await;
    change(&mut rows);
    for statement in ["DELETE FROM records", "DELETE FROM head", "DELETE FROM checkpoints"] {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    let mut leaves = vec![];
    for (seq, row) in (1..).zip(&rows) {
        let bytes = row.numbered(seq);
        let hash = Digest::of(&[&[0], bytes.as_bytes()].concat());
        leaves.push(hash);
        sqlx::query("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(i64::try_from(seq).unwrap())
            .bind(&row.application)
            .bind(&row.kind)
            .bind(&row.sync)
            .bind(bytes)
            .bind(hash.to_string())
            .bind(&row.salt)
            .bind(&row.payload)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    let (root, peaks) = tree(&leaves);
    sqlx::query("INSERT INTO head VALUES (1, ?, ?, ?)")
        .bind(i64::try_from(leaves.len()).unwrap())
        .bind(root.to_string())
        .bind(peaks.iter().map(Digest::to_string).collect::<String>())
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    // The key lies in the folder. Where they left no record that introduces it, they have to do without.
    let store = Store::open(data).await.unwrap();
    if let Ok(signer) = Signer::open(&store, None).await {
        let _ = signer.checkpoint(&store).await;
    }
    store.close().await.unwrap();
}

/// Changes rows without a care for what they hash to.
pub(crate) async fn run(data: &Path, statement: &str) -> u64 {
    let mut connection = connect(data).await;
    let done = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    done.rows_affected()
}

async fn connect(data: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", data.join("trueup.db").display())).await.unwrap()
}

async fn read(connection: &mut SqliteConnection) -> Vec<Row> {
    let rows = sqlx::query("SELECT application, kind, sync, bytes, salt, payload FROM records ORDER BY seq");
    let one = |row: &sqlx::sqlite::SqliteRow| Row {
        application: row.get(0),
        kind: row.get(1),
        sync: row.get(2),
        bytes: row.get(3),
        salt: row.get(4),
        payload: row.get(5),
    };
    rows.fetch_all(connection).await.unwrap().iter().map(one).collect()
}

/// Returns root and peaks, computed by the book and not by the code that is tested.
fn tree(leaves: &[Digest]) -> (Digest, Vec<Digest>) {
    let (mut peaks, mut rest) = (vec![], leaves);
    while !rest.is_empty() {
        let (left, right) = rest.split_at(1 << rest.len().ilog2());
        peaks.push(root(left));
        rest = right;
    }
    (root(leaves), peaks)
}

fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Digest::of(&[&[1], root(left).as_bytes().as_slice(), root(right).as_bytes()].concat())
        }
    }
}
