//! What is in force: what the machine's files declare, and what was last accepted from Git.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Config, Declared, Metadata, Policy, parse_declarations};
use crate::model::{Mistake, Name, Place};

/// A document of Git as it was accepted: in its one form, whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    pub document: Value,
    /// Where it lay then.
    pub place: Place,
}

/// What the machine declares and what was accepted from Git, together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective {
    /// All of it, with the application that keeps the declarations themselves.
    pub config: Config,
    /// Applications that Git declares.
    pub from_git: BTreeSet<Name>,
    /// What of Git does not fit what the machine declares now.
    pub left_out: Vec<Mistake>,
}

impl Config {
    /// Returns what is in force by these files of the machine and what was accepted from Git before. A document that no longer
    /// fits is left out by itself, and told; but for a policy, which then binds as far as it can be read, and holds everything where it
    /// cannot: a rule does not go because something that it names did.
    #[must_use]
    pub fn with_git(self, accepted: &[Accepted]) -> Effective {
        let mut effective = Effective { config: self, ..Effective::default() };
        let Some(from_git) = effective.config.daemon.declarations.clone() else { return effective };
        let mut kept: BTreeMap<usize, &Accepted> = accepted.iter().enumerate().collect();
        loop {
            // JSON is YAML. Each is a file of its own, so that each mistake is that of one.
            let text = |one: &Accepted| one.document.to_string().into_bytes();
            let files: Vec<_> = kept.iter().map(|(number, one)| (number.to_string(), text(one))).collect();
            let mistakes = match parse_declarations(&files, &effective.config) {
                Ok(declarations) => {
                    effective.add(declarations);
                    break;
                }
                Err(mistakes) => mistakes,
            };
            let before = kept.len();
            for mistake in mistakes {
                let number = mistake.place.file.parse().unwrap_or(usize::MAX);
                let Some(one) = accepted.get(number) else { continue };
                if kept.remove(&number).is_some() {
                    effective.held_together(one, &mistake);
                }
                effective.left_out.push(Mistake { place: one.place.clone(), ..mistake });
            }
            // A mistake of no document, or there is no end.
            if kept.len() == before {
                break;
            }
        }
        effective.config.applications.insert(Name::declarations(), from_git.application());
        effective
    }
}

impl Effective {
    fn add(&mut self, declarations: super::Declarations) {
        let super::Declarations { applications, policies, people, requests } = declarations;
        self.from_git.extend(applications.keys().cloned());
        let Config { applications: all, policies: rules, people: everybody, requests: asked, .. } = &mut self.config;
        all.extend(applications.into_iter().map(|(name, one)| (name, Declared { labels: one.labels, spec: one.spec })));
        rules.extend(policies.into_iter().map(|(name, one)| (name, Declared { labels: one.labels, spec: one.spec })));
        everybody.extend(people.into_iter().map(|(name, one)| (name, one.spec)));
        asked.extend(requests.into_iter().map(|(name, one)| (name, one.spec)));
    }

    /// Keeps a policy in force in which there is a mistake.
    fn held_together(&mut self, accepted: &Accepted, mistake: &Mistake) {
        let document = &accepted.document;
        if document["kind"] != "Policy" {
            return;
        }
        let Some(Metadata { name, labels }) = part(&document["metadata"]) else { return };
        let known = matches!(mistake.code.as_str(), "config.reference" | "config.group" | "config.approve");
        let spec = part::<Policy>(&document["spec"]).filter(|_| known).or_else(|| closed(document, mistake));
        // One that the machine declares itself under this name takes its place.
        if let Some(spec) = spec {
            self.config.policies.entry(name).or_insert(Declared { labels, spec });
        }
    }
}

/// Returns a policy that holds whatever the document would bind, as far as that can be read: an expression that is none has no
/// answer.
fn closed(document: &Value, mistake: &Mistake) -> Option<Policy> {
    let mut spec = json!({ "deny": { "when": "", "message": format!("it cannot be read: {}", mistake.message) } });
    for field in ["match", "override", "overridePeople"] {
        let Some(value) = document["spec"].get(field) else { continue };
        let mut more = spec.clone();
        more[field] = value.clone();
        if part::<Policy>(&more).is_some() {
            spec = more;
        }
    }
    part(&spec)
}

fn part<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}
