//! Of this machine alone: what asks no daemon.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    /// Use this many threads
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Demo {
    /// Leave everything running at the end, to play with
    #[arg(long)]
    pub keep: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Check {
    /// Files or folders to check, each by itself; the configuration when none is given
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Check this folder as what Git declares (`declarations:` of the Daemon document), against the configuration
    #[arg(long, value_name = "FOLDER", conflicts_with = "files")]
    pub declarations: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Render {
    /// Folders, lowest layer first
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Forge {
    /// Register the webhook of each repository that has `webhook:` and `forge:`, or put it right
    Setup(Setup),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Setup {
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
