//! Class J: the host itself, and what a repository asks of it. J1, J2, J5, J6, J8; units are in `units`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::case::{Case, Expect, Ground};
use crate::world::{eventually, must, parts};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = paths();
    cases.extend(swapped());
    cases.extend(no_files());
    if rustix::process::geteuid().is_root() {
        cases.extend(kernel());
    } else {
        parts::skip("immutable files, mounts and devices need root");
    }
    cases.extend(modes());
    cases.extend(edited());
    cases.extend(strangers());
    cases
}

/// J1: paths that lead out by their words.
fn paths() -> Vec<Case> {
    let path = |path: &'static str, codes: &'static [&'static str]| {
        Case::refused("J1", format!("a document for {path:?}"), codes).commit(move |ground| {
            ground.repo.write("app/poison.yaml", ground.document("File", path, "{ content: x }"));
        })
    };
    let invalid = &["render.invalid"];
    vec![
        path("/etc/../root/.ssh/authorized_keys", invalid),
        path("/srv//x", invalid),
        path("/srv/./x", invalid),
        path("/root/.ssh/authorized_keys", &["host.outside-roots"]),
        path("/srv/canary", &["host.outside-roots"]),
        Case::refused("J1", "an overlay outside the allowed roots", &["host.outside-roots"]).commit(|ground| {
            ground.repo.write("app/root/etc/passwd", "x");
        }),
    ]
}

/// A folder outside of what the application may write, and what an attacker puts in the way.
fn elsewhere(ground: &Ground) -> PathBuf {
    let folder = ground.world.join("root/secret").join(&ground.name);
    fs::create_dir_all(&folder).expect("a folder can be made");
    folder
}

fn empty(folder: &Path) -> bool {
    fs::read_dir(folder).expect("it can be listed").next().is_none()
}

/// J1: parents that become links.
fn swapped() -> Vec<Case> {
    let under = |title: &'static str| {
        Case::refused("J1", title, &["guard.unknown", "host.link-in-path"]).on_host().before(|ground| {
            ground.overlay("sub/key", "good\n");
            ground.repo.land("a folder");
        })
    };
    let link = |ground: &Ground| {
        let (sub, aside) = (ground.live("sub"), ground.live("aside"));
        fs::rename(&sub, aside).expect("a folder can be moved");
        symlink(elsewhere(ground), sub).expect("a link can be made");
    };
    vec![
        under("the parent became a link to elsewhere").attack(move |ground| {
            link(ground);
            ground.overlay("sub/key", "poison\n");
            ground.land();
        }),
        Case::powerless("J1", "the parent is swapped for a link, and back, all the time", |ground| {
            assert!(empty(&elsewhere(ground)), "it was written through the link");
        })
        .on_host()
        .within(60)
        .before(|ground| {
            ground.overlay("sub/key", "good\n");
            ground.repo.land("a folder");
        })
        .attack(|ground| {
            let (sub, aside) = (ground.live("sub"), ground.live("aside"));
            symlink(elsewhere(ground), &aside).expect("a link can be made");
            let swapping = Arc::new(AtomicBool::new(true));
            let swapper = std::thread::spawn({
                let (swapping, sub, aside) = (Arc::clone(&swapping), sub.clone(), aside.clone());
                move || {
                    while swapping.load(Ordering::Relaxed) {
                        let (here, exchange) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
                        rustix::fs::renameat_with(here, &sub, here, &aside, exchange).expect("two names are exchanged");
                        std::thread::yield_now();
                    }
                }
            });
            for round in 0..10 {
                ground.overlay("sub/key", format!("round {round}\n"));
                ground.land();
                let mut command = crate::world::clean(env!("CARGO_BIN_EXE_trueup"), &ground.folder());
                command.arg("--config").arg(ground.world.join("config.yaml")).args(["sync", &ground.name, "--json"]);
                let output = command.output().expect("trueup can be started");
                assert!(!output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
                assert!(empty(&elsewhere(ground)), "round {round} was written through the link");
            }
            swapping.store(false, Ordering::Relaxed);
            swapper.join().expect("the swapper ends");
            if sub.is_symlink() {
                fs::remove_file(&sub).expect("the link can go");
                fs::rename(&aside, &sub).expect("the folder can come back");
            } else {
                fs::remove_file(&aside).expect("the link can go");
            }
        }),
    ]
}

