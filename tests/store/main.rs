//! The store: what survives, what is refused, and that reading leaves no trace on disk.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Tests say what went wrong by failing.

mod full;
mod kept;
mod objects;
mod plans;
mod refused;
mod survives;

use std::collections::BTreeMap;

use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use trueup::model::{
    Action, Cause, Decision, Digest, Fingerprint, Left, Name, ObjectId, Origin, Owned, Place, Plan, Revision, Risk,
    Spec, Step, Verdict,
};
use trueup::store::{Prepared, Purpose, Store};

const DAY: i64 = 24 * 60 * 60;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

async fn open(folder: &TempDir) -> Store {
    Store::open(&folder.path().join("data")).await.unwrap()
}

async fn refused(folder: &TempDir) -> trueup::store::StoreError {
    match Store::open(&folder.path().join("data")).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// Changes the database behind the store's back.
async fn tamper(folder: &TempDir, statement: &'static str) {
    let url = format!("sqlite://{}", folder.path().join("data/trueup.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn path(text: &str) -> ObjectId {
    ObjectId::new("path", text)
}

fn owned() -> Owned {
    let digest = Digest::of(b"x");
    Owned { origin: Origin::Created, left: Left { spec: digest, state: digest, fingerprint: Fingerprint("1".into()) } }
}

fn spec(text: &str) -> Spec {
    let place = Place { file: "a.yaml".into(), line: 1, column: 1 };
    Spec::new(serde_json::json!({ "sort": text }), vec![], place)
}

fn revision() -> Revision {
    "0123456789abcdef0123456789abcdef01234567".parse().unwrap()
}

fn prepared(application: &str, inputs: &str) -> Prepared {
    let step = Step {
        id: path("/etc/motd"),
        action: Action::Update,
        cause: Cause::Intentional,
        before: Digest::of(b"before"),
        after: Digest::of(b"after"),
        fingerprint: None,
        risk: Risk::Low,
        wave: 0,
    };
    Prepared {
        plan: Plan::new(name(application), name("web"), Digest::of(inputs.as_bytes()), vec![step]),
        specs: BTreeMap::from([(0, spec("file"))]),
        desired: Digest::of(b"desired"),
        verdict: Verdict { decision: Decision::Go, findings: vec![], forced_by: vec![], changes_at: None },
        purpose: Purpose::Forward {
            revision: revision(),
            reference: "refs/heads/main".into(),
            url: "https://git.example.org/a.git".into(),
            signer: None,
        },
        handed: BTreeMap::new(),
        unnamed: vec![],
        artifact: Some(Digest::of(b"saved plan")),
        precondition: None,
        version: String::new(),
    }
}
