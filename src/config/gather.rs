//! Nodes → typed documents that still know where they are written.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::envelope::{
    ApplicationKind, Bare, BreakGlassKind, DaemonKind, Document, HostAccessKind, KINDS, NotificationKind, PersonKind,
    PolicyKind, RepositoryKind, RoleKind, TargetKind,
};
use super::load::mistake;
use super::{
    Application, BreakGlassRequest, Config, Daemon, Declared, HostAccess, Metadata, Notification, Person, Policy,
    Repository, RepositoryRevert, RoleGiven, Target,
};
use crate::model::{Mistake, Name, Place};
use crate::yaml::{self, Key, Node, Value, nearest, quoted};

/// A document as it stands in a file.
pub(super) struct Written {
    pub file: Arc<str>,
    /// The absolute folder of the file.
    pub folder: Arc<Path>,
    pub node: Node,
}

impl Written {
    /// Returns where the value at a JSON pointer stands, or the nearest value around it that is there.
    pub(super) fn place(&self, mut pointer: &str) -> Place {
        loop {
            match (self.node.at(pointer), pointer.rsplit_once('/')) {
                (Some(node), _) => return node.place(&self.file),
                (None, Some((outer, _))) => pointer = outer,
                (None, None) => return self.node.place(&self.file),
            }
        }
    }

    pub(super) fn kind(&self) -> Option<&str> {
        self.node.get("kind").and_then(Node::as_str)
    }

    /// Returns the name, also of a document that is wrong elsewhere.
    pub(super) fn name(&self) -> Option<&str> {
        self.node.at("/metadata/name").and_then(Node::as_str)
    }
}

/// A document that fits its schema, at least in part.
pub(super) struct Typed<'w, T> {
    pub written: &'w Written,
    /// What did not fit was left out: what is missing here may well be written.
    pub partial: bool,
    pub metadata: Metadata,
    pub spec: T,
}

/// All documents of all files.
pub(super) struct Gathered<'w> {
    pub daemons: Vec<Typed<'w, Daemon>>,
    pub repositories: Vec<Typed<'w, Repository>>,
    pub targets: Vec<Typed<'w, Target>>,
    pub applications: Vec<Typed<'w, Application>>,
    pub notifications: Vec<Typed<'w, Notification>>,
    pub accesses: Vec<Typed<'w, HostAccess>>,
    pub policies: Vec<Typed<'w, Policy>>,
    pub people: Vec<Typed<'w, Person>>,
    pub roles: Vec<Typed<'w, RoleGiven>>,
    pub requests: Vec<Typed<'w, BreakGlassRequest>>,
    /// Every document, those that do not fit their schema included.
    pub all: &'w [Written],
}

impl<'w> Gathered<'w> {
    pub(super) fn from(all: &'w [Written], mistakes: &mut Vec<Mistake>) -> Self {
        let mut gathered = Self {
            daemons: vec![],
            repositories: vec![],
            targets: vec![],
            applications: vec![],
            notifications: vec![],
            accesses: vec![],
            policies: vec![],
            people: vec![],
            roles: vec![],
            requests: vec![],
            all,
        };
        for written in all {
            match written.kind() {
                Some("Daemon") => gathered.daemons.extend(typed::<DaemonKind, _>(written, mistakes)),
                Some("Repository") => gathered.repositories.extend(typed::<RepositoryKind, _>(written, mistakes)),
                Some("Target") => gathered.targets.extend(typed::<TargetKind, _>(written, mistakes)),
                Some("Application") => gathered.applications.extend(typed::<ApplicationKind, _>(written, mistakes)),
                Some("Notification") => gathered.notifications.extend(typed::<NotificationKind, _>(written, mistakes)),
                Some("HostAccess") => gathered.accesses.extend(typed::<HostAccessKind, _>(written, mistakes)),
                Some("Policy") => gathered.policies.extend(typed::<PolicyKind, _>(written, mistakes)),
                Some("Person") => gathered.people.extend(typed::<PersonKind, _>(written, mistakes)),
                Some("Role") => gathered.roles.extend(typed::<RoleKind, _>(written, mistakes)),
                Some("BreakGlass") => gathered.requests.extend(typed::<BreakGlassKind, _>(written, mistakes)),
                other => unknown(written, other, mistakes),
            }
        }
        gathered
    }

