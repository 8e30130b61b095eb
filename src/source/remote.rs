//! What is asked of a server: where one ref is, and a pack of what is new.
//!
//! Protocol 2, and 0 where the server knows no better. gix stores and checks the objects; this conversation is our own,
//! because it names exactly one ref, believes nothing that was not asked for (no other refs, no bundle or pack URIs, no
//! alternates), and keeps time and bytes at every read.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Arc;

use gix::ObjectId;

use super::budget::Budget;
use super::connect::Connection;
use super::error::protocol;
use super::packet::{Packet, Packets, SideBand, put};
use super::{SourceError, SourceErrorKind, old};

pub(super) const AGENT: &str = concat!("agent=trueup/", env!("CARGO_PKG_VERSION"));

/// More capabilities than this no server has.
const CAPABILITIES: usize = 200;

/// A server that has greeted.
pub(super) struct Remote {
    pub(super) connection: Box<dyn Connection>,
    budget: Arc<Budget>,
    /// The refs of an old server, which tells them unasked: only those of interest are kept.
    told: Option<BTreeMap<String, ObjectId>>,
    /// An old server that told any ref at all.
    inhabited: bool,
    shallow: bool,
    /// For answers of old servers.
    capabilities: String,
}

/// What a pack is asked for.
#[derive(Debug, Default)]
pub(super) struct Wants {
    pub(super) ids: Vec<ObjectId>,
    pub(super) haves: Vec<ObjectId>,
    /// Commits whose parents are not at hand.
    pub(super) shallow: Vec<ObjectId>,
    pub(super) depth: Option<u32>,
}

/// How the boundary of the history at hand moves with a pack.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Boundary {
    pub(super) shallow: Vec<ObjectId>,
    pub(super) unshallow: Vec<ObjectId>,
}

impl Remote {
    /// Reads the greeting. Of an old server's refs, `names` are kept.
    pub(super) fn greet(
        mut connection: Box<dyn Connection>,
        budget: Arc<Budget>,
        names: &[String],
    ) -> Result<Self, SourceError> {
        let read = connection.greeting().and_then(|greeting| read_greeting(greeting, names));
        match read {
            Ok(greeting) => {
                let Greeting { told, inhabited, shallow, capabilities } = greeting;
                Ok(Self { connection, budget, told, inhabited, shallow, capabilities })
            }
            Err(error) => Err(connection.explain(error)),
        }
    }

    /// Returns where the refs `names` are, those that exist.
    pub(super) fn find(&mut self, names: &[String]) -> Result<BTreeMap<String, ObjectId>, SourceError> {
        let found = match &self.told {
            Some(told) => told.clone(),
            None => self.list(names)?.0,
        };
        Ok(found.into_iter().filter(|(name, _)| names.contains(name)).collect())
    }

    /// Tells whether the repository has any branch or tag.
    pub(super) fn is_inhabited(&mut self) -> Result<bool, SourceError> {
        if self.told.is_some() {
            return Ok(self.inhabited);
        }
        Ok(self.list(&["refs/heads/".into(), "refs/tags/".into()])?.1)
    }

    /// Lists refs by prefix. Only those named exactly as a prefix are kept, the others only noticed.
    fn list(&mut self, prefixes: &[String]) -> Result<(BTreeMap<String, ObjectId>, bool), SourceError> {
        let mut request = Vec::new();
        put(&mut request, "command=ls-refs");
        put(&mut request, AGENT);
        request.extend_from_slice(b"0001");
        for prefix in prefixes {
            put(&mut request, &format!("ref-prefix {prefix}"));
        }
        request.extend_from_slice(b"0000");
        let mut packets = Packets::new(self.connection.request(&request)?);
        let (mut found, mut any) = (BTreeMap::new(), false);
        while let Some(line) = packets.line()? {
            let (id, name) = split_ref(line)?;
            any = true;
            if let Some(name) = prefixes.iter().find(|prefix| prefix.as_bytes() == name) {
                found.insert(name.clone(), id);
            }
        }
        Ok((found, any))
    }

    /// Asks for a pack. `take` gets the bytes of the pack, all of it read when it returns.
    pub(super) fn fetch<T>(
        &mut self,
        wants: &Wants,
        take: impl FnOnce(&mut dyn Read) -> Result<T, SourceError>,
    ) -> Result<(T, Boundary), SourceError> {
        let is_old = self.is_old();
        if !self.shallow && (wants.depth.is_some() || !wants.shallow.is_empty()) {
            return Err(protocol("the server cannot send a part of the history (no `shallow`)"));
        }
        let request = if is_old { old::request(wants, &self.capabilities) } else { new_request(wants) };
        let mut packets = Packets::new(self.connection.request(&request)?);
        let boundary = if is_old { old::head(&mut packets, wants)? } else { new_head(&mut packets)? };
        let mut pack = SideBand::new(packets, Arc::clone(&self.budget));
        let taken = take(&mut pack).map_err(|error| self.budget.refusal().unwrap_or(error))?;
        Ok((taken, boundary))
    }

    /// Tells whether it speaks only the old protocol: one question, and only refs can be asked for.
    pub(super) fn is_old(&self) -> bool {
        self.told.is_some()
    }
}

