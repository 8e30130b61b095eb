use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::config::SourceLimits;
use crate::model::{Digest, Place};
use crate::source::{Entry, EntryKind};

use super::contents::Blob;
use super::escape::escape;
use super::{Keys, RenderError, Request, sops};

const MIB: u64 = 1024 * 1024;
/// As Linux has it: what a link may say at most.
const LONGEST_LINK: u64 = 4095;
/// As Linux has it (`MAXSYMLINKS`).
const MOST_HOPS: usize = 40;
/// What following links may cost in one render: a segment is one, reading a link a hundred.
const MOST_STEPS: u64 = 5_000_000;
const STEPS_PER_LINK: u64 = 100;

/// Every file and link of the application's layers, by its path in the repository.
pub(super) struct Files<'a> {
    request: &'a Request<'a>,
    layers: Vec<String>,
    entries: BTreeMap<String, Entry>,
    steps: Cell<u64>,
}

/// Where a path leads once its links are followed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leads<'a> {
    ToFile(&'a Entry),
    ToFolder,
    Nowhere,
    /// To a place in the repository that is none of the application's paths, so that its ids do not cover it.
    Elsewhere,
    /// Out of the repository.
    Out,
    /// From link to link, more than forty times.
    Round,
}

impl<'a> Files<'a> {
    /// Lists every layer.
    pub(super) fn list(request: &'a Request<'a>) -> Result<Self, RenderError> {
        let layers: Vec<_> = request.layers.iter().map(|layer| normal(layer).to_owned()).collect();
        let mut missing = Vec::new();
        for layer in &layers {
            if request.tree.id_of(layer).map_err(RenderError::Source)?.is_none() {
                missing.push(escape(layer));
            }
        }
        if !missing.is_empty() {
            return Err(RenderError::PathMissing { paths: missing });
        }
        let mut files = Self { request, layers, entries: BTreeMap::new(), steps: Cell::default() };
        for layer in files.layers.clone() {
            let entries = request.tree.list(&layer).map_err(RenderError::Source)?;
            // Git keeps no empty folders: what has an id and nothing in it is a file or a link where a folder was.
            if entries.is_empty() && !layer.is_empty() {
                missing.push(escape(&layer));
            }
            for entry in entries {
                files.entries.insert(join(&layer, &entry.path), entry);
            }
            within(&files.entries, request.limits)?;
        }
        if missing.is_empty() { Ok(files) } else { Err(RenderError::PathMissing { paths: missing }) }
    }

