//! Old records leave the store, and the trail stays whole.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tempfile::TempDir;
use trueup::audit::{self, By, EraseError, Filter, Given, Item, Line, Redactor, Retention, Segment, Signer};
use trueup::model::{Actor, Digest, Time};
use trueup::store::{Store, StoreErrorKind};

use crate::{RECORDS, Trail, names, observed, verified};

const DAY: i64 = 86_400_000_000;

/// A trail of one record a day, with a checkpoint after every tenth.
struct Years {
    folder: TempDir,
    store: Store,
    signer: Signer,
    redactor: Redactor,
}

impl Years {
    async fn of(days: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data")).await.unwrap();
        let signer = Signer::open(&store, None).await.unwrap();
        let years = Self { folder, store, signer, redactor: Redactor::default() };
        years.signer.introduce(&years.store, &years.by(0)).await.unwrap();
        for day in 1..=days {
            years.append(day).await;
            if day % 10 == 0 {
                years.signer.checkpoint(&years.store).await.unwrap();
            }
        }
        years
    }

    /// Runs a statement on the closed database.
    async fn changed(self, statement: &str) -> Self {
        let data = self.store.folder().to_owned();
        self.store.close().await.unwrap();
        crate::attacker::run(&data, statement).await;
        Self { store: Store::open(&data).await.unwrap(), ..self }
    }

    fn by(&self, day: i64) -> By<'_> {
        let reason = Some("it is time".into());
        By { actor: Actor::daemon("retention"), reason, redactor: &self.redactor, now: Time(day * DAY) }
    }

    async fn append(&self, day: i64) -> u64 {
        self.say(day, &format!("canary of day {day}")).await
    }

    async fn say(&self, day: i64, message: &str) -> u64 {
        let mut tx = self.store.write().await.unwrap();
        let entry = observed("web", message);
        let numbers = audit::append(&mut tx, Time(day * DAY), &self.redactor, &[entry]).await.unwrap();
        tx.commit().await.unwrap();
        numbers[0]
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("archive")
    }

    /// The name of a file: that of the trail is in it.
    fn named(&self, first: u64, last: u64) -> String {
        let origin = Digest::of(self.signer.key().public().name().as_bytes()).to_string();
        format!("records-{}-{first:012}-{last:012}.jsonl", &origin[..16])
    }

    /// Whether any file of the store or the archive has this text.
    fn holds(&self, text: &str) -> bool {
        let files = [self.store.folder().to_owned(), self.archive()].map(|folder| std::fs::read_dir(folder).unwrap());
        files.into_iter().flatten().any(|file| {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            bytes.windows(text.len()).any(|part| part == text.as_bytes())
        })
    }

    async fn move_out(&self, before: i64, published: u64, keep: &[u64]) -> Vec<Segment> {
        let (folder, keep) = (self.archive(), keep.iter().copied().collect::<BTreeSet<_>>());
        let retention = Retention { folder: &folder, before: Time(before * DAY), published, least: 10, keep: &keep };
        audit::archive(&self.store, &retention, &self.by(1000)).await.unwrap()
    }

    /// The trail is whole, here and exported, and covered by the newest checkpoint.
    async fn whole(&self) -> audit::Report {
        self.signer.checkpoint(&self.store).await.unwrap();
        let newest = audit::newest(&self.store).await.unwrap().unwrap();
        let mut given = Given::default();
        given.hold_against("kept", newest.to_string()).unwrap();
        let report = audit::verify(&self.store, &given).await.unwrap();
        assert!(report.is_intact() && report.covered == report.size, "{:?}", report.problems);
        let mut export = std::io::Cursor::new(vec![]);
        audit::export(&self.store, 0, None, &mut export).await.unwrap();
        let exported = audit::verify_export(export.into_inner().as_slice(), &given).await.unwrap();
        assert_eq!((exported.problems, exported.root), (vec![], report.root));
        report
    }
}