pub(super) struct Greeting {
    pub(super) told: Option<BTreeMap<String, ObjectId>>,
    pub(super) inhabited: bool,
    pub(super) shallow: bool,
    pub(super) capabilities: String,
}

fn read_greeting(greeting: Box<dyn Read + '_>, names: &[String]) -> Result<Greeting, SourceError> {
    let mut packets = Packets::new(greeting);
    let mut first = packets.line()?.map(<[u8]>::to_vec);
    if first.as_deref().is_some_and(|line| line.starts_with(b"# service=")) {
        while packets.line()?.is_some() {}
        first = packets.line()?.map(<[u8]>::to_vec);
    }
    match first.as_deref() {
        Some(b"version 2") => new_greeting(&mut packets),
        Some(b"version 1") => {
            let first = packets.line()?.map(<[u8]>::to_vec);
            old::greeting(&mut packets, first, names)
        }
        _ => old::greeting(&mut packets, first, names),
    }
}

fn new_greeting<R: Read>(packets: &mut Packets<R>) -> Result<Greeting, SourceError> {
    let (mut shallow, mut fetch) = (false, false);
    let mut count = 0;
    while let Some(line) = packets.line()? {
        count += 1;
        if count > CAPABILITIES {
            return Err(protocol("the server lists too many capabilities"));
        }
        let line = String::from_utf8_lossy(line);
        match line.split_once('=').unwrap_or((&line, "")) {
            ("fetch", features) => (fetch, shallow) = (true, features.split(' ').any(|feature| feature == "shallow")),
            ("object-format", format) => check_format(format)?,
            _ => {}
        }
    }
    if !fetch {
        return Err(protocol("the server does not offer fetch"));
    }
    Ok(Greeting { told: None, inhabited: false, shallow, capabilities: String::new() })
}

pub(super) fn check_format(format: &str) -> Result<(), SourceError> {
    if format == "sha1" { Ok(()) } else { Err(protocol("the repository has SHA-256 ids, which are not supported yet")) }
}

/// Splits `<id> <name>`; what a server adds after the name is not of interest.
pub(super) fn split_ref(line: &[u8]) -> Result<(ObjectId, &[u8]), SourceError> {
    let odd = || protocol("the server lists a ref that is none");
    let (id, rest) = line.split_at_checked(40).ok_or_else(odd)?;
    let id = ObjectId::from_hex(id).map_err(|_| odd())?;
    let rest = rest.strip_prefix(b" ").ok_or_else(odd)?;
    Ok((id, rest.split(|c| *c == b' ').next().unwrap_or_default()))
}

pub(super) fn arguments(request: &mut Vec<u8>, wants: &Wants) {
    for id in &wants.shallow {
        put(request, &format!("shallow {id}"));
    }
    if let Some(depth) = wants.depth {
        put(request, &format!("deepen {depth}"));
    }
}

fn new_request(wants: &Wants) -> Vec<u8> {
    let mut request = Vec::new();
    put(&mut request, "command=fetch");
    put(&mut request, AGENT);
    request.extend_from_slice(b"0001");
    put(&mut request, "ofs-delta");
    put(&mut request, "no-progress");
    for id in &wants.ids {
        put(&mut request, &format!("want {id}"));
    }
    arguments(&mut request, wants);
    for id in &wants.haves {
        put(&mut request, &format!("have {id}"));
    }
    put(&mut request, "done");
    request.extend_from_slice(b"0000");
    request
}

fn new_head<R: Read>(packets: &mut Packets<R>) -> Result<Boundary, SourceError> {
    let mut boundary = Boundary::default();
    loop {
        let headline = packets.line()?.map(<[u8]>::to_vec);
        match headline.as_deref() {
            Some(b"packfile") => return Ok(boundary),
            // Only the boundary is believed; wanted-refs, pack URIs and whatever else are passed over.
            Some(section) => {
                let ours = section == b"shallow-info";
                while let Packet::Data(line) = packets.next()? {
                    if ours {
                        note_boundary(&mut boundary, line)?;
                    }
                }
            }
            None => return Err(protocol("the server sent no pack")),
        }
    }
}

pub(super) fn note_boundary(boundary: &mut Boundary, line: &[u8]) -> Result<bool, SourceError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (list, id) = match (line.strip_prefix(b"shallow "), line.strip_prefix(b"unshallow ")) {
        (Some(id), _) => (&mut boundary.shallow, id),
        (_, Some(id)) => (&mut boundary.unshallow, id),
        _ => return Ok(false),
    };
    list.push(ObjectId::from_hex(id).map_err(|_| protocol("the server names a boundary that is none"))?);
    Ok(true)
}

/// Returns that a ref is not there, or that nothing is.
pub(super) fn absent(remote: &mut Remote, reference: &str) -> SourceError {
    match remote.is_inhabited() {
        Ok(true) => {
            let message = format!("the repository has no {reference} (any more)");
            SourceError::new(SourceErrorKind::RefMissing, message)
        }
        Ok(false) => SourceError::new(SourceErrorKind::Unborn, "the repository has no commit yet: push one"),
        Err(error) => error,
    }
}