    /// Returns the names that documents of `kind` have, in the order written.
    pub(super) fn names(&self, kind: &str) -> Vec<(&'w str, &'w Written)> {
        let of_kind = self.all.iter().filter(|written| written.kind() == Some(kind));
        of_kind.filter_map(|written| Some((written.name()?, written))).collect()
    }

    pub(super) fn documents(&self, kind: &str) -> Vec<&'w Written> {
        self.all.iter().filter(|written| written.kind() == Some(kind)).collect()
    }

    /// Returns the documents of a kind that nobody knows: each may have been meant as any of them, and that is told already.
    pub(super) fn unknown(&self) -> impl Iterator<Item = &'w Written> {
        self.all.iter().filter(|written| written.kind().is_none_or(|kind| !KINDS.contains(&kind)))
    }

    pub(super) fn names_repository(&self) -> bool {
        // The file of a root half holds nothing else.
        let of_root_half = !self.all.is_empty() && self.documents("HostAccess").len() == self.all.len();
        !self.documents("Repository").is_empty() || self.unknown().next().is_some() || of_root_half
    }

    /// Whether nothing but the daemon itself is declared, with its rules and people: it then waits for more. An empty file is a
    /// mistake all the same, as is one with applications that nothing could feed.
    pub(super) fn is_daemon_alone(&self) -> bool {
        let waits = |written: &Written| matches!(written.kind(), Some("Daemon" | "Policy" | "Person" | "Role"));
        !self.documents("Daemon").is_empty() && self.all.iter().all(waits)
    }

    /// Whether applications, policies and people may come from Git, so that not all of them are known here.
    pub(super) fn declares_in_git(&self) -> bool {
        self.daemons.iter().any(|typed| typed.spec.declarations.is_some())
    }

    /// Returns the configuration; asked for only when there was no mistake.
    pub(super) fn into_config(self) -> Config {
        let absolute = |mut typed: Typed<'w, Repository>| {
            let Repository { credentials, secrets, tls, ssh, verify, webhook, revert, forge, .. } = &mut typed.spec;
            let named = credentials.iter_mut().filter_map(|credentials| credentials.file.as_mut());
            let named = named.chain(secrets.age.iter_mut().filter_map(|identity| identity.file.as_mut()));
            let signers = verify.iter_mut().flat_map(|verify| {
                let ssh = verify.ssh.iter_mut().map(|ssh| &mut ssh.allowed_signers);
                ssh.chain(verify.openpgp.iter_mut().map(|openpgp| &mut openpgp.keys))
            });
            let webhook = webhook.iter_mut().filter_map(|webhook| webhook.secret.file.as_mut());
            let revert = revert.iter_mut().flat_map(RepositoryRevert::files_mut);
            let forge = forge.iter_mut().filter_map(|forge| forge.token.file.as_mut());
            let known = tls.ca.iter_mut().chain(&mut ssh.known_hosts);
            let hosts = named.chain(known).chain(signers).chain(webhook);
            for path in hosts.chain(revert).chain(forge) {
                *path = normal(&typed.written.folder.join(&*path));
            }
            (typed.metadata.name, typed.spec)
        };
        let sink = |mut typed: Typed<'w, Notification>| {
            for path in typed.spec.files_mut() {
                *path = normal(&typed.written.folder.join(&*path));
            }
            (typed.metadata.name, typed.spec)
        };
        let daemon = |mut typed: Typed<'w, Daemon>| {
            for path in typed.spec.files_mut() {
                *path = normal(&typed.written.folder.join(&*path));
            }
            typed.spec
        };
        Config {
            name: self.daemons.first().map(|typed| typed.metadata.name.clone()),
            daemon: self.daemons.into_iter().next().map(daemon).unwrap_or_default(),
            repositories: self.repositories.into_iter().map(absolute).collect(),
            targets: self.targets.into_iter().map(|typed| (typed.metadata.name, typed.spec)).collect(),
            applications: labelled(self.applications),
            notifications: self.notifications.into_iter().map(sink).collect(),
            policies: labelled(self.policies),
            people: self.people.into_iter().map(|typed| (typed.metadata.name, typed.spec)).collect(),
            roles: self.roles.into_iter().map(|typed| (typed.metadata.name, typed.spec)).collect(),
            requests: BTreeMap::new(),
            access: self.accesses.into_iter().next().map(|typed| typed.spec),
        }
    }
}

