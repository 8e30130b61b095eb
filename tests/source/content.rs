//! Class B of the hostile inputs: what a repository may hold.

use trueup::config::Repository;
use trueup::source::{Source, SourceErrorKind};

use crate::repo::{Followed, Repo, declared};

fn entry(mode: &str, name: &[u8], id: &str) -> Vec<u8> {
    let mut entry = mode.as_bytes().to_vec();
    entry.push(b' ');
    entry.extend_from_slice(name);
    entry.push(0);
    entry.extend((0..20).map(|at| u8::from_str_radix(&id[at * 2..at * 2 + 2], 16).unwrap()));
    entry
}

async fn listed(repo: &Repo, change: impl Fn(&mut Repository)) -> Result<usize, SourceErrorKind> {
    let mut declared = declared(&repo.url());
    change(&mut declared);
    let followed = Followed::new(&declared);
    let revision = followed.poll().await.map_err(|error| error.kind)?;
    let tree = followed.source.tree(&revision).await.map_err(|error| error.kind)?;
    tree.list("").map(|entries| entries.len()).map_err(|error| error.kind)
}

/// B1–B3, B6: links come as entries, wherever they point; nothing lies behind them.
#[tokio::test]
async fn links_are_entries_and_nothing_lies_behind_them() {
    let repo = Repo::new();
    for (name, target) in
        [("a", "b"), ("b", "a"), ("self", "."), ("out", "../../../etc"), ("proc", "/proc/self/environ")]
    {
        std::os::unix::fs::symlink(target, repo.path().join(name)).unwrap();
    }
    let revision = repo.commit("links");
    assert_eq!(listed(&repo, |_| ()).await, Ok(6));
    let followed = repo.follow();
    followed.poll().await.unwrap();
    let tree = followed.source.tree(&revision).await.unwrap();
    for path in ["a/x", "self/a", "out/passwd"] {
        assert_eq!(tree.id_of(path).unwrap(), None);
        assert!(tree.list(path).unwrap().is_empty());
    }
}

/// B4, B5, B16, B8: one bad entry refuses the tree, however git came to hold it.
#[tokio::test]
async fn a_tree_with_a_bad_entry_is_refused_whole() {
    let blob = "x";
    let cases: [&[(&str, &[u8])]; 9] = [
        &[("100644", b"..")],
        &[("100644", b".git")],
        &[("100644", ".g\u{200c}it".as_bytes())],
        &[("100644", b"git~1")],
        &[("100644", b"a\nb")],
        &[("100644", b"\xff")],
        &[("100755", b"X"), ("120000", b"x")],
        &[("104755", b"x")],
        &[("160000", b"module")],
    ];
    for entries in cases {
        let repo = Repo::new();
        let id = repo.object("blob", blob.as_bytes());
        let tree: Vec<u8> = entries.iter().flat_map(|(mode, name)| entry(mode, name, &id)).collect();
        let tree = repo.object("tree", &tree);
        repo.commit_tree(&tree);
        assert_eq!(listed(&repo, |_| ()).await, Err(SourceErrorKind::BadTree), "{entries:?}");
    }
}