    /// Returns what becomes of encrypted files.
    pub(super) fn keys(&self) -> Keys<'a> {
        self.request.keys
    }

    pub(super) fn layers(&self) -> &[String] {
        &self.layers
    }

    /// Returns what lies in a layer, by path relative to it.
    pub(super) fn of_layer<'b>(&'b self, layer: &'b str) -> impl Iterator<Item = (&'b str, &'b Entry)> {
        self.entries.iter().filter_map(move |(path, entry)| Some((below(layer, path)?, entry)))
    }

    /// Follows a path through the links of the tree, never out of it.
    pub(super) fn follow(&self, path: &str) -> Result<Leads<'_>, RenderError> {
        let mut ahead: Vec<String> = path.rsplit('/').map(Into::into).collect();
        let mut here = String::new();
        let mut hops = 0;
        while let Some(segment) = ahead.pop() {
            self.spend(1)?;
            match segment.as_str() {
                "" | "." => {}
                ".." => match here.rsplit_once('/') {
                    Some((parent, _)) => here.truncate(parent.len()),
                    None if here.is_empty() => return Ok(Leads::Out),
                    None => here.clear(),
                },
                name => {
                    let next = join(&here, name);
                    match self.entries.get(&next) {
                        Some(entry) if entry.kind == EntryKind::Symlink => {
                            hops += 1;
                            self.spend(STEPS_PER_LINK)?;
                            let Some(to) = self.link(entry)? else { return Ok(Leads::Nowhere) };
                            if to.starts_with('/') {
                                return Ok(Leads::Out);
                            }
                            if hops > MOST_HOPS {
                                return Ok(Leads::Round);
                            }
                            ahead.extend(to.rsplit('/').map(Into::into));
                        }
                        // A file is no folder to go on through, not even with `..`.
                        Some(_) if !ahead.is_empty() => return Ok(Leads::Nowhere),
                        _ => here = next,
                    }
                }
            }
        }
        Ok(self.at(&here))
    }

    /// A few links that each lead through all the others must not hold up every other application.
    fn spend(&self, steps: u64) -> Result<(), RenderError> {
        self.steps.set(self.steps.get().saturating_add(steps));
        if self.steps.get() <= MOST_STEPS {
            return Ok(());
        }
        let what = "the number of steps through links".into();
        Err(RenderError::TooLarge { what, size: self.steps.get(), limit: MOST_STEPS })
    }

    fn at(&self, path: &str) -> Leads<'_> {
        if let Some(entry) = self.entries.get(path) {
            return Leads::ToFile(entry);
        }
        let covered = self.layers.iter().any(|layer| layer == path || below(layer, path).is_some());
        let inside = format!("{path}/");
        let folder =
            path.is_empty() || self.entries.range(inside.clone()..).next().is_some_and(|(p, _)| p.starts_with(&inside));
        match (covered, folder) {
            (false, _) => Leads::Elsewhere,
            (true, true) => Leads::ToFolder,
            (true, false) => Leads::Nowhere,
        }
    }

    /// Returns where a link points as written; `None` where no path on a host could say that.
    pub(super) fn link(&self, entry: &Entry) -> Result<Option<String>, RenderError> {
        if entry.size > LONGEST_LINK {
            return Ok(None);
        }
        let bytes = self.request.tree.read(entry).map_err(RenderError::Source)?;
        let usable = |text: &String| {
            !text.is_empty() && text.len() as u64 <= LONGEST_LINK && !text.chars().any(char::is_control)
        };
        Ok(String::from_utf8(bytes).ok().filter(usable))
    }

    /// Reads a whole file.
    pub(super) fn read(&self, entry: &Entry) -> Result<Vec<u8>, RenderError> {
        self.request.tree.read(entry).map_err(RenderError::Source)
    }

    /// Returns the digest of a file, reading it only where no earlier render did.
    pub(super) fn blob(&self, entry: &Entry) -> Result<Blob, RenderError> {
        if let Some(blob) = self.request.cache.get(&entry.id) {
            return Ok(blob);
        }
        let bytes = self.read(entry)?;
        let sealed = sops::looks_sealed(&bytes);
        let blob = Blob { digest: Digest::of(&bytes), size: bytes.len() as u64, sealed };
        self.request.cache.put(&entry.id, blob);
        Ok(blob)
    }
}

/// Holds what was listed against the limits, before anything of it is read.
fn within(entries: &BTreeMap<String, Entry>, limits: &SourceLimits) -> Result<(), RenderError> {
    let over = |what: String, size: u64, limit: u64| {
        if size > limit { Err(RenderError::TooLarge { what, size, limit }) } else { Ok(()) }
    };
    let mut folders = BTreeSet::new();
    let mut total = 0_u64;
    for (path, entry) in entries {
        let name = escape(path);
        over(format!("the number of bytes of {name}"), entry.size, limits.file_mib.saturating_mul(MIB))?;
        total = total.saturating_add(entry.size);
        folders.extend(path.rsplit_once('/').map(|(folder, _)| folder));
    }
    over("the number of bytes of the application".into(), total, limits.application_mib.saturating_mul(MIB))?;
    let count = entries.len().saturating_add(folders.len());
    over("the number of files and folders".into(), count as u64, limits.files as u64)
}

/// Returns a layer as the tree names it: without `./` in front or `/` behind, empty for the whole tree.
pub(super) fn normal(layer: &str) -> &str {
    let layer = layer.trim_end_matches('/');
    let layer = layer.strip_prefix("./").unwrap_or(layer);
    if layer == "." { "" } else { layer }
}

/// Returns the path of `name` in a folder; an empty folder is the top.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Returns a path relative to a folder that holds it.
pub(super) fn below<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    if folder.is_empty() {
        return Some(path);
    }
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// Returns the place of a whole file.
pub(super) fn whole(path: &str) -> Place {
    Place { file: path.into(), line: 0, column: 0 }
}
