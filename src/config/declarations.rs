//! Documents that come from Git: what is kept true, under which rules, and who people are. Never what decides trust.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use super::envelope::{IN_GIT, KINDS};
use super::gather::{Gathered, Typed, Written};
use super::load::{in_order, mistake, written};
use super::{Application, BreakGlassRequest, Config, Person, Policy, check};
use crate::model::{Mistake, Name, Place};

/// No folder declares more: whoever feeds a generator must not be able to fill this machine.
const MOST: usize = 2000;

/// What a repository declares: documents without mistakes, whose references resolve on this machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declarations {
    pub applications: BTreeMap<Name, Declaration<Application>>,
    pub policies: BTreeMap<Name, Declaration<Policy>>,
    pub people: BTreeMap<Name, Declaration<Person>>,
    pub requests: BTreeMap<Name, Declaration<BreakGlassRequest>>,
}

/// One document of a repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Declaration<T> {
    /// Where the document begins.
    pub place: Place,
    pub labels: BTreeMap<String, String>,
    pub spec: T,
    /// Labels and spec with every field written out, in one order: the same for documents that say the same.
    pub value: serde_json::Value,
}

/// Reads the documents of files that lie in Git, each with its path there. Applications, policies and people may be
/// declared, and break-glass may be asked for; they refer to repositories and targets of `machine`, reach no further than it
/// allows, and bear no name that it has given to one of their kind.
///
/// # Errors
/// With every mistake of every file, in the order of the files and their lines, as for files of the machine.
pub fn parse_declarations(files: &[(String, Vec<u8>)], machine: &Config) -> Result<Declarations, Vec<Mistake>> {
    let (mut all, mut mistakes) = (vec![], vec![]);
    for (path, text) in files {
        match written(&Arc::from(path.as_str()), Path::new("/"), text) {
            Ok(documents) => all.extend(documents),
            Err(found) => mistakes.extend(found),
        }
    }
    if let Some(first) = all.get(MOST) {
        let message = format!("expected at most {MOST} documents, found {}", all.len());
        let hint = "declare what is alike with one application of several paths".to_owned();
        return Err(vec![mistake("declarations.too-many", first.place(""), message, Some(hint))]);
    }
    let whole = mistakes.is_empty();
    all.retain(|document| is_for_git(document, &mut mistakes));
    let gathered = Gathered::from(&all, &mut mistakes);
    check::check_in_git(&gathered, machine, whole, &mut mistakes);
    in_order(&mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let Gathered { applications, policies, people, requests, .. } = gathered;
    let (applications, policies) = (kept(applications), kept(policies));
    Ok(Declarations { applications, policies, people: kept(people), requests: kept(requests) })
}

/// Whether a document may stand in Git; a mistake where it is one of the machine.
fn is_for_git(document: &Written, mistakes: &mut Vec<Mistake>) -> bool {
    let trust = document.kind().filter(|kind| KINDS.contains(kind) && !IN_GIT.contains(kind));
    if let Some(kind) = trust {
        let message = format!("a {kind} is declared on the machine, not in Git: it decides what is trusted");
        let hint = format!("in Git are declared: {}", IN_GIT.join(", "));
        mistakes.push(mistake("config.trust", document.place("/kind"), message, Some(hint)));
    }
    trust.is_none()
}

fn kept<T: Serialize>(documents: Vec<Typed<'_, T>>) -> BTreeMap<Name, Declaration<T>> {
    let kept = |Typed { written, metadata, spec, .. }: Typed<'_, T>| {
        let value = json!({ "labels": metadata.labels, "spec": spec });
        (metadata.name, Declaration { place: written.place(""), labels: metadata.labels, spec, value })
    };
    documents.into_iter().map(kept).collect()
}
