//! Class J of the hostile inputs, as far as files go: each case acts on a host of its own and asserts what must be.
#![allow(dead_code)] // Each test binary that includes it uses its own part.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use trueup::model::host::{Attributes, CommandSpec, HostSpec, PATH};
use trueup::model::{Action, Desired, Inventory, Live};
use trueup::target::{Target, TargetError};

use crate::bed::{self, Adapter, apply, call, number, plan};
use crate::host::{Host, Written, words};

const FILE: &str = "/etc/app/b.conf";

fn one(text: &str) -> Desired {
    let mut written = Written::default();
    written.file(FILE, text);
    written.desired()
}

/// Plans `desired`, lets `meanwhile` happen, and returns how its one step is refused. Nothing may have changed by it.
async fn refused(host: &Host, desired: &Desired, meanwhile: impl FnOnce()) -> TargetError {
    let previews = bed::preview(host, desired, &bed::owned()).await;
    let (plan, specs) = plan(&previews, desired);
    assert_eq!(plan.steps.len(), 1, "{:?}", plan.steps);
    meanwhile();
    let before = host.snapshot();
    let error = apply(host, &plan, &specs, desired, 0).await.unwrap_err();
    assert_eq!(before, host.snapshot(), "{error}");
    error
}

async fn preview_error(host: &Host, desired: &Desired) -> TargetError {
    host.target.preview(&call(), desired, &Inventory::default()).await.unwrap_err()
}

/// J1: a path that leads out by its words, by a link in it, or by a link that comes between preview and apply.
pub(crate) async fn paths_that_lead_out() {
    let host = Host::new();
    for (bad, code) in [
        ("/etc/app/../root/.ssh/authorized_keys", "host.path"),
        ("/etc/app//b", "host.path"),
        ("/etc/app/./b", "host.path"),
        ("/etc/app/b\n", "host.path"),
        ("etc/app/b", "host.path"),
        ("/etc/application/b", "host.outside-roots"),
        ("/root/.ssh/authorized_keys", "host.outside-roots"),
    ] {
        let mut written = Written::default();
        written.file(bad, "x");
        assert_eq!(preview_error(&host, &written.desired()).await.code(), code, "{bad}");
    }
    let mut written = Written::default();
    written.file("/etc/app/sub/key", "x");
    let desired = written.desired();
    fs::create_dir_all(host.real("/secret")).unwrap();
    fs::create_dir(host.real("/etc/app/sub")).unwrap();
    let error = refused(&host, &desired, || {
        fs::remove_dir(host.real("/etc/app/sub")).unwrap();
        symlink(host.real("/secret"), host.real("/etc/app/sub")).unwrap();
    });
    assert_eq!(error.await.code(), "host.link-in-path");
    assert_eq!(fs::read_dir(host.real("/secret")).unwrap().count(), 0);
    let previews = bed::preview(&host, &desired, &bed::owned()).await;
    assert!(matches!(previews.items[0].live, Live::Unknown(_)), "a link that was there from the start");
}

/// J1: the parent is swapped for a link, and back, all the time.
pub(crate) async fn a_parent_that_keeps_being_swapped() {
    let host = Host::new();
    fs::create_dir(host.real("/secret")).unwrap();
    let (sub, aside) = (host.real("/etc/app/sub"), host.real("/etc/app/aside"));
    fs::create_dir(&sub).unwrap();
    symlink(host.real("/secret"), &aside).unwrap();
    let swapping = Arc::new(AtomicBool::new(true));
    let swapper = std::thread::spawn({
        let swapping = Arc::clone(&swapping);
        move || {
            while swapping.load(Ordering::Relaxed) {
                let exchange = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(rustix::fs::CWD, &sub, rustix::fs::CWD, &aside, exchange).unwrap();
            }
        }
    });
    let (mut written, mut refused) = (0, 0);
    for round in 0..500 {
        let mut coming = Written::default();
        coming.file("/etc/app/sub/key", &format!("round {round}"));
        let desired = coming.desired();
        let previews = bed::preview(&host, &desired, &bed::owned()).await;
        let (plan, specs) = plan(&previews, &desired);
        if plan.steps.is_empty() {
            refused += 1;
            continue;
        }
        match apply(&host, &plan, &specs, &desired, 0).await {
            Ok(_) => written += 1,
            Err(_) => refused += 1,
        }
    }
    swapping.store(false, Ordering::Relaxed);
    swapper.join().unwrap();
    assert!(written > 0 && refused > 0, "{written} written, {refused} refused: the race was not run");
    assert_eq!(fs::read_dir(host.real("/secret")).unwrap().count(), 0);
}