#[tokio::test]
async fn what_is_old_and_published_moves_out_and_proofs_and_checkpoints_hold() {
    let years = Years::of(100).await;
    let before = audit::head(&years.store).await.unwrap();
    let old = audit::newest(&years.store).await.unwrap().unwrap();
    // Day 55 is record 56: the segment ends with the last checkpoint before it.
    let moved = years.move_out(55, 101, &[]).await;
    let file = &years.named(1, 51);
    assert_eq!(moved, [Segment { first: 1, last: 51, file: file.into() }]);
    let report = years.whole().await;
    // The record of the key stays.
    assert_eq!((report.archived, report.size), (50, 102));
    assert_eq!(audit::segments(&years.store).await.unwrap(), moved);

    // By itself the file is whole, too, and it is all that is left of those records.
    let text = std::fs::read(years.archive().join(file)).unwrap();
    let segment = verified(&text).await;
    assert_eq!((segment.begin, segment.size, segment.covered, segment.problems), (0, 51, 51, vec![]));
    assert!(String::from_utf8(text).unwrap().contains("canary of day 7\\\""));
    assert_eq!(audit::show(&years.store, 8).await.unwrap(), None);
    assert!(audit::show(&years.store, 52).await.unwrap().is_some());
    let all = audit::list(&years.store, &Filter { limit: 1000, ..Filter::default() }).await.unwrap();
    assert_eq!(
        all.iter().map(|record| record.seq).collect::<Vec<_>>(),
        [1].into_iter().chain(52..=102).collect::<Vec<_>>()
    );

    // What was proven before is proven still.
    assert!(audit::prove(&years.store, 60).await.unwrap().unwrap().verify(&[]).is_ok());
    assert!(audit::prove(&years.store, 8).await.unwrap().unwrap().verify(&[]).is_ok(), "by its hash");
    let growth = audit::prove_growth(&years.store, &old, before.size).await.unwrap().unwrap();
    assert_eq!(growth.verify(&[]).unwrap().subject, 101);

    // Again: nothing. A year later: the rest, from where it ended.
    assert!(years.move_out(55, 101, &[]).await.is_empty());
    assert_eq!(years.append(1001).await, 103);
    let moved = years.move_out(900, 101, &[]).await;
    assert_eq!((moved[0].first, moved[0].last), (52, 101));
    assert_eq!(years.whole().await.archived, 100);
    let store = Store::open(years.folder.path().join("data").as_path()).await;
    assert!(store.is_err_and(|error| error.kind == StoreErrorKind::Locked));
}

#[tokio::test]
async fn what_is_young_or_not_published_or_still_open_stays() {
    let years = Years::of(60).await;
    assert!(years.move_out(5, 61, &[]).await.is_empty(), "no checkpoint ends before day 5");
    assert!(years.move_out(55, 9, &[]).await.is_empty(), "no checkpoint that is published covers so few");
    let moved = years.move_out(55, 31, &[12, 13, 40]).await;
    assert_eq!(moved[0].last, 31, "what is published ends there");
    assert!(audit::show(&years.store, 12).await.unwrap().is_some());
    assert!(audit::show(&years.store, 14).await.unwrap().is_none());
    years.whole().await;
    // Once they are open no longer, they go; their file has them already.
    let moved = years.move_out(55, 61, &[13]).await;
    assert_eq!((moved[0].first, moved[0].last), (32, 51));
    assert!(audit::show(&years.store, 12).await.unwrap().is_none());
    assert!(audit::show(&years.store, 13).await.unwrap().is_some());
    years.whole().await;
}

