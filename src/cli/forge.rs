//! `trueup forge`: from the machine's own configuration, without the daemon, which has no reason to change its Git host.

use std::path::Path;

use serde::Serialize;

use super::Exit;
use super::args::{Global, Setup};
use super::screen::{self, Screen};
use super::show::printable;
use super::trouble::Trouble;
use crate::config::{Config, Endpoint, Repository, SecretSource};
use crate::forge::{Forge, ForgeError, ForgeErrorKind, Webhook, mending};
use crate::model::Name;
use crate::source;

/// What was done, or is to be done, about one repository.
#[derive(Debug, Serialize)]
struct Report {
    repository: Name,
    /// Where the webhook leads.
    url: String,
    /// `registered`, `registered anew`, `cleaned up` or `in order`.
    result: &'static str,
    /// What was wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
}

/// Registers webhooks, or puts them right; again, it finds nothing to do.
pub(super) async fn setup(args: &Setup, global: &Global, screen: Screen) -> Result<Exit, Trouble> {
    let config = Config::load(&global.config).map_err(|all| Trouble::mistakes(&all))?.config;
    let base = base(args, &config)?;
    let mut reports = vec![];
    for (name, declared) in chosen(args, &config)? {
        reports.push(one(args, name, declared, &base).await?);
    }
    let differs = args.print && reports.iter().any(|report| report.result != "in order");
    if screen.json {
        screen::json(&reports)?;
    } else {
        let would = if args.print { " (to be done)" } else { "" };
        let line = |report: &Report| {
            let why = if report.why.is_empty() { String::new() } else { format!(": {}", report.why) };
            let would = if report.result == "in order" { "" } else { would };
            format!("{}  {}{would}{why}\n  {}\n", report.repository, report.result, report.url)
        };
        screen.text(&reports.iter().map(line).collect::<String>())?;
    }
    Ok(Exit::differs_unless(!differs))
}

/// Returns where the Git host reaches the daemon.
fn base(args: &Setup, config: &Config) -> Result<String, Trouble> {
    let declared = config.daemon.hooks.as_ref().and_then(|hooks| hooks.url.clone());
    let Some(url) = args.url.clone().or(declared) else {
        let hint = "--url https://HOST:PORT, or hooks: { url: … } in the Daemon document";
        return Err(Trouble::new("it is not said where the Git host reaches this daemon").hint(hint));
    };
    let endpoint = Endpoint::parse(&url).map_err(|error| Trouble::new(format!("--url cannot be used: {error}")))?;
    Ok(endpoint.url().as_str().trim_end_matches('/').to_owned())
}

/// Returns the repositories that are meant.
fn chosen<'c>(args: &Setup, config: &'c Config) -> Result<Vec<(&'c Name, &'c Repository)>, Trouble> {
    let ready = |declared: &Repository| declared.forge.is_some() && declared.webhook.is_some();
    let all: Vec<_> = config.repositories.iter().filter(|(_, declared)| ready(declared)).collect();
    let names = || all.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    for name in &args.repositories {
        if !all.iter().any(|(known, _)| known.as_str() == name) {
            let trouble = Trouble::new(format!("no repository {} has webhook: and forge:", printable(name)));
            return Err(if all.is_empty() { trouble } else { trouble.hint(format!("these have: {}", names())) });
        }
    }
    if all.is_empty() {
        let hint =
            "docs/forge.md has the lines; `webhook` says by what a delivery is known, `forge` where the Git host is";
        return Err(Trouble::new("no repository has both webhook: and forge:").hint(hint));
    }
    let meant = |name: &Name| args.repositories.is_empty() || args.repositories.iter().any(|one| one == name.as_str());
    Ok(all.into_iter().filter(|(name, _)| meant(name)).collect())
}

async fn one(args: &Setup, name: &Name, declared: &Repository, base: &str) -> Result<Report, Trouble> {
    let (Some(about), Some(webhook)) = (&declared.forge, &declared.webhook) else {
        return Err(Trouble::new(format!("repository {name} has no webhook: and forge:")));
    };
    let told = |error: ForgeError| refused(name, &error);
    let mut forge = Forge::of(declared, about).map_err(told)?;
    if let Some(file) = &args.owner_token {
        forge = forge.by(SecretSource { file: Some(absolute(file)?), systemd: None });
    }
    let secret = source::secret(&webhook.secret).map_err(|error| {
        Trouble::chain(&error).hint("run it as whoever may read the secret: root, or the daemon's user")
    })?;
    let forgejo = forge.is_forgejo().await.map_err(told)?;
    let wanted = Webhook { url: format!("{base}/hooks/{name}"), secret: secret.reveal().to_owned(), forgejo };
    let todo = mending(&forge.hooks().await.map_err(told)?, &wanted, args.renew);
    if !args.print {
        if todo.create {
            forge.create_hook(&wanted.registered()).await.map_err(told)?;
        }
        for id in &todo.delete {
            forge.delete_hook(*id).await.map_err(told)?;
        }
    }
    let result = match (todo.create, todo.delete.is_empty()) {
        (true, true) => "registered",
        (true, false) => "registered anew",
        (false, false) => "cleaned up",
        (false, true) => "in order",
    };
    Ok(Report { repository: name.clone(), url: wanted.url, result, why: todo.why })
}

fn absolute(file: &Path) -> Result<std::path::PathBuf, Trouble> {
    std::path::absolute(file).map_err(|error| Trouble::new(format!("could not find {}: {error}", file.display())))
}

fn refused(name: &Name, error: &ForgeError) -> Trouble {
    let trouble = Trouble::new(format!("repository {name}: {error}"));
    match error.kind {
        ForgeErrorKind::Denied | ForgeErrorKind::Missing => trouble
            .hint("webhooks take an owner's token, with write:repository: --owner-token FILE, with one of your own"),
        ForgeErrorKind::Credentials => trouble.hint("--owner-token FILE, with a token of your own in mode 0600"),
        _ => trouble,
    }
}
