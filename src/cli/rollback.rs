//! `trueup rollback`: one commit that sets an application's paths back to their tree at an earlier revision, made and pushed
//! with the person's own Git. Neither work tree, index nor branches of their clone are touched, and nothing live changes but by
//! the sync that the commit rings for.

mod commit;
mod followed;
mod remote;
mod told;

use self::followed::Followed;
use self::remote::Remote;
use self::told::Told;
use super::Exit;
use super::args::Rollback;
use super::ask::{Asking, named, read};
use super::git::Git;
use super::progress::waiting;
use super::screen;
use super::show::printable;
use super::trouble::Trouble;
use crate::model::Revision;
use crate::model::view::{PlanView, RepositoryStatus, Status};
use crate::source::SetBack;

pub(super) async fn command(asking: &Asking<'_>, args: &Rollback) -> Result<Exit, Trouble> {
    let name = named(&args.application)?;
    if args.queue {
        return asking.act("rolling back", &args.application, "rollback").await;
    }
    let status: Status = read(&waiting("asking the daemon", asking.client.get(&["status"], &[])).await?)?;
    let followed = Followed::of(&status, &name)?;
    let git = Git::open(&args.repository)?;
    let remote = Remote::look(&git, &args.remote, &followed, args.branch.as_deref());
    let remote = remote.map_err(|trouble| without_git(trouble, &status, &followed))?;
    let to = revision(&git, args.to.as_deref(), &followed, &remote)?;
    let change = SetBack::of(&git, &remote.tip, &to, &followed.paths).await?;
    git.forget();
    let mut told = Told::new(&followed, &remote, &to, &change, &status);
    if change.files.is_empty() {
        return print(asking, args, &told, true).map(|()| Exit::Done);
    }
    let (path, query) = (["applications", name.as_str(), "plan"], [("revision", to.to_string())]);
    let answer = waiting("planning", asking.client.get(&path, &query)).await?;
    let view: PlanView = read(&answer)?;
    told.planned(answer, view);
    if args.print {
        told.commit = Some(commit::commit(&git, &change, &followed, &remote.tip, &to)?);
        return patch(asking, &git, told).map(|()| Exit::Done);
    }
    print(asking, args, &told, false)?;
    if !agreed(asking, args, &remote)? {
        print(asking, args, &told, true)?;
        return Ok(Exit::Differs);
    }
    let commit = commit::commit(&git, &change, &followed, &remote.tip, &to)?;
    let said = remote.push(&git, &commit)?;
    for line in said {
        asking.screen.say(&printable(&line));
    }
    (told.commit, told.pushed) = (Some(commit), Some(remote.onto().to_owned()));
    print(asking, args, &told, true)?;
    if !asking.screen.json {
        asking.screen.hint(&told.way_on());
    }
    Ok(Exit::Done)
}

/// Names the way that is left where the daemon does not reach the Git host either.
fn without_git(trouble: Trouble, status: &Status, followed: &Followed) -> Trouble {
    let reached = |one: &RepositoryStatus| one.url == followed.url && matches!(one.state.as_str(), "ok" | "waiting");
    if status.repositories.iter().any(reached) {
        return trouble;
    }
    let name = &followed.application;
    trouble.hint(format!(
        "the daemon does not reach the Git host either: `trueup rollback {name} --queue` goes back to what it has stored, \
         and sets Git back once the host answers"
    ))
}

/// Returns the commit that is gone back to. The followed branch must descend from it, or it would be no way back.
fn revision(git: &Git, typed: Option<&str>, followed: &Followed, remote: &Remote) -> Result<Revision, Trouble> {
    let name = &followed.application;
    let to = match (typed, &followed.good) {
        (Some(typed), _) => git.commit(typed)?.ok_or_else(|| {
            Trouble::new(format!("'{}' names no commit in {}", printable(typed), git.shown()))
                .hint(format!("`trueup history {name}` says what was live, by commit id"))
        })?,
        (None, Some(good)) => good.clone(),
        (None, None) => {
            return Err(Trouble::new(format!("no revision of {name} was good yet")).hint("name one with --to"));
        }
    };
    if git.descends(remote.tip.as_str(), to.as_str())? {
        return Ok(to);
    }
    let message = format!("{} is not behind {} at {}", to.short(), printable(&remote.branch), printable(&remote.name));
    let shallow = git.text(&["rev-parse", "--is-shallow-repository"])? == "true";
    Err(Trouble::new(message).hint(if shallow {
        "the clone is shallow: `git fetch --unshallow` first"
    } else {
        "name a commit that the branch descends from, with --to"
    }))
}

/// Prints what is known so far as text, or, in the end, all of it as one document.
fn print(asking: &Asking<'_>, args: &Rollback, told: &Told, end: bool) -> Result<(), Trouble> {
    match (asking.screen.json, end) {
        (true, false) => Ok(()),
        (true, true) => screen::json(told),
        // A patch, or nothing, is what is piped on.
        (false, _) if args.print => {
            asking.screen.say(told.text(end).trim_end());
            Ok(())
        }
        (false, _) => asking.screen.text(&told.text(end)),
    }
}

/// Prints the commit as a patch, and what it is for on stderr.
fn patch(asking: &Asking<'_>, git: &Git, mut told: Told) -> Result<(), Trouble> {
    let patch = commit::patch(git, told.commit.as_deref().unwrap_or_default())?;
    if !asking.screen.json {
        asking.screen.say(told.text(false).trim_end());
        return screen::raw(&patch);
    }
    let text = String::from_utf8(patch).map_err(|_| Trouble::new("the patch is no text, so JSON cannot hold it"));
    told.patch = Some(text.map_err(|trouble| trouble.hint("leave out --json"))?);
    screen::json(&told)
}

/// Returns whether the person wants it pushed.
fn agreed(asking: &Asking<'_>, args: &Rollback, remote: &Remote) -> Result<bool, Trouble> {
    if args.yes || asking.screen.json {
        // A document comes at the end: nobody could have looked at it before.
        return Ok(args.yes);
    }
    let question = format!("Push this to {} at {}?", printable(remote.onto()), printable(&remote.name));
    let said = asking.screen.ask(&question)?;
    if said.is_none() {
        asking.screen.hint("this is no terminal, so nobody was asked: --yes pushes without asking");
    }
    Ok(said == Some(true))
}
