//! The store: what survives, what is refused, and that reading leaves no trace on disk.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)] // Tests say what went wrong by failing.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use trueup::model::{
    Action, Actor, Cause, Decision, Digest, Fingerprint, Left, Name, ObjectId, Origin, Owned, Place, Plan, PlanId,
    Revision, Risk, Spec, Step, Time, Verdict,
};
use trueup::store::{
    Approval, BadInputs, Found, Good, Held, Open, Owed, Preimage, Preimages, Prepared, Purpose, SinkState, Store,
    StoreErrorKind, Suspended, Tally, encode_desired, new_sync_id,
};

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

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart_and_what_was_dropped_is_not() {
    let folder = folder();
    let store = open(&folder).await;
    let bad = BadInputs {
        inputs: Digest::of(b"i"),
        revision: revision(),
        reason: "check failed".into(),
        sync: new_sync_id().unwrap(),
        created: Some(BTreeSet::from([ObjectId::new("path", "/etc/new")])),
        plan: None,
        reverted: None,
    };
    let mut state = store.application(&name("nginx")).await.unwrap();
    state.bad_inputs = Some(bad);
    state.suspended = Some(Suspended { by: Actor::unix_user(0, "root".into()), at: Time(5), reason: "night".into() });
    let mut tx = store.write().await.unwrap();
    tx.put_application(&name("nginx"), &state).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.write().await.unwrap();
    tx.put_application(&name("dropped"), &state).await.unwrap();
    drop(tx);
    assert_eq!(store.application(&name("dropped")).await.unwrap().suspended, None);
    store.close().await.unwrap();

    let store = open(&folder).await;
    assert_eq!(store.applications().await.unwrap(), BTreeMap::from([(name("nginx"), state)]));
}

#[tokio::test]
async fn a_change_that_is_cancelled_half_way_leaves_the_store_usable() {
    let folder = folder();
    let store = open(&folder).await;
    for _ in 0..20 {
        let task = tokio::spawn({
            let store = store.clone();
            async move {
                let mut tx = store.write().await.unwrap();
                loop {
                    tx.put_application(&name("half"), &trueup::store::ApplicationState::default()).await.unwrap();
                }
            }
        });
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        task.abort();
        let _ = task.await;
        assert!(store.applications().await.unwrap().is_empty());
    }
    store.probe().await.unwrap();
    assert_eq!(store.failing(), None);
}

#[tokio::test]
async fn reading_changes_neither_bytes_nor_times_in_the_data_folder() {
    let folder = folder();
    let store = open(&folder).await;
    let mut tx = store.write().await.unwrap();
    let digest = tx.put_content(b"hello").await.unwrap();
    tx.claim(&name("web"), &name("nginx"), &[path("/a")]).await.unwrap();
    tx.put_owned(&name("web"), &name("nginx"), &path("/a"), &owned()).await.unwrap();
    tx.commit().await.unwrap();

    let before = picture(store.folder());
    for _ in 0..50 {
        store.application(&name("nginx")).await.unwrap();
        store.inventory(&name("web"), &name("nginx")).await.unwrap();
        store.holders(&name("web"), &[path("/a")]).await.unwrap();
        store.owed(&name("nginx")).await.unwrap();
        store.open_syncs().await.unwrap();
        store.held_plan(&name("nginx")).await.unwrap();
        store.content(&digest).await.unwrap();
    }
    assert_eq!(picture(store.folder()), before);
    assert!(!store.folder().join("trueup.db-shm").exists());
}

/// Every file with its bytes and its times.
fn picture(folder: &Path) -> BTreeMap<String, (Digest, i64, i64, i64)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let one = |entry: std::fs::DirEntry| {
        let meta = entry.metadata().unwrap();
        let bytes = std::fs::read(entry.path()).unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, (Digest::of(&bytes), meta.mtime(), meta.mtime_nsec(), meta.ctime_nsec()))
    };
    entries.map(one).collect()
}

#[tokio::test]
async fn nothing_in_the_data_folder_is_readable_by_others() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::set_permissions(folder.path().join("data"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let store = open(&folder).await;
    store.probe().await.unwrap();
    assert_eq!(std::fs::metadata(store.folder()).unwrap().mode() & 0o777, 0o700);
    for entry in std::fs::read_dir(store.folder()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o077, 0, "{}", entry.path().display());
    }
}

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

