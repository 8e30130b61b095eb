//! What only a host does: recognise files without reading them, watch folders, tidy up, keep contents hidden.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use trueup::model::HealthState::{Healthy, Missing, Unknown};
use trueup::model::host::{Attributes, CommandSpec, HANDLER, HostSpec, PATH};
use trueup::model::{After, Desired, Live, ObjectId};
use trueup::target::{Asked, Target, TargetError};

use crate::bed::{self, acts, apply, call, plan};
use crate::host::{Host, Written, path, words};

/// Long enough for a fingerprint to grow old.
const TICK: Duration = Duration::from_millis(25);

fn many(count: usize) -> Desired {
    let mut written = Written::default();
    for number in 0..count {
        written.file(&format!("/etc/app/{}/{number}.conf", number % 40), &format!("file {number}\n"));
    }
    written.desired()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_unchanged_files_are_not_read() {
    let host = Host::new();
    let desired = many(2000);
    let owned = bed::sync(&host, &desired, &bed::owned()).await;
    tokio::time::sleep(TICK).await;
    let before = host.target.content_reads();
    bed::preview(&host, &desired, &owned).await;
    assert_eq!(host.target.content_reads() - before, 2000, "fingerprints as young as the files are not trusted");
    let before = host.target.content_reads();
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let previews = bed::preview(&host, &desired, &owned).await;
        best = best.min(start.elapsed());
        assert_eq!((previews.items.len(), acts(&previews)), (2000, vec![]));
    }
    assert_eq!(host.target.content_reads(), before);
    println!("2,000 unchanged files: {best:?}, 0 reads");
    assert!(best < Duration::from_millis(500), "{best:?}, even unoptimised");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_moves_no_timestamp_is_found_while_the_fingerprint_is_young() {
    let host = Host::new();
    let desired = many(1);
    let mut owned = bed::sync(&host, &desired, &bed::owned()).await;
    fs::write(host.real("/etc/app/0/0.conf"), "edit 0\n").unwrap();
    // As if the edit had come within the tick of the write: the fingerprint that we remember is that of the edited file.
    let previews = bed::preview(&host, &desired, &owned).await;
    let Live::Known(state) = &previews.items[0].live else { panic!() };
    owned.objects.values_mut().next().unwrap().left.fingerprint = state.fingerprint.clone();
    let previews = bed::preview(&host, &desired, &owned).await;
    assert_eq!(acts(&previews), ["update path /etc/app/0/0.conf"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_touched_file_is_the_same_with_a_new_fingerprint() {
    let host = Host::new();
    let desired = many(1);
    let owned = bed::sync(&host, &desired, &bed::owned()).await;
    tokio::time::sleep(TICK).await;
    fs::write(host.real("/etc/app/0/0.conf"), "file 0\n").unwrap();
    let previews = bed::preview(&host, &desired, &owned).await;
    let (Live::Known(state), left) = (&previews.items[0].live, owned.objects.values().next().unwrap()) else {
        panic!()
    };
    assert!(matches!(previews.items[0].after, After::Same));
    assert_eq!(state.digest, left.left.state);
    assert_ne!(state.fingerprint, left.left.fingerprint);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_rings_for_what_it_follows_and_not_for_reads_or_temporaries() {
    let host = Host::new();
    let (a, b) = (path("/etc/app/a.conf"), path("/etc/app/new/b.conf"));
    let (interest, followed) = watch::channel(Arc::new(vec![a.clone()]));
    let (bell, mut rings) = mpsc::channel(16);
    let call = call();
    let cancel = call.cancel.clone();
    let host = Arc::new(host);
    let watching = tokio::spawn({
        let host = Arc::clone(&host);
        async move { host.target.watch(&call, followed, bell).await }
    });
    let mut rung = async |wanted: &ObjectId, act: &dyn Fn()| {
        for _ in 0..100 {
            act();
            let ring = tokio::time::timeout(Duration::from_millis(100), rings.recv()).await;
            if ring.is_ok_and(|ids| ids.unwrap().contains(wanted)) {
                return true;
            }
        }
        false
    };
    assert!(rung(&a, &|| fs::write(host.real("/etc/app/a.conf"), "x").unwrap()).await);
    interest.send(Arc::new(vec![a.clone(), b.clone()])).unwrap();
    let folder = || {
        let _ = fs::remove_dir_all(host.real("/etc/app/new"));
        fs::create_dir(host.real("/etc/app/new")).unwrap();
    };
    assert!(rung(&b, &folder).await, "its folder came");
    assert!(rung(&b, &|| fs::write(host.real("/etc/app/new/b.conf"), "x").unwrap()).await);
    tokio::time::sleep(Duration::from_millis(200)).await;
    while rings.try_recv().is_ok() {}
    fs::read(host.real("/etc/app/a.conf")).unwrap();
    fs::write(host.real("/etc/app/.a.conf.trueup-0123456789abcdef0123456789abcdef-1"), "x").unwrap();
    fs::write(host.real("/etc/app/stranger"), "x").unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), rings.recv()).await.is_err());
    cancel.cancel();
    watching.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_removes_our_temporaries_beside_owned_paths_and_nothing_else() {
    let host = Host::new();
    let ours = "/etc/app/.a.trueup-0123456789abcdef0123456789abcdef-3";
    let kept = ["/etc/app/.a.trueup-me-3", "/etc/app/a", "/etc/.a.trueup-0123456789abcdef0123456789abcdef-3"];
    let folder = "/etc/app/.d.trueup-0123456789abcdef0123456789abcdef-3";
    for name in kept.iter().chain([&ours]) {
        fs::write(host.real(name), "x").unwrap();
    }
    fs::create_dir(host.real(folder)).unwrap();
    host.target.recover(&call(), &[path("/etc/app/a"), path("/etc/gone/a"), path("/etc/x")]).await.unwrap();
    assert!(!host.real(ours).exists());
    assert!(kept.iter().chain([&folder]).all(|name| host.real(name).exists()));
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_not_everyone_may_read_is_hidden_before_or_after() {
    let host = Host::new();
    for (before, after, show, hidden) in [
        (0o644, 0o644, false, false),
        (0o600, 0o644, false, true),
        (0o644, 0o600, false, true),
        (0o600, 0o600, true, false),
    ] {
        fs::write(host.real("/etc/app/a"), "old").unwrap();
        fs::set_permissions(host.real("/etc/app/a"), fs::Permissions::from_mode(before)).unwrap();
        let mut written = Written::default();
        written.file_with("/etc/app/a", "new", |file| {
            file.attributes.mode = Some(after);
            file.show = show;
        });
        let previews = bed::preview(&host, &written.desired(), &bed::owned()).await;
        let (Live::Known(live), After::Is(comes)) = (&previews.items[0].live, &previews.items[0].after) else {
            panic!()
        };
        assert_eq!((live.hidden, comes.hidden), (hidden, hidden), "{before:o} {after:o} {show}");
        assert_eq!((live.content.as_deref(), comes.content.as_deref()), (Some(&b"old"[..]), None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_sees_a_private_file_and_its_refusal_changes_nothing() {
    let host = Host::new();
    let script = "stat -c %a:%U {}; cat {}; exit 9";
    let mut written = Written::default();
    written.file_with("/etc/app/new/a", "content", |file| {
        file.attributes.mode = Some(0o644);
        file.validate = Some(CommandSpec { command: words(&["sh", "-c", script]), timeout: 5 });
    });
    let desired = written.desired();
    let previews = bed::preview(&host, &desired, &bed::owned()).await;
    let (plan, specs) = plan(&previews, &desired);
    let error = apply(&host, &plan, &specs, &desired, 0).await.unwrap_err();
    assert_eq!(error.code(), "host.validate-failed");
    assert!(error.to_string().contains("600:") && error.to_string().ends_with("content"), "{error}");
    assert!(!host.real("/etc/app/new").exists(), "the folder that was made for it is gone too");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_are_not_allowed_are_refused_before_anything_is_planned() {
    let host = Host::new();
    let mut written = Written::default();
    let command = CommandSpec { command: words(&["/usr/bin/env"]), timeout: 5 };
    written.add(HANDLER, "env", &HostSpec::Handler(command));
    let error = host.target.preview(&call(), &written.desired(), &bed::owned()).await.unwrap_err();
    assert!(matches!(error, TargetError::Denied { ref code, .. } if code == "host.command-not-allowed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_needs_is_deleted_only_with_a_yes_and_folders_stay_while_they_hold_something() {
    let host = Host::with(|declared| declared.allow = vec!["/etc".into()]);
    let folder = HostSpec::Directory(Attributes { default_mode: 0o755, ..Attributes::default() });
    let mut written = Written::default();
    written.file("/etc/sudoers.d/ops", "x");
    written.add(PATH, "/etc/app/d", &folder);
    written.file("/etc/app/d/a", "x");
    let owned = bed::sync(&host, &written.desired(), &bed::owned()).await;
    let mut fewer = Written::default();
    fewer.file("/etc/app/d/a", "x");
    let previews = bed::preview(&host, &fewer.desired(), &owned).await;
    assert_eq!(acts(&previews), ["delete path /etc/sudoers.d/ops"]);
    let reasons: Vec<_> = previews.items.iter().filter_map(|item| item.protected.clone()).collect();
    assert_eq!(reasons.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_what_is_there_missing_and_unknown() {
    let host = Host::new();
    fs::write(host.real("/etc/app/a"), "x").unwrap();
    std::os::unix::fs::symlink("/", host.real("/etc/app/link")).unwrap();
    let ids = ["/etc/app/a", "/etc/app/b", "/etc/app/no/b", "/etc/app/link/b", "/root/b"].map(path);
    let asked: Vec<_> = ids.iter().map(|id| Asked { id, spec: None }).collect();
    let told = host.target.health(&call(), &asked).await.unwrap();
    let states: Vec<_> = told.iter().map(|health| health.state).collect();
    assert_eq!(states, [Healthy, Missing, Missing, Unknown, Unknown]);
}