fn labelled<T>(documents: Vec<Typed<'_, T>>) -> BTreeMap<Name, Declared<T>> {
    let declared =
        |typed: Typed<'_, T>| (typed.metadata.name, Declared { labels: typed.metadata.labels, spec: typed.spec });
    documents.into_iter().map(declared).collect()
}

/// Drops `.` segments; `..` stays, since what it means depends on links.
pub(super) fn normal(path: &Path) -> PathBuf {
    path.components().collect()
}

fn typed<'w, K, T>(written: &'w Written, mistakes: &mut Vec<Mistake>) -> Option<Typed<'w, T>>
where
    Document<K, T>: DeserializeOwned + JsonSchema,
{
    let found = match yaml::decode::<Document<K, T>>(&written.file, &written.node) {
        Ok(Document { metadata, spec, .. }) => return Some(Typed { written, partial: false, metadata, spec }),
        Err(found) => found,
    };
    // What remains without the wrong parts is judged too, so that one look shows as much as can be known.
    let rest = pruned(&written.node, &wrong(&found)).map(named);
    mistakes.extend(found);
    let Document { metadata, spec, .. } = yaml::decode::<Document<K, T>>(&written.file, &rest?).ok()?;
    Some(Typed { written, partial: true, metadata, spec })
}

/// Where a part of a document is wrong: line, column, and whether it is the key.
type Wrong = HashSet<(u32, u32, bool)>;

fn wrong(mistakes: &[Mistake]) -> Wrong {
    let part = |mistake: &Mistake| (mistake.place.line, mistake.place.column, mistake.code == "schema.unknown-field");
    mistakes.iter().map(part).collect()
}

/// Returns the node without the fields in which there is a mistake. A list with a wrong item goes whole, so that the places
/// of its items stay right.
fn pruned(node: &Node, wrong: &Wrong) -> Option<Node> {
    if wrong.contains(&(node.line, node.column, false)) {
        return None;
    }
    let value = match &node.value {
        Value::Sequence(items) => Value::Sequence(items.iter().map(|item| pruned(item, wrong)).collect::<Option<_>>()?),
        Value::Mapping(entries) => {
            let known = entries.iter().filter(|(key, _)| !wrong.contains(&(key.line, key.column, true)));
            Value::Mapping(known.filter_map(|(key, node)| Some((key.clone(), pruned(node, wrong)?))).collect())
        }
        scalar => scalar.clone(),
    };
    Some(Node { value, line: node.line, column: node.column })
}

/// Names a document whose own name was wrong, so that the rest of it can be judged. Nobody sees this name.
fn named(mut node: Node) -> Node {
    let (line, column) = (node.line, node.column);
    let text = |text: &str| Node { value: Value::String(text.to_owned()), line, column };
    if let Value::Mapping(entries) = &mut node.value {
        let metadata = entries.iter_mut().find(|(key, _)| key.text == "metadata");
        if let Some((_, Node { value: Value::Mapping(fields), .. })) = metadata
            && !fields.iter().any(|(key, _)| key.text == "name")
        {
            fields.push((Key { text: "name".into(), line, column }, text("unnamed")));
        }
    }
    node
}

fn unknown(written: &Written, kind: Option<&str>, mistakes: &mut Vec<Mistake>) {
    mistakes.extend(yaml::decode::<Bare>(&written.file, &written.node).err().unwrap_or_default());
    let Some(kind) = kind else { return };
    let hint = match nearest(kind, KINDS.iter().copied()) {
        Some(meant) => format!("did you mean {}?", quoted(meant)),
        None => format!("expected one of {}", KINDS.join(", ")),
    };
    let message = format!("the kind {} is not known", quoted(kind));
    mistakes.push(mistake("config.kind", written.place("/kind"), message, Some(hint)));
}