/// J2: what lies there is no plain file.
fn no_files() -> Vec<Case> {
    let sort = |title: &'static str, put: fn(&Path)| {
        Case::refused("J2", title, &["guard.replace"]).on_host().attack(move |ground| {
            let path = ground.live("one.conf");
            fs::remove_file(&path).expect("it was live");
            put(&path);
            ground.overlay("one.conf", "poison\n");
            ground.land();
            // What was only missing for a moment may have been healed in between.
            eventually("it lies there", std::time::Duration::from_secs(5), || {
                let there = path.symlink_metadata().is_ok_and(|about| !about.is_file());
                if !there {
                    let _ = fs::remove_file(&path);
                    put(&path);
                }
                there
            });
        })
    };
    vec![
        sort("a FIFO", |path| drop(must(Command::new("mkfifo").arg(path)))),
        sort("a socket", |path| drop(UnixListener::bind(path).expect("a socket can be made"))),
        Case::powerless("J2", "a hard link to a secret", |ground| {
            assert_eq!(fs::read(ground.folder().join("shadow")).expect("it is there"), b"CANARY");
            assert_eq!(ground.read("one.conf"), b"new\n");
            assert_eq!(fs::metadata(ground.live("one.conf")).expect("it is live").nlink(), 1);
        })
        .on_host()
        .attack(|ground| {
            let shadow = ground.folder().join("shadow");
            fs::write(&shadow, "CANARY").expect("a file can be written");
            let beside = ground.live("beside");
            fs::hard_link(&shadow, &beside).expect("a link can be made");
            fs::rename(&beside, ground.live("one.conf")).expect("it can be put in place");
            ground.overlay("one.conf", "new\n");
            ground.land();
        }),
    ]
}

