//! The branch at the remote: where it is, and the push, which never takes away what others pushed.

use crate::cli::git::Git;
use crate::cli::show::printable;
use crate::cli::trouble::Trouble;
use crate::model::Revision;

use super::followed::Followed;

pub(super) struct Remote {
    /// As the person's clone calls it.
    pub name: String,
    /// The followed branch, without `refs/heads/`.
    pub branch: String,
    /// Where that is.
    pub tip: Revision,
    /// The new branch to push to instead.
    beside: Option<String>,
}

impl Remote {
    /// Asks where the branch is, and fetches it. The only refs that may move are the clone's remote-tracking ones.
    pub(super) fn look(git: &Git, name: &str, followed: &Followed, beside: Option<&str>) -> Result<Self, Trouble> {
        let branch = &followed.branch;
        for branch in beside.into_iter().chain([branch.as_str()]) {
            if !git.quiet(&["check-ref-format", &full(branch)])? {
                return Err(Trouble::new(format!("no branch can be named '{}'", printable(branch))));
            }
        }
        if let Some(beside) = beside.filter(|beside| matches!(tip(git, name, beside), Ok(Some(_)))) {
            let message = format!("there is a branch {} at {} already", printable(beside), printable(name));
            return Err(Trouble::new(message).hint("name another one with --branch"));
        }
        let named = (printable(branch), printable(name));
        let elsewhere = |message: String| {
            let hint = "name what your clone calls it with --remote, or another clone with --repository";
            Trouble::new(message).hint(format!("the daemon follows {}: {hint}", printable(&followed.url)))
        };
        let tip = tip(git, name, branch).map_err(|trouble| elsewhere(trouble.message))?;
        let tip = tip.ok_or_else(|| elsewhere(format!("there is no branch {} at {}", named.0, named.1)))?;
        fetch(git, name, branch)?;
        // A fork, or a mirror that lags behind: what is pushed there sets nothing back.
        if let Some(head) = &followed.head
            && !git.descends(tip.as_str(), head.as_str())?
        {
            let seen = format!("the daemon has seen {} at {}, which is not", named.0, head.short());
            return Err(elsewhere(format!("{seen} in that of {}", named.1)));
        }
        Ok(Self { name: name.to_owned(), branch: branch.clone(), tip, beside: beside.map(str::to_owned) })
    }

    /// Returns the branch that is pushed to.
    pub(super) fn onto(&self) -> &str {
        self.beside.as_deref().unwrap_or(&self.branch)
    }

    /// Pushes a commit that follows the tip, and returns what the remote said.
    pub(super) fn push(&self, git: &Git, commit: &str) -> Result<Vec<String>, Trouble> {
        let reference = full(self.onto());
        // A lease only refuses more than a plain push would: that the branch is gone, or was set back by force meanwhile.
        let expected = if self.beside.is_some() { "" } else { self.tip.as_str() };
        let lease = format!("--force-with-lease={reference}:{expected}");
        let refspec = format!("{commit}:{reference}");
        let options = ["push", "--porcelain", "--no-follow-tags", "--no-recurse-submodules", &lease];
        let push = [&options[..], &["--", &self.name, &refspec]].concat();
        let output = git.remote(&push)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let said = said.lines().map(str::trim_end).filter(|line| !line.is_empty());
        if output.status.success() {
            return Ok(said.filter(|line| line.starts_with("remote:")).map(str::to_owned).collect());
        }
        let now = tip(git, &self.name, self.onto())?;
        if now.as_ref().map(Revision::as_str).unwrap_or_default() != expected {
            return Err(self.moved(now.as_ref()));
        }
        let told = String::from_utf8_lossy(&output.stdout);
        let refused = told.lines().find_map(|line| line.strip_prefix("!\t")?.split('\t').nth(1));
        let said: Vec<_> = refused.into_iter().chain(said).map(printable).collect();
        let (name, onto) = (printable(&self.name), printable(self.onto()));
        let message = format!("{name} did not take it into {onto}:\n  {}", said.join("\n  "));
        let trouble = Trouble::new(message);
        Err(match (refused, &self.beside) {
            (Some(_), None) => trouble.hint(format!(
                "where {} is protected, `--branch NAME` pushes to a new branch, to open a merge request from",
                printable(&self.branch)
            )),
            _ => trouble,
        })
    }

    fn moved(&self, now: Option<&Revision>) -> Trouble {
        let now = now.map_or_else(|| "gone".to_owned(), |now| format!("at {}", now.short()));
        let onto = (printable(self.onto()), printable(&self.name));
        Trouble::new(format!("{} at {} moved meanwhile: it is {now}; nothing was pushed", onto.0, onto.1))
            .hint("look at what came, and run this again")
    }
}

/// Returns where a branch is.
fn tip(git: &Git, remote: &str, branch: &str) -> Result<Option<Revision>, Trouble> {
    let reference = full(branch);
    let ask = ["ls-remote", "--quiet", "--", remote, &reference];
    let output = git.remote(&ask)?;
    if !output.status.success() {
        return Err(git.failed(&ask, &output));
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    let found = listed.lines().filter_map(|line| line.split_once('\t')).find(|(_, name)| *name == reference);
    found.map(|(id, _)| id.parse()).transpose().map_err(|error| Trouble::chain(&error))
}

/// Fetches a branch, and nothing but that.
fn fetch(git: &Git, remote: &str, branch: &str) -> Result<(), Trouble> {
    let reference = full(branch);
    let options = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"];
    let fetch = [&options[..], &["--no-auto-maintenance", "--", remote, &reference]].concat();
    let output = git.remote(&fetch)?;
    if output.status.success() { Ok(()) } else { Err(git.failed(&fetch, &output)) }
}

fn full(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
