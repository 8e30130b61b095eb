//! Class B: refs, histories, and objects that are not what they are called. B7, B11, B13, B17–B19.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::case::{Case, Ground};
use crate::lies;
use crate::raw::{entry_header, pack, packet, stored};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = refs();
    cases.extend(moved());
    cases.extend(tags());
    cases.extend(unasked());
    cases.extend(packs());
    cases
}

const NAMES: [&[u8]; 7] = [
    b"refs/heads/../../config",
    b"refs/heads/x.lock",
    b"refs/heads/-D",
    b"refs/heads/\x1b[2J",
    b"refs/heads/\xff\xfe",
    b"refs/heads/COM1",
    b"refs/heads/main\0hidden",
];

/// B7, B18: advertised names.
fn refs() -> Vec<Case> {
    let only = Case::refused("B7", "no ref but ones with names of evil", &["source.ref-missing"]).attack(|ground| {
        let long = [b"refs/heads/".to_vec(), vec![b'x'; 4_096]].concat();
        let line = |name: &[u8]| packet(&[lies::ID.as_bytes(), b" ", name, b"\n"].concat());
        let lines: Vec<u8> = NAMES.iter().copied().chain([long.as_slice()]).flat_map(line).collect();
        let again = [lines.as_slice(), b"0000"].concat();
        ground.spec.url = lies::listing(lines, move |stream| drop(stream.write_all(&again)));
    });
    let beside =
        Case::powerless("B7", "refs with odd names beside ours", |ground| assert_eq!(ground.read("one.conf"), b"1\n"))
            .attack(|ground| {
                ground.overlay("one.conf", "1\n");
                ground.land();
                let head = ground.repo.head();
                let names = ["refs/heads/-D", "refs/heads/COM1", "refs/heads/x.lock", "refs/heads/a\u{202e}b"];
                let lines: Vec<_> = names.iter().map(|name| format!("{head} {name}\n")).collect();
                let packed = ground.repo.bare().join("packed-refs");
                std::fs::write(packed, lines.concat()).expect("refs can be written");
            });
    let names = Case::powerless("B18", "a tag main, a branch of 40 digits, a branch HEAD", |ground| {
        assert_eq!(ground.read("one.conf"), b"1\n");
    })
    .attack(|ground| {
        let first = ground.repo.head();
        for name in ["refs/tags/main", "refs/heads/HEAD", "refs/heads/0123456789012345678901234567890123456789"] {
            ground.repo.set_ref(name, &first);
        }
        ground.overlay("one.conf", "1\n");
        ground.land();
    });
    vec![only, beside, names]
}

/// B17: branches that went elsewhere.
fn moved() -> Vec<Case> {
    let held = &["guard.not-descendant"];
    vec![
        Case::refused("B17", "forced to an unrelated history", held).attack(|ground| {
            ground.repo.git(&["checkout", "--quiet", "--orphan", "other"]);
            ground.overlay("one.conf", "other\n");
            ground.repo.commit("unrelated");
            ground.repo.git(&["push", "--quiet", "--force", "origin", "HEAD:refs/heads/main"]);
            ground.revision = Some(ground.repo.head());
        }),
        Case::refused("B17", "rewound by 50 commits", held)
            .before(|ground| {
                for number in 0..50 {
                    ground.overlay("one.conf", format!("{number}\n"));
                    ground.repo.commit("one of fifty");
                }
                ground.repo.push();
            })
            .attack(|ground| {
                ground.repo.reset("HEAD~50").force_push();
                ground.revision = Some(ground.repo.head());
            }),
        Case::refused("B17", "the branch is deleted", &["source.ref-missing"]).attack(|ground| {
            let tip = ground.repo.head();
            ground.repo.set_ref("refs/heads/other", &tip).delete_branch("main");
        }),
        Case::refused("B17", "every branch is deleted", &["source.unborn"]).attack(|ground| {
            ground.repo.delete_branch("main");
        }),
        Case::powerless("B17", "HEAD leads to a branch that is none", |ground| {
            assert_eq!(ground.read("one.conf"), b"1\n");
        })
        .commit(|ground| {
            ground.repo.git_bare(&["symbolic-ref", "HEAD", "refs/heads/none"]);
            ground.overlay("one.conf", "1\n");
        }),
        Case::refused("B17", "the application's folder is gone", &["guard.empty-render"]).commit(|ground| {
            ground.repo.remove("app");
        }),
    ]
}

