//! The trail: whatever is done to it behind its back shows. Case ids are those of the hostile inputs, class N.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Tests say what went wrong by failing.

mod archive;
mod attacker;
mod events;
mod faults;
mod property;

use proptest::prelude::*;
use sqlx::{Connection, SqliteConnection};
use std::io::Write as _;
use tempfile::TempDir;
use trueup::audit::{
    self, Act, ActBody, Body, BreakGlassBody, BreakGlasses, By, DaemonBody, Entry, EraseError, Filter, Given,
    GlassEvent, Kind, ObservedBody, Quiet, QuietBody, Redactor, Report, Signer,
};
use trueup::model::{Actor, ActorKind, BreakGlassId, Digest, ObjectId, Time};
use trueup::store::{ApplicationState, Store, StoreErrorKind, new_sync_id};

const RECORDS: u64 = 700;

fn observed(application: &str, message: &str) -> Entry {
    Entry {
        application: Some(application.parse().unwrap()),
        revision: None,
        plan: None,
        sync: Some(new_sync_id().unwrap()),
        actor: Actor::daemon("poll"),
        body: Body::Observed(ObservedBody {
            message: message.into(),
            objects: vec![ObjectId::new("path", "/etc/motd")],
            ..ObservedBody::default()
        }),
    }
}

struct Trail {
    folder: TempDir,
    store: Option<Store>,
}

