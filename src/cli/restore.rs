//! `trueup restore`: a branch with what a plan deleted or overwrote. Nothing live changes, and neither does the work tree or
//! index of the person's clone.

mod branch;
mod kept;
mod place;

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use self::branch::{Restored, commit};
use self::kept::Kept;
use self::place::{Placed, place};
use super::Exit;
use super::args::Restore;
use super::ask::{Asking, plan_named, read};
use super::git::Git;
use super::progress::waiting;
use super::show::printable;
use super::trouble::Trouble;
use crate::model::host::HostSpec;
use crate::model::view::{PreimageView, PreimagesView};

/// What `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    plan: String,
    /// None where there was nothing to restore.
    branch: Option<String>,
    commit: Option<String>,
    restored: Vec<Restored>,
    left_out: Vec<LeftOut>,
}

/// What is not in the branch, and why.
#[derive(Serialize)]
pub(super) struct LeftOut {
    path: String,
    reason: String,
}

/// Where a branch is written, and what it is called.
pub(super) struct Branch<'a> {
    /// A person's clone.
    pub repository: &'a Path,
    /// `restore/PLAN` where it is not said.
    pub name: Option<String>,
    /// Also what not everyone may read.
    pub include_hidden: bool,
}

pub(super) async fn command(asking: &Asking<'_>, args: &Restore) -> Result<Exit, Trouble> {
    let plan = plan_named(&args.plan, "`trueup history APP` names the plans of an application")?;
    let (repository, name) = (&args.repository, args.branch.clone());
    let branch = Branch { repository, name, include_hidden: args.include_hidden };
    let told = write(asking, &plan, &branch).await?;
    let value = serde_json::to_value(&told).map_err(|error| Trouble::chain(&error))?;
    asking.print(&value, || told.text())?;
    told.hint(asking);
    Ok(Exit::Done)
}

/// Writes what a plan deleted or overwrote, or would, into a branch, and returns what is to be told of it.
pub(super) async fn write(asking: &Asking<'_>, plan: &str, branch: &Branch<'_>) -> Result<Told, Trouble> {
    let answer = waiting("asking the daemon", asking.client.get(&["plans", plan, "preimages"], &[])).await?;
    let view: PreimagesView = read(&answer)?;
    let mut told = Told { plan: view.plan.clone(), branch: None, commit: None, restored: vec![], left_out: vec![] };
    if !view.objects.is_empty() {
        let git = Git::open(branch.repository)?;
        let base = base(&git, &view)?;
        let (found, left_out) = gather(asking, branch, &git, &view, &base).await?;
        told.left_out = left_out;
        let name = branch.name.clone().unwrap_or_else(|| format!("restore/{}", short(&view.plan)));
        if let Some((commit, restored)) = commit(&git, &base, &name, &view, found, &told.left_out)? {
            (told.branch, told.commit, told.restored) = (Some(name), Some(commit), restored);
        }
    }
    Ok(told)
}

impl Told {
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for one in &self.restored {
            let _ = writeln!(text, "  {}  as {}", printable(&one.path), printable(&one.file));
        }
        for one in &self.left_out {
            let _ = writeln!(text, "  {}  left out: {}", printable(&one.path), printable(&one.reason));
        }
        match (&self.branch, &self.commit) {
            (Some(branch), Some(commit)) => {
                let _ = writeln!(text, "branch {} at {}", printable(branch), commit.get(..10).unwrap_or(commit));
            }
            _ if self.left_out.is_empty() => {
                text.push_str("nothing to restore: the plan overwrote nothing, or Git has it all\n");
            }
            _ => text.push_str("nothing to restore but what was left out\n"),
        }
        text
    }

    pub(super) fn hint(&self, asking: &Asking<'_>) {
        if let (Some(branch), false) = (&self.branch, asking.screen.json) {
            asking.screen.hint(&format!("look at it with `git show {branch}`, and merge it where it is right"));
        }
    }
}

/// Returns the commit that the branch begins at. Whoever has it has the repository: its id covers all of its history.
fn base(git: &Git, view: &PreimagesView) -> Result<String, Trouble> {
    let Some(revision) = &view.revision else {
        return Err(Trouble::new(
            "no revision was applied before this plan, so there is none that a branch could begin at",
        ));
    };
    let commit = format!("{revision}^{{commit}}");
    if git.quiet(&["cat-file", "-e", &commit])? {
        return Ok(revision.to_string());
    }
    let message = format!("{} does not have the commit {}", git.shown(), revision.short());
    let hint =
        format!("run this in a clone of {}, or name one with --repository; `git fetch` first", printable(&view.url));
    Err(Trouble::new(message).hint(hint))
}

/// Asks for each content, the root half's own pre-images for what the daemon may not see, and says where in Git it belongs.
async fn gather(
    asking: &Asking<'_>,
    branch: &Branch<'_>,
    git: &Git,
    view: &PreimagesView,
    base: &str,
) -> Result<(Vec<Placed>, Vec<LeftOut>), Trouble> {
    let (mut found, mut left_out) = (vec![], vec![]);
    let kept = if branch.include_hidden { Kept::open(&view.plan) } else { None };
    for (number, one) in view.objects.iter().enumerate() {
        let mut leave = |reason: String| left_out.push(LeftOut { path: one.id.name.to_string(), reason });
        if one.gone {
            match place(git, base, view, one, place::Content::Gone)? {
                Ok(placed) => found.push(placed),
                Err(reason) => leave(reason),
            }
            continue;
        }
        if let Some(lost) = &one.lost {
            match kept.as_ref().filter(|_| one.withheld).map(|kept| kept.content(&one.id.name)).transpose()? {
                None => leave(lost.clone()),
                Some(Err(reason)) => leave(reason),
                Some(Ok(content)) => match place(git, base, view, one, content)? {
                    Ok(placed) => found.push(placed),
                    Err(reason) => leave(reason),
                },
            }
            continue;
        }
        if one.hidden && !branch.include_hidden {
            leave("not everyone may read it: --include-hidden writes it into the branch all the same".into());
            continue;
        }
        let content = match spec(one)? {
            HostSpec::File(file) => {
                let number = number.to_string();
                let bytes = asking.client.bytes(&["plans", &view.plan, "preimages", &number]).await?;
                place::Content::File { bytes, attributes: file.attributes }
            }
            HostSpec::Symlink { to, .. } => place::Content::Link(to),
            HostSpec::Directory(_) => {
                leave("Git keeps no folders: give it a Directory document where its mode or owner matters".into());
                continue;
            }
            _ => {
                leave("it is no file".into());
                continue;
            }
        };
        match place(git, base, view, one, content)? {
            Ok(placed) => found.push(placed),
            Err(reason) => leave(reason),
        }
    }
    Ok((found, left_out))
}

fn spec(one: &PreimageView) -> Result<HostSpec, Trouble> {
    let spec = one.spec.as_ref().map(HostSpec::from_spec).transpose().map_err(|error| Trouble::chain(&error))?;
    spec.ok_or_else(|| Trouble::new("could not understand the daemon's answer: a pre-image says nothing"))
}

fn short(plan: &str) -> &str {
    plan.get(..12).unwrap_or(plan)
}
