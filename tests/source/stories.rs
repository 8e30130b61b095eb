//! What happens to a repository over time.

use std::os::unix::fs::PermissionsExt;

use trueup::source::{EntryKind, Relation, Source, SourceErrorKind};

use crate::repo::{Followed, Repo, declared};

#[tokio::test]
async fn a_push_is_seen_fetched_and_read() {
    let repo = Repo::new();
    let followed = repo.follow();
    let first = followed.poll().await.unwrap();
    assert_eq!(first, repo.head());
    assert_eq!(followed.read(&first, "apps/web/site.conf").await.unwrap(), b"one\n");
    repo.write("apps/web/site.conf", "two\n");
    let second = repo.commit("Second: ünïcode\n\nbody");
    let head = followed.source.poll(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!((head.revision, head.reference.as_str()), (second.clone(), "refs/heads/main"));
    assert_eq!(followed.read(&second, "apps/web/site.conf").await.unwrap(), b"two\n");
    assert_eq!(followed.read(&first, "apps/web/site.conf").await.unwrap(), b"one\n");
    assert_eq!(followed.source.relation(&first, &second).await.unwrap(), Relation::Descends);
    let commit = followed.source.commit(&second).await.unwrap();
    assert_eq!((commit.author.as_str(), commit.subject()), ("Ada", "Second: ünïcode"));
    assert!(commit.time.is_some());
}

#[tokio::test]
async fn entries_keep_their_kind_and_links_are_not_followed() {
    let repo = Repo::new();
    repo.write("apps/web/run.sh", "#!/bin/sh\n");
    let script = repo.path().join("apps/web/run.sh");
    std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", repo.path().join("apps/web/link")).unwrap();
    let revision = repo.commit("kinds");
    let followed = repo.follow();
    followed.poll().await.unwrap();
    let tree = followed.source.tree(&revision).await.unwrap();
    let entries = tree.list("apps").unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.kind, entry.size)).collect();
    let expected = [
        ("web/link", EntryKind::Symlink, 11),
        ("web/run.sh", EntryKind::Executable, 10),
        ("web/site.conf", EntryKind::File, 4),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(tree.read(&entries[0]).unwrap(), b"/etc/passwd");
    assert_eq!(tree.id_of("apps").unwrap().unwrap(), repo.git(&["rev-parse", "HEAD:apps"]));
    for nothing in ["apps/web/link/x", "nothing", "apps/web/site.conf/x"] {
        assert_eq!(tree.id_of(nothing).unwrap(), None, "{nothing}");
    }
    assert_eq!(tree.id_of("../x").unwrap_err().kind, SourceErrorKind::BadTree);
}

#[tokio::test]
async fn a_poll_without_news_writes_nothing() {
    let repo = Repo::new();
    let followed = repo.follow();
    let revision = followed.poll().await.unwrap();
    let before = followed.picture();
    for _ in 0..5 {
        followed.source.poll(std::slice::from_ref(&revision)).await.unwrap();
    }
    assert!(before == followed.picture(), "a poll touched the mirror");
    let followed = followed.again();
    let before = followed.picture();
    assert_eq!(followed.poll().await.unwrap(), revision);
    assert!(before == followed.picture(), "the first poll after a start touched the mirror");
}

