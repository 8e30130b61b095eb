//! What the trail says of a case.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::World;

/// The records of one application that tell of a refusal.
pub(crate) struct Told {
    records: Vec<Value>,
}

impl Told {
    pub(crate) fn of(world: &World, name: &str) -> Self {
        let ran = world.cli(&["audit", "list", name, "--json", "-n", "1000"]).code(0);
        Self { records: ran.json().as_array().cloned().unwrap_or_default() }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.records.iter().filter_map(|record| record["seq"].as_u64()).max().unwrap_or_default()
    }

    /// Returns how often a refusal with this code was told since `after`.
    pub(crate) fn closed(&self, code: &str, after: u64) -> Vec<&Value> {
        let ours = |record: &&Value| {
            record["kind"] == "closed" && record["body"]["code"] == code && record["seq"].as_u64() > Some(after)
        };
        self.records.iter().filter(ours).collect()
    }

    /// Returns every code that was told since `after`.
    pub(crate) fn codes(&self, after: u64) -> Vec<&str> {
        let new = |record: &&Value| record["kind"] == "closed" && record["seq"].as_u64() > Some(after);
        self.records.iter().filter(new).filter_map(|record| record["body"]["code"].as_str()).collect()
    }

    /// I4: no step of the application deleted anything.
    pub(crate) fn deletes(&self) -> usize {
        let of = |record: &Value| record["body"]["outcomes"].as_array().cloned().unwrap_or_default();
        let all = self.records.iter().filter(|record| record["kind"] == "outcome").flat_map(of);
        all.filter(|outcome| outcome["action"] == "delete" && outcome["result"] == "done").count()
    }

    /// I7: exactly one record explains it, with who, what, which revision and which rule, escaped.
    pub(crate) fn explains(&self, code: &str, after: u64, revision: Option<&str>, name: &str) {
        let told = self.closed(code, after);
        assert!(!told.is_empty(), "I7: no record with {code}, but {:?}", self.codes(after));
        // An execution that failed is told each time that it ran, and a plan that is held once for each plan.
        let about = |record: &&&Value| format!("{} {} {}", record["sync"], record["plan"], record["revision"]);
        let abouts: BTreeSet<String> = told.iter().map(|record| about(&record)).collect();
        assert!(told.len() == abouts.len(), "I7: {} records with {code} of {abouts:?}", told.len());
        for record in &told {
            assert_eq!(record["application"], name, "I7: the application");
            assert!(filled(&record["actor"]["kind"]) && filled(&record["actor"]["subject"]), "I7: who: {record}");
            assert!(filled(&record["body"]["message"]), "I7: which rule: {record}");
            escaped(record);
        }
        let Some(revision) = revision else { return };
        // Where nothing could be fetched, the id is all that is known.
        let names = |record: &&Value| {
            let message = record["body"]["message"].as_str().unwrap_or_default();
            record["revision"] == revision || record["revision"].is_null() && message.contains(revision)
        };
        assert!(told.iter().any(names), "I7: no record is about {revision}: {told:?}");
    }
}

fn filled(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

/// Fails where any text in it could act on a terminal, or holds what nobody may see.
pub(crate) fn escaped(value: &Value) {
    match value {
        Value::String(text) => {
            let acts = |c: char| {
                c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
            };
            assert!(!text.contains(acts), "I7: not escaped: {text:?}");
            harmless(text);
        }
        Value::Array(items) => items.iter().for_each(escaped),
        Value::Object(fields) => fields.values().for_each(escaped),
        _ => (),
    }
}

/// Fails where text holds what an attacker wanted to read.
pub(crate) fn harmless(text: &str) {
    for secret in ["CANARY", "S3CRET", "root:x:0"] {
        assert!(!text.contains(secret), "it tells {secret}: {text:?}");
    }
}
