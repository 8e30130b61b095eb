//! The commands that read the trail.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde_json::Value;

use super::args::Audit;
use super::ask::{Asking, read};
use super::progress::waiting;
use super::screen::{self, Screen};
use super::show::printable;
use super::trouble::Trouble;
use super::{Exit, show};
use crate::api::RecordQuery;
use crate::audit;
use crate::model::Name;

const PAGE: u32 = 500;

pub(super) async fn command(asking: &Asking<'_>, audit: &Audit) -> Result<Exit, Trouble> {
    match audit {
        Audit::List { application, before, limit } => {
            let name = application.as_deref().map(str::parse).transpose();
            let name: Option<Name> = name.map_err(|error| Trouble::chain(&error))?;
            let found = newest(asking, name.as_ref(), *before, *limit, |_| true).await?;
            asking.print(&Value::Array(found.clone()), || show::records(&found))?;
            Ok(Exit::Done)
        }
        Audit::Show { sequence } => {
            let record = asking.client.get(&["audit", "records", &sequence.to_string()], &[]).await?;
            asking.print(&record, || show::record(&record))?;
            Ok(Exit::Done)
        }
        Audit::Verify { .. } => {
            let report = waiting("reading the whole trail", asking.client.get(&["audit", "verify"], &[])).await?;
            asking.print(&report, || show::verified(&report))?;
            Ok(Exit::differs_unless(show::is_intact(&report)))
        }
        Audit::Export { after } => export(asking, *after).await,
    }
}

/// Returns the newest records that are wanted, page by page until there are `limit` of them.
pub(super) async fn newest(
    asking: &Asking<'_>,
    application: Option<&Name>,
    mut before: Option<u64>,
    limit: u32,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Vec<Value>, Trouble> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    while found.len() < limit {
        let mut query = vec![("limit", PAGE.min(RecordQuery::MOST).to_string())];
        query.extend(application.map(|name| ("application", name.to_string())));
        query.extend(before.map(|before| ("before", before.to_string())));
        let page: Vec<Value> = read(&asking.client.get(&["audit", "records"], &query).await?)?;
        let Some(oldest) = page.last().and_then(show::sequence) else { break };
        before = Some(oldest);
        found.extend(page.into_iter().filter(|record| wanted(record)));
    }
    found.truncate(limit);
    Ok(found)
}

async fn export(asking: &Asking<'_>, mut after: u64) -> Result<Exit, Trouble> {
    loop {
        let query = [("after", after.to_string()), ("limit", PAGE.to_string())];
        let page: Vec<Value> = read(&asking.client.get(&["audit", "export"], &query).await?)?;
        let lines: Vec<String> = page.iter().map(Value::to_string).collect();
        screen::raw(format!("{}\n", lines.join("\n")).as_bytes())?;
        match page.last().and_then(show::sequence) {
            Some(last) => after = last,
            // The head, which ends an export, has no number of its own.
            None => return Ok(Exit::Done),
        }
    }
}

/// Verifies an export by itself: it needs neither the daemon nor the machine that it comes from.
pub(super) fn verify_export(export: &Path, screen: Screen) -> Result<Exit, Trouble> {
    let shown = printable(&export.display().to_string()).into_owned();
    let unreadable = |error: std::io::Error| Trouble::new(format!("could not read {shown}: {error}"));
    let report = if export == Path::new("-") {
        audit::verify_export(std::io::stdin().lock())
    } else {
        File::open(export).and_then(|file| audit::verify_export(BufReader::new(file)))
    };
    let report = serde_json::to_value(report.map_err(unreadable)?).map_err(|error| Trouble::chain(&error))?;
    if screen.json {
        screen::json(&report)?;
    } else {
        screen.text(&show::verified(&report))?;
    }
    Ok(Exit::differs_unless(show::is_intact(&report)))
}