#[tokio::test]
async fn the_first_fetch_is_one_commit_deep_and_history_comes_when_it_is_asked_for() {
    let repo = Repo::new();
    let first = repo.head();
    for number in 0..70 {
        repo.commit(&format!("{number}"));
    }
    let followed = repo.follow();
    let head = followed.poll().await.unwrap();
    assert_eq!(followed.files("shallow").len(), 1);
    assert_eq!(followed.source.relation(&first, &head).await.unwrap(), Relation::Unknown);
    followed.source.poll(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(followed.source.relation(&first, &head).await.unwrap(), Relation::Descends);
    // And where both are asked for at once, anew.
    let followed = repo.follow();
    followed.source.poll(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(followed.source.relation(&first, &head).await.unwrap(), Relation::Descends);
}

/// B17: a force-push to an unrelated root, and a rewind by 50 commits.
#[tokio::test]
async fn rewinds_and_force_pushes_are_told_from_news() {
    let repo = Repo::new();
    for number in 0..60 {
        repo.commit(&format!("{number}"));
    }
    let followed = repo.follow();
    let applied = followed.poll().await.unwrap();
    repo.git(&["reset", "-q", "--hard", "HEAD~50"]);
    let rewound = followed.source.poll(std::slice::from_ref(&applied)).await.unwrap().revision;
    assert_eq!(rewound, repo.head());
    assert_eq!(followed.source.relation(&applied, &rewound).await.unwrap(), Relation::Behind);
    repo.git(&["checkout", "-q", "--orphan", "other"]);
    let other = repo.commit("unrelated");
    repo.git(&["branch", "-f", "main", "other"]);
    let pushed = followed.source.poll(std::slice::from_ref(&applied)).await.unwrap().revision;
    assert_eq!(pushed, other);
    assert_eq!(followed.source.relation(&applied, &pushed).await.unwrap(), Relation::Diverged);
    assert_eq!(followed.source.relation(&pushed, &pushed).await.unwrap(), Relation::Same);
}

#[tokio::test]
async fn an_applied_commit_that_is_gone_leaves_the_relation_unknown() {
    let repo = Repo::new();
    let followed = repo.follow();
    let gone = "1234567890123456789012345678901234567890".parse().unwrap();
    let head = followed.source.poll(std::slice::from_ref(&gone)).await.unwrap().revision;
    assert_eq!(followed.source.relation(&gone, &head).await.unwrap(), Relation::Unknown);
    let error = followed.source.resolve(gone.as_str()).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::RevisionMissing);
}

#[tokio::test]
async fn an_unborn_repository_and_a_deleted_branch_are_states_of_their_own() {
    let repo = Repo::empty();
    let followed = repo.follow();
    assert_eq!(followed.poll().await.unwrap_err().kind, SourceErrorKind::Unborn);
    repo.write("x", "x");
    let revision = repo.commit("first");
    assert_eq!(followed.poll().await.unwrap(), revision);
    repo.git(&["checkout", "-q", "-b", "other"]);
    repo.git(&["branch", "-D", "main"]);
    assert_eq!(followed.poll().await.unwrap_err().kind, SourceErrorKind::RefMissing);
    // What was fetched can still be read.
    assert_eq!(followed.read(&revision, "x").await.unwrap(), b"x");
    repo.git(&["branch", "main"]);
    assert_eq!(followed.poll().await.unwrap(), revision);
}

#[tokio::test]
async fn a_damaged_mirror_is_found_by_reading_and_fetched_anew() {
    let repo = Repo::new();
    repo.write("apps/web/large", &"some text that is long enough to be hit\n".repeat(2000));
    let revision = repo.commit("large");
    for (end, cut) in [(".pack", false), (".pack", true), (".idx", true)] {
        let followed = repo.follow();
        followed.poll().await.unwrap();
        let damaged = followed.files(end).remove(0);
        let mut bytes = std::fs::read(&damaged).unwrap();
        let middle = bytes.len() / 2;
        if cut {
            bytes.truncate(middle);
        } else {
            bytes[12..].iter_mut().for_each(|byte| *byte ^= 0x40);
        }
        std::fs::set_permissions(&damaged, std::fs::Permissions::from_mode(0o600)).unwrap();
        // As another inode: what is mapped must not shrink under a reader.
        std::fs::remove_file(&damaged).unwrap();
        std::fs::write(&damaged, bytes).unwrap();
        let followed = followed.again();
        let _ = followed.poll().await;
        // Found by the poll, or by reading: either way the next poll has it whole.
        let read = followed.read(&revision, "apps/web/large").await;
        assert!(read.is_ok_and(|content| content.len() > 70_000) || followed.poll().await.is_ok(), "{end} {cut}");
        assert_eq!(followed.poll().await.unwrap(), revision);
        assert_eq!(followed.read(&revision, "apps/web/site.conf").await.unwrap(), b"one\n", "{end} {cut}");
    }
}

/// B13: one flipped bit in the content of a file.
#[tokio::test]
async fn a_flipped_bit_is_never_handed_out() {
    let repo = Repo::new();
    let followed = repo.follow();
    let revision = followed.poll().await.unwrap();
    let pack = followed.files(".pack").remove(0);
    let mut bytes = std::fs::read(&pack).unwrap();
    // The file comes last, before the 20 bytes that end a pack and the 4 that end a compressed stream.
    let at = bytes.len() - 26;
    bytes[at] ^= 1;
    std::fs::remove_file(&pack).unwrap();
    std::fs::write(&pack, bytes).unwrap();
    let followed = followed.again();
    assert_eq!(followed.poll().await.unwrap(), revision);
    let error = followed.read(&revision, "apps/web/site.conf").await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Corrupt);
    assert_eq!(followed.poll().await.unwrap(), revision);
    assert_eq!(followed.read(&revision, "apps/web/site.conf").await.unwrap(), b"one\n");
}

#[tokio::test]
async fn packs_do_not_pile_up() {
    let repo = Repo::new();
    let followed = repo.follow();
    let mut before = followed.poll().await.unwrap();
    for number in 0..60 {
        repo.write("apps/web/site.conf", &format!("{number}\n"));
        repo.commit("more");
        let now = followed.source.poll(std::slice::from_ref(&before)).await.unwrap().revision;
        assert_eq!(followed.source.relation(&before, &now).await.unwrap(), Relation::Descends, "{number}");
        assert!(followed.files(".pack").len() <= 24, "{number}");
        before = now;
    }
    assert_eq!(followed.read(&before, "apps/web/site.conf").await.unwrap(), b"59\n");
}

