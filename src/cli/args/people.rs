//! About people: rules, break-glass, tokens, and who is told.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Application;
use crate::config::Span;
use crate::model::Role;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Policy {
    /// List the policies in force, and the applications that each binds
    List,
    /// Show what each policy says of an application now, and when that changes
    Explain(Application),
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum BreakGlass {
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
pub(in crate::cli) struct GlassOpen {
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
pub(in crate::cli) struct GlassId {
    /// The break-glass, by its id
    #[arg(value_name = "ID")]
    pub id: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Propose {
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

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Token {
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
pub(in crate::cli) struct TokenCreate {
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
pub(in crate::cli) enum Notify {
    /// Send a test message, and print what the other side answered
    Test {
        /// The notification, by its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}
