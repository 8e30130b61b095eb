//! Steps that were not previewed, replayed ones, paths and contents that are none of its business.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use trueup::model::Digest;

use crate::bed::Adapter;
use crate::front::{Front, failure, file, object, step, sync};
use crate::rootside::{RootSide, declared};

fn front(side: &RootSide) -> Front {
    let mut all = serde_json::to_value(declared(&side.host)).unwrap();
    all["commands"] = json!(["/bin/sh", "/bin/cat", "/usr/bin/env"]);
    Front::connect(&side.socket(), &all)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_outside_of_the_allow_list() {
    let side = RootSide::new();
    let mut front = front(&side);
    fs::create_dir_all(side.host.real("/etc/other")).unwrap();
    std::os::unix::fs::symlink("../other", side.host.real("/etc/app/out")).unwrap();
    let before = side.snapshot();
    for (path, codes) in [
        ("/etc/other/x", &["host.outside-roots"][..]),
        ("/etc/application", &["host.outside-roots"]),
        ("/etc/app/../other/x", &["host.path"]),
        ("//etc/app/x", &["host.path"]),
        ("etc/app/x", &["host.path"]),
        ("/etc/app/out/x", &["host.not-previewed"]),
    ] {
        let object = file(path, b"owned");
        let said = front.preview(std::slice::from_ref(&object));
        let refused = failure(&said[0]);
        assert!(codes.contains(&refused.as_str()) || said[0]["live"]["is"] == "unknown", "{path}: {said:?}");
        let made_up = json!({ "live": { "is": "absent" }, "after": { "is": "state", "state": { "digest": Digest::of(b"x").to_string() } } });
        let said = front.apply(&sync(1), &step(&object, &made_up, "create"), &[b"owned"]);
        assert_eq!(failure(&said), "host.not-previewed", "{path}: {said}");
    }
    assert_eq!(before, side.snapshot());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_decides_what_it_may_do_is_written_by_nobody() {
    let data = "/etc/app/data";
    let mut side = RootSide::new();
    let real = side.host.real(data);
    side.restart(|access| access.data = real).await;
    let mut front = front(&side);
    let object = file(&format!("{data}/journal"), b"");
    assert_eq!(failure(&front.preview(std::slice::from_ref(&object))[0]), "host.own");
    let made_up = json!({ "live": { "is": "absent" }, "after": { "is": "state", "state": { "digest": Digest::of(b"x").to_string() } } });
    assert_eq!(failure(&front.apply(&sync(1), &step(&object, &made_up, "create"), &[b""])), "host.not-previewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_what_was_previewed_and_nothing_else() {
    let side = RootSide::new();
    let mut front = front(&side);
    let (one, other) = (file("/etc/app/a", b"one"), file("/etc/app/a", b"other"));
    fs::write(side.host.real("/etc/app/there"), "there").unwrap();
    let there = json!({ "type": "object", "object": { "kind": "path", "name": "/etc/app/there" } });
    let previewed = front.preview(std::slice::from_ref(&one)).remove(0);
    let before = side.snapshot();
    let good = step(&one, &previewed, "create");
    let with = |field: &str, value: Value| {
        let mut step = good.clone();
        step[field] = value;
        step
    };
    let digest = || Value::from(Digest::of(b"made up").to_string());
    for (wrong, what) in [
        (with("spec", other["spec"].clone()), "another content"),
        (with("after", digest()), "another after"),
        (with("before", digest()), "another before"),
        (with("object", json!({ "kind": "path", "name": "/etc/app/b" })), "another path"),
        (with("action", "replace".into()), "another action"),
        (with("action", "update".into()), "another action"),
        (with("action", "delete".into()), "a delete"),
        (with("action", "run".into()), "a run"),
        (step(&there, &json!({ "live": { "is": "absent" }, "after": { "is": "absent" } }), "delete"), "a delete"),
    ] {
        let said = front.apply(&sync(2), &wrong, &[b"one", b"other"]);
        assert_eq!(failure(&said), "host.not-previewed", "{what}: {said}");
        assert_eq!(before, side.snapshot(), "{what}");
    }
    let said = front.apply(&sync(2), &good, &[b"one"]);
    assert_eq!(said["done"]["already"], false, "{said}");
    assert_eq!(fs::read(side.host.real("/etc/app/a")).unwrap(), b"one");
    // The preview is used up, though all would be as it was then.
    fs::remove_file(side.host.real("/etc/app/a")).unwrap();
    let said = front.apply(&sync(3), &good, &[b"one"]);
    assert_eq!(failure(&said), "host.not-previewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_is_spent_before_and_after_a_restart() {
    let mut side = RootSide::new();
    let one = file("/etc/app/a", b"one");
    let mut front_half = front(&side);
    let previewed = front_half.preview(std::slice::from_ref(&one)).remove(0);
    let good = step(&one, &previewed, "create");
    assert_eq!(front_half.apply(&sync(1), &good, &[b"one"])["done"]["already"], false);
    for restarted in [false, true] {
        if restarted {
            drop(front_half);
            side.restart(|_| {}).await;
            front_half = front(&side);
        }
        let two = file("/etc/app/a", b"two");
        let previewed = front_half.preview(std::slice::from_ref(&two)).remove(0);
        let said = front_half.apply(&sync(1), &step(&two, &previewed, "update"), &[b"two"]);
        assert_eq!(failure(&said), "host.replayed", "restarted: {restarted}: {said}");
        let said = front_half.apply(&sync(1), &good, &[b"one"]);
        assert_eq!(said["done"]["already"], true, "the same again is answered, not done: {said}");
        fs::write(side.host.real("/etc/app/a"), "by hand").unwrap();
        let said = front_half.apply(&sync(1), &good, &[b"one"]);
        assert_eq!(said["done"]["already"], true, "{said}");
        assert_eq!(fs::read(side.host.real("/etc/app/a")).unwrap(), b"by hand", "nothing was done for it");
        fs::write(side.host.real("/etc/app/a"), "one").unwrap();
    }
    let said = front_half.apply("../../etc/passwd", &good, &[b"one"]);
    assert_eq!(failure(&said), "host.sync-id");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_front_half_is_refused_also_after_a_restart() {
    let mut side = RootSide::new();
    let mut newer = front(&side);
    let one = file("/etc/app/a", b"one");
    let previewed = newer.preview(std::slice::from_ref(&one)).remove(0);
    newer.apply_as(&sync(1), 7, &step(&one, &previewed, "create"), &[b"one"]);
    for restarted in [false, true] {
        if restarted {
            side.restart(|_| {}).await;
        }
        let mut older = front(&side);
        let two = file("/etc/app/a", b"two");
        let previewed = older.preview(std::slice::from_ref(&two)).remove(0);
        let said = older.apply_as(&sync(2), 6, &step(&two, &previewed, "update"), &[b"two"]);
        assert_eq!(failure(&said), "host.fenced", "restarted: {restarted}: {said}");
    }
    assert_eq!(fs::read(side.host.real("/etc/app/a")).unwrap(), b"one");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_not_everyone_may_read_stays_here() {
    let side = RootSide::new();
    let mut front = front(&side);
    let canary = b"canary-1f2e3d";
    let plain = Digest::of(canary).to_string();
    let (closed, inside) = (side.host.real("/etc/app/closed"), side.host.real("/etc/app/private/open"));
    fs::create_dir(side.host.real("/etc/app/private")).unwrap();
    fs::set_permissions(side.host.real("/etc/app/private"), fs::Permissions::from_mode(0o700)).unwrap();
    for (path, mode) in [(&closed, 0o640), (&inside, 0o644)] {
        fs::write(path, canary).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let digest = Digest::of(b"new").to_string();
    for path in ["/etc/app/closed", "/etc/app/private/open"] {
        let shown = json!({ "sort": "file", "content": digest, "size": 3, "default_mode": 0o644, "show": true });
        let absent = json!({ "type": "object", "object": { "kind": "path", "name": path }, "owned": {
            "origin": "created", "spec": digest, "state": digest, "fingerprint": "1" } });
        for asked in [object(path, &shown, std::slice::from_ref(&digest)), absent] {
            let said = Value::from(front.preview(&[asked])).to_string();
            assert!(said.contains("\"hidden\":true"), "{said}");
            assert!(!said.contains(&plain) && !said.contains("chunk") && !said.contains("canary"), "{said}");
        }
    }
    // What everyone may read comes, or there would be no diffs.
    fs::write(side.host.real("/etc/app/open"), "anyone").unwrap();
    let said = front.preview(&[file("/etc/app/open", b"new")]);
    assert_eq!(said[0]["type"], "chunk");
    // Nothing but what is written below the allow-list is even looked at.
    let said = Value::from(front.preview(&[file("/etc/shadow", b"new")])).to_string();
    assert!(said.contains("host.outside-roots"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_programs_run() {
    let side = RootSide::new();
    let mut front = front(&side);
    let run = |command: &str| {
        let body = json!({ "sort": "handler", "command": [command, "-c", "true"], "timeout": 5 });
        let place = json!({ "file": "a.yaml", "line": 1, "column": 1 });
        json!({ "type": "object", "object": { "kind": "handler", "name": "h" }, "spec": { "body": body, "place": place } })
    };
    for program in ["/bin/cat", "/usr/bin/env", "sh -c", "/bin/../bin/sh"] {
        let said = front.preview(&[run(program)]);
        assert_eq!(failure(&said[0]), "host.command-not-allowed", "{program}: {said:?}");
    }
    let allowed = run("/bin/sh");
    let previewed = front.preview(std::slice::from_ref(&allowed)).remove(0);
    let said = front.apply(&sync(1), &step(&allowed, &previewed, "run"), &[]);
    assert_eq!(said["done"]["already"], false, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_changed_stops_every_act_and_no_look() {
    let mut side = RootSide::new();
    let one = file("/etc/app/a", b"one");
    let mut front_half = front(&side);
    let previewed = front_half.preview(std::slice::from_ref(&one)).remove(0);
    let good = step(&one, &previewed, "create");
    drop(front_half);
    let journal = side.host.scratch.path().join("data/journal");
    let text = fs::read_to_string(&journal).unwrap();
    assert_eq!(fs::metadata(&journal).unwrap().permissions().mode() & 0o777, 0o600);
    side.restart(|_| fs::write(&journal, text.replacen("/etc/app/a", "/etc/app/b", 1)).unwrap()).await;
    let mut front_half = front(&side);
    assert_eq!(front_half.preview(std::slice::from_ref(&one))[0]["after"]["is"], "state");
    assert_eq!(failure(&front_half.apply(&sync(1), &good, &[b"one"])), "host.journal-damaged");
    assert!(!side.host.real("/etc/app/a").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overwritten_and_deleted_is_kept() {
    use trueup::target::root::preimages::Preimages;
    let side = RootSide::new();
    let mut front = front(&side);
    for (name, text) in [("a", "by hand a"), ("b", "by hand b")] {
        fs::write(side.host.real("/etc/app").join(name), text).unwrap();
    }
    let over = file("/etc/app/a", b"new");
    let mut gone = json!({ "type": "object", "object": { "kind": "path", "name": "/etc/app/b" } });
    gone["owned"] = json!({ "origin": "created", "spec": "0".repeat(64), "state": "0".repeat(64), "fingerprint": "1" });
    let said = front.preview(&[over.clone(), gone.clone()]);
    let of = |path: &str| said.iter().find(|said| said["object"]["name"] == path).unwrap();
    let mut first = step(&over, of("/etc/app/a"), "adopt");
    assert!(front.apply(&sync(1), &first, &[b"new"])["done"].is_object());
    first = step(&gone, of("/etc/app/b"), "delete");
    first["number"] = 1.into();
    assert!(front.apply(&sync(1), &first, &[])["done"].is_object());
    let kept = Preimages::open(&side.host.scratch.path().join("data")).unwrap();
    let all = kept.list().unwrap();
    let contents: Vec<_> = all.iter().map(|one| (one.path.as_str(), kept.content(one).unwrap().unwrap())).collect();
    assert_eq!(contents, [("/etc/app/a", b"by hand a".to_vec()), ("/etc/app/b", b"by hand b".to_vec())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_daemon_left_by_itself_is_read_anew_and_can_go() {
    let side = RootSide::new();
    let desired = side.desired();
    let owned = crate::bed::sync(&side.host, &desired, &crate::bed::owned()).await;
    // Long enough for a fingerprint to grow old.
    tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    let previews = crate::bed::preview(&side, &desired, &owned).await;
    assert_eq!(crate::bed::acts(&previews), Vec::<String>::new());
    for item in previews.items.iter().filter(|item| item.id.kind == "path") {
        let trueup::model::Live::Known(state) = &item.live else { panic!() };
        assert_ne!(
            state.digest, owned.objects[&item.id].left.state,
            "{}: it digests under the root half's key",
            item.id
        );
    }
}
