//! How fast the trail is, each number beside its goal. `cargo bench --bench trail [folder]`: the folder decides the disk.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

mod table;

use std::path::Path;
use std::time::Instant;

use sqlx::{AnyConnection, Connection};
use table::{quantile, row};
use trueup::audit::{self, Body, By, Entry, Given, IntentBody, Redactor, Report, Signer, StepSummary};
use trueup::model::{Action, Actor, Cause, Digest, ObjectId, PlanId, Risk, Time};
use trueup::store::{ReadOnly, Store, new_sync_id};

const ROUNDS: usize = 40;
const ONE_BY_ONE: usize = 50;
const GROUPED: usize = 50_000;
const GROUP: usize = 5_000;
const MILLION: usize = 1_000_000;
/// So many records go under one checkpoint at the most.
const RECORDS: usize = 256;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` passes `--bench`.
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let scratch = match &folder {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?,
    };
    let store = Store::open(&scratch.path().join("data")).await?;
    let mut bare_connection = bare_database(&scratch.path().join("bare.db")).await?;

    // Turn about, so that a busy disk slows both; the medians are told.
    let (mut bare, mut appends, mut ratios) = (vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        let (one, other) = (bare_commits(&mut bare_connection).await?, one_by_one(&store).await?);
        bare.push(one);
        appends.push(other);
        ratios.push(other / one * 100.0);
    }
    let [bare, appends, ratio] = [bare, appends, ratios].map(|numbers| quantile(&numbers, 0.5));
    let rate = |rate: f64| format!("{rate:.0} /s");
    row("trail: bare commits on the same store, one row each", &rate(bare), "", None);
    row("trail: durable appends, one by one", &rate(appends), "", None);
    row("trail: appends beside bare commits", &format!("{ratio:.0} %"), "at least 80 %", Some(ratio >= 80.0));
    let grouped = grouped(&store).await?;
    let name = format!("trail: durable appends, {GROUP} to a transaction");
    row(&name, &rate(grouped), "at least 50000 /s", Some(grouped >= 50_000.0));
    verified(&scratch.path().join("million")).await
}

/// A trail that was signed for as often as can be, verified from its store and from an export, both held against a checkpoint.
async fn verified(folder: &Path) -> anyhow::Result<()> {
    let store = Store::open(folder).await?;
    let signer = Signer::open(&store, None).await?;
    let redactor = Redactor::default();
    let by = By { actor: Actor::daemon("bench"), reason: None, redactor: &redactor, now: Time(0) };
    signer.introduce(&store, &by).await?;
    let entries = vec![entry()?; RECORDS];
    for _ in 0..MILLION / RECORDS {
        let mut tx = store.write().await?;
        audit::append(&mut tx, Time(0), &redactor, &entries).await?;
        tx.commit().await?;
        signer.checkpoint(&store).await?;
    }
    let newest = audit::newest(&store).await?.ok_or_else(|| anyhow::anyhow!("there is no checkpoint"))?;
    let mut given = Given::default();
    given.hold_against("kept", newest.to_string())?;
    let export = folder.join("export");
    audit::export(&store, 0, None, tokio::io::BufWriter::new(tokio::fs::File::create(&export).await?)).await?;

    let told = |what: &str, report: &Report, began: Instant| {
        anyhow::ensure!(report.is_intact() && report.covered == report.size, "damaged: {:?}", report.problems);
        let seconds = began.elapsed().as_secs_f64() * MILLION as f64 / report.size as f64;
        let name = format!("trail: verify 1,000,000 records, {what}");
        row(&name, &format!("{seconds:.1} s"), "at most 10 s", Some(seconds <= 10.0));
        Ok(())
    };
    let began = Instant::now();
    told("running", &audit::verify(&store, &given).await?, began)?;
    store.close().await?;
    let began = Instant::now();
    told("folder", &audit::verify(&ReadOnly::open(folder).await?, &given).await?, began)?;
    let began = Instant::now();
    let reader = std::io::BufReader::with_capacity(1 << 20, std::fs::File::open(&export)?);
    told("export", &audit::verify_export(reader, &given).await?, began)?;
    let store = Store::open(folder).await?;
    let began = Instant::now();
    let proof = audit::prove(&store, 12_345).await?;
    anyhow::ensure!(proof.is_some_and(|proof| proof.verify(&[]).is_ok()), "it proves nothing");
    row("trail: prove one of 1,000,000", &format!("{:.1} s", began.elapsed().as_secs_f64()), "", None);
    Ok(())
}

/// The least that a durable write can be: the same driver and settings, one row of the size of a record, one commit.
async fn bare_database(path: &Path) -> anyhow::Result<AnyConnection> {
    let mut connection = AnyConnection::connect(&format!("sqlite://{}?mode=rwc", path.display())).await?;
    for text in [
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, body TEXT)",
    ] {
        sqlx::query(text).execute(&mut connection).await?;
    }
    Ok(connection)
}

async fn bare_commits(connection: &mut AnyConnection) -> anyhow::Result<f64> {
    let body = "x".repeat(1000);
    let began = Instant::now();
    for _ in 0..ONE_BY_ONE {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        sqlx::query("INSERT INTO rows (body) VALUES ($1)").bind(&body).execute(&mut *connection).await?;
        sqlx::query("COMMIT").execute(&mut *connection).await?;
    }
    Ok(ONE_BY_ONE as f64 / began.elapsed().as_secs_f64())
}

async fn one_by_one(store: &Store) -> anyhow::Result<f64> {
    let entries = [entry()?];
    let redactor = Redactor::default();
    let began = Instant::now();
    for _ in 0..ONE_BY_ONE {
        let mut tx = store.write().await?;
        audit::append(&mut tx, Time(0), &redactor, &entries).await?;
        tx.commit().await?;
    }
    Ok(ONE_BY_ONE as f64 / began.elapsed().as_secs_f64())
}

async fn grouped(store: &Store) -> anyhow::Result<f64> {
    let entries = vec![entry()?; GROUP];
    let redactor = Redactor::default();
    let began = Instant::now();
    for _ in 0..GROUPED / GROUP {
        let mut tx = store.write().await?;
        audit::append(&mut tx, Time(0), &redactor, &entries).await?;
        tx.commit().await?;
    }
    Ok(GROUPED as f64 / began.elapsed().as_secs_f64())
}

/// The intent of one step: the record that is written most.
fn entry() -> anyhow::Result<Entry> {
    let step = StepSummary {
        number: 0,
        object: ObjectId::new("path", "/etc/nginx/conf.d/site.conf"),
        action: Action::Update,
        cause: Cause::Intentional,
        before: Digest::of(b"before"),
        after: Digest::of(b"after"),
        risk: Risk::Low,
        wave: 0,
    };
    Ok(Entry {
        application: Some("nginx".parse()?),
        revision: Some("0123456789012345678901234567890123456789".parse()?),
        plan: Some(PlanId(Digest::of(b"plan"))),
        sync: Some(new_sync_id()?),
        actor: Actor::daemon("poll"),
        body: Body::Intent(IntentBody { wave: 0, steps: vec![step] }),
    })
}