#[tokio::test]
async fn n5_a_clock_that_jumped_keeps_records_and_never_loses_them() {
    let years = Years::of(20).await;
    years.append(4000).await;
    years.append(22).await;
    years.signer.checkpoint(&years.store).await.unwrap();
    // A record that claims to be of the future is not old, and nothing after it is moved.
    let moved = years.move_out(900, 23, &[]).await;
    assert_eq!(moved.last().unwrap().last, 21);
    years.whole().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_written_or_read_back_takes_nothing_out() {
    let years = Years::of(30).await;
    std::fs::write(years.archive(), "not a folder").unwrap();
    let (folder, keep) = (years.archive(), BTreeSet::new());
    let retention = Retention { folder: &folder, before: Time(900 * DAY), published: 31, least: 1, keep: &keep };
    audit::archive(&years.store, &retention, &years.by(1000)).await.unwrap_err();
    assert_eq!(years.whole().await.archived, 0);
    std::fs::remove_file(years.archive()).unwrap();
    // What lies where the file is to be, and is not what a crash of ours would leave, is somebody's: it stays.
    std::fs::create_dir(years.archive()).unwrap();
    let file = years.archive().join(years.named(1, 31));
    std::fs::write(&file, "{\"seq\":1").unwrap();
    let error = audit::archive(&years.store, &retention, &years.by(1000)).await.unwrap_err();
    assert!(trueup::model::chain(&error).contains("it is there already"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"seq\":1");
    assert_eq!(years.whole().await.archived, 0);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(years.move_out(900, 31, &[]).await.len(), 1);
    assert_eq!(verified(&std::fs::read(&file).unwrap()).await.problems, []);
    years.whole().await;
}

#[tokio::test]
async fn what_is_not_as_it_was_written_is_not_moved_out_and_so_not_dropped() {
    let years = Years::of(30).await;
    let Years { folder, store, redactor, .. } = years;
    store.close().await.unwrap();
    let data = folder.path().join("data");
    let edit = "UPDATE records SET payload = replace(payload, 'canary', 'canard') WHERE seq = 7";
    assert_eq!(crate::attacker::run(&data, edit).await, 1);
    let store = Store::open(&data).await.unwrap();
    let (target, keep) = (folder.path().join("archive"), BTreeSet::new());
    let retention = Retention { folder: &target, before: Time(900 * DAY), published: 31, least: 1, keep: &keep };
    let by = By { actor: Actor::daemon("retention"), reason: None, redactor: &redactor, now: Time(0) };
    let error = audit::archive(&store, &retention, &by).await.unwrap_err();
    assert!(error.kind == StoreErrorKind::Damaged && error.to_string().contains("is not what was to be"), "{error}");
    assert!(audit::segments(&store).await.unwrap().is_empty() && audit::show(&store, 7).await.unwrap().is_some());
}

#[tokio::test]
async fn records_that_are_gone_without_a_word_show_though_their_hashes_are_there() {
    let years = Years::of(30).await;
    years.move_out(15, 31, &[]).await;
    years.whole().await;
    let Years { folder, store, .. } = years;
    store.close().await.unwrap();
    let data = folder.path().join("data");
    let drop = "UPDATE records SET bytes = '', salt = NULL, payload = NULL, kind = '', application = NULL, sync = NULL \
                WHERE seq = 20";
    assert_eq!(crate::attacker::run(&data, drop).await, 1);
    let report = audit::verify(&Store::open(&data).await.unwrap(), &Given::default()).await.unwrap();
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].what, "it is gone, and no record says why");
}

#[tokio::test]
async fn a_payload_is_erased_from_the_archive_as_well() {
    let years = Years::of(30).await;
    years.move_out(25, 31, &[10]).await;
    let path = years.archive().join(years.named(1, 21));
    let there = |day: u64| std::fs::read_to_string(&path).unwrap().contains(&format!("canary of day {day}\\\""));
    assert!(there(8) && there(9));
    let whole = std::fs::read(&path).unwrap();
    for (record, day) in [(9, 8), (10, 9)] {
        let away = audit::erase(&years.store, record, None, &years.by(1001)).await;
        assert!(matches!(away, Err(EraseError::Archived { .. })), "{away:?}");
        audit::erase(&years.store, record, Some(&years.archive()), &years.by(1001)).await.unwrap();
        assert!(!there(day) && there(day - 3));
    }
    let text = std::fs::read(&path).unwrap();
    let given = Given { erasures: vec![9, 10], ..Given::default() };
    let segment = audit::verify_export(text.as_slice(), &given).await.unwrap();
    assert_eq!((segment.problems, segment.erased), (vec![], vec![9, 10]));
    assert_eq!(verified(&text).await.problems.len(), 2, "the file alone cannot tell");
    let report = years.whole().await;
    assert_eq!((report.erasures, report.erased), (vec![9, 10], vec![10]));
    // A backup of the file still has it.
    std::fs::write(&path, whole).unwrap();
    audit::erase(&years.store, 9, Some(&years.archive()), &years.by(1002)).await.unwrap();
    assert!(!there(8));
    years.whole().await;
}