#[tokio::test]
async fn an_object_has_one_claimant() {
    let folder = folder();
    let store = open(&folder).await;
    let (web, a, b) = (name("web"), name("a"), name("b"));
    let ids: Vec<_> = (0..450).map(|n| path(&format!("/etc/{n}"))).collect();
    let mut tx = store.write().await.unwrap();
    assert!(tx.claim(&web, &a, &ids[..250]).await.unwrap().is_empty());
    let held = tx.claim(&web, &b, &ids[200..]).await.unwrap();
    assert_eq!(held, ids[200..250].iter().map(|id| (id.clone(), a.clone())).collect());
    assert!(tx.claim(&web, &a, &ids[..250]).await.unwrap().is_empty(), "claiming again is the same");
    let error = tx.put_owned(&web, &b, &ids[0], &owned()).await.unwrap_err();
    assert_eq!(error.code(), "store.conflict");
    tx.put_owned(&web, &a, &ids[0], &owned()).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(store.claims(&web, &b).await.unwrap(), ids[250..].iter().cloned().collect::<BTreeSet<_>>());
    assert_eq!(store.inventory(&web, &a).await.unwrap().objects, BTreeMap::from([(ids[0].clone(), owned())]));
    assert_eq!(store.holders(&web, &ids).await.unwrap().len(), 450);
    assert!(store.holders(&name("other"), &ids).await.unwrap().is_empty());

    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.move_objects(&web, &a, &b, &ids).await.unwrap(), 250);
    tx.remove_objects(&web, &a, &ids).await.unwrap();
    tx.remove_objects(&web, &b, &ids[1..]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.inventory(&web, &b).await.unwrap().objects, BTreeMap::from([(ids[0].clone(), owned())]));
    assert_eq!(store.owned_on(&web).await.unwrap(), vec![ids[0].clone()]);
}