/// J2: what lies there is no plain file. Nothing waits on it, and only a Replace step removes it.
pub(crate) async fn things_that_are_no_files() {
    for sort in ["fifo", "socket", "character-device"] {
        let host = Host::new();
        let real = host.real(FILE);
        match sort {
            "socket" => drop(UnixListener::bind(&real).unwrap()),
            "fifo" => run("mkfifo", &[real.to_str().unwrap()]),
            _ if !is_root() => {
                skip("a device needs root");
                continue;
            }
            _ => run("mknod", &[real.to_str().unwrap(), "c", "1", "3"]),
        }
        let desired = one("x");
        let previews = bed::preview(&host, &desired, &bed::owned()).await;
        let Live::Known(state) = &previews.items[0].live else { panic!("{:?}", previews.items[0].live) };
        assert_eq!((&*state.sort, state.spec.is_none()), (sort, true));
        let (mut plan, specs) = plan(&previews, &desired);
        assert_eq!(plan.steps[0].action, Action::Replace);
        plan.steps[0].action = Action::Update;
        let error = apply(&host, &plan, &specs, &desired, 0).await.unwrap_err();
        assert_eq!(error.code(), "host.not-a-replace");
        plan.steps[0].action = Action::Replace;
        apply(&host, &plan, &specs, &desired, 0).await.unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "x");
    }
}

/// J2: a file with a second name elsewhere keeps its content under that name.
pub(crate) async fn hard_links() {
    let host = Host::new();
    fs::write(host.real("/shadow"), "secret").unwrap();
    fs::hard_link(host.real("/shadow"), host.real(FILE)).unwrap();
    bed::sync(&host, &one("x"), &bed::owned()).await;
    assert_eq!(fs::read_to_string(host.real("/shadow")).unwrap(), "secret");
    assert_eq!(fs::read_to_string(host.real(FILE)).unwrap(), "x");
}

/// J2: immutable, read-only, another mount.
pub(crate) async fn what_the_kernel_refuses() {
    if !is_root() {
        return skip("mounts and attributes need root");
    }
    let host = Host::new();
    let real = host.real(FILE);
    fs::write(&real, "old").unwrap();
    if Command::new("chattr").args(["+i", real.to_str().unwrap()]).status().is_ok_and(|status| status.success()) {
        let error = refused(&host, &one("new"), || {}).await;
        run("chattr", &["-i", real.to_str().unwrap()]);
        assert_eq!(error.code(), "host.not-permitted");
    } else {
        skip("this filesystem knows no immutable files");
    }
    let folder = host.real("/etc/app");
    if let Some(mount) = Mount::tmpfs(folder.to_str().unwrap(), "size=1m") {
        fs::write(&real, "old").unwrap();
        mount.read_only();
        assert_eq!(refused(&host, &one("new"), || {}).await.code(), "host.read-only");
        drop(mount);
    }
    let other = host.scratch.path().join("other");
    fs::write(&other, "mounted").unwrap();
    if let Some(mount) = Mount::bind(other.to_str().unwrap(), real.to_str().unwrap()) {
        assert_eq!(refused(&host, &one("new"), || {}).await.code(), "host.mount-point");
        drop(mount);
    }
    assert_eq!(fs::read_to_string(&real).unwrap(), "old");
}

/// J5: setuid is refused where it is named, and where it would be kept on new content; owners must exist.
pub(crate) async fn setuid_and_owners() {
    let host = Host::new();
    let with = |change: &dyn Fn(&mut Attributes)| {
        let mut written = Written::default();
        written.file_with(FILE, "x", |file| change(&mut file.attributes));
        written.desired()
    };
    for mode in [0o4755, 0o2755, 0o1644] {
        let error = preview_error(&host, &with(&|attributes| attributes.mode = Some(mode))).await;
        assert_eq!(error.code(), "host.setuid");
    }
    let nobody = with(&|attributes| attributes.owner = Some("no-such-user".into()));
    assert_eq!(preview_error(&host, &nobody).await.code(), "host.unknown-owner");
    fs::write(host.real(FILE), "old").unwrap();
    fs::set_permissions(host.real(FILE), fs::Permissions::from_mode(0o4755)).unwrap();
    assert_eq!(preview_error(&host, &one("new")).await.code(), "host.setuid");
    let allowed = Host::with(|declared| declared.allow_setuid = true);
    bed::sync(&allowed, &with(&|attributes| attributes.mode = Some(0o4755)), &bed::owned()).await;
    assert_eq!(fs::metadata(allowed.real(FILE)).unwrap().mode() & 0o7777, 0o4755);
}

/// J6: the file is edited while it is written: the edit stays. A touched file is not an edited one.
pub(crate) async fn edits_meanwhile() {
    let host = Host::new();
    fs::write(host.real(FILE), "old").unwrap();
    let edit = || fs::write(host.real(FILE), "edited").unwrap();
    assert_eq!(refused(&host, &one("new"), edit).await.code(), "target.stale");
    // The validator runs between the read and the write: it edits the live file.
    let mut written = Written::default();
    let script = format!("echo late > {}", host.real(FILE).display());
    written.file_with(FILE, "new", |file| {
        file.validate = Some(CommandSpec { command: words(&["/bin/sh", "-c", &script]), timeout: 10 });
    });
    let desired = written.desired();
    let previews = bed::preview(&host, &desired, &bed::owned()).await;
    let (plan, specs) = plan(&previews, &desired);
    let error = apply(&host, &plan, &specs, &desired, 0).await.unwrap_err();
    assert_eq!(error.code(), "target.stale");
    assert_eq!(fs::read_to_string(host.real(FILE)).unwrap(), "late\n");
    assert_eq!(fs::read_dir(host.real("/etc/app")).unwrap().count(), 1, "the temporary is gone");
}

