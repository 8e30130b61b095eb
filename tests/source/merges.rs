//! What merging two revisions would give, held against what git makes of them.

use trueup::model::Revision;
use trueup::source::{Merge, Source};

use crate::repo::Repo;

/// Returns what merging the branch `next` into `main` would give, found by a source that knows nothing yet.
async fn merge(repo: &Repo) -> Merge {
    let followed = repo.follow();
    let base = followed.poll().await.unwrap();
    let head = followed.source.resolve("refs/heads/next").await.unwrap();
    followed.source.merge(&base, &head.revision).await.unwrap()
}

/// Returns the ids of all files of what git itself makes of the merge.
fn by_git(repo: &Repo) -> Vec<(String, String)> {
    let tree = repo.git(&["merge-tree", "--write-tree", "main", "next"]);
    let listed = repo.git(&["ls-tree", "-r", &tree]);
    let entry = |line: &str| {
        let (about, path) = line.split_once('\t').unwrap();
        (path.to_owned(), about.split(' ').nth(2).unwrap().to_owned())
    };
    listed.lines().map(entry).collect()
}

fn files(merge: &Merge) -> Vec<(String, String)> {
    let Merge::Clean(tree) = merge else { panic!("it does not merge") };
    tree.list("").unwrap().into_iter().map(|entry| (entry.path, entry.id)).collect()
}

fn numbers(changed: &[(usize, &str)]) -> String {
    let line =
        |at: usize| changed.iter().find(|(line, _)| *line == at).map_or(at.to_string(), |(_, text)| (*text).into());
    (0..40).map(|at| line(at) + "\n").collect()
}

fn on(repo: &Repo, branch: &str, path: &str, content: &str) -> Revision {
    repo.git(&["checkout", "-q", branch]);
    repo.write(path, content);
    repo.commit("more")
}

#[tokio::test]
async fn what_a_merge_gives_is_what_git_makes_of_it() {
    let repo = Repo::new();
    on(&repo, "main", "apps/web/lines", &numbers(&[]));
    on(&repo, "main", "apps/old", &numbers(&[(3, "three")]));
    repo.git(&["branch", "next"]);
    // It brings nothing, and then more than there is.
    assert_eq!(files(&merge(&repo).await), by_git(&repo));
    on(&repo, "next", "apps/new", "new\n");
    assert_eq!(files(&merge(&repo).await), by_git(&repo));
    // Both sides change, one file among them; a file moves on one side and changes on the other; far behind a shallow boundary.
    on(&repo, "next", "apps/web/lines", &numbers(&[(2, "theirs")]));
    repo.git(&["mv", "apps/old", "apps/moved"]);
    repo.commit("moved");
    for round in 0..60 {
        on(&repo, "main", "apps/web/lines", &numbers(&[(30, "ours"), (35, &round.to_string())]));
    }
    on(&repo, "main", "apps/old", &numbers(&[(3, "three"), (20, "twenty")]));
    let found = merge(&repo).await;
    assert_eq!(files(&found), by_git(&repo));
    let Merge::Clean(tree) = found else { unreachable!() };
    let read = |path: &str| {
        let entry = tree.list("").unwrap().into_iter().find(|entry| entry.path == path).unwrap();
        String::from_utf8(tree.read(&entry).unwrap()).unwrap()
    };
    assert_eq!(read("apps/web/lines"), numbers(&[(2, "theirs"), (30, "ours"), (35, "59")]));
    assert_eq!(read("apps/moved"), numbers(&[(3, "three"), (20, "twenty")]));
    assert_eq!(tree.revision(), &repo.git(&["rev-parse", "next"]).parse().unwrap());
}

#[tokio::test]
async fn what_does_not_merge_is_told_apart() {
    let repo = Repo::new();
    on(&repo, "main", "apps/web/lines", &numbers(&[]));
    repo.git(&["branch", "next"]);
    on(&repo, "next", "apps/web/lines", &numbers(&[(2, "theirs")]));
    on(&repo, "main", "apps/web/lines", &numbers(&[(2, "ours")]));
    assert!(matches!(merge(&repo).await, Merge::Conflict(paths) if paths == ["apps/web/lines"]));
    // One side deletes what the other changes.
    let repo = Repo::new();
    repo.git(&["branch", "next"]);
    on(&repo, "next", "apps/web/site.conf", "theirs\n");
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["rm", "-q", "apps/web/site.conf"]);
    repo.write("other", "x");
    repo.commit("gone");
    assert!(matches!(merge(&repo).await, Merge::Conflict(paths) if paths == ["apps/web/site.conf"]));

    let repo = Repo::new();
    repo.git(&["checkout", "-q", "--orphan", "next"]);
    repo.commit("from nothing");
    assert!(matches!(merge(&repo).await, Merge::Unrelated));

    // Each was merged into the other once.
    let repo = Repo::new();
    repo.git(&["branch", "next"]);
    let (ours, theirs) = (on(&repo, "main", "ours", "x"), on(&repo, "next", "theirs", "x"));
    repo.git(&["merge", "-q", "--no-edit", ours.as_str()]);
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["merge", "-q", "--no-edit", theirs.as_str()]);
    assert!(matches!(merge(&repo).await, Merge::Crossed));
}

/// A merge is only looked at: whoever pushed what is merged has no program run, and nothing is written.
#[tokio::test]
async fn attributes_of_a_tree_run_nothing() {
    let repo = Repo::new();
    on(&repo, "main", "apps/web/lines", &numbers(&[]));
    repo.git(&["branch", "next"]);
    on(&repo, "next", ".gitattributes", "* merge=evil filter=evil diff=evil\n");
    on(&repo, "next", "apps/web/lines", &numbers(&[(2, "theirs")]));
    on(&repo, "main", ".gitattributes", "* merge=evil filter=evil diff=evil\n");
    on(&repo, "main", "apps/web/lines", &numbers(&[(30, "ours")]));
    let followed = repo.follow();
    let base = followed.poll().await.unwrap();
    let head = followed.source.resolve("refs/heads/next").await.unwrap();
    followed.source.merge(&base, &head.revision).await.unwrap();
    let before = followed.picture();
    let merged = followed.source.merge(&base, &head.revision).await.unwrap();
    assert_eq!(files(&merged), by_git(&repo));
    assert!(before == followed.picture(), "a merge is written nowhere");
}
