//! The commit itself, with a message in the style of `git revert`.

use crate::cli::git::Git;
use crate::cli::trouble::Trouble;
use crate::model::Revision;
use crate::source::SetBack;

use super::followed::Followed;

/// Makes the commit, signed where the person signs, and returns its id. No ref names it yet.
pub(super) fn commit(
    git: &Git,
    back: &SetBack,
    followed: &Followed,
    from: &Revision,
    to: &Revision,
) -> Result<String, Trouble> {
    // `commit-tree` signs only where it is told to.
    let signs = git.text(&["config", "--type=bool", "--default=false", "--get", "commit.gpgSign"])? == "true";
    let options = if signs { &["-S"][..] } else { &[] };
    let commit = [&["commit-tree"], options, &[&back.tree, "-p", from.as_str()]].concat();
    let id = git.fed(&commit, message(followed, from, to).as_bytes())?;
    Ok(String::from_utf8_lossy(&id).trim().to_owned())
}

/// Returns a commit as `git am` takes it, whatever the person's `diff.*` and `format.*` say.
pub(super) fn patch(git: &Git, commit: &str) -> Result<Vec<u8>, Trouble> {
    let format = ["format-patch", "--stdout", "--no-cover-letter", "--no-attach", "--no-signature", "--no-color"];
    let diff = ["--binary", "--full-index", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-relative"];
    let which = ["--src-prefix=a/", "--dst-prefix=b/", "-1", "--end-of-options", commit];
    git.fed(&[&format[..], &diff, &which].concat(), b"")
}

fn message(followed: &Followed, from: &Revision, to: &Revision) -> String {
    let Followed { application, paths, .. } = followed;
    format!(
        "Roll back {application} to {}\n\nThis sets these paths of {application} back to their tree at commit\n{to}:\n\n\
         {}\n\nThey were at commit {from}.\n",
        to.short(),
        paths.iter().map(|path| format!("    {path}")).collect::<Vec<_>>().join("\n")
    )
}
