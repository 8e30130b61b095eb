//! Class B: what one tree may hold. B1–B12, B15, B16, B20.

use std::fmt::Write as _;

use crate::case::{Case, Ground};

const BAD: &[&str] = &["source.bad-tree"];
const LARGE: &[&str] = &["source.too-large"];
const INVALID: &[&str] = &["render.invalid"];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = links();
    cases.extend(names());
    cases.extend(configured());
    cases.extend(bombs());
    cases.extend(odd());
    cases
}

/// B1–B3, B6: links.
fn links() -> Vec<Case> {
    let linked = |to: &'static str| {
        Case::refused("B1", format!("a document is a link to {to}"), INVALID).commit(move |ground| {
            ground.repo.write("other-tenant/secret.yaml", "CANARY: [").link("app/x.yaml", to);
        })
    };
    let sourced = |to: &'static str| {
        Case::refused("B1", format!("a source is a link to {to}"), INVALID).commit(move |ground| {
            ground.repo.write("other-tenant/secret.yaml", "CANARY").link("app/files/x", to);
            ground.repo.write("app/x.yaml", ground.document("File", "x", "{ source: files/x }"));
        })
    };
    let direct = |path: &'static str| {
        Case::refused("B1", format!("a source is {path}"), INVALID).commit(move |ground| {
            ground.repo.write("other-tenant/secret.yaml", "CANARY");
            ground.repo.write("app/x.yaml", ground.document("File", "x", &format!("{{ source: {path} }}")));
        })
    };
    let round = |title: &'static str, links: &'static [(&'static str, &'static str)]| {
        Case::refused("B3", title, INVALID).commit(move |ground| {
            for (name, to) in links {
                ground.repo.link(&format!("app/{name}"), to);
            }
        })
    };
    let deep = "d/".repeat(42);
    vec![
        linked("/etc/passwd"),
        linked("../other-tenant/secret.yaml"),
        linked("../../../../../../etc/passwd"),
        linked("/proc/self/environ"),
        sourced("/etc/passwd"),
        sourced("../../other-tenant/secret.yaml"),
        direct("/etc/passwd"),
        direct("../other-tenant/secret.yaml"),
        Case::refused("B1", "a chain of links that ends outside", INVALID).commit(|ground| {
            ground.repo.link("app/a", "b").link("app/b", "../..").link("app/values.yaml", "a/etc/passwd");
        }),
        Case::refused("B2", "a folder is a link to /var/run/secrets", INVALID).commit(|ground| {
            ground.repo.link("app/apps", "/var/run/secrets/kubernetes.io");
        }),
        Case::refused("B2", "the overlay is a link to /etc", INVALID).commit(|ground| {
            ground.repo.remove("app/root").link("app/root", "/etc");
        }),
        round("a -> b, b -> a", &[("a", "b"), ("b", "a")]),
        round("a -> a", &[("a.yaml", "a.yaml")]),
        Case::refused("B3", "d/d -> ., 42 times", INVALID).commit(move |ground| {
            ground.repo.write("app/d/x", "found").link("app/d/d", ".");
            ground.repo.write("app/x.yaml", ground.document("File", "x", &format!("{{ source: {deep}x }}")));
        }),
        // What lies behind the link cannot be known while it is there, and while something is unknown nothing is deleted.
        Case::refused("B6", "s -> .git in one commit, s/config in the next", &["guard.unknown"])
            .before(|ground| {
                ground.repo.link(&format!("app/root/srv/{}/s", ground.name), ".git");
                ground.repo.land("a link");
            })
            .commit(|ground| {
                ground.repo.remove(&format!("app/root/srv/{}/s", ground.name));
                ground.overlay("s/config", "[core]\n\tfsmonitor = touch /tmp/pwn\n");
            }),
    ]
}

