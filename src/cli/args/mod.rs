//! What can be typed.

mod applications;
mod machine;
mod people;
mod trail;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(super) use applications::{Application, Approve, History, Plan, Reject, Restore, Rollback, Suspend};
pub(super) use machine::{Check, Demo, Forge, Render, Run, Setup};
pub(super) use people::{BreakGlass, GlassId, GlassOpen, Notify, Policy, Propose, Token, TokenCreate};
pub(super) use trail::{Audit, ExportFormat, Verify};

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