/// B17: tags.
fn tags() -> Vec<Case> {
    let tagged = |title: &'static str, codes: &'static [&'static str], attack: fn(&mut Ground)| {
        Case::refused("B17", title, codes)
            .before(|ground| {
                ground.repo.tag("v1");
                ground.spec.follow = "tag: v1".into();
            })
            .attack(attack)
    };
    vec![
        tagged("the tag is moved to an unrelated commit", &["guard.not-descendant"], |ground| {
            ground.repo.git(&["checkout", "--quiet", "--orphan", "other"]);
            ground.overlay("one.conf", "other\n");
            ground.revision = Some(ground.repo.commit("unrelated"));
            ground.repo.tag("v1");
        }),
        tagged("the tag leads to a blob", &["source.revision-missing"], |ground| {
            let blob = ground.repo.raw_object("blob", b"poison");
            ground.repo.set_ref("refs/tags/v1", &blob);
        }),
        tagged("the tag leads to a tree", &["source.revision-missing"], |ground| {
            let tree = ground.repo.git_bare(&["rev-parse", "main^{tree}"]);
            ground.repo.set_ref("refs/tags/v1", &tree);
        }),
        tagged("a tag object that names another tag", &["verify.tag-name"], |ground| {
            let head = ground.repo.head();
            let tag = format!("object {head}\ntype commit\ntag v0\ntagger A <a> 1700000000 +0000\n\nold\n");
            let id = ground.repo.raw_object("tag", tag.as_bytes());
            ground.repo.set_ref("refs/tags/v1", &id);
        }),
        tagged("a tag of a tag of a tag, 10,000 deep", &["source.revision-missing"], |ground| {
            let mut stream = String::new();
            let mut from = "refs/heads/main^0".to_owned();
            for number in 1..=10_000 {
                let name = if number == 10_000 { "v1".to_owned() } else { format!("t{number}") };
                let who = "tagger A <a@example.org> 1700000000 +0000\ndata 1\nx";
                writeln!(stream, "tag {name}\nmark :{number}\nfrom {from}\n{who}").expect("a string can be written");
                from = format!(":{number}");
            }
            ground.import(&stream);
        }),
    ]
}

/// B19: what a server offers unasked.
fn unasked() -> Vec<Case> {
    vec![
        Case::powerless("B19", "refs/replace, grafts and a shallow file", |ground| {
            assert_eq!(ground.read("one.conf"), b"1\n");
        })
        .attack(|ground| {
            let good = ground.repo.head();
            ground.overlay("one.conf", "1\n");
            ground.land();
            let head = ground.repo.head();
            ground.repo.set_ref(&format!("refs/replace/{head}"), &good);
            let info = ground.repo.bare().join("info");
            std::fs::create_dir_all(&info).expect("a folder can be made");
            std::fs::write(info.join("grafts"), format!("{head}\n")).expect("grafts can be written");
        }),
        Case::powerless("B19", "a server that is shallow itself", |ground| assert_eq!(ground.read("one.conf"), b"1\n"))
            .attack(|ground| {
                ground.overlay("one.conf", "1\n");
                ground.land();
                let head = ground.repo.git_bare(&["rev-parse", "main~1"]);
                std::fs::write(ground.repo.bare().join("shallow"), format!("{head}\n")).expect("it can be written");
            }),
    ]
}

