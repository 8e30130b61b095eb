//! The commands that read the trail, and take care of it.

mod accept;
mod archive;
mod verify;

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::args::{Audit, ExportFormat};
use super::ask::{Asking, read};
use super::progress::waiting;
use super::show::printable;
use super::trouble::Trouble;
use super::{Exit, screen, show};
use crate::api::RecordQuery;
use crate::audit::{Events, Item};
use crate::model::Name;
use crate::model::view::Status;

pub(super) use accept::accept;
pub(super) use verify::offline;

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
        Audit::Verify(verify) => verify::online(asking, verify).await,
        Audit::Prove { sequence, since } => prove(asking, *sequence, since.as_deref()).await,
        Audit::Export { after, format: ExportFormat::Trail } => export(asking, *after).await,
        Audit::Export { after, format: ExportFormat::Cloudevents } => events(asking, *after).await,
        Audit::RotateKey { reason } => {
            let key = asking.client.post(&["audit", "rotate-key"], &json!({ "reason": reason })).await?;
            asking.print(&key, || format!("{}\n", printable(key.as_str().unwrap_or_default())))?;
            Ok(Exit::Done)
        }
        Audit::Archive { older_than } => {
            let body = json!({ "older": older_than });
            let moved = waiting("moving records", asking.client.post(&["audit", "archive"], &body)).await?;
            asking.print(&moved, || show::moved(&moved))?;
            Ok(Exit::Done)
        }
        Audit::Erase { sequence, reason } => {
            let path = ["audit", "records", &sequence.to_string(), "erase"];
            asking.client.post(&path, &json!({ "reason": reason })).await?;
            asking.screen.say(&format!("the payload of record {sequence} is erased"));
            Ok(Exit::Done)
        }
        Audit::Accept { .. } => Err(Trouble::new("this command asks no daemon")),
    }
}

async fn prove(asking: &Asking<'_>, sequence: Option<u64>, since: Option<&Path>) -> Result<Exit, Trouble> {
    let proof = match (sequence, since) {
        (_, Some(file)) => {
            let old = text(file)?;
            waiting("proving", asking.client.post(&["audit", "growth"], &json!({ "old": old }))).await?
        }
        (sequence, None) => {
            let sequence = sequence.unwrap_or_default().to_string();
            waiting("proving", asking.client.get(&["audit", "records", &sequence, "proof"], &[])).await?
        }
    };
    screen::json(&proof)?;
    Ok(Exit::Done)
}

/// Returns what a file holds, `-` being stdin.
fn text(file: &Path) -> Result<String, Trouble> {
    let read =
        if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    read.map_err(|error| Trouble::new(format!("could not read {}: {error}", shown(file))))
}

fn shown(file: &Path) -> String {
    printable(&file.display().to_string()).into_owned()
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

/// Prints an export, page by page.
async fn export(asking: &Asking<'_>, mut after: u64) -> Result<Exit, Trouble> {
    let mut begins = after > 0;
    loop {
        let page = page(asking, after, begins).await?;
        lines(&page)?;
        begins = false;
        match page.iter().rev().find_map(Item::record) {
            Some(last) => after = last.seq,
            // The head, which ends an export, has no number of its own.
            None => return Ok(Exit::Done),
        }
    }
}

/// Prints records as events. They are read from the first on: what came before decides what an event is.
async fn events(asking: &Asking<'_>, wanted: u64) -> Result<Exit, Trouble> {
    let status: Status = read(&asking.client.get(&["status"], &[]).await?)?;
    let origin = status.trail.origin.ok_or_else(|| Trouble::new("nothing has signed for the trail yet"))?;
    let (mut events, mut after) = (Events::of(&origin), 0);
    loop {
        let page = page(asking, after, false).await?;
        let mut made = vec![];
        for line in page.iter().filter_map(Item::record) {
            let event = events.event(line).map_err(|error| Trouble::chain(&error))?;
            made.extend(event.filter(|_| line.seq > wanted));
            after = line.seq;
        }
        lines(&made)?;
        if !page.iter().any(|item| item.record().is_some()) {
            return Ok(Exit::Done);
        }
    }
}

async fn page(asking: &Asking<'_>, after: u64, begins: bool) -> Result<Vec<Item>, Trouble> {
    let query = [("after", after.to_string()), ("begins", begins.to_string())];
    read(&asking.client.get(&["audit", "export"], &query).await?)
}

/// Prints each as a line of JSON.
fn lines<T: Serialize>(all: &[T]) -> Result<(), Trouble> {
    let mut text = String::new();
    for one in all {
        text += &serde_json::to_string(one).map_err(|error| Trouble::new(error.to_string()))?;
        text.push('\n');
    }
    screen::raw(text.as_bytes())
}
