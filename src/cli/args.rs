use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Span;
use crate::model::Role;

/// Where the daemon's configuration lies unless it is said otherwise.
pub(super) const CONFIG: &str = "/etc/trueup/trueup.yaml";

/// Keep live systems true to Git
#[derive(Debug, Parser)]
#[command(name = "trueup", version, max_term_width = 100, propagate_version = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, Args)]
pub(super) struct Global {
    /// Read the configuration from this file or folder
    #[arg(long, global = true, env = "TRUEUP_CONFIG", value_name = "FILE", default_value = CONFIG)]
    pub config: PathBuf,
    /// Talk to the daemon at this socket instead of the one that the configuration names
    #[arg(long, global = true, env = "TRUEUP_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Talk to the daemon at this address (`https://HOST:PORT`) instead of one on this machine
    #[arg(long, global = true, env = "TRUEUP_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// Come to it with the token in this file, which only you may read
    #[arg(long, global = true, env = "TRUEUP_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Trust the certificate authorities in this PEM file, instead of the machine's, when talking to it
    #[arg(long, global = true, env = "TRUEUP_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Print as text for people or as JSON for programs
    #[arg(short, long, global = true, value_enum, value_name = "FORMAT", default_value_t)]
    pub output: Format,
    /// Print JSON: the same as `-o json`
    #[arg(long, global = true)]
    pub json: bool,
    /// Colour the text; `auto` means on a terminal and without `NO_COLOR`
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the daemon
    Run(Run),
    /// Tell the whole story on this machine, in a scratch folder, with nothing to set up
    Demo(Demo),
    /// Say whether the configuration is right
    Check(Check),
    /// Print what a folder renders to, as YAML; no daemon needed
    Render(Render),
    /// Show repositories and applications, and what they wait for
    Status,
    /// Show what a sync would do now
    Plan(Plan),
    /// Show only the differences of a plan
    Diff(Plan),
    /// Sync now
    Sync(Application),
    /// Show what happened to an application, newest first
    History(History),
    /// Let exactly this held plan through, once
    Approve(Approve),
    /// Say no to this held plan: it is not offered again before it moves
    Reject(Reject),
    /// Override policies, or edit by hand, for a while and on the record
    #[command(subcommand)]
    BreakGlass(BreakGlass),
    /// Show the rules that bind applications
    #[command(subcommand)]
    Policy(Policy),
    /// Take what was found at first contact and differs from Git
    Adopt(Application),
    /// Take away what was made for an application that is declared no more, once that plan is approved
    Destroy(Application),
    /// Leave an application alone
    Suspend(Suspend),
    /// Take care of a suspended application again
    Resume(Application),
    /// Write a branch with what a plan deleted or overwrote; changes nothing live
    Restore(Restore),
    /// Set an application's paths in Git back to an earlier revision: one commit, shown first, then pushed
    Rollback(Rollback),
    /// Run the root half of this host: acts for the daemon, within what root allows (`/etc/trueup/host.yaml`)
    Host,
    /// Log in at the daemon that --server names, with a browser
    Login,
    /// End that login
    Logout,
    /// Make, list and revoke tokens, with which this command and others ask from elsewhere
    #[command(subcommand)]
    Token(Token),
    /// Try out who is told what happens
    #[command(subcommand)]
    Notify(Notify),
    /// Tell the Git host of this daemon
    #[command(subcommand)]
    Forge(Forge),
    /// Read the trail
    #[command(subcommand)]
    Audit(Audit),
    /// Print the completions of a shell
    #[command(hide = true)]
    Completions {
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder
    #[command(hide = true)]
    Man {
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

impl Command {
    /// Whether it asks a daemon, here or elsewhere.
    pub(super) fn asks(&self) -> bool {
        match self {
            Self::Run(_)
            | Self::Demo(_)
            | Self::Check(_)
            | Self::Render(_)
            | Self::Host
            | Self::Forge(_)
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::Audit(Audit::Accept { .. }) => false,
            Self::Audit(Audit::Verify(verify)) => !verify.is_offline(),
            Self::Status
            | Self::Plan(_)
            | Self::Diff(_)
            | Self::Sync(_)
            | Self::History(_)
            | Self::Approve(_)
            | Self::Reject(_)
            | Self::BreakGlass(_)
            | Self::Policy(_)
            | Self::Adopt(_)
            | Self::Destroy(_)
            | Self::Suspend(_)
            | Self::Resume(_)
            | Self::Restore(_)
            | Self::Rollback(_)
            | Self::Token(_)
            | Self::Login
            | Self::Logout
            | Self::Notify(_)
            | Self::Audit(_) => true,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Use this many threads
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
}

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Leave everything running at the end, to play with
    #[arg(long)]
    pub keep: bool,
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Files or folders to check, each by itself; the configuration when none is given
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Check this folder as what Git declares (`declarations:` of the Daemon document), against the configuration
    #[arg(long, value_name = "FOLDER", conflicts_with = "files")]
    pub declarations: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Render {
    /// Folders, lowest layer first
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pub application: Application,
    /// Plan for this branch, tag or commit instead of the followed one; such a plan is never carried out
    #[arg(long, value_name = "REV")]
    pub revision: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Application {
    /// The application, by its name
    #[arg(value_name = "APP")]
    pub name: String,
}

#[derive(Debug, Args)]
pub(super) struct History {
    #[command(flatten)]
    pub application: Application,
    /// Show at most this many records
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 20)]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The plan, by its id or the first 8 or more digits of it
    #[arg(value_name = "PLAN")]
    pub plan: String,
}

#[derive(Debug, Args)]
pub(super) struct Reject {
    /// The plan, by its id or the first 8 or more digits of it
    #[arg(value_name = "PLAN")]
    pub plan: String,
    /// Say why, for the trail and for whoever wrote it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Policy {
    /// List the policies in force, and the applications that each binds
    List,
    /// Show what each policy says of an application now, and when that changes
    Explain(Application),
}

#[derive(Debug, Subcommand)]
pub(super) enum BreakGlass {
    /// Open one: announced at once, recorded, and over by itself
    Open(GlassOpen),
    /// List what is open, and what ended within 30 days
    List,
    /// List what is asked for in Git
    Requests,
    /// Show what was edited by hand under it, as a difference
    Show(Propose),
    /// Say that somebody else's is right, where a policy asks for a further person
    Agree(GlassId),
    /// End one before its time: what was edited by hand is put right
    Close(Propose),
}

#[derive(Debug, Args)]
pub(super) struct GlassOpen {
    /// The applications, by name
    #[arg(required_unless_present = "request", value_name = "APP")]
    pub applications: Vec<String>,
    /// Open what a `BreakGlass` document in Git asks for, as it stands there
    #[arg(long, value_name = "NAME", conflicts_with_all = ["applications", "policies", "live_edit", "reason", "ticket", "length"])]
    pub request: Option<String>,
    /// Let them through this policy; may be given more than once
    #[arg(long = "policy", value_name = "POLICY", conflicts_with = "live_edit")]
    #[arg(required_unless_present_any = ["live_edit", "request"])]
    pub policies: Vec<String>,
    /// Leave this object as people make it (`*` stands for any part of its name); may be given more than once
    #[arg(long, value_name = "OBJECT")]
    pub live_edit: Vec<String>,
    /// Say why
    #[arg(long, value_name = "TEXT", required_unless_present = "request")]
    pub reason: Option<String>,
    /// Name the ticket
    #[arg(long, value_name = "TICKET")]
    pub ticket: Option<String>,
    /// End it after this long, such as 30m or 1h
    #[arg(long = "for", value_name = "TIME", required_unless_present = "request")]
    pub length: Option<Span>,
}

#[derive(Debug, Args)]
pub(super) struct GlassId {
    /// The break-glass, by its id
    #[arg(value_name = "ID")]
    pub id: String,
}

#[derive(Debug, Args)]
pub(super) struct Propose {
    #[command(flatten)]
    pub id: GlassId,
    /// Write what was edited by hand into a branch of your clone
    #[arg(long = "propose")]
    pub branches: bool,
    /// Your clone of the application's repository
    #[arg(long, value_name = "PATH", default_value = ".")]
    pub repository: PathBuf,
    /// Call the branch so, instead of `live-edit/ID`
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
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
pub(super) struct Rollback {
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
pub(super) struct Suspend {
    #[command(flatten)]
    pub application: Application,
    /// Say why, for the trail and for whoever looks next
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// Make one, and print it: it is shown this once
    Create(TokenCreate),
    /// List yours, or all of them where you take care of them
    List,
    /// Make one end now
    Revoke {
        /// The token, by its id
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct TokenCreate {
    /// Let it do this at most; may be given more than once
    #[arg(long = "role", value_name = "ROLE", required = true, value_parser = role)]
    pub roles: Vec<Role>,
    /// Only with these applications (`*` stands for any part of a name); may be given more than once
    #[arg(long = "application", value_name = "APP")]
    pub applications: Vec<String>,
    /// Only with applications that have this label; may be given more than once
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// Make it for this program of yours, instead of for yourself
    #[arg(long, value_name = "NAME", conflicts_with = "person")]
    pub robot: Option<String>,
    /// Make it for this person, as root
    #[arg(long, value_name = "NAME")]
    pub person: Option<String>,
    /// End it after this long, at most a year (90d where this is left out)
    #[arg(long = "for", value_name = "TIME")]
    pub length: Option<Span>,
}

fn role(text: &str) -> Result<Role, String> {
    let words = || Role::ALL.map(Role::as_str).join(", ");
    Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| format!("expected one of {}", words()))
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or_else(|| "expected NAME=VALUE".into())
}

#[derive(Debug, Subcommand)]
pub(super) enum Notify {
    /// Send a test message, and print what the other side answered
    Test {
        /// The notification, by its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Forge {
    /// Register the webhook of each repository that has `webhook:` and `forge:`, or put it right
    Setup(Setup),
}

#[derive(Debug, Args)]
pub(super) struct Setup {
    /// The repositories, by the names of their documents; all of them when none is given
    #[arg(value_name = "REPOSITORY")]
    pub repositories: Vec<String>,
    /// Where the Git host reaches this daemon, instead of `hooks.url` of the Daemon document
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Come to the Git host with the token in this file (mode 0600), of somebody who owns the repository, not the declared one
    #[arg(long, value_name = "FILE")]
    pub owner_token: Option<PathBuf>,
    /// Register anew what looks right, too: the Git host does not say which secret it has
    #[arg(long)]
    pub renew: bool,
    /// Only print what it would do
    #[arg(long)]
    pub print: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// List records, newest first
    List {
        /// Only records of this application
        #[arg(value_name = "APP")]
        application: Option<String>,
        /// Only records before this number
        #[arg(long, value_name = "NUMBER")]
        before: Option<u64>,
        /// Show at most this many records
        #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 50)]
        limit: u32,
    },
    /// Show one record whole
    Show {
        #[arg(value_name = "NUMBER")]
        sequence: u64,
    },
    /// Read the whole trail and say whether anything in it was changed
    Verify(Verify),
    /// Print a proof of one record, or of what the trail has grown from, that is checked without the trail (`verify --proof`)
    Prove {
        #[arg(value_name = "NUMBER", required_unless_present = "since")]
        sequence: Option<u64>,
        /// Prove that the trail has only grown since the checkpoint in this file
        #[arg(long, value_name = "FILE", conflicts_with = "sequence")]
        since: Option<PathBuf>,
    },
    /// Print the trail as JSON Lines, oldest first, with all that is needed to verify it elsewhere
    Export {
        /// Only records after this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
        /// Print what `verify --from` reads, or each record as a CloudEvent
        #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
        format: ExportFormat,
    },
    /// Replace the key that signs checkpoints; both sign for the change, and the old one is erased
    RotateKey {
        /// Say why, for the trail
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Move old records into the archive; their hashes stay
    Archive {
        /// Move those that are older than this, instead of what the configuration says
        #[arg(long, value_name = "SPAN")]
        older_than: Option<crate::config::Span>,
    },
    /// Erase what a record says, for ever; that there was one, and its hash, stay
    Erase {
        #[arg(value_name = "NUMBER")]
        sequence: u64,
        /// Say why, for the trail
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Let the next start go on with a trail that is not what was published: a backup was restored, or the key is lost
    Accept {
        /// Say why, for the trail
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ExportFormat {
    #[default]
    Trail,
    Cloudevents,
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// Verify this export, or this data folder of a daemon that does not run, instead of asking the daemon (`-` is stdin)
    #[arg(long, value_name = "PATH")]
    pub from: Option<PathBuf>,
    /// Hold it against the checkpoints in this file, which were kept elsewhere; may be given several times
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Vec<PathBuf>,
    /// Trust the keys in this file, a vkey on each line, and those that they have signed for; without it, the keys that the trail
    /// itself names
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Read the files of the archive in this folder too
    #[arg(long, value_name = "FOLDER")]
    pub archive: Option<PathBuf>,
    /// Check this proof instead of a trail
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "checkpoint", "archive"])]
    pub proof: Option<PathBuf>,
}