/// B4, B5, B16, B20: names and modes.
fn names() -> Vec<Case> {
    let named = |id, name: &'static [u8]| {
        Case::refused(id, format!("an entry is named {:?}", String::from_utf8_lossy(name)), BAD)
            .attack(move |ground| ground.land_entry("100644", name))
    };
    let mode = |mode: &'static str| {
        Case::refused("B16", format!("an entry has the mode {mode}"), BAD)
            .attack(move |ground| ground.land_entry(mode, b"x"))
    };
    let twins = |title: &'static str, entries: Vec<(&'static str, &'static [u8])>| {
        Case::refused("B5", title, BAD).attack(move |ground| {
            let blob = ground.repo.raw_object("blob", b"poison");
            let inner = ground.repo.raw_tree(&[("100755", b"post-checkout", &blob)]);
            let id = |mode: &str| if mode == "40000" { inner.clone() } else { blob.clone() };
            let ids: Vec<_> = entries.iter().map(|(mode, _)| id(mode)).collect();
            let entries: Vec<_> =
                entries.iter().zip(&ids).map(|((mode, name), id)| (*mode, *name, id.as_str())).collect();
            let tree = ground.repo.raw_tree(&entries);
            ground.land_app(&tree);
        })
    };
    let mut cases: Vec<Case> =
        [&b".."[..], b".", b".git", b".GIT", b"git~1", b"a\\..\\b", b"C:x", b"a\nb", b"a/../b", b"\xff"]
            .map(|name| named("B4", name))
            .into();
    cases.push(named("B4", ".g\u{200c}it".as_bytes()));
    cases.push(named("B20", b"new\nline"));
    cases.extend(["104755", "100777", "0100664", "160000", "0"].map(mode));
    cases.push(twins("a link x beside a folder X", vec![("40000", b"X"), ("120000", b"x")]));
    cases.push(twins("the same name twice", vec![("100644", b"x"), ("100644", b"x")]));
    cases.push(twins(
        "one name, composed and not",
        vec![("100644", "e\u{301}".as_bytes()), ("100644", "\u{e9}".as_bytes())],
    ));
    let shell = ["-f", "--post-renderer=.x", ";id", "$(id)", "*", "`id`", "a b", "'\"", "-chdir=.."];
    cases.push(
        Case::powerless("B20", "names that mean something to a shell", move |ground| {
            for name in shell {
                assert_eq!(ground.read(name), name.as_bytes());
            }
        })
        .commit(move |ground| shell.iter().for_each(|name| ground.overlay(name, name))),
    );
    cases
}

/// B8–B10, B12: what git itself would act on.
fn configured() -> Vec<Case> {
    let modules = "[submodule \"../../modules/evil\"]\n\tpath = ../x\r\n\turl = -u./x\n[submodule \"a\"]\n\tpath = app\n\turl = ./\n";
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1000000000000\n";
    let attributes = "*.conf filter=pwn ident eol=crlf text\n";
    vec![
        Case::powerless("B8", ".gitmodules with paths and URLs of evil", |ground| {
            assert_eq!(ground.read("one.conf"), b"1\n");
        })
        .commit(move |ground| {
            ground.repo.write(".gitmodules", modules).write("app/.gitmodules", modules);
            ground.overlay("one.conf", "1\n");
        }),
        Case::refused("B8", "a submodule in the application", BAD).attack(|ground| {
            ground
                .repo
                .write(".gitmodules", "[submodule \"m\"]\n\tpath = app/m\n\turl = file:///etc\n")
                .land("modules");
            ground.land_entry("160000", b"m");
        }),
        Case::powerless("B9", "an LFS pointer to 1 TB, and .lfsconfig", move |ground| {
            assert_eq!(ground.read("large"), pointer.as_bytes());
        })
        .commit(move |ground| {
            ground.repo.write(".lfsconfig", "[lfs]\n\turl = http://127.0.0.1:1/evil\n");
            ground.repo.write(".gitattributes", "large filter=lfs diff=lfs merge=lfs -text\n");
            ground.overlay("large", pointer);
        }),
        Case::powerless("B10", "filters, ident and eol; hooks; a nested .git-like folder", |ground| {
            assert_eq!(ground.read("ident.conf"), b"$Id$\nline\n");
            assert!(!std::path::Path::new("/tmp/trueup-hostile-pwn").exists());
        })
        .commit(move |ground| {
            ground.overlay("ident.conf", "$Id$\nline\n");
            ground.repo.write(".gitattributes", attributes);
            ground.repo.write("hooks/post-checkout", "#!/bin/sh\ntouch /tmp/trueup-hostile-pwn\n");
            ground.repo.mode("hooks/post-checkout", 0o755);
            ground.repo.write("bare/config", "[core]\n\tfsmonitor = touch /tmp/trueup-hostile-pwn\n\tbare = true\n");
            ground.repo.write("bare/HEAD", "ref: refs/heads/main\n");
        }),
        // As blobs the two have a header in front, and so two ids: no known pair collides behind one.
        Case::powerless("B12", "two files with one SHA-1, as two blobs", |ground| {
            assert_eq!(ground.read("1"), SHAMBLES[0]);
            assert_eq!(ground.read("2"), SHAMBLES[1]);
        })
        .commit(|ground| {
            ground.overlay("1", SHAMBLES[0]);
            ground.overlay("2", SHAMBLES[1]);
        }),
    ]
}