/// What is mounted or made immutable, until the daemon is gone.
struct Undo(&'static str, Vec<String>);

impl Drop for Undo {
    fn drop(&mut self) {
        let _ = Command::new(self.0).args(&self.1).status();
    }
}

fn mounted(ground: &mut Ground, arguments: &[&str], at: &Path) {
    must(Command::new("mount").args(arguments).arg(at));
    ground.keep.push(Box::new(Undo("umount", vec!["-l".into(), at.display().to_string()])));
}

/// A folder `sub` of its own, in which `key` is live.
fn sub(case: Case) -> Case {
    case.on_host().before(|ground| {
        fs::create_dir_all(ground.live("sub")).expect("a folder can be made");
        ground.overlay("sub/key", "good\n");
        ground.repo.land("a folder");
    })
}

fn news(ground: &mut Ground) {
    ground.overlay("sub/key", "poison\n");
    ground.land();
}

/// J2, J6: what the kernel refuses.
fn kernel() -> Vec<Case> {
    vec![
        sub(Case::refused("J2", "the file is immutable", &["host.not-permitted"])).attack(|ground| {
            let path = ground.live("sub/key").display().to_string();
            must(Command::new("chattr").args(["+i", &path]));
            ground.keep.push(Box::new(Undo("chattr", vec!["-i".into(), path])));
            news(ground);
        }),
        sub(Case::refused("J2", "a read-only mount", &["host.read-only"])).attack(|ground| {
            let folder = ground.live("sub");
            mounted(ground, &["-t", "tmpfs", "-o", "size=1m", "tmpfs"], &folder);
            fs::write(folder.join("key"), "good\n").expect("it can be written");
            must(Command::new("mount").args(["-o", "remount,ro"]).arg(&folder));
            news(ground);
        }),
        sub(Case::refused("J2", "another mount in its place", &["host.mount-point"])).attack(|ground| {
            let other = ground.folder().join("other");
            fs::write(&other, "good\n").expect("it can be written");
            let path = ground.live("sub/key");
            mounted(ground, &["--bind", &other.display().to_string()], &path);
            news(ground);
        }),
        sub(Case::refused("J2", "a device", &["guard.replace"])).attack(|ground| {
            let (path, beside) = (ground.live("sub/key"), ground.live("beside"));
            must(Command::new("mknod").arg(&beside).args(["c", "1", "3"]));
            fs::rename(&beside, &path).expect("it can be put in place");
            news(ground);
        }),
        sub(Case::refused("J6", "the disk is full in the middle of a write", &["target.unavailable"])).attack(
            |ground| {
                let folder = ground.live("sub");
                mounted(ground, &["-t", "tmpfs", "-o", "size=64k", "tmpfs"], &folder);
                fs::write(folder.join("key"), "good\n").expect("it can be written");
                ground.overlay("sub/key", "x".repeat(1 << 20));
                ground.land();
            },
        ),
        sub(Case::refused("J6", "no byte is free", &["target.unavailable"])).attack(|ground| {
            let folder = ground.live("sub");
            mounted(ground, &["-t", "tmpfs", "-o", "size=8k", "tmpfs"], &folder);
            fs::write(folder.join("key"), "good\n").expect("it can be written");
            let _ = fs::write(folder.join("full"), vec![b'x'; 1 << 16]);
            news(ground);
        }),
    ]
}

/// J5: modes, owners.
fn modes() -> Vec<Case> {
    let spec = |title: &'static str, codes: &'static [&'static str], spec: &'static str| {
        Case::refused("J5", title, codes).commit(move |ground| {
            ground.repo.write("app/three.yaml", ground.document("File", "three.conf", spec));
        })
    };
    let setuid = &["host.setuid"];
    vec![
        spec("mode 4755", setuid, "{ content: \"three\\n\", mode: \"4755\" }"),
        spec("mode 2755", setuid, "{ content: \"three\\n\", mode: \"2755\" }"),
        spec("mode 1644", setuid, "{ content: \"three\\n\", mode: \"1644\" }"),
        spec("an owner that is none", &["host.unknown-owner"], "{ content: \"three\\n\", owner: no-such-user }"),
        Case::refused("J5", "new content in a file that is setuid", setuid)
            .on_host()
            .before(|ground| ground.spec.sync = "drift: report".into())
            .attack(|ground| {
                let mode = fs::Permissions::from_mode(0o4755);
                fs::set_permissions(ground.live("one.conf"), mode).expect("a mode can be set");
                ground.overlay("one.conf", "poison\n");
                ground.land();
            }),
        Case::powerless("J5", "a file with capabilities gets new content without them", |ground| {
            assert_eq!(ground.read("one.conf"), b"new\n");
            let list = Command::new("getcap").arg(ground.live("one.conf")).output();
            assert!(list.map_or(true, |output| output.stdout.is_empty()), "the capabilities are still there");
        })
        .on_host()
        .attack(|ground| {
            let _ = Command::new("setcap").arg("cap_net_raw+ep").arg(ground.live("one.conf")).status();
            ground.overlay("one.conf", "new\n");
            ground.land();
        }),
    ]
}

/// J6: edits between read and write.
fn edited() -> Vec<Case> {
    vec![
        // The validator runs between the two: it edits the live file, and changes nothing of its own.
        Case::refused("J6", "edited between read and write", &["target.stale"])
            .before(|ground| {
                ground.spec.host = "commands: [/bin/sh]".into();
                let script = ground.folder().join("edit");
                fs::write(&script, "exit 0\n").expect("a script can be written");
            })
            .on_host()
            .attack(|ground| {
                let (live, script) = (ground.live("three.conf"), ground.folder().join("edit"));
                let live = live.display();
                // A new line each time, but the length of the file stays.
                fs::write(&script, format!("date +%N > {live}\n")).expect("a script can be written");
                let spec =
                    format!("{{ content: \"poison\\n\", validate: [/bin/sh, {}] }}", crate::case::quoted(&script));
                ground.repo.write("app/three.yaml", ground.document("File", "three.conf", &spec));
                ground.land();
            })
            .edits("three.conf"),
        Case::powerless("J6", "touched and copied, but equal", |ground| assert_eq!(ground.read("one.conf"), b"new\n"))
            .on_host()
            .attack(|ground| {
                fs::copy(ground.live("one.conf"), ground.live("copy")).expect("it can be copied");
                fs::rename(ground.live("copy"), ground.live("one.conf")).expect("it can be moved");
                ground.overlay("one.conf", "new\n");
                ground.land();
            }),
    ]
}

/// J8: what strangers have.
fn strangers() -> Vec<Case> {
    let folder = |ground: &Ground| {
        ground.repo.write("app/folder.yaml", ground.document("Directory", "folder", "{}"));
        ground.overlay("folder/ours", "ours\n");
        ground.repo.land("a folder");
    };
    vec![
        Case::refused("J8", "a folder goes in which strangers have files", &["target.conflict"])
            .before(|ground| {
                ground.repo.write("app/folder.yaml", ground.document("Directory", "folder", "{}"));
                ground.repo.land("an empty folder");
            })
            .on_host()
            .attack(|ground| {
                fs::write(ground.live("folder/theirs"), "theirs\n").expect("a file can be written");
                ground.repo.remove("app/folder.yaml");
                ground.land();
            }),
        Case::refused("J8", "a folder and its file go, beside a stranger's", &["target.conflict"])
            .before(move |ground| folder(ground))
            .on_host()
            .taken_back()
            .attack(|ground| {
                fs::write(ground.live("folder/theirs"), "theirs\n").expect("a file can be written");
                ground.repo.remove("app/folder.yaml").remove(&format!("app/root/srv/{}/folder", ground.name));
                ground.land();
            }),
        Case::refused("J8", "a file takes the place of such a folder", &["host.folder-not-empty", "guard.replace"])
            .before(move |ground| folder(ground))
            .on_host()
            .attack(|ground| {
                fs::write(ground.live("folder/theirs"), "theirs\n").expect("a file can be written");
                ground.repo.remove("app/folder.yaml").remove(&format!("app/root/srv/{}/folder", ground.name));
                ground.overlay("folder", "a file now\n");
                ground.land();
            }),
        Case::refused("J8", "a file goes that a person edited", &["guard.missing-witness"])
            .before(|ground| ground.spec.sync = "drift: report".into())
            .on_host()
            .attack(|ground| {
                fs::write(ground.live("one.conf"), "edited\n").expect("a file can be written");
                ground.repo.remove(&format!("app/root/srv/{}/one.conf", ground.name));
                ground.land();
            }),
        Case::new("J8", "everything goes at once", Expect::Code(&["guard.empty-render"])).commit(|ground| {
            ground.repo.remove("app/root").remove("app/three.yaml").write("app/empty.yaml", "# nothing\n");
        }),
    ]
}
