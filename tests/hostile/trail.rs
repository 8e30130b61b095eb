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
        self.records.iter().filter_map(|record| record["sequence"].as_u64()).max().unwrap_or_default()
    }

    /// Returns how often a refusal with this code was told since `after`.
    pub(crate) fn closed(&self, code: &str, after: u64) -> Vec<&Value> {
        let ours = |record: &&Value| {
            record["kind"] == "closed" && record["body"]["code"] == code && record["sequence"].as_u64() > Some(after)
        };
        self.records.iter().filter(ours).collect()
    }

    /// Returns every code that was told since `after`.
    pub(crate) fn codes(&self, after: u64) -> Vec<&str> {
        let new = |record: &&Value| record["kind"] == "closed" && record["sequence"].as_u64() > Some(after);
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
        // An execution that failed is told each time that it ran, a refusal once.
        let syncs: BTreeSet<String> = told.iter().map(|record| record["sync"].to_string()).collect();
        assert!(!told.is_empty(), "I7: no record with {code}, but {:?}", self.codes(after));
        assert!(told.len() == syncs.len(), "I7: {} records with {code} of {} syncs", told.len(), syncs.len());
        for record in told {
            assert_eq!(record["application"], name, "I7: the application");
            assert!(filled(&record["actor"]["kind"]) && filled(&record["actor"]["subject"]), "I7: who: {record}");
            assert!(filled(&record["body"]["message"]), "I7: which rule: {record}");
            if let Some(revision) = revision {
                assert_eq!(record["revision"], revision, "I7: the revision of {record}");
            }
            escaped(record);
        }
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
