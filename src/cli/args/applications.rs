//! About applications and their plans.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(in crate::cli) struct Plan {
    #[command(flatten)]
    pub application: Application,
    /// Plan for this branch, tag or commit instead of the followed one; such a plan is never carried out
    #[arg(long, value_name = "REV")]
    pub revision: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Application {
    /// The application, by its name
    #[arg(value_name = "APP")]
    pub name: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct History {
    #[command(flatten)]
    pub application: Application,
    /// Show at most this many records
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Approve {
    /// The plan, by its id or the first 8 or more digits of it
    #[arg(value_name = "PLAN")]
    pub plan: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Reject {
    /// The plan, by its id or the first 8 or more digits of it
    #[arg(value_name = "PLAN")]
    pub plan: String,
    /// Say why, for the trail and for whoever wrote it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Restore {
    /// The plan that did it, by its id or the first 8 or more digits of it
    #[arg(value_name = "PLAN")]
    pub plan: String,
    /// Your clone of the application's repository
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub repository: PathBuf,
    /// Call the branch so, instead of `restore/PLAN`
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Also write what not everyone may read on the host: who can read the branch can read it
    #[arg(long)]
    pub include_hidden: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    #[command(flatten)]
    pub application: Application,
    /// Set back to this commit, tag or branch, instead of the application's last good revision
    #[arg(long, value_name = "REV")]
    pub to: Option<String>,
    /// Print the commit as a patch, for `git am`, and push nothing
    #[arg(long, conflicts_with_all = ["yes", "branch"])]
    pub print: bool,
    /// Go back to what was good before, as the daemon has stored it, and let it set Git back later: while the Git host is out of reach
    #[arg(long, conflicts_with_all = ["to", "print", "yes", "branch", "repository", "remote"])]
    pub queue: bool,
    /// Push without asking
    #[arg(short, long)]
    pub yes: bool,
    /// Push to this new branch, for a merge request, instead of the followed one
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Your clone of the application's repository
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub repository: PathBuf,
    /// What your clone calls the repository that the daemon follows
    #[arg(long, value_name = "NAME", default_value = "origin")]
    pub remote: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Suspend {
    #[command(flatten)]
    pub application: Application,
    /// Say why, for the trail and for whoever looks next
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}