/// J6: a file that only moved (touched, copied and renamed) still is what the plan saw.
pub(crate) async fn moved_but_equal() {
    let host = Host::new();
    fs::write(host.real(FILE), "old").unwrap();
    let desired = one("new");
    let previews = bed::preview(&host, &desired, &bed::owned()).await;
    let (plan, specs) = plan(&previews, &desired);
    fs::copy(host.real(FILE), host.real("/etc/app/copy")).unwrap();
    fs::rename(host.real("/etc/app/copy"), host.real(FILE)).unwrap();
    apply(&host, &plan, &specs, &desired, 0).await.unwrap();
    assert_eq!(fs::read_to_string(host.real(FILE)).unwrap(), "new");
}

/// J6: the disk is full in the middle of a write.
pub(crate) async fn full_disk() {
    let host = Host::new();
    let folder = host.real("/etc/app");
    let Some(mount) = Mount::tmpfs(folder.to_str().unwrap(), "size=64k") else { return skip("no tmpfs to fill") };
    fs::write(host.real(FILE), "old").unwrap();
    let error = refused(&host, &one(&"x".repeat(1 << 20)), || {}).await;
    assert!(error.to_string().contains("on a full filesystem"), "{error}");
    assert_eq!(fs::read_to_string(host.real(FILE)).unwrap(), "old");
    drop(mount);
}

/// J8: a folder of ours in which strangers lie is neither removed nor replaced.
pub(crate) async fn folders_with_strangers() {
    let host = Host::new();
    let mut written = Written::default();
    written.add(
        PATH,
        "/etc/app/folder",
        &HostSpec::Directory(Attributes { default_mode: 0o755, ..Attributes::default() }),
    );
    written.file("/etc/app/folder/ours", "x");
    let owned = bed::sync(&host, &written.desired(), &bed::owned()).await;
    fs::write(host.real("/etc/app/folder/theirs"), "y").unwrap();
    let nothing = bed::nothing();
    let previews = bed::preview(&host, &nothing, &owned).await;
    let (gone, specs) = plan(&previews, &nothing);
    assert_eq!(gone.steps.len(), 2);
    apply(&host, &gone, &specs, &nothing, 0).await.unwrap();
    let error = apply(&host, &gone, &specs, &nothing, 1).await.unwrap_err();
    assert!(error.to_string().contains("theirs"), "{error}");
    assert_eq!(error.code(), "target.conflict");
    let mut written = Written::default();
    written.file("/etc/app/folder", "a file now");
    assert_eq!(refused(&host, &written.desired(), || {}).await.code(), "host.folder-not-empty");
    let mut left = BTreeMap::new();
    crate::host::walk(&host.real("/etc/app/folder"), &mut left);
    assert_eq!(left.len(), 1, "{left:?}");
}

/// A sort may change in both directions where nothing else is lost.
pub(crate) async fn sorts_that_change() {
    let host = Host::new();
    let mut tree = Written::default();
    tree.file("/etc/app/x/y", "deep");
    tree.add(PATH, "/etc/app/x", &HostSpec::Directory(Attributes { default_mode: 0o755, ..Attributes::default() }));
    let tree = tree.desired();
    let mut flat = Written::default();
    flat.file("/etc/app/x", "flat");
    let flat = flat.desired();
    let mut owned = bed::owned();
    for (desired, steps) in [(&tree, 2), (&flat, 2), (&tree, 2), (&flat, 2)] {
        let previews = bed::preview(&host, desired, &owned).await;
        assert_eq!(number(&plan(&previews, desired).0).len(), steps);
        owned = bed::sync(&host, desired, &owned).await;
    }
    assert_eq!(fs::read_to_string(host.real("/etc/app/x")).unwrap(), "flat");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a case cannot be shown here; fails where every part is required.
fn skip(reason: &str) {
    assert!(std::env::var("TRUEUP_REQUIRE_PARTS").is_err(), "not to be skipped: {reason}");
    let _ = writeln!(std::io::stderr(), "SKIP: {reason}");
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program} {arguments:?}");
}

/// A mount that goes with its test.
struct Mount(String);

impl Mount {
    fn tmpfs(at: &str, options: &str) -> Option<Self> {
        Self::at(&["-t", "tmpfs", "-o", options, "tmpfs", at], at)
    }

    fn bind(what: &str, at: &str) -> Option<Self> {
        Self::at(&["--bind", what, at], at)
    }

    fn at(arguments: &[&str], at: &str) -> Option<Self> {
        let mounted = Command::new("mount").args(arguments).status().is_ok_and(|status| status.success());
        if !mounted {
            skip("nothing can be mounted here");
        }
        mounted.then(|| Self(at.to_owned()))
    }

    fn read_only(&self) {
        run("mount", &["-o", "remount,ro", &self.0]);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0]).status();
    }
}