impl Trail {
    async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data")).await.unwrap();
        Self { folder, store: Some(store) }
    }

    /// A trail of some length: more than a page of verifying, and not a power of two.
    async fn long() -> Self {
        let trail = Self::empty().await;
        let entries: Vec<_> = (0..RECORDS).map(|n| observed("nginx", &format!("message {n}"))).collect();
        let numbers = trail.append(&entries).await;
        assert_eq!(numbers, (1..=RECORDS).collect::<Vec<_>>());
        trail
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    async fn append(&self, entries: &[Entry]) -> Vec<u64> {
        self.append_redacted(&Redactor::default(), entries).await
    }

    async fn append_redacted(&self, redactor: &Redactor, entries: &[Entry]) -> Vec<u64> {
        let mut tx = self.store().write().await.unwrap();
        let numbers = audit::append(&mut tx, Time(1_700_000_000_000_000), redactor, entries).await.unwrap();
        tx.commit().await.unwrap();
        numbers
    }

    /// Runs statements on the closed database, as an attacker who owns it would, and opens it again.
    async fn tampered(mut self, statements: &[&'static str]) -> Self {
        self.store.take().unwrap().close().await.unwrap();
        let url = format!("sqlite://{}", self.folder.path().join("data/trueup.db").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        for statement in statements {
            let done = sqlx::query(*statement).execute(&mut connection).await.unwrap();
            assert!(done.rows_affected() > 0, "{statement} changed nothing");
        }
        connection.close().await.unwrap();
        self.store = Some(Store::open(&self.folder.path().join("data")).await.unwrap());
        self
    }

    /// Lets a key sign for it.
    async fn signed(&self) -> Signer {
        let signer = Signer::open(self.store(), None).await.unwrap();
        let redactor = Redactor::default();
        let by = By { actor: Actor::daemon("run"), reason: None, redactor: &redactor, now: Time(0) };
        signer.introduce(self.store(), &by).await.unwrap();
        signer
    }

    /// Opens the store again, once whoever had it has closed it.
    async fn reopened(mut self) -> Self {
        drop(self.store.take());
        self.store = Some(Store::open(&self.folder.path().join("data")).await.unwrap());
        self
    }

    async fn verify(&self) -> Report {
        audit::verify(self.store(), &Given::default()).await.unwrap()
    }

    async fn exported(&self) -> String {
        let mut out = std::io::Cursor::new(Vec::new());
        audit::export(self.store(), 0, None, &mut out).await.unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }
}

/// Checks an export by itself.
async fn verified(export: &[u8]) -> Report {
    audit::verify_export(export, &Given::default()).await.unwrap()
}

fn names(report: &Report, seq: u64) -> bool {
    report.problems.iter().any(|problem| problem.seq == Some(seq))
}

#[tokio::test]
async fn what_was_appended_is_read_back_and_is_intact() {
    let trail = Trail::long().await;
    let act = Entry {
        application: Some("other".parse().unwrap()),
        body: Body::Act(ActBody { act: Act::Suspend, reason: Some("night".into()), expires: None }),
        ..observed("other", "")
    };
    assert_eq!(trail.append(std::slice::from_ref(&act)).await, vec![RECORDS + 1]);
    let report = trail.verify().await;
    assert!(report.is_intact(), "{:?}", report.problems);
    assert_eq!(report.size, RECORDS + 1);
    assert_eq!(report.root, audit::head(trail.store()).await.unwrap().root);

    let record = audit::show(trail.store(), RECORDS + 1).await.unwrap().unwrap();
    assert_eq!((record.kind, record.body, &record.sync), (Kind::Act, Some(act.body), &act.sync));
    assert_eq!(audit::show(trail.store(), RECORDS + 2).await.unwrap(), None);
    let seqs = async |filter: Filter| {
        let records = audit::list(trail.store(), &filter).await.unwrap();
        records.iter().map(|record| record.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(Filter { after: Some(5), before: Some(9), ..Filter::default() }).await, [6, 7, 8]);
    assert_eq!(seqs(Filter { newest_first: true, limit: 2, ..Filter::default() }).await, [RECORDS + 1, RECORDS]);
    assert_eq!(seqs(Filter { kinds: vec![Kind::Act, Kind::Quiet], ..Filter::default() }).await, [RECORDS + 1]);
    let other = Filter { application: Some("other".parse().unwrap()), sync: record.sync, ..Filter::default() };
    assert_eq!(seqs(other).await, [RECORDS + 1]);
}

#[tokio::test]
async fn every_body_reads_back_as_it_was_written() {
    let trail = Trail::empty().await;
    let quiet = Quiet { count: 3, first: Time(1), last: Time(9) };
    let bodies = [
        Body::Quiet(QuietBody { quiet }),
        Body::Started(DaemonBody { version: "0.1.0".into() }),
        Body::Stopped(DaemonBody { version: "0.1.0".into() }),
    ];
    let entries: Vec<_> = bodies.iter().map(|body| Entry { body: body.clone(), ..observed("a", "") }).collect();
    trail.append(&entries).await;
    let records = audit::list(trail.store(), &Filter::default()).await.unwrap();
    assert_eq!(records.into_iter().filter_map(|record| record.body).collect::<Vec<_>>(), bodies);
}

#[tokio::test]
async fn n1_a_missing_tail_is_damage_and_is_not_written_over() {
    for statement in ["DELETE FROM records WHERE seq > 690", "DELETE FROM records", "DELETE FROM head"] {
        let trail = Trail::long().await.tampered(&[statement]).await;
        assert_eq!(audit::check_tail(trail.store()).await.unwrap_err().kind, StoreErrorKind::Damaged);
        assert!(!trail.verify().await.is_intact(), "{statement}");
        let mut tx = trail.store().write().await.unwrap();
        let refused = audit::append(&mut tx, Time(0), &Redactor::default(), &[observed("a", "b")]).await;
        assert_eq!(refused.unwrap_err().code(), "store.damaged", "{statement}");
    }
}

#[tokio::test]
async fn n1_a_record_missing_in_the_middle_is_named() {
    let trail = Trail::long().await.tampered(&["DELETE FROM records WHERE seq = 350"]).await;
    let report = trail.verify().await;
    assert!(names(&report, 350), "{:?}", report.problems);
}

#[tokio::test]
async fn n1_two_records_that_changed_places_are_named() {
    let swap = [
        "UPDATE records SET seq = 100000 WHERE seq = 10",
        "UPDATE records SET seq = 10 WHERE seq = 20",
        "UPDATE records SET seq = 20 WHERE seq = 100000",
    ];
    let report = Trail::long().await.tampered(&swap).await.verify().await;
    assert!(names(&report, 10) && names(&report, 20), "{:?}", report.problems);
}

#[tokio::test]
async fn n1_every_edit_of_a_row_is_named() {
    for statement in [
        "UPDATE records SET bytes = replace(bytes, 'poll', 'pull') WHERE seq = 7",
        "UPDATE records SET payload = replace(payload, 'message', 'massage') WHERE seq = 7",
        "UPDATE records SET salt = replace(salt, substr(salt, 1, 1), 'x') WHERE seq = 7",
        "UPDATE records SET salt = NULL WHERE seq = 7",
        "UPDATE records SET hash = replace(hash, substr(hash, 1, 1), 'x') WHERE seq = 7",
        "UPDATE records SET application = 'other' WHERE seq = 7",
        "UPDATE records SET application = NULL WHERE seq = 7",
        "UPDATE records SET kind = 'act' WHERE seq = 7",
        "UPDATE records SET sync = 'x' WHERE seq = 7",
        "UPDATE records SET bytes = '' WHERE seq = 7",
        // The same bytes, which no word is equal to.
        "UPDATE records SET kind = CAST(kind AS BLOB) WHERE seq = 7",
        "UPDATE records SET application = CAST(application AS BLOB) WHERE seq = 7",
        "UPDATE records SET sync = CAST(sync AS BLOB) WHERE seq = 7",
    ] {
        let report = Trail::long().await.tampered(&[statement]).await.verify().await;
        assert!(names(&report, 7), "{statement}: {:?}", report.problems);
    }
}

#[tokio::test]
async fn n1_the_end_of_a_break_glass_is_not_passed_over_where_its_bytes_are_gone() {
    let trail = Trail::empty().await;
    let id = BreakGlassId("0123456789abcdef".into());
    let body = Body::BreakGlass(BreakGlassBody::new(&id, GlassEvent::Closed));
    trail.append(&[Entry { body, sync: None, ..observed("a", "") }]).await;
    assert!(BreakGlasses::load(trail.store()).await.is_ok());
    let gone = "UPDATE records SET bytes = '', salt = NULL, payload = NULL WHERE seq = 1";
    let trail = trail.tampered(&[gone]).await;
    let error = BreakGlasses::load(trail.store()).await.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Damaged);
}

#[tokio::test]
async fn n1_an_edit_of_the_head_shows() {
    for statement in [
        "UPDATE head SET root = replace(root, substr(root, 1, 1), 'f') || ''",
        "UPDATE head SET size = 699",
        "UPDATE head SET size = 701",
        "UPDATE head SET peaks = substr(peaks, 65)",
        "UPDATE head SET peaks = substr(peaks, 65) || substr(peaks, 1, 64)",
    ] {
        let trail = Trail::long().await;
        if audit::head(trail.store()).await.unwrap().root.to_string().starts_with('f') {
            continue; // This one time in sixteen the first statement would change nothing.
        }
        assert!(!trail.tampered(&[statement]).await.verify().await.is_intact(), "{statement}");
    }
}

#[tokio::test]
async fn n3_bytes_that_look_like_more_fields_or_lines_stay_one_field() {
    let trail = Trail::empty().await;
    let evil = "eve\",\"kind\":\"act\"}\n{\"v\":1\0\u{1b}[2J\u{202e}";
    let actor = Actor { kind: ActorKind::UnixUser, subject: evil.into(), display: evil.into(), person: None };
    trail.append(&[Entry { actor, ..observed("a", evil) }]).await;
    let record = audit::show(trail.store(), 1).await.unwrap().unwrap();
    assert_eq!(record.kind, Kind::Observed);
    let shown = record.actor.display;
    assert!(
        shown.starts_with("eve\",\"kind\":\"act\"}") && !shown.contains(['\n', '\0', '\u{1b}', '\u{202e}']),
        "{shown}"
    );
    let Some(Body::Observed(body)) = record.body else { panic!("no body") };
    assert!(!body.message.contains(['\0', '\u{1b}', '\u{202e}']), "{}", body.message);
    let text = trail.exported().await;
    assert_eq!(text.lines().count(), 2);
    assert!(verified(text.as_bytes()).await.is_intact());
}

#[tokio::test]
async fn n5_the_order_is_that_of_appending_whatever_the_clock_says() {
    let trail = Trail::empty().await;
    for time in [0, 315_360_000_000_000, -86_400_000_000, i64::MAX, i64::MIN] {
        let mut tx = trail.store().write().await.unwrap();
        audit::append(&mut tx, Time(time), &Redactor::default(), &[observed("a", "b")]).await.unwrap();
        tx.commit().await.unwrap();
    }
    let records = audit::list(trail.store(), &Filter::default()).await.unwrap();
    assert_eq!(records.iter().map(|record| record.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(records[2].time, Time(-86_400_000_000));
    assert!(trail.verify().await.is_intact());
}

#[tokio::test]
async fn n6_a_record_and_the_change_it_tells_of_happen_together_or_not_at_all() {
    let trail = Trail::empty().await;
    let name = "a".parse().unwrap();
    let mut tx = trail.store().write().await.unwrap();
    tx.put_application(&name, &ApplicationState { told: Some(Digest::of(b"x")), ..Default::default() }).await.unwrap();
    audit::append(&mut tx, Time(0), &Redactor::default(), &[observed("a", "dropped")]).await.unwrap();
    drop(tx);
    assert_eq!(audit::head(trail.store()).await.unwrap().size, 0);
    assert_eq!(trail.append(&[observed("a", "kept")]).await, [1], "a dropped append leaves no gap");
    assert_eq!(trail.store().application(&name).await.unwrap().told, None);
    assert!(trail.verify().await.is_intact());
}

#[tokio::test]
async fn n7_no_form_of_a_secret_reaches_the_disk() {
    let trail = Trail::empty().await;
    let secret = "p\"ä s/w+rd?<canary>";
    let forms = [
        secret.to_owned(),
        serde_json::to_string(secret).unwrap(),
        serde_json::to_string(&serde_json::to_string(secret).unwrap()).unwrap(),
        "cCLDpCBzL3crcmQ/PGNhbmFyeT4=".into(),     // `secret`
        "Z2l0OnAiw6Qgcy93K3JkPzxjYW5hcnk+".into(), // `git:secret`
        "Z2k6cCLDpCBzL3crcmQ_PGNhbmFyeT4".into(),  // `gi:secret`, for URLs
        "7022c3a420732f772b72643f3c63616e6172793e".into(),
        "p%22%C3%A4%20s%2Fw%2Brd%3F%3Ccanary%3E".into(),
        "p%22%c3%a4+s%2Fw%2Brd".into(),
    ];
    // The inner of two quotations is what a body within a body holds.
    let entries: Vec<_> = forms.iter().take(8).map(|form| observed("a", &format!("before {form} after"))).collect();
    let redactor = Redactor::new([secret]);
    trail.append_redacted(&redactor, &entries).await;
    let actor = Actor { kind: ActorKind::UnixUser, subject: secret.into(), display: secret.into(), person: None };
    trail.append_redacted(&redactor, &[Entry { actor, ..observed("a", "") }]).await;
    let text = trail.exported().await;
    for trace in ["canary", "cmQ/PGNhbmFye", "JkPzxjYW5hcn", "cmQ_PGNhbmFye", "63616e617279", "w%2Brd"] {
        assert!(!text.contains(trace), "{trace} in {text}");
    }
    assert_eq!(text.matches("before ").count(), 8, "what stands around a secret stays");
    assert!(trail.verify().await.is_intact());
}

/// The name of the daemon is in that of the trail, and may well be somebody's password.
#[tokio::test]
async fn n7_what_is_signed_stays_as_it_was_signed_whatever_is_a_secret() {
    let trail = Trail::empty().await;
    let name = "web-prod-1".parse().unwrap();
    let signer = Signer::open(trail.store(), Some(&name)).await.unwrap();
    let redactor = Redactor::new(["web-prod-1", "records"]);
    let reason = Some("the key of web-prod-1".to_owned());
    let by = By { actor: Actor::unix_user(0, "root".into()), reason, redactor: &redactor, now: Time(0) };
    signer.introduce(trail.store(), &by).await.unwrap();
    let (signer, _) = signer.rotate(trail.store(), &by).await.unwrap();
    let archive = trail.folder.path().join("archive");
    let keep = std::collections::BTreeSet::new();
    let retention = audit::Retention { folder: &archive, before: Time(1), published: 2, least: 1, keep: &keep };
    let moved = audit::archive(trail.store(), &retention, &by).await.unwrap();
    assert!(archive.join(&moved[0].file).exists());
    signer.checkpoint(trail.store()).await.unwrap();
    // The next start reads the keys, and the reason alone was anybody else's word.
    let trail = trail.reopened().await;
    assert!(Signer::open(trail.store(), Some(&name)).await.is_ok());
    let report = trail.verify().await;
    assert!(report.is_intact() && report.covered == report.size, "{:?}", report.problems);
    assert_eq!(report.segments, moved);
    let text = trail.exported().await;
    assert_eq!(text.matches("the key of [redacted]").count(), 2, "{text}");
}

#[tokio::test]
async fn an_erased_payload_leaves_the_tree_whole_and_no_byte_of_itself() {
    let trail = Trail::long().await;
    let long = "canary-".repeat(2000);
    for message in ["canary-short", long.as_str()] {
        trail.append(&[observed("a", message)]).await;
    }
    let redactor = Redactor::default();
    let actor = Actor::unix_user(0, "root".into());
    let by = By { actor, reason: Some("a name slipped in".into()), redactor: &redactor, now: Time(5) };
    for record in [RECORDS + 1, RECORDS + 2] {
        let bytes = audit::show(trail.store(), record).await.unwrap().unwrap();
        audit::erase(trail.store(), record, None, &by).await.unwrap();
        let erased = audit::show(trail.store(), record).await.unwrap().unwrap();
        assert_eq!((erased.body, erased.time), (None, bytes.time));
        assert!(matches!(audit::erase(trail.store(), record, None, &by).await, Err(EraseError::Already(_))));
    }
    for file in std::fs::read_dir(trail.store().folder()).unwrap().map(|file| file.unwrap().path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"canary-"), "in {}", file.display());
    }
    let report = trail.verify().await;
    assert!(report.is_intact(), "{:?}", report.problems);
    assert_eq!(
        (report.erased, report.root),
        (vec![RECORDS + 1, RECORDS + 2], audit::head(trail.store()).await.unwrap().root)
    );
    let export = verified(trail.exported().await.as_bytes()).await;
    assert_eq!((export.is_intact(), export.erased.len()), (true, 2));
    for (record, refused) in [(RECORDS + 3, "itself"), (RECORDS + 9, "no record")] {
        let error = audit::erase(trail.store(), record, None, &by).await.unwrap_err().to_string();
        assert!(error.contains(refused), "{error}");
    }
}

#[tokio::test]
async fn a_payload_that_is_gone_without_a_record_of_it_shows() {
    let trail = Trail::long().await.tampered(&["UPDATE records SET payload = NULL, salt = NULL WHERE seq = 5"]).await;
    assert!(names(&trail.verify().await, 5));
    assert!(names(&verified(trail.exported().await.as_bytes()).await, 5));
    let trail = Trail::long()
        .await
        .tampered(&["UPDATE records SET bytes = '', payload = NULL, salt = NULL WHERE seq = 5"])
        .await;
    assert!(names(&trail.verify().await, 5));
    assert!(names(&verified(trail.exported().await.as_bytes()).await, 5));
}

#[tokio::test]
async fn n8_a_copy_taken_while_the_store_is_in_use_is_whole_or_refused() {
    let trail = Trail::long().await;
    for n in 0..20 {
        trail.append(&[observed("a", &format!("more {n}"))]).await;
        let copy = tempfile::tempdir().unwrap();
        for file in ["trueup.db", "trueup.db-wal", "content.key"] {
            std::fs::copy(trail.store().folder().join(file), copy.path().join(file)).unwrap();
            let written: std::fs::Permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            std::fs::set_permissions(copy.path().join(file), written).unwrap();
        }
        let store = Store::open(copy.path()).await.unwrap();
        let report = audit::verify(&store, &Given::default()).await.unwrap();
        assert!(report.is_intact(), "{:?}", report.problems);
        assert_eq!(report.size, RECORDS + 1 + n);
    }
}

#[tokio::test]
async fn n10_what_cannot_be_recorded_is_refused_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let mut command = std::process::Command::new(arguments[0]);
        let command = command.args(&arguments[1..]).arg(folder.path()).stderr(std::process::Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs"]) {
        let _ = writeln!(std::io::stderr(), "SKIP a small tmpfs cannot be mounted here (needs root)");
        return;
    }
    let store = Store::open(&folder.path().join("data")).await.unwrap();
    let trail = Trail { folder: tempfile::tempdir().unwrap(), store: Some(store) };
    trail.append(&[observed("a", "before")]).await;
    let _ = std::fs::write(folder.path().join("ballast"), vec![1; 16 << 20]);
    let refused = async {
        for n in 0_u64.. {
            let mut tx = trail.store().write().await?;
            let big = observed("a", &"x".repeat(20_000));
            audit::append(&mut tx, Time(0), &Redactor::default(), &[big]).await?;
            tx.commit().await?;
            assert!(n < 1000, "the disk never filled");
        }
        Ok::<_, trueup::store::StoreError>(())
    };
    assert_eq!(refused.await.unwrap_err().code(), "store.full");
    let size = audit::head(trail.store()).await.unwrap().size;
    assert!(trail.verify().await.is_intact());
    std::fs::remove_file(folder.path().join("ballast")).unwrap();
    assert_eq!(trail.append(&[observed("a", "after")]).await, [size + 1]);
    assert!(trail.verify().await.is_intact());
    drop(trail);
    // The connection ends on its own thread: a busy mount is let go of as soon as it has.
    mount(&["umount", "-l"]);
}

#[tokio::test]
async fn an_export_is_checked_without_the_store_and_shows_what_was_done_to_it() {
    let trail = Trail::long().await;
    let text = trail.exported().await;
    let report = verified(text.as_bytes()).await;
    assert!(report.is_intact(), "{:?}", report.problems);
    assert_eq!(report, trail.verify().await);

    let lines: Vec<_> = text.lines().collect();
    let without = |n: usize| [&lines[..n], &lines[n + 1..]].concat().join("\n");
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    for (what, text) in [
        ("first", without(0)),
        ("middle", without(300)),
        ("last record", without(lines.len() - 2)),
        ("head", without(lines.len() - 1)),
        ("cut off", text[..text.len() / 2].to_owned()),
        ("swapped", swapped.join("\n")),
        ("edited payload", text.replacen("message 5", "message 6", 1)),
        ("edited leaf", text.replacen("poll", "pull", 1)),
        ("more after the head", format!("{text}{}\n", lines[0])),
        ("not an export", "hello\n".into()),
        ("empty", String::new()),
    ] {
        assert!(!verified(text.as_bytes()).await.is_intact(), "{what}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_change_of_one_byte_in_an_export_goes_unnoticed(at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let good = EXPORT.get_or_init(|| {
            RUNTIME.block_on(async {
                let trail = Trail::empty().await;
                let signer = trail.signed().await;
                trail.append(&(0..5).map(|n| observed("a", &format!("m {n}"))).collect::<Vec<_>>()).await;
                signer.checkpoint(trail.store()).await.unwrap();
                trail.exported().await.into_bytes()
            })
        });
        let mut bytes = good.clone();
        *at.get_mut(&mut bytes) ^= 1 << bit;
        let report = RUNTIME.block_on(verified(&bytes));
        // The last line break is not part of what is told; another white space between tokens cannot arise from one bit.
        prop_assert!(!report.is_intact() || bytes[..bytes.len() - 1] == good[..good.len() - 1]);
    }
}

static RUNTIME: std::sync::LazyLock<tokio::runtime::Runtime> =
    std::sync::LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
static EXPORT: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