/// B11, B13: packs that are not what they say.
fn packs() -> Vec<Case> {
    let sent = |id, title: &'static str, codes: &'static [&'static str], bytes: Vec<u8>| {
        Case::refused(id, title, codes).within(60).attack(move |ground| {
            let bytes = bytes.clone();
            ground.spec.url = lies::packed(bytes);
            ground.spec.repository = "limits: { timeout: 10s }".into();
        })
    };
    let blob = |content: &[u8]| [entry_header(3, content.len() as u64), stored(content)].concat();
    let on_nothing = [entry_header(7, 4), vec![1; 20], stored(&[1, 1, 1, b'x'])].concat();
    let on_itself = [entry_header(6, 4), vec![0], stored(&[1, 1, 1, b'x'])].concat();
    let corrupt = &["source.corrupt"];
    vec![
        Case::refused("B11", "a blob that says it has 10 GiB, of zeros", &["source.too-large"]).attack(|ground| {
            ground.spec.url = lies::inflating(10 << 30);
            ground.spec.repository = "limits: { mirrorMib: 1 }".into();
        }),
        sent("B11", "a delta that stands on itself", corrupt, pack(&[on_itself])),
        sent("B11", "a delta that stands on nothing", corrupt, pack(&[on_nothing])),
        sent("B13", "a pack with a wrong trailer", corrupt, pack(&[blob(b"poison")])),
        Case::powerless("B11", "a chain of 4,000 deltas", |ground| assert_eq!(ground.read("one.conf").len(), 38_000))
            .within(60)
            .attack(chain),
        Case::refused(
            "B13",
            "an object with other content than its id says",
            &["source.corrupt", "source.unreachable"],
        )
        .attack(|ground| {
            ground.overlay("one.conf", "right\n");
            ground.land();
            let right = ground.repo.git(&["rev-parse", &format!("HEAD:app/root/srv/{}/one.conf", ground.name)]);
            let wrong = ground.repo.raw_object("blob", b"wrong\n");
            let path = |id: &str| ground.repo.bare().join("objects").join(&id[..2]).join(&id[2..]);
            std::fs::remove_file(path(&right)).expect("git keeps it loose");
            std::fs::copy(path(&wrong), path(&right)).expect("an object can be copied");
            ground.revision = None;
        }),
        Case::new("B13", "bits flip in the mirror", crate::case::Expect::Mended("source.corrupt")).attack(|ground| {
            let mirror = ground.world.join("data/mirrors").join(&ground.name);
            let mut flipped = 0;
            for folder in std::fs::read_dir(mirror).expect("there is a mirror").flatten() {
                let packs = std::fs::read_dir(folder.path().join("objects/pack")).into_iter().flatten().flatten();
                for pack in
                    packs.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "pack"))
                {
                    let mut bytes = std::fs::read(&pack).expect("a pack can be read");
                    let end = bytes.len() - 20;
                    bytes[12..end].iter_mut().for_each(|byte| *byte ^= 0x55);
                    // In place, as a disk does it.
                    let mut permissions = pack.metadata().expect("it is there").permissions();
                    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
                    std::fs::set_permissions(&pack, permissions).expect("a mode can be set");
                    let file = std::fs::File::options().write(true).open(&pack);
                    file.and_then(|mut file| file.write_all(&bytes)).expect("a pack can be written");
                    flipped += 1;
                }
            }
            assert!(flipped > 0, "the mirror has no pack");
            ground.overlay("one.conf", "after the flip\n");
            ground.land();
        }),
    ]
}

/// Lands 4,000 files, each a few bytes from the one before, which is its base.
fn chain(ground: &mut Ground) {
    let mut stream = String::new();
    let lines: Vec<_> = (0..2_000).map(|line| format!("line {line:013}\n")).collect();
    let mut text = lines.concat();
    for number in 1..=4_000 {
        text.replace_range(number * 5..number * 5 + 5, "DELTA");
        writeln!(stream, "blob\nmark :{number}\ndata {}\n{text}", text.len()).expect("a string can be written");
    }
    stream.push_str("commit refs/heads/main\ncommitter Ada <ada@example.org> 1700100000 +0000\ndata 1\nx\n");
    writeln!(stream, "from refs/heads/main^0\nM 100644 :4000 app/root/srv/{}/one.conf", ground.name).expect("a string");
    for number in 1..=4_000 {
        writeln!(stream, "M 100644 :{number} chain/{number}").expect("a string can be written");
    }
    ground.import(&stream);
    ground.revision = Some(ground.repo.git_bare(&["rev-parse", "main"]));
}
