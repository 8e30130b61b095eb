//! Records as events that other tools take: CloudEvents 1.0 in their JSON format (<https://cloudevents.io>), and where one fits,
//! CDEvents 0.4 in them (<https://cdevents.dev>): a service was deployed, upgraded or rolled back. What was redacted before it was
//! hashed is redacted here too; nothing is added that the record has not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Body;
use super::export::Line;
use super::read::{Record, record_of};
use crate::model::{Name, Outcome, Revision, Time};
use crate::store::StoreError;

/// The version of the vocabulary whose types are named here.
const CDEVENTS: &str = "0.4.1";

/// Makes an event of each record, in order.
pub struct Events {
    /// The name of the trail, where the events come from.
    source: String,
    /// What was last applied of each application, as far as was seen.
    applied: BTreeMap<Name, Revision>,
    /// Records were passed over that are not at hand: what came first is not known.
    blind: bool,
}

impl Events {
    #[must_use]
    pub fn of(origin: &str) -> Self {
        Self { source: origin.into(), applied: BTreeMap::new(), blind: false }
    }

    /// Returns the event of a record; `None` for one that lies in the archive. To be called for every record from the first on, or a
    /// first deployment looks like an upgrade.
    ///
    /// # Errors
    /// When the line holds no record.
    pub fn event(&mut self, line: &Line) -> Result<Option<Value>, StoreError> {
        if line.bytes.is_empty() {
            self.blind = true;
            return Ok(None);
        }
        let record = record_of(&line.bytes, line.payload.as_deref())?;
        let service = self.service(&record).zip(rfc3339(record.time));
        let event = match service {
            Some(((predicate, artifact), time)) => self.of_service(&record, predicate, &artifact, &time),
            None => self.of_record(&record),
        };
        Ok(Some(event))
    }

    /// Says what became of a service, where the record tells that: the predicate, and what runs now.
    fn service(&mut self, record: &Record) -> Option<(&'static str, String)> {
        let (Some(application), Some(Body::Closed(closed))) = (&record.application, &record.body) else { return None };
        record.sync.as_ref()?;
        let artifact = |revision: &Revision| format!("pkg:generic/{application}@{revision}");
        match (closed.outcome, &record.revision) {
            (Outcome::Applied, Some(revision)) => {
                let first = self.applied.insert(application.clone(), revision.clone()).is_none() && !self.blind;
                Some((if first { "deployed" } else { "upgraded" }, artifact(revision)))
            }
            (Outcome::RolledBack, _) => Some(("rolledback", artifact(self.applied.get(application)?))),
            _ => None,
        }
    }

    fn of_service(&self, record: &Record, predicate: &str, artifact: &str, time: &str) -> Value {
        let kind = format!("dev.cdevents.service.{predicate}.0.2.0");
        let (id, source) = (record.seq.to_string(), &self.source);
        let subject = record.application.as_ref().map(Name::as_str);
        let data = json!({
            "context": { "version": CDEVENTS, "id": id, "source": source, "type": kind, "timestamp": time },
            "subject": {
                "id": subject,
                "source": source,
                "type": "service",
                "content": { "environment": { "id": source }, "artifactId": artifact },
            },
            "customData": record,
            "customDataContentType": "application/json",
        });
        self.envelope(record, &kind, "application/cdevents+json", data)
    }

    fn of_record(&self, record: &Record) -> Value {
        let kind = format!("dev.trueup.trail.{}.v1", record.kind);
        self.envelope(record, &kind, "application/json", json!(record))
    }

    fn envelope(&self, record: &Record, kind: &str, content: &str, data: Value) -> Value {
        let mut event = json!({
            "specversion": "1.0",
            "id": record.seq.to_string(),
            "source": self.source,
            "type": kind,
            // As the extension of that name wants it: in the order of the records, whatever their times say.
            "sequence": format!("{:020}", record.seq),
            "datacontenttype": content,
        });
        if let Some(fields) = event.as_object_mut() {
            // Neither may be empty: what is not known is left out.
            fields.extend(record.application.as_ref().map(|name| ("subject".into(), json!(name))));
            fields.extend(rfc3339(record.time).map(|time| ("time".into(), json!(time))));
            fields.insert("data".into(), data);
        }
        event
    }
}

/// Returns a moment as RFC 3339 writes it; `None` where the clock said what no calendar has.
fn rfc3339(time: Time) -> Option<String> {
    let text = jiff::Timestamp::from_microsecond(time.0).map(|timestamp| format!("{timestamp:.6}")).ok();
    text.filter(|text| !text.starts_with('-'))
}
