use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Agent;
use super::problems::{internal, store_problem};
use super::unknown::no_record;
use crate::audit::{self, Checkpoint, Filter, Given, Item, Mark, Proof, Report, Segment};
use crate::config::Span;
use crate::model::{Actor, Name, Problem};

/// What the API asks of the trail of a running daemon.
#[async_trait]
pub trait Auditing {
    /// Returns records of the trail, newest first, or oldest first where `after` is given.
    async fn records(&self, query: RecordQuery) -> Result<Vec<Value>, Problem>;

    async fn record(&self, sequence: u64) -> Result<Value, Problem>;

    /// Reads the whole trail and says what is wrong with it, also beside checkpoints and keys that were kept elsewhere.
    async fn verify(&self, given: Given) -> Result<Report, Problem>;

    /// Returns records above `after` as they are hashed, with all that is needed to verify them elsewhere; where none follows, the head
    /// alone, which ends an export. `begins`: say first how it begins, where it is a part.
    async fn export(&self, after: u64, begins: bool) -> Result<Vec<Item>, Problem>;

    /// Proves that a record is among those that a checkpoint covers.
    async fn prove(&self, sequence: u64) -> Result<Proof, Problem>;

    /// Proves that the trail has only grown since an older checkpoint of it, which is given as a note.
    async fn prove_growth(&self, old: &str) -> Result<Proof, Problem>;

    /// Replaces the key that signs checkpoints, and returns the new public one.
    async fn rotate_key(&self, reason: Option<String>, actor: Actor) -> Result<String, Problem>;

    /// Moves records into the archive that are older than this, or than the configuration says, and returns what was moved.
    async fn archive(&self, older: Option<Span>, actor: Actor) -> Result<Vec<Segment>, Problem>;

    /// Erases the payload of a record for ever.
    async fn erase(&self, sequence: u64, reason: &str, actor: Actor) -> Result<(), Problem>;
}

/// Which records of the trail are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordQuery {
    /// Only records of this application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Name>,
    /// Only records of these, as far as whoever asks may see.
    #[serde(skip)]
    pub of: Option<Vec<Name>>,
    /// Only records with a larger sequence number, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = u64::MAX))]
    pub after: Option<u64>,
    /// Only records with a smaller sequence number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = u64::MAX))]
    pub before: Option<u64>,
    /// At most this many.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = Self::MOST))]
    pub limit: u32,
}

impl RecordQuery {
    /// What one answer may hold, so that it fits in memory on both sides.
    pub const MOST: u32 = 1000;
}

fn default_limit() -> u32 {
    50
}

#[async_trait]
impl Auditing for Agent {
    async fn records(&self, query: RecordQuery) -> Result<Vec<Value>, Problem> {
        let filter = Filter {
            application: query.application,
            of: query.of,
            after: query.after,
            before: query.before,
            newest_first: query.after.is_none(),
            limit: query.limit.clamp(1, RecordQuery::MOST),
            ..Filter::default()
        };
        let records = audit::list(&self.inner.store, &filter).await.map_err(|error| store_problem(&error))?;
        records.iter().map(serde_json::to_value).collect::<Result<_, _>>().map_err(|error| internal(&error))
    }

    async fn record(&self, sequence: u64) -> Result<Value, Problem> {
        let store = &self.inner.store;
        if let Some(record) = audit::show(store, sequence).await.map_err(|error| store_problem(&error))? {
            return serde_json::to_value(record).map_err(|error| internal(&error));
        }
        Err(self.not_here(sequence).await)
    }

    async fn verify(&self, given: Given) -> Result<Report, Problem> {
        audit::verify(&self.inner.store, &given).await.map_err(|error| store_problem(&error))
    }

    async fn export(&self, after: u64, begins: bool) -> Result<Vec<Item>, Problem> {
        let page = async {
            let store = &self.inner.store;
            let head = audit::head(store).await?;
            let mut items = vec![];
            if begins && let Some(begin) = audit::export_begin(store, after.min(head.size), None).await? {
                items.push(Item::Mark(Mark::Begin(begin)));
            }
            items.extend(audit::export_page(store, after, head.size).await?);
            if head.size <= after {
                items.push(Item::Mark(Mark::Head(head)));
            }
            Ok(items)
        };
        page.await.map_err(|error| store_problem(&error))
    }

    async fn prove(&self, sequence: u64) -> Result<Proof, Problem> {
        let proof = async {
            self.inner.trail.checkpoint(&self.inner.store).await?;
            audit::prove(&self.inner.store, sequence).await
        };
        match proof.await.map_err(|error| store_problem(&error))? {
            Some(Proof::Inclusion { record, .. }) if record.bytes.is_empty() => Err(self.not_here(sequence).await),
            Some(proof) => Ok(proof),
            None => Err(self.not_here(sequence).await),
        }
    }

    async fn prove_growth(&self, old: &str) -> Result<Proof, Problem> {
        let invalid = |why: String| Problem::new(400, "checkpoint.invalid", why);
        let [old] = &*audit::notes(old) else { return Err(invalid("expected one checkpoint".into())) };
        let read = old.as_ref().map_err(Clone::clone).and_then(|note| Ok((Checkpoint::parse(note)?.head.size, note)));
        let (size, old) = read.map_err(|error| invalid(error.to_string()))?;
        let proof = async {
            self.inner.trail.checkpoint(&self.inner.store).await?;
            audit::prove_growth(&self.inner.store, old, size).await
        };
        let more = || {
            let title = format!("that checkpoint covers {size} records, and the trail here has not so many");
            Problem::new(409, "trail.rolled-back", title)
                .hint("`trueup audit verify --checkpoint FILE` says what else differs")
        };
        proof.await.map_err(|error| store_problem(&error))?.ok_or_else(more)
    }

    async fn rotate_key(&self, reason: Option<String>, actor: Actor) -> Result<String, Problem> {
        self.replace_key(reason, actor).await
    }

    async fn archive(&self, older: Option<Span>, actor: Actor) -> Result<Vec<Segment>, Problem> {
        let keep = self.inner.estate.lock().await.config.daemon.trail.keep;
        self.move_out(older.unwrap_or(keep).0, 1, actor).await
    }

    async fn erase(&self, sequence: u64, reason: &str, actor: Actor) -> Result<(), Problem> {
        if reason.trim().is_empty() {
            return Err(Problem::new(
                400,
                "api.reason",
                "a reason is needed: it is all that is left of what was said there",
            ));
        }
        self.erase_payload(sequence, reason, actor).await
    }
}

impl Agent {
    /// Says why a record is not to be had.
    async fn not_here(&self, sequence: u64) -> Problem {
        let segments = audit::segments(&self.inner.store).await.unwrap_or_default();
        match segments.into_iter().find(|segment| (segment.first..=segment.last).contains(&sequence)) {
            Some(segment) => {
                let title = format!("record {sequence} lies in the archive, as {}", segment.file);
                let problem = Problem::new(409, "record.archived", title);
                problem.hint("that file is an export: `trueup audit verify --from FILE` verifies it, and its lines are the records")
            }
            None => no_record(sequence),
        }
    }
}
