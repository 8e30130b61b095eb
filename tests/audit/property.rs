//! Shows 4: everything that whoever owns the database may do to records that a checkpoint covers is shown by that checkpoint.

use proptest::prelude::*;
use proptest::sample::Index;
use tempfile::TempDir;
use trueup::audit::{self, By, Given, Redactor, Report, Signer};
use trueup::model::{Actor, Time};
use trueup::store::{ReadOnly, Store};

use crate::attacker::{self, Row};
use crate::{RUNTIME, observed};

/// A trail whose daemon is gone, and what others kept of it.
struct Found {
    folder: TempDir,
    /// Checkpoints, each as it was published, with how many records it covers.
    kept: Vec<(usize, String)>,
    key: String,
    size: usize,
}

impl Found {
    /// Makes a trail in parts of these lengths, with a checkpoint after each.
    async fn of(parts: &[usize]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data")).await.unwrap();
        let signer = Signer::open(&store, None).await.unwrap();
        let redactor = Redactor::default();
        let by = By { actor: Actor::daemon("run"), reason: None, redactor: &redactor, now: Time(0) };
        let first = signer.introduce(&store, &by).await.unwrap().unwrap();
        let (mut size, mut kept) = (1, vec![(1, first.to_string())]);
        for part in parts {
            let entries: Vec<_> =
                (0..*part).map(|n| observed(["web", "db"][n % 2], &format!("message {}", size + n))).collect();
            let mut tx = store.write().await.unwrap();
            audit::append(&mut tx, Time(1), &redactor, &entries).await.unwrap();
            tx.commit().await.unwrap();
            size += part;
            kept.push((size, signer.checkpoint(&store).await.unwrap().to_string()));
        }
        // And some that nobody holds a checkpoint of.
        let mut tx = store.write().await.unwrap();
        audit::append(&mut tx, Time(2), &redactor, &[observed("web", "message late"), observed("db", "message last")])
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let key = signer.key().public().to_string();
        store.close().await.unwrap();
        Self { folder, kept, key, size: size + 2 }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Verifies the folder, and an export of it, with one checkpoint that was kept: both see the same.
    async fn verify(&self, checkpoint: &str, trusted: bool) -> Report {
        let mut given = Given::default();
        given.hold_against("kept", checkpoint.to_owned()).unwrap();
        if trusted {
            given.trust(&self.key).unwrap();
        }
        let report = audit::verify(&ReadOnly::open(&self.data()).await.unwrap(), &given).await.unwrap();
        let store = Store::open(&self.data()).await.unwrap();
        let mut export = std::io::Cursor::new(vec![]);
        if audit::export(&store, 0, None, &mut export).await.is_ok() {
            let exported = audit::verify_export(export.into_inner().as_slice(), &given).await.unwrap();
            // The columns that lists are made by are not exported, and so not what was done to them.
            assert!(exported.is_intact() == report.is_intact() || !report.is_intact(), "{exported:?}");
            assert_eq!((exported.size, exported.root), (report.size, report.root));
        }
        store.close().await.unwrap();
        report
    }
}

/// What an attacker does to the records that a checkpoint of `covered` covers. Everything is made to fit again.
#[derive(Clone, Debug)]
enum Attack {
    /// Another time, actor or plan.
    Edit(Index),
    /// Other words, under a fitting commitment.
    Rephrase(Index),
    /// The payload of another record, salt and all.
    SwapPayloads(Index, Index),
    Remove(Index),
    Insert(Index),
    Duplicate(Index),
    Swap(Index, Index),
    /// The last ones go, and nothing comes in their place.
    Truncate(Index),
    /// They go, and as many others come.
    Fork(Index),
    /// The first one, which introduces the key, goes; with it every proof of who signed.
    Behead,
}

fn attacks() -> impl Strategy<Value = Attack> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Attack::Edit),
        index().prop_map(Attack::Rephrase),
        (index(), index()).prop_map(|(one, other)| Attack::SwapPayloads(one, other)),
        index().prop_map(Attack::Remove),
        index().prop_map(Attack::Insert),
        index().prop_map(Attack::Duplicate),
        (index(), index()).prop_map(|(one, other)| Attack::Swap(one, other)),
        index().prop_map(Attack::Truncate),
        index().prop_map(Attack::Fork),
        Just(Attack::Behead),
    ]
}

