use std::collections::BTreeMap;

use axum::body::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::api::access::Caller;
use crate::api::serve::Service;
use crate::model::view::{BreakGlassView, Status};
use crate::model::{Digest, Problem};

/// What a reader was last shown, by what it is about.
#[derive(Default)]
pub(super) struct Shown(BTreeMap<(&'static str, String), Digest>);

/// One event.
pub(super) struct Message {
    sort: &'static str,
    data: String,
    id: Option<u64>,
}

impl Shown {
    /// Returns the state that is, and takes it as shown.
    pub(super) fn all(&mut self, caller: &Caller, service: &Service) -> Message {
        let (status, glasses) = seen(caller, service);
        self.0 = parts(&status, &glasses).map(|(key, part)| (key, digest(&part))).collect();
        Message::new("state", &json!({ "status": status, "breakGlass": glasses }))
    }

    /// Returns what is otherwise than it was shown, and takes it as shown.
    pub(super) fn news(&mut self, caller: &Caller, service: &Service) -> Vec<Message> {
        let (status, glasses) = seen(caller, service);
        let mut before = std::mem::take(&mut self.0);
        let mut news = vec![];
        for ((sort, name), part) in parts(&status, &glasses) {
            let now = digest(&part);
            let key = (sort, name);
            if before.remove(&key) != Some(now) {
                news.push(Message::new(sort, &part));
            }
            self.0.insert(key, now);
        }
        // What they see no more, for whatever reason, is gone for them.
        let gone = before.into_keys().map(|(what, name)| Message::new("gone", &json!({ "what": what, "name": name })));
        news.extend(gone);
        news
    }
}

fn seen(caller: &Caller, service: &Service) -> (Status, Vec<BreakGlassView>) {
    (caller.status(service.daemon.status()), caller.glasses(service.daemon.break_glass()))
}

/// Returns each part by what it is about.
fn parts<'s>(
    status: &'s Status,
    glasses: &'s [BreakGlassView],
) -> impl Iterator<Item = ((&'static str, String), Value)> + 's {
    let applications = status.applications.iter().map(move |one| (("application", one.name.to_string()), value(one)));
    let repositories = status.repositories.iter().map(move |one| (("repository", one.name.to_string()), value(one)));
    let glasses = glasses.iter().map(move |one| (("break-glass", one.opening.id.0.to_string()), value(one)));
    let orphans = status.orphans.iter().map(move |one| (("orphan", one.name.to_string()), value(one)));
    applications.chain(repositories).chain(orphans).chain(glasses)
}

/// What does not change anything for a reader does not count: that a repository was looked at again.
fn digest(part: &Value) -> Digest {
    let mut part = part.clone();
    if let Some(fields) = part.as_object_mut() {
        fields.remove("polled");
    }
    Digest::of(part.to_string().as_bytes())
}

impl Message {
    pub(super) fn new(sort: &'static str, data: &impl Serialize) -> Self {
        // Types of ours can be written.
        Self { sort, data: serde_json::to_string(data).unwrap_or_default(), id: None }
    }

    /// Tells that records lie between two of them that are too many to be told here.
    pub(super) fn missed(after: u64, until: u64) -> Self {
        let hint = "GET /v1/audit/records?after=N has them";
        let problem = Problem::new(410, "events.missed", format!("records {} to {until} were missed", after + 1));
        Self::new("missed", &problem.hint(hint))
    }

    /// Returns it with the number of the last record that is told with it, from which a reader can go on.
    pub(super) fn at(self, record: u64) -> Self {
        Self { id: Some(record), ..self }
    }
}

impl From<Message> for Bytes {
    fn from(message: Message) -> Self {
        let id = message.id.map(|id| format!("id: {id}\n")).unwrap_or_default();
        // JSON in one line: a line end in it is written as `\n`.
        format!("event: {}\n{id}data: {}\n\n", message.sort, message.data).into()
    }
}

/// Types of ours can be written.
fn value(part: &impl Serialize) -> Value {
    serde_json::to_value(part).unwrap_or_default()
}