#[tokio::test]
async fn what_is_declared_no_more_is_counted_by_what_it_owns_and_forgotten_whole() {
    let folder = folder();
    let store = open(&folder).await;
    let (web, mail, target) = (name("web"), name("mail"), name("host"));
    let mut tx = store.write().await.unwrap();
    for (application, object) in [(&web, "/a"), (&web, "/b"), (&mail, "/c")] {
        tx.put_owned(&target, application, &path(object), &owned()).await.unwrap();
    }
    tx.put_owned(&name("other"), &web, &path("/a"), &owned()).await.unwrap();
    tx.claim(&target, &mail, &[path("/claimed")]).await.unwrap();
    tx.commit().await.unwrap();
    let left = |declared: &[&Name]| {
        let declared = declared.iter().map(|name| (*name).clone()).collect();
        let store = store.clone();
        async move { store.orphans(&declared).await.unwrap() }
    };
    let all =
        [((mail.clone(), target.clone()), 1), ((web.clone(), name("other")), 1), ((web.clone(), target.clone()), 2)];
    assert_eq!(left(&[]).await, BTreeMap::from(all));
    assert_eq!(left(&[&web]).await, BTreeMap::from([((mail.clone(), target.clone()), 1)]), "a claim owns nothing");
    assert_eq!(left(&[&web, &mail]).await, BTreeMap::new());

    let mut tx = store.write().await.unwrap();
    assert!(!tx.is_destroyed(&web).await.unwrap());
    tx.open_sync(&Open {
        sync: new_sync_id().unwrap(),
        actor: Actor::daemon("test"),
        started: Time(0),
        prepared: Prepared { purpose: Purpose::Destroy, ..prepared("web", "i") },
    })
    .await
    .unwrap();
    assert!(tx.is_destroyed(&web).await.unwrap() && !tx.is_destroyed(&mail).await.unwrap());
    tx.remove_objects(&target, &web, &[path("/a"), path("/b")]).await.unwrap();
    assert!(tx.holds_any(&web).await.unwrap(), "on the other target");
    tx.remove_objects(&name("other"), &web, &[path("/a")]).await.unwrap();
    assert!(!tx.holds_any(&web).await.unwrap());
    tx.forget_application(&web).await.unwrap();
    tx.commit().await.unwrap();
    assert!(store.open_syncs().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_open_sync_and_owed_handlers_outlive_a_restart() {
    let folder = folder();
    let store = open(&folder).await;
    let one = Open {
        sync: new_sync_id().unwrap(),
        actor: Actor::daemon("poll"),
        started: Time(1),
        prepared: prepared("nginx", "1"),
    };
    let handler = Owed { id: ObjectId::new("handler", "reload"), spec: spec("handler") };
    let mut tx = store.write().await.unwrap();
    tx.open_sync(&one).await.unwrap();
    tx.put_owed(&name("nginx"), &handler).await.unwrap();
    tx.put_owed(&name("nginx"), &handler).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await.unwrap();

    let store = open(&folder).await;
    assert_eq!(store.open_syncs().await.unwrap(), vec![one.clone()]);
    assert_eq!(store.owed(&name("nginx")).await.unwrap(), vec![handler.clone()]);
    let mut tx = store.write().await.unwrap();
    let second = Open { sync: new_sync_id().unwrap(), ..one.clone() };
    assert!(tx.open_sync(&second).await.is_err(), "one open sync for each application");
    assert!(tx.close_sync(&one.sync).await.unwrap());
    assert!(!tx.close_sync(&one.sync).await.unwrap());
    tx.open_sync(&second).await.unwrap();
    tx.remove_owed(&name("nginx"), &handler.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.open_syncs().await.unwrap(), vec![second]);
    assert!(store.owed(&name("nginx")).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_approval_is_used_once_and_not_after_it_expired() {
    let folder = folder();
    let store = open(&folder).await;
    let held = Held { created: Time(1), prepared: prepared("nginx", "1") };
    let plan = held.prepared.plan.id;
    let approval = Approval { plan, actor: Actor::daemon("x"), time: Time(1), expires: Time(100) };
    let mut tx = store.write().await.unwrap();
    tx.hold_plan(&held).await.unwrap();
    tx.approve(&approval).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.approvals(&plan, Time(99)).await.unwrap(), std::slice::from_ref(&approval));
    assert_eq!(store.approvals(&plan, Time(100)).await.unwrap(), []);

    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.take_approvals(&plan, Time(50)).await.unwrap(), std::slice::from_ref(&approval));
    drop(tx);
    let mut tx = store.write().await.unwrap();
    assert_eq!(
        tx.take_approvals(&plan, Time(50)).await.unwrap(),
        std::slice::from_ref(&approval),
        "it was rolled back"
    );
    assert_eq!(tx.take_approvals(&plan, Time(50)).await.unwrap(), []);
    tx.approve(&approval).await.unwrap();
    assert_eq!(tx.take_approvals(&plan, Time(100)).await.unwrap(), []);
    tx.commit().await.unwrap();
}

/// A secret that can be guessed is as good as told by its plain digest.
#[tokio::test]
async fn the_digests_of_contents_do_not_lie_in_the_database() {
    let folder = folder();
    let store = open(&folder).await;
    let secret = Digest::of(b"1234");
    let mut prepared = prepared("nginx", "1");
    let body = serde_json::json!({ "sort": "file", "content": secret });
    let place = Place { file: "a.yaml".into(), line: 1, column: 1 };
    prepared.specs.insert(0, Spec::new(body, vec![secret], place));
    let open_one = Open {
        sync: new_sync_id().unwrap(),
        actor: Actor::daemon("poll"),
        started: Time(1),
        prepared: prepared.clone(),
    };
    let mut tx = store.write().await.unwrap();
    tx.open_sync(&open_one).await.unwrap();
    tx.hold_plan(&Held { created: Time(1), prepared }).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.open_syncs().await.unwrap(), vec![open_one]);
    store.close().await.unwrap();
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { vec![] };
        let told = secret.to_string();
        assert!(!bytes.windows(told.len()).any(|part| part == told.as_bytes()), "{}", path.display());
    }
}