impl Attack {
    /// Carries it out on the first `covered` records.
    fn on(&self, rows: &mut Vec<Row>, covered: usize) {
        // The record that introduces the key stays where it is of use to the attacker.
        let at = |index: &Index| if covered > 1 { 1 + index.index(covered - 1) } else { 0 };
        match self {
            Self::Edit(index) => {
                let row = &mut rows[at(index)];
                let before = row.bytes.clone();
                row.bytes = row.bytes.replacen("\"time\":", "\"time\":9", 1);
                assert_ne!(row.bytes, before);
            }
            Self::Rephrase(index) => rows[at(index)].rephrase("e", "3"),
            Self::SwapPayloads(one, other) => {
                let (one, other) = (at(one), at(other));
                let (salt, payload) = (rows[one].salt.clone(), rows[one].payload.clone());
                let theirs = rows[other].clone();
                (rows[one].salt, rows[one].payload) = (theirs.salt, theirs.payload);
                (rows[other].salt, rows[other].payload) = (salt, payload);
            }
            Self::Remove(index) => drop(rows.remove(at(index))),
            Self::Insert(index) => rows.insert(at(index), rows[covered].clone()),
            Self::Duplicate(index) => rows.insert(at(index), rows[at(index)].clone()),
            Self::Swap(one, other) => rows.swap(at(one), at(other)),
            Self::Truncate(index) => rows.truncate(at(index).max(1).min(covered - 1)),
            Self::Fork(index) => {
                let (from, last) = (at(index).max(1), rows.len());
                for row in &mut rows[from.min(last - 1)..] {
                    row.rephrase("message", "another");
                }
            }
            Self::Behead => drop(rows.remove(0)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_attack_on_what_a_checkpoint_covers_is_shown_by_it(
        parts in prop::collection::vec(1..20_usize, 1..5),
        which in any::<Index>(),
        attack in attacks(),
        trusted in any::<bool>(),
    ) {
        RUNTIME.block_on(async {
            let found = Found::of(&parts).await;
            let (covered, checkpoint) = which.get(&found.kept).clone();
            let before = found.verify(&checkpoint, trusted).await;
            assert!(before.is_intact() && before.checkpoints[0].holds, "{:?}", before.problems);
            let (mut changed, mut leaves) = (false, false);
            attacker::rewrite(&found.data(), |rows| {
                let old: Vec<Row> = rows.clone();
                attack.on(rows, covered);
                changed = rows.get(..covered) != Some(&old[..covered]);
                let bytes = |rows: &[Row]| rows.iter().take(covered).map(|row| row.bytes.clone()).collect::<Vec<_>>();
                leaves = bytes(rows) != bytes(&old);
            })
            .await;
            let after = found.verify(&checkpoint, trusted).await;
            assert!(!changed || !after.is_intact(), "{attack:?} on {covered} of {}: {:?}", found.size, after);
            // A payload that the leaf does not commit to is told by the record alone.
            assert_eq!(after.checkpoints[0].holds, !leaves, "{attack:?}: {:?}", after.problems);
        });
    }

    #[test]
    fn every_edit_of_a_row_that_nothing_was_made_to_fit_shows(
        parts in prop::collection::vec(1..10_usize, 1..3),
        at in any::<Index>(),
        column in prop::sample::select(vec!["application", "kind", "sync", "bytes", "hash", "salt", "payload"]),
        value in prop::sample::select(vec!["'web'", "'trail'", "'x'", "''", "NULL", "COLUMN || ' '"]),
    ) {
        RUNTIME.block_on(async {
            let found = Found::of(&parts).await;
            let seq = 1 + at.index(found.size);
            let value = value.replace("COLUMN", column);
            if value == "NULL" && ["kind", "bytes", "hash"].contains(&column) {
                return;
            }
            let statement = format!("UPDATE records SET {column} = {value} WHERE seq = {seq} AND {column} IS NOT {value}");
            let changed = attacker::run(&found.data(), &statement).await > 0;
            let after = found.verify(&found.kept[0].1, true).await;
            assert_eq!(after.is_intact(), !changed, "{statement}: {:?}", after.problems);
        });
    }
}

#[tokio::test]
async fn what_lies_after_the_newest_checkpoint_is_not_promised() {
    let found = Found::of(&[5, 5]).await;
    let (covered, checkpoint) = found.kept.last().unwrap().clone();
    attacker::rewrite(&found.data(), |rows| {
        rows.truncate(covered + 1);
        rows[covered].rephrase("late", "never");
    })
    .await;
    let report = found.verify(&checkpoint, true).await;
    assert!(report.is_intact(), "this limit is documented: {:?}", report.problems);
    assert_eq!((report.size, report.checkpoints[0].size), (covered as u64 + 1, covered as u64));
}

#[tokio::test]
async fn history_before_a_key_cannot_be_changed_without_that_key() {
    let found = Found::of(&[9]).await;
    let store = Store::open(&found.data()).await.unwrap();
    let redactor = Redactor::default();
    let by = By { actor: Actor::daemon("run"), reason: None, redactor: &redactor, now: Time(3) };
    Signer::open(&store, None).await.unwrap().rotate(&store, &by).await.unwrap();
    store.close().await.unwrap();
    // Whoever restores the database from a copy that they changed has no key, and nobody kept a checkpoint.
    std::fs::remove_file(found.data().join("trail.key")).unwrap();
    attacker::rewrite(&found.data(), |rows| drop(rows.remove(4))).await;
    let report = audit::verify(&ReadOnly::open(&found.data()).await.unwrap(), &Given::default()).await.unwrap();
    let told: Vec<_> = report.problems.iter().map(|problem| problem.what.as_str()).collect();
    assert_eq!(told, ["the key that it introduces was introduced elsewhere"]);
}

#[tokio::test]
async fn a_whole_other_trail_is_not_passed_off_for_this_one() {
    let (found, other) = (Found::of(&[9]).await, Found::of(&[9]).await);
    let (_, checkpoint) = found.kept.last().unwrap().clone();
    let swapped = Found { folder: other.folder, ..found };
    for trusted in [true, false] {
        let report = swapped.verify(&checkpoint, trusted).await;
        let told: Vec<_> = report.problems.iter().map(|problem| problem.what.as_str()).collect();
        assert!(told.iter().any(|what| what.contains("are not those of the checkpoint")), "{told:?}");
        assert!(told.iter().any(|what| what.contains("signed by a key") || what.contains("no key")), "{told:?}");
    }
}

#[tokio::test]
async fn a_checkpoint_that_somebody_made_up_or_tore_is_told_and_counts_for_nothing() {
    let found = Found::of(&[5]).await;
    let other = Found::of(&[5]).await;
    let (size, good) = found.kept.last().unwrap().clone();
    let foreign = other.kept.last().unwrap().1.clone();
    let root = |note: &str| note.lines().nth(2).unwrap().to_owned();
    for (what, note) in [
        ("of another trail", foreign.clone()),
        ("with another root", good.replace(&root(&good), &root(&foreign))),
        ("with another size", good.replacen(&format!("\n{size}\n"), "\n3\n", 1)),
        ("of more than there is", good.replacen(&format!("\n{size}\n"), "\n900\n", 1)),
        ("of nothing", good.replacen(&format!("\n{size}\n"), "\n0\n", 1)),
        ("beside a good one", format!("{good}\n{foreign}")),
        ("torn beside a good one", format!("{good}\ntrueup.dev/")),
    ] {
        let report = found.verify(&note, true).await;
        assert!(!report.is_intact(), "{what}: {report:?}");
        assert_eq!(report.checkpoints.iter().filter(|held| held.holds).count(), usize::from(what.contains("beside")));
    }
}