/// "SHA-1 is a Shambles" (2020), messages A and B: different, of the same SHA-1 8ac60ba76f1999a1ab70223f225aefdc78d4ddc0.
const SHAMBLES: [&[u8]; 2] = [include_bytes!("sha-mbles-1.bin"), include_bytes!("sha-mbles-2.bin")];

/// B11: small to send, large to have.
fn bombs() -> Vec<Case> {
    let nested = |ground: &Ground, levels: usize, width: usize| {
        let mut id = ground.repo.raw_object("blob", b"x");
        for level in 0..levels {
            let mode = if level == 0 { "100644" } else { "40000" };
            let names: Vec<_> = (0..width).map(|number| format!("d{number}")).collect();
            let entries: Vec<_> = names.iter().map(|name| (mode, name.as_bytes(), id.as_str())).collect();
            id = ground.repo.raw_tree(&entries);
        }
        id
    };
    vec![
        Case::refused("B11", "10 trees of 10 trees of ...: 10^10 files", LARGE).attack(move |ground| {
            let tree = nested(ground, 10, 10);
            ground.land_app(&tree);
        }),
        Case::refused("B11", "70 folders in each other", LARGE).attack(move |ground| {
            let tree = nested(ground, 70, 1);
            ground.land_app(&tree);
        }),
        Case::refused("B11", "5,000 folders in each other", LARGE).within(60).attack(|ground| {
            let path = format!("{}x", "d/".repeat(5_000));
            imported(ground, &[path]);
        }),
        Case::refused("B11", "a path of more than 4,096 bytes", LARGE).attack(|ground| {
            let path = format!("{}x", format!("{}/", "d".repeat(250)).repeat(17));
            imported(ground, &[path]);
        }),
        Case::refused("B11", "1,000,000 files in one folder", LARGE).within(60).attack(|ground| {
            let id = ground.repo.raw_object("blob", b"x");
            let names: Vec<_> = (0..1_000_000).map(|number| format!("{number:07}")).collect();
            let entries: Vec<_> = names.iter().map(|name| ("100644", name.as_bytes(), id.as_str())).collect();
            let tree = ground.repo.raw_tree(&entries);
            ground.land_app(&tree);
        }),
        Case::refused("B11", "30,000 files in 30 folders", LARGE).within(60).attack(|ground| {
            let paths: Vec<_> = (0..30_000).map(|number| format!("d{}/{number}", number % 30)).collect();
            imported(ground, &paths);
        }),
    ]
}

/// Lands a commit whose folder `app` holds these paths, without making them on this machine.
fn imported(ground: &mut Ground, paths: &[String]) {
    let mut stream = "blob\nmark :1\ndata 1\nx\ncommit refs/heads/main\ncommitter Ada <ada@example.org> 1700100000 +0000\ndata 6\npoison\nfrom refs/heads/main^0\ndeleteall\n".to_owned();
    for path in paths {
        writeln!(stream, "M 100644 :1 app/{path}").expect("a string can be written");
    }
    // Newer versions of git refuse to read what older ones wrote.
    ground.repo.git_bare(&["config", "core.maxTreeDepth", "100000"]);
    ground.import(&stream);
    ground.revision = Some(ground.repo.git_bare(&["rev-parse", "main"]));
}

/// B15: dates that no calendar has.
fn odd() -> Vec<Case> {
    ["99999999999999999999 +9999", "-1 +0000", "99999999999999 +0000", "\u{fffd}\u{1b}[2J x"]
        .map(|date| {
            Case::powerless("B15", format!("a commit of {date:?}"), |ground| {
                assert_eq!(ground.read("one.conf"), b"odd\n");
            })
            .attack(move |ground| {
                ground.overlay("one.conf", "odd\n");
                ground.land();
                let parent = ground.repo.head();
                let tree = ground.repo.git(&["rev-parse", "HEAD^{tree}"]);
                let who = format!("A <a> {date}");
                let head = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n");
                let commit = [head.as_bytes(), b"\x1b]0;pwn\x07subject \xff\n"].concat();
                let id = ground.repo.raw_object("commit", &commit);
                ground.repo.set_ref("refs/heads/main", &id);
                ground.revision = Some(id);
            })
        })
        .into()
}
