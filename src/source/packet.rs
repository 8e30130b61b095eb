//! The packet lines of the git protocol.

use std::io::{self, Read};
use std::sync::Arc;

use super::budget::Budget;
use super::error::{harmless, protocol};
use super::{SourceError, SourceErrorKind};

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet<'a> {
    Data(&'a [u8]),
    Flush,
    Delimiter,
    End,
}

/// Reads packets. At most one (65,516 bytes) is in memory.
pub(super) struct Packets<R> {
    inner: R,
    line: Vec<u8>,
}

impl<R: Read> Packets<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, line: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Packet<'_>, SourceError> {
        let mut head = [0; 4];
        self.inner.read_exact(&mut head)?;
        let digits = std::str::from_utf8(&head).ok().filter(|text| text.bytes().all(|c| c.is_ascii_hexdigit()));
        let length = digits.and_then(|text| usize::from_str_radix(text, 16).ok());
        match length {
            Some(0) => Ok(Packet::Flush),
            Some(1) => Ok(Packet::Delimiter),
            Some(2) => Ok(Packet::End),
            Some(length @ 4..=65_520) => {
                self.line.resize(length - 4, 0);
                self.inner.read_exact(&mut self.line)?;
                match self.line.strip_prefix(b"ERR ") {
                    Some(text) => Err(refused(text)),
                    None => Ok(Packet::Data(&self.line)),
                }
            }
            _ => Err(protocol(format!("the server does not speak the git protocol: it said {:?}", harmless(&head)))),
        }
    }

    /// Returns the next line without its line break, or `None` at a flush.
    pub(super) fn line(&mut self) -> Result<Option<&[u8]>, SourceError> {
        match self.next()? {
            Packet::Data(line) => Ok(Some(line.strip_suffix(b"\n").unwrap_or(line))),
            Packet::Flush => Ok(None),
            Packet::Delimiter | Packet::End => Err(protocol("the server sent a delimiter where a line was due")),
        }
    }
}

/// Tells what a server means with an error line.
fn refused(text: &[u8]) -> SourceError {
    let text = harmless(text);
    let kind = if text.contains("not our ref") || text.contains("unadvertised object") {
        SourceErrorKind::RevisionMissing
    } else if ["not found", "no such", "does not exist", "not exported", "access denied"]
        .iter()
        .any(|words| text.to_lowercase().contains(words))
    {
        SourceErrorKind::NotFound
    } else {
        SourceErrorKind::Protocol
    };
    SourceError::new(kind, format!("the server said: {text}"))
}

/// Writes a line as a packet.
pub(super) fn put(request: &mut Vec<u8>, line: &str) {
    request.extend_from_slice(format!("{:04x}{line}\n", line.len() + 5).as_bytes());
}

/// Reads the pack out of a side-band: channel 1 is the pack, 2 is talk, 3 is an error.
pub(super) struct SideBand<R> {
    packets: Packets<R>,
    budget: Arc<Budget>,
    chunk: Vec<u8>,
    at: usize,
    ended: bool,
}

impl<R: Read> SideBand<R> {
    pub(super) fn new(packets: Packets<R>, budget: Arc<Budget>) -> Self {
        Self { packets, budget, chunk: Vec::new(), at: 0, ended: false }
    }

    fn fill(&mut self) -> Result<(), SourceError> {
        while self.at == self.chunk.len() && !self.ended {
            self.at = 0;
            self.chunk.clear();
            match self.packets.next()? {
                Packet::Flush => self.ended = true,
                Packet::Data([1, pack @ ..]) => self.chunk.extend_from_slice(pack),
                Packet::Data([2, ..]) => {}
                Packet::Data([3, text @ ..]) => return Err(refused(text)),
                _ => return Err(protocol("the server sent a pack without a side-band")),
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for SideBand<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // What reads the pack wraps errors until their kind is lost: the budget keeps it.
        self.fill().map_err(|error| {
            let because = error.source.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
            self.budget.refuse(error.kind, format!("{}{because}", error.message))
        })?;
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_and_nonsense_is_a_protocol_error() {
        let mut packets = Packets::new(&b"0008abc\n00000001"[..]);
        assert_eq!(packets.line().unwrap(), Some(&b"abc"[..]));
        assert_eq!(packets.next().unwrap(), Packet::Flush);
        assert_eq!(packets.next().unwrap(), Packet::Delimiter);
        assert_eq!(packets.next().unwrap_err().kind, SourceErrorKind::Unreachable);
        for bad in ["0003", "+00a", "zzzz", "HTTP/1.1", "fff9", "\0\0\0\0"] {
            let error = Packets::new(bad.as_bytes()).next().unwrap_err();
            assert_eq!(error.kind, SourceErrorKind::Protocol, "{bad:?}");
        }
    }

    #[test]
    fn what_the_server_refuses_has_its_kind_and_no_escapes() {
        let error = Packets::new(&b"0024ERR upload-pack: not our ref \x1b[2J"[..]).next().unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::RevisionMissing);
        assert!(!error.to_string().contains('\x1b'));
    }
}