/// B9, B10, B20: pointers, attributes and names that mean something to a shell are content and names.
#[tokio::test]
async fn names_and_attributes_have_no_effect() {
    let repo = Repo::new();
    repo.write("-f", "x");
    repo.write("$(id)", "x");
    repo.write(";id", "x");
    repo.write("*", "x");
    let revision = repo.commit("names");
    repo.write(".gitattributes", "* filter=pwn ident eol=crlf\n");
    repo.write("large", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1000000000000\n");
    let second = repo.commit("attributes");
    let followed = repo.follow();
    assert_eq!(followed.poll().await.unwrap(), second);
    assert_eq!(followed.read(&second, "-f").await.unwrap(), b"x");
    assert_eq!(followed.source.tree(&revision).await.unwrap().list("").unwrap().len(), 5);
    assert!(followed.read(&second, "large").await.unwrap().starts_with(b"version"));
}

/// B11: ten trees of ten trees of …; 10^8 files in a few hundred bytes.
#[tokio::test]
async fn a_git_bomb_ends_at_the_limit_of_files() {
    let repo = Repo::new();
    let mut id = repo.object("blob", b"x");
    for level in 0..8 {
        let mode = if level == 0 { "100644" } else { "40000" };
        let tree: Vec<u8> = (0..10).flat_map(|number| entry(mode, format!("d{number}").as_bytes(), &id)).collect();
        id = repo.object("tree", &tree);
    }
    repo.commit_tree(&id);
    assert_eq!(listed(&repo, |_| ()).await, Err(SourceErrorKind::TooLarge));
}

/// B11: folders 70 deep; a file over the limit; files that together are over it; too many of them.
#[tokio::test]
async fn each_limit_of_a_tree_holds() {
    let repo = Repo::new();
    let mut id = repo.object("tree", &entry("100644", b"x", &repo.object("blob", b"x")));
    for _ in 0..70 {
        id = repo.object("tree", &entry("40000", b"d", &id));
    }
    repo.commit_tree(&id);
    assert_eq!(listed(&repo, |_| ()).await, Err(SourceErrorKind::TooLarge));
    let repo = Repo::new();
    repo.write("one", &"x".repeat(700 * 1024));
    repo.write("two", &"y".repeat(700 * 1024));
    repo.commit("large");
    assert_eq!(listed(&repo, |_| ()).await, Ok(3));
    assert_eq!(listed(&repo, |one| one.limits.application_mib = 1).await, Err(SourceErrorKind::TooLarge));
    assert_eq!(listed(&repo, |one| one.limits.file_mib = 0).await, Err(SourceErrorKind::TooLarge));
    assert_eq!(listed(&repo, |one| one.limits.files = 2).await, Err(SourceErrorKind::TooLarge));
}

/// B11: 300 MiB of zeros in a pack of 300 KB are refused before they are in memory.
#[tokio::test]
async fn an_object_that_inflates_is_refused() {
    let repo = Repo::new();
    let zeros = std::fs::File::create(repo.path().join("zeros")).unwrap();
    zeros.set_len(300 * 1024 * 1024).unwrap();
    repo.commit("zeros");
    assert_eq!(listed(&repo, |_| ()).await, Err(SourceErrorKind::TooLarge));
}

/// The mirror's limit ends the stream of a pack, not the look at the disk afterwards.
#[tokio::test]
async fn a_repository_over_the_limit_of_the_mirror_is_refused() {
    let repo = Repo::new();
    let mut state = 1_u64;
    let noise: String = (0..3_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        })
        .collect();
    repo.write("noise", &noise);
    repo.commit("noise");
    assert_eq!(listed(&repo, |one| one.limits.mirror_mib = 1).await, Err(SourceErrorKind::TooLarge));
}

/// B15: dates that no calendar has, and names that are no text, are data.
#[tokio::test]
async fn a_commit_with_a_senseless_date_is_read() {
    for date in ["99999999999999999999 +9999", "-1 +0000", "99999999999999 +0000", "\u{fffd} x"] {
        let repo = Repo::new();
        let tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
        let mut commit = format!("tree {tree}\nauthor A <a> {date}\ncommitter A <a> {date}\n\nsubject\n").into_bytes();
        commit.extend_from_slice(b"\xff");
        let id = repo.object("commit", &commit);
        repo.git(&["update-ref", "refs/heads/main", &id]);
        let followed = repo.follow();
        let revision = followed.poll().await.unwrap();
        assert_eq!(followed.source.commit(&revision).await.unwrap().time, None, "{date}");
    }
}

/// B19: replacements on the server, and in a mirror that somebody wrote into, have no effect.
#[tokio::test]
async fn replacements_and_grafts_have_no_effect() {
    let repo = Repo::new();
    let first = repo.head();
    repo.write("apps/web/site.conf", "two\n");
    let second = repo.commit("second");
    repo.git(&["replace", second.as_str(), first.as_str()]);
    let followed = repo.follow();
    assert_eq!(followed.poll().await.unwrap(), second);
    assert_eq!(followed.read(&second, "apps/web/site.conf").await.unwrap(), b"two\n");
    assert!(followed.files("replace").is_empty());
    let objects = followed.files("objects").remove(0);
    let replace = objects.parent().unwrap().join("refs/replace");
    std::fs::create_dir_all(&replace).unwrap();
    std::fs::write(replace.join(second.as_str()), first.as_str()).unwrap();
    let followed = followed.again();
    assert_eq!(followed.read(&second, "apps/web/site.conf").await.unwrap(), b"two\n");
}

/// B18: a tag of the branch's name, a branch named like a commit, `refs/heads/HEAD`.
#[tokio::test]
async fn only_the_qualified_ref_is_followed() {
    let repo = Repo::new();
    let first = repo.head();
    repo.git(&["tag", "main"]);
    let second = repo.commit("second");
    for name in ["HEAD", "0123456789012345678901234567890123456789"] {
        repo.git(&["update-ref", &format!("refs/heads/{name}"), first.as_str()]);
    }
    assert_eq!(repo.follow().poll().await.unwrap(), second);
    let mut declared = declared(&repo.url());
    declared.branch = Some("HEAD".into());
    assert_eq!(Followed::new(&declared).poll().await.unwrap(), first);
}