#[tokio::test]
async fn a_tree_can_be_read_while_its_mirror_is_replaced() {
    let repo = Repo::new();
    let followed = repo.follow();
    let first = followed.poll().await.unwrap();
    let tree = followed.source.tree(&first).await.unwrap();
    for number in 0..45 {
        repo.commit(&format!("{number}"));
        followed.poll().await.unwrap();
    }
    let entries = tree.list("").unwrap();
    assert_eq!(tree.read(&entries[0]).unwrap(), b"one\n");
    drop(tree);
    let folders = std::fs::read_dir(followed.mirror.path().join("m")).unwrap().count();
    assert_eq!(folders, 2, "one generation and the file that names it");
}

#[tokio::test]
async fn names_are_resolved_and_ambiguous_ones_refused() {
    let repo = Repo::new();
    let first = repo.head();
    repo.git(&["tag", "-a", "-m", "one", "v1"]);
    repo.git(&["checkout", "-q", "-b", "feature"]);
    let feature = repo.commit("feature");
    repo.git(&["checkout", "-q", "main"]);
    let second = repo.commit("second");
    let followed = repo.follow();
    followed.poll().await.unwrap();
    let resolve = |name: String| {
        let source = followed.source.clone();
        async move { source.resolve(&name).await }
    };
    assert_eq!(resolve("feature".into()).await.unwrap().revision, feature);
    assert_eq!(resolve("v1".into()).await.unwrap().revision, first);
    assert_eq!(resolve("refs/heads/main".into()).await.unwrap().revision, second);
    assert_eq!(resolve(first.to_string()).await.unwrap().revision, first);
    assert_eq!(resolve(second.as_str()[..12].into()).await.unwrap().revision, second);
    assert_eq!(resolve("nothing".into()).await.unwrap_err().kind, SourceErrorKind::RevisionMissing);
    // B18: a branch and a tag of one name.
    repo.git(&["tag", "main", &first.to_string()]);
    assert_eq!(resolve("main".into()).await.unwrap_err().kind, SourceErrorKind::RefMissing);
    assert_eq!(followed.poll().await.unwrap(), second);
}

#[tokio::test]
async fn tags_are_peeled_to_the_commit_and_must_bear_their_own_name() {
    let repo = Repo::new();
    let first = repo.head();
    repo.git(&["tag", "light"]);
    repo.git(&["tag", "-a", "-m", "x", "v1"]);
    repo.git(&["tag", "-a", "-m", "x", "nested", "v1"]);
    repo.git(&["update-ref", "refs/tags/v2", &repo.git(&["rev-parse", "v1"])]);
    repo.git(&["tag", "-a", "-m", "x", "blob", "HEAD:apps/web/site.conf"]);
    repo.git(&["tag", "-a", "-m", "x", "tree", "HEAD:apps"]);
    let mut last = "v1".to_owned();
    for number in 0..12 {
        let name = format!("deep{number}");
        repo.git(&["tag", "-a", "-m", "x", &name, &last]);
        last = name;
    }
    let follow = |tag: &str| {
        let mut declared = declared(&repo.url());
        declared.tag = Some(tag.into());
        Followed::new(&declared)
    };
    for tag in ["light", "v1", "nested"] {
        assert_eq!(follow(tag).poll().await.unwrap(), first, "{tag}");
    }
    assert_eq!(follow("v2").poll().await.unwrap_err().kind.code(), "verify.tag-name");
    for tag in ["blob", "tree", "deep11"] {
        let error = follow(tag).poll().await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::RevisionMissing, "{tag}: {error:?}");
    }
    let moving = follow("light");
    moving.poll().await.unwrap();
    let second = repo.commit("second");
    repo.git(&["tag", "-f", "light"]);
    assert_eq!(moving.poll().await.unwrap(), second);
}

#[tokio::test]
async fn a_commit_is_held_without_asking_the_server_again() {
    let repo = Repo::new();
    let first = repo.head();
    repo.commit("second");
    let mut declared = declared(&repo.url());
    declared.commit = Some(first.to_string());
    let followed = Followed::new(&declared);
    let head = followed.source.poll(&[]).await.unwrap();
    assert_eq!((head.revision.clone(), head.reference), (first.clone(), first.to_string()));
    drop(repo);
    assert_eq!(followed.poll().await.unwrap(), first);
    let repo = Repo::new();
    declared.url = repo.url();
    declared.commit = Some("1234567890123456789012345678901234567890".into());
    let error = Followed::new(&declared).poll().await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::RevisionMissing);
}