/// Whoever makes a copy that lacks what they do not want known must not be able to say that it is none of that copy's business.
#[tokio::test]
async fn a_part_that_says_where_it_ends_is_to_have_all_that_it_is_of() {
    let trail = Trail::long().await;
    trail.signed().await;
    let text = trail.exported().await;
    let begin = format!(r#"{{"begin":{{"after":0,"until":{},"peaks":[],"keys":[]}}}}"#, RECORDS + 1);
    let claimed = |change: &dyn Fn(&mut Line)| {
        let lines = text.lines().map(|line| match serde_json::from_str(line).unwrap() {
            Item::Record(mut line) => {
                change(&mut line);
                serde_json::to_string(&line).unwrap()
            }
            Item::Mark(_) => line.to_owned(),
        });
        [begin.clone()].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(verified(claimed(&|_| {}).as_bytes()).await.problems, []);
    let hashed = |line: &mut Line| {
        let leaf = [&[0], line.bytes.as_bytes()].concat();
        (line.hash, line.bytes) = (Some(Digest::of(&leaf)), String::new());
        (line.salt, line.payload) = (None, None);
    };
    let emptied = |line: &mut Line| (line.salt, line.payload) = (None, None);
    for seq in [5, RECORDS + 1] {
        for (what, change) in [("hash alone", &hashed as &dyn Fn(&mut Line)), ("no payload", &emptied)] {
            let text = claimed(&|line| {
                if line.seq == seq {
                    change(line);
                }
            });
            let report = verified(text.as_bytes()).await;
            assert!(names(&report, seq), "{what} of {seq}: {:?}", report.problems);
        }
    }
}

#[tokio::test]
async fn what_a_record_says_of_the_trail_is_never_erased_whoever_says_so() {
    let mut trail = Trail::long().await;
    trail.signed().await;
    let key = RECORDS + 1;
    // The record that claims so is real, and the tree fits.
    let data = trail.store().folder().to_owned();
    let redactor = Redactor::default();
    let by = By { actor: Actor::unix_user(0, "root".into()), reason: None, redactor: &redactor, now: Time(0) };
    audit::erase(trail.store(), 5, None, &by).await.unwrap();
    trail.store.take().unwrap().close().await.unwrap();
    crate::attacker::rewrite(&data, |rows| {
        let last = rows.last_mut().unwrap();
        last.rephrase(r#""record":5"#, &format!(r#""record":{key}"#));
        (rows[700].salt, rows[700].payload) = (None, None);
    })
    .await;
    let report = audit::verify(&Store::open(&data).await.unwrap(), &Given::default()).await.unwrap();
    assert!(names(&report, key), "{:?}", report.problems);
}

#[tokio::test]
async fn two_who_move_out_at_once_leave_one_line_of_segments() {
    let years = Years::of(60).await;
    let (folder, keep) = (years.archive(), BTreeSet::new());
    let of =
        |before: i64| Retention { folder: &folder, before: Time(before * DAY), published: 61, least: 10, keep: &keep };
    let (one, other, by) = (of(25), of(900), years.by(1000));
    let (one, other) = tokio::join!(audit::archive(&years.store, &one, &by), audit::archive(&years.store, &other, &by));
    let refused = [&one, &other].map(|done| done.as_ref().err().map(ToString::to_string));
    assert_eq!(refused.iter().flatten().count(), 1, "{refused:?}");
    assert!(refused.iter().flatten().all(|why| why.contains("moved out meanwhile")), "{refused:?}");
    let moved = years.move_out(900, 61, &[]).await;
    let all = audit::segments(&years.store).await.unwrap();
    assert!(all.windows(2).all(|two| two[0].last + 1 == two[1].first) && all[0].first == 1, "{all:?}");
    assert!(all.ends_with(&moved) && all.last().unwrap().last == 61);
    years.whole().await;
}

#[tokio::test]
async fn what_was_archived_and_then_erased_is_in_no_page_of_the_store() {
    let years = Years::of(9).await;
    // Longer than a page: what it lay on is freed when it is moved out, or once it need not be kept.
    let long = "canary-long-".repeat(2000);
    assert_eq!((years.say(10, &long).await, years.say(11, &long).await), (11, 12));
    years.signer.checkpoint(&years.store).await.unwrap();
    assert_eq!(years.move_out(900, 12, &[12]).await.len(), 1);
    assert_eq!(years.move_out(900, 12, &[]).await.len(), 0);
    for record in [11, 12] {
        assert!(years.holds("canary-long-"));
        audit::erase(&years.store, record, Some(&years.archive()), &years.by(1001)).await.unwrap();
    }
    assert!(!years.holds("canary-long-"));
    years.whole().await;
}

#[tokio::test]
async fn trails_that_share_a_folder_leave_each_others_files_alone() {
    let (one, other) = (Years::of(30).await, Years::of(30).await);
    let shared = one.archive();
    let keep = BTreeSet::new();
    let retention = Retention { folder: &shared, before: Time(900 * DAY), published: 31, least: 10, keep: &keep };
    let mut files = BTreeSet::new();
    for years in [&one, &other] {
        // Half of a file that the other one writes just now is none of ours to take away.
        let writing = shared.join(format!("records-{}-000000000032-000000000041.jsonl.new", "0".repeat(16)));
        std::fs::create_dir_all(&shared).unwrap();
        std::fs::write(&writing, "{").unwrap();
        let moved = audit::archive(&years.store, &retention, &years.by(1000)).await.unwrap();
        assert_eq!((moved.len(), moved[0].last), (1, 31));
        assert!(files.insert(moved[0].file.clone()) && writing.exists());
        years.whole().await;
    }
    for file in &files {
        assert_eq!(verified(&std::fs::read(shared.join(file)).unwrap()).await.problems, []);
    }
}

#[tokio::test]
async fn a_payload_stays_in_the_archive_where_the_trail_cannot_say_that_it_is_erased() {
    let years = Years::of(30).await;
    years.move_out(25, 31, &[]).await;
    let path = years.archive().join(years.named(1, 21));
    let before = std::fs::read(&path).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'no'); END";
    let years = years.changed(refuse).await;
    audit::erase(&years.store, 9, Some(&years.archive()), &years.by(1001)).await.unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(years.archive()).unwrap().count(), 1, "nothing is left beside it");
    let years = years.changed("DROP TRIGGER refuse").await;
    audit::erase(&years.store, 9, Some(&years.archive()), &years.by(1001)).await.unwrap();
    assert!(!years.holds("canary of day 8\\"));
    years.whole().await;
}

#[tokio::test]
async fn what_a_crash_left_in_the_archive_does_not_outlive_an_erase() {
    let years = Years::of(60).await;
    years.move_out(25, 61, &[]).await;
    let archive = years.archive();
    let (first, left) = (archive.join(years.named(1, 21)), archive.join(years.named(22, 61)));
    // A crash between the file and the record of it leaves both of these, but for the record.
    let write = async |path: &std::path::Path, after: u64, until: u64| {
        let mut out = std::io::Cursor::new(vec![]);
        audit::export(&years.store, after, Some(until), &mut out).await.unwrap();
        std::fs::write(path, out.into_inner()).unwrap();
    };
    write(&left, 21, 61).await;
    std::fs::write(archive.join(format!("{}.new", years.named(1, 21))), std::fs::read(&first).unwrap()).unwrap();
    // What says more than the store is no leftover of ours: a copy of this trail may have gone on.
    let (more, other) = (archive.join(years.named(22, 90)), archive.join(years.named(22, 51)));
    std::fs::copy(&left, &more).unwrap();
    std::fs::write(&other, std::fs::read_to_string(&left).unwrap().replacen("poll", "pull", 1)).unwrap();
    audit::erase(&years.store, 50, Some(&archive), &years.by(1001)).await.unwrap();
    assert!(first.exists() && more.exists() && other.exists() && !left.exists());
    assert_eq!(std::fs::read_dir(&archive).unwrap().count(), 3);
    std::fs::remove_file(more).unwrap();
    std::fs::remove_file(other).unwrap();
    write(&left, 21, 61).await;
    assert_eq!(years.move_out(900, 61, &[]).await.len(), 1, "and it is written anew");
    assert!(!years.holds("canary of day 49\\"));
    years.whole().await;
}