#[tokio::test]
async fn the_latest_held_plan_and_the_approved_ones_are_kept() {
    let folder = folder();
    let store = open(&folder).await;
    let plans: Vec<_> =
        (1..=3).map(|n| Held { created: Time(n), prepared: prepared("nginx", &n.to_string()) }).collect();
    let ids: Vec<_> = plans.iter().map(|held| held.prepared.plan.id).collect();
    let mut tx = store.write().await.unwrap();
    tx.hold_plan(&plans[0]).await.unwrap();
    let approval = Approval { plan: ids[0], actor: Actor::daemon("x"), time: Time(1), expires: Time(100) };
    tx.approve(&approval).await.unwrap();
    tx.hold_plan(&plans[1]).await.unwrap();
    tx.hold_plan(&plans[2]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.held_plan(&name("nginx")).await.unwrap(), Some(plans[2].clone()));
    assert_eq!(store.held_plans().await.unwrap(), vec![plans[0].clone(), plans[2].clone()]);
    let found = store.find_plan(&ids[2].short()).await.unwrap();
    assert_eq!(found, Found::One(Box::new(plans[2].clone())));
    assert_eq!(store.find_plan(&ids[1].to_string()).await.unwrap(), Found::None);
    for hostile in ["", "%", "' OR 1=1 --", "G", "_"] {
        assert_eq!(store.find_plan(hostile).await.unwrap(), Found::None, "{hostile}");
    }
    let mut tx = store.write().await.unwrap();
    tx.forget_application(&name("nginx")).await.unwrap();
    tx.commit().await.unwrap();
    assert!(store.held_plans().await.unwrap().is_empty());
    assert_eq!(store.approvals(&ids[0], Time(5)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_encrypted_verified_and_swept() {
    let folder = folder();
    let store = open(&folder).await;
    let secret = b"correct horse battery staple".repeat(10);
    let mut tx = store.write().await.unwrap();
    let kept = tx.put_content(&secret).await.unwrap();
    assert_eq!(tx.put_content(&secret).await.unwrap(), kept);
    let gone = tx.put_content(b"gone").await.unwrap();
    tx.commit().await.unwrap();

    let contents = store.contents();
    let read = tokio::task::spawn_blocking(move || contents.read(&kept)).await.unwrap().unwrap();
    assert_eq!(&*read, &*secret);
    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.sweep(&HashSet::from([kept])).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert!(store.content(&gone).await.unwrap().is_none());
    let contents = store.contents();
    assert!(tokio::task::spawn_blocking(move || contents.read(&gone)).await.unwrap().is_err());
    store.close().await.unwrap();

    let bytes = std::fs::read(folder.path().join("data/trueup.db")).unwrap();
    assert!(!bytes.windows(13).any(|window| window == b"correct horse"));
    assert!(!String::from_utf8_lossy(&bytes).contains(&kept.to_string()), "the table leaks the plain digest");

    tamper(&folder, "UPDATE contents SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'00' AS BLOB)").await;
    let store = open(&folder).await;
    assert_eq!(store.content(&kept).await.unwrap_err().code(), "store.damaged");
}

#[tokio::test]
async fn a_full_disk_stops_changes_and_not_reading_and_ends_by_itself() {
    let folder = folder();
    let Some(mount) = Tmpfs::mount(folder.path()) else {
        let _ = writeln!(std::io::stderr(), "SKIP a small tmpfs cannot be mounted here (needs root)");
        return;
    };
    let store = Store::open(&folder.path().join("data")).await.unwrap();
    let mut tx = store.write().await.unwrap();
    let digest = tx.put_content(b"there before").await.unwrap();
    tx.commit().await.unwrap();

    let ballast = folder.path().join("ballast");
    let _ = std::fs::write(&ballast, vec![1; 16 << 20]);
    let error = fill(&store).await;
    assert_eq!(error.code(), "store.full", "{error:?}");
    assert_eq!(store.failing(), Some(StoreErrorKind::Full));
    assert_eq!(&*store.content(&digest).await.unwrap().unwrap(), b"there before");

    std::fs::remove_file(&ballast).unwrap();
    store.probe().await.unwrap();
    assert_eq!(store.failing(), None);
    store.close().await.unwrap();
    let store = Store::open(&folder.path().join("data")).await.unwrap();
    assert_eq!(&*store.content(&digest).await.unwrap().unwrap(), b"there before");
    store.close().await.unwrap();
    drop(mount);
}

/// Writes until it fails.
async fn fill(store: &Store) -> trueup::store::StoreError {
    for n in 0..100_u8 {
        let mut tx = match store.write().await {
            Ok(tx) => tx,
            Err(error) => return error,
        };
        let written = tx.put_content(&vec![n; 1 << 16]).await;
        match written {
            Ok(_) => {
                if let Err(error) = tx.commit().await {
                    return error;
                }
            }
            Err(error) => return error,
        }
    }
    panic!("the disk never filled");
}

struct Tmpfs<'a>(&'a Path);

impl<'a> Tmpfs<'a> {
    fn mount(folder: &'a Path) -> Option<Self> {
        let command = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(folder)
            .stderr(std::process::Stdio::null())
            .status();
        command.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0).status();
    }
}

#[tokio::test]
async fn a_sweep_keeps_what_applied_good_and_open_plans_need_and_drops_the_rest() {
    let folder = folder();
    let store = open(&folder).await;
    let content = b"server {}".to_vec();
    let needed = Spec::new(serde_json::json!({}), vec![Digest::of(&content)], spec("x").place().clone());
    let desired = encode_desired(&BTreeMap::from([(path("/etc/site"), needed)]));
    let mut state = store.application(&name("nginx")).await.unwrap();
    let good = Good { revision: None, inputs: Digest::of(b"i"), desired: Digest::of(&desired) };
    state.good = Some(good.clone());
    let mut tx = store.write().await.unwrap();
    for bytes in [&content[..], &desired, b"nobody asks for this"] {
        tx.put_content(bytes).await.unwrap();
    }
    tx.put_application(&name("nginx"), &state).await.unwrap();
    assert_eq!(tx.sweep_unneeded(Time(0)).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let complete = store.desired(&good.desired).await.unwrap().unwrap();
    assert_eq!(complete.objects.len(), 1);
    assert_eq!(store.content(&Digest::of(&content)).await.unwrap().as_deref(), Some(&content[..]));
}

#[tokio::test]
async fn preimages_are_kept_for_thirty_days_with_their_contents_and_then_go() {
    let folder = folder();
    let store = open(&folder).await;
    let kept = b"by hand".to_vec();
    let one = |content: &[u8], lost: Option<&str>| Preimage {
        id: path("/etc/motd"),
        action: Action::Update,
        spec: Some(Spec::new(serde_json::json!({}), vec![Digest::of(content)], spec("x").place().clone())),
        place: None,
        hidden: false,
        lost: lost.map(str::to_owned),
        withheld: false,
        gone: false,
        edited: None,
    };
    let preimages = Preimages {
        plan: PlanId(Digest::of(b"plan")),
        sync: new_sync_id().unwrap(),
        application: name("nginx"),
        time: Time(0),
        revision: None,
        url: "https://example.org/platform.git".into(),
        layers: vec!["web".into()],
        objects: vec![one(&kept, None), one(b"too large", Some("too large"))],
    };
    let mut tx = store.write().await.unwrap();
    tx.put_content(&kept).await.unwrap();
    tx.keep_preimages(&preimages).await.unwrap();
    assert_eq!(tx.sweep_unneeded(Time(0).plus_seconds(30 * DAY - 1)).await.unwrap(), 0);
    tx.commit().await.unwrap();
    let id = preimages.plan.to_string();
    assert_eq!(store.preimages(&id[..8]).await.unwrap(), [preimages]);
    assert!(store.content(&Digest::of(&kept)).await.unwrap().is_some());
    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.sweep_unneeded(Time(0).plus_seconds(30 * DAY)).await.unwrap(), 2, "the list and the content");
    tx.commit().await.unwrap();
    assert!(store.preimages(&id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_sink_begins_at_the_end_and_keeps_its_place_for_30_days_when_it_goes() {
    let folder = folder();
    let store = open(&folder).await;
    let (now, ops, chat) = (Time(0), "ops".to_owned(), "forge/chat".to_owned());
    assert_eq!(store.told_everywhere().await.unwrap(), None, "nobody is told anything");
    store.declare_sinks(&BTreeSet::from([ops.clone()]), 7, now).await.unwrap();
    store.declare_sinks(&BTreeSet::from([ops.clone(), chat.clone()]), 9, now).await.unwrap();
    assert_eq!(store.sink(&ops).await.unwrap().unwrap().seq, 7, "what was declared before stays where it was");
    assert_eq!((store.sink(&chat).await.unwrap().unwrap().seq, store.told_everywhere().await.unwrap()), (9, Some(7)));
    let tally = Tally { delivered: Some(Time(5)), dropped: 2, last_dropped: Some(8) };
    let mut tx = store.write().await.unwrap();
    tx.put_sink(&ops, &SinkState { seq: 20, tally }).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.sink(&ops).await.unwrap(), Some(SinkState { seq: 20, tally }));
    store.declare_sinks(&BTreeSet::from([chat.clone()]), 30, now).await.unwrap();
    let sweep = async |day: i64| {
        let mut tx = store.write().await.unwrap();
        tx.sweep_unneeded(now.plus_seconds(day * DAY)).await.unwrap();
        tx.commit().await.unwrap();
    };
    sweep(29).await;
    store.declare_sinks(&BTreeSet::from([chat.clone(), ops.clone()]), 40, now).await.unwrap();
    assert_eq!(store.sink(&ops).await.unwrap().unwrap().seq, 20, "it goes on where it was");
    sweep(31).await;
    assert!(store.sink(&ops).await.unwrap().is_some(), "it is declared");
    store.declare_sinks(&BTreeSet::from([chat]), 50, now).await.unwrap();
    assert_eq!(store.told_everywhere().await.unwrap(), Some(9));
    sweep(30).await;
    assert_eq!(store.sink(&ops).await.unwrap(), None);
}
