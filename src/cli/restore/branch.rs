//! The branch itself: blobs, a tree in an index of our own, one commit.

use std::fmt::Write;

use serde::Serialize;

use super::place::{Content, Placed};
use super::{LeftOut, short};
use crate::cli::git::Git;
use crate::cli::trouble::Trouble;
use crate::model::host::Attributes;
use crate::model::view::PreimagesView;

/// What is in the branch.
#[derive(Serialize)]
pub(super) struct Restored {
    /// On the host.
    pub path: String,
    /// In the repository.
    pub file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// It was removed by hand, and is not in the branch.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// The object id that stands for none.
const NOTHING: &str = "0000000000000000000000000000000000000000";

/// Makes the branch and returns its commit; `None` where Git has it all already.
pub(super) fn commit(
    git: &Git,
    base: &str,
    branch: &str,
    view: &PreimagesView,
    found: Vec<Placed>,
    left_out: &[LeftOut],
) -> Result<Option<(String, Vec<Restored>)>, Trouble> {
    git.text(&["read-tree", base])?;
    let mut restored = vec![];
    for placed in found {
        let (mode, bytes, attributes) = match &placed.content {
            Content::File { bytes, attributes } => {
                (mode(git, base, &placed, attributes)?, &bytes[..], Some(attributes))
            }
            Content::Link(to) => ("120000", to.as_bytes(), None),
            Content::Gone => {
                // A mode of 0 takes a file out of the index.
                let line = format!("0 {NOTHING}\t{}\0", placed.file);
                git.fed(&["update-index", "-z", "--index-info"], line.as_bytes())?;
                let (path, file) = (placed.path, placed.file);
                restored.push(Restored { path, file, mode: None, owner: None, gone: true });
                continue;
            }
        };
        // No filters: what was found on the host goes in byte for byte.
        let blob = git.fed(&["hash-object", "-w", "--no-filters", "--stdin"], bytes)?;
        let blob = String::from_utf8_lossy(&blob).trim().to_owned();
        let line = format!("{mode} {blob}\t{}\0", placed.file);
        git.fed(&["update-index", "-z", "--index-info"], line.as_bytes())?;
        restored.push(Restored {
            mode: attributes.and_then(|attributes| attributes.mode).map(|mode| format!("{mode:04o}")),
            owner: attributes.and_then(owner),
            path: placed.path,
            file: placed.file,
            gone: false,
        });
    }
    let tree = git.text(&["write-tree"])?;
    if tree == git.text(&["rev-parse", &format!("{base}^{{tree}}")])? {
        return Ok(None);
    }
    let message = message(view, &restored, left_out);
    let commit = git.fed(&["commit-tree", &tree, "-p", base], message.as_bytes())?;
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    git.text(&["branch", "--no-track", "--", branch, &commit])
        .map_err(|trouble| trouble.hint("name another branch with --branch"))?;
    Ok(Some((commit, restored)))
}

/// A file that a document names keeps the mode that Git has: the document may say another one than the file.
fn mode(git: &Git, base: &str, placed: &Placed, attributes: &Attributes) -> Result<&'static str, Trouble> {
    let listed = git.text(&["ls-tree", base, "--", &format!(":(top,literal){}", placed.file)])?;
    let executable = match listed.get(..6) {
        Some("100755") => true,
        Some("100644") => false,
        _ => attributes.mode.is_some_and(|mode| mode & 0o100 != 0),
    };
    Ok(if executable { "100755" } else { "100644" })
}

fn owner(attributes: &Attributes) -> Option<String> {
    let (owner, group) = (attributes.owner.as_ref()?, attributes.group.as_ref()?);
    Some(format!("{owner}:{group}"))
}

fn message(view: &PreimagesView, restored: &[Restored], left_out: &[LeftOut]) -> String {
    let application = view.application.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    let mut text = format!("Restore what plan {}{application} overwrote\n\n", short(&view.plan));
    for one in restored {
        let mode = one.mode.as_ref().map_or_else(String::new, |mode| format!(", mode {mode}"));
        let owner = one.owner.as_ref().map_or_else(String::new, |owner| format!(", owner {owner}"));
        let found = if one.gone { "removed, as on the host" } else { "as found on the host" };
        let _ = writeln!(text, "{}: {found}{mode}{owner}", one.path);
    }
    for one in left_out {
        let _ = writeln!(text, "{}: left out, {}", one.path, one.reason);
    }
    text
}
