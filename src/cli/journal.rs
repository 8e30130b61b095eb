//! The log as journald takes it natively: each field by itself, so that `journalctl TRUEUP_APPLICATION=web` finds what is
//! about one application. A layer of our own, because the crate for it can neither mask secrets, nor set `MESSAGE_ID` by the
//! event, nor keep a message that a remote wrote to one readable line. The format: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.

use std::fmt::{Debug, Write as _};
use std::io::{self, Write as _};
use std::os::unix::net::UnixDatagram;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::log::shown;
use super::show::printable;
use crate::audit::{Masks, Redactor};
use crate::model::event;

const SOCKET: &str = "/run/systemd/journal/socket";
/// A longer value is cut: an entry must fit into one datagram.
const LONGEST: usize = 32 * 1024;

/// Sends what is logged to journald.
pub(super) struct Journal {
    socket: UnixDatagram,
    masks: Masks,
}

impl Journal {
    /// Returns the journal where systemd connected stderr with it, as `JOURNAL_STREAM` tells.
    pub(super) fn of_stderr(masks: &Masks) -> Option<Self> {
        let stream = std::env::var("JOURNAL_STREAM").ok()?;
        let (device, inode) = stream.split_once(':')?;
        let stderr = rustix::fs::fstat(io::stderr()).ok()?;
        if (device.parse(), inode.parse()) != (Ok(stderr.st_dev), Ok(stderr.st_ino)) {
            return None;
        }
        let socket = UnixDatagram::unbound().ok()?;
        socket.connect(SOCKET).ok()?;
        Some(Self { socket, masks: masks.clone() })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let entry = said.entry(*event.metadata().level(), &self.masks.get());
        if self.socket.send(&entry).is_err() {
            // What journald does not take this way, it may read from the stream. Nobody is left to tell where that fails.
            let _ = writeln!(io::stderr(), "{}", said.line(&self.masks.get()));
        }
    }
}

/// The fields of one event, in order.
#[derive(Default)]
struct Said {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Said {
    /// Returns the line that people read.
    fn line(&self, redactor: &Redactor) -> String {
        let mut line = printable(&redactor.mask(&self.message)).into_owned();
        for (name, value) in &self.fields {
            if let Some(value) = shown(name, &redactor.mask(value)) {
                let _ = write!(line, " {name}={value}");
            }
        }
        line
    }

    fn entry(&self, level: Level, redactor: &Redactor) -> Vec<u8> {
        let mut entry = vec![];
        put(&mut entry, "MESSAGE", &self.line(redactor));
        put(&mut entry, "PRIORITY", priority(level));
        put(&mut entry, "SYSLOG_IDENTIFIER", "trueup");
        for (name, value) in &self.fields {
            put(&mut entry, &field_name(name), &printable(&redactor.mask(value)));
            if let ("event", Some(id)) = (*name, event::message_id(value)) {
                put(&mut entry, "MESSAGE_ID", id);
            }
        }
        entry
    }
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields.push((name, format!("{value:?}"))),
        }
    }
}

/// As syslog(3) numbers them.
const fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "3",
        Level::WARN => "4",
        Level::INFO => "6",
        _ => "7",
    }
}

/// Returns the name of a field in the journal, which takes capitals, digits and underscores.
fn field_name(name: &str) -> String {
    let name = if name == "app" { "application" } else { name };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    format!("TRUEUP_{}", name.chars().map(plain).collect::<String>())
}

/// Adds a field with the length of its value before it, so that no value can pass for another field.
fn put(entry: &mut Vec<u8>, name: &str, value: &str) {
    let value = &value[..value.floor_char_boundary(LONGEST)];
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'\n');
    entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    entry.extend_from_slice(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Reads an entry as journald does.
    fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while let Some(at) = entry.iter().position(|c| *c == b'\n') {
            let (name, rest) = entry.split_at(at);
            let length = usize::try_from(u64::from_le_bytes(rest[1..9].try_into().unwrap())).unwrap();
            let value = String::from_utf8(rest[9..9 + length].to_vec()).unwrap();
            assert_eq!(rest[9 + length], b'\n');
            assert!(fields.insert(String::from_utf8(name.to_vec()).unwrap(), value).is_none(), "a field comes twice");
            entry = &rest[10 + length..];
        }
        fields
    }

    fn said(message: &str, pairs: &[(&'static str, &str)]) -> Said {
        let fields = pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Said { message: message.into(), fields }
    }

    #[test]
    fn an_event_has_its_fields_and_its_id() {
        let plan = "ab".repeat(32);
        let said =
            said("applied in 3 ms", &[("event", "sync.applied"), ("app", "web"), ("plan", &plan), ("sync", "s1")]);
        let fields = fields(&said.entry(Level::INFO, &Redactor::default()));
        let wanted = [
            ("MESSAGE", "applied in 3 ms app=web plan=ababababab"),
            ("MESSAGE_ID", event::SYNC_APPLIED.id),
            ("PRIORITY", "6"),
            ("SYSLOG_IDENTIFIER", "trueup"),
            ("TRUEUP_APPLICATION", "web"),
            ("TRUEUP_EVENT", "sync.applied"),
            ("TRUEUP_PLAN", &plan),
            ("TRUEUP_SYNC", "s1"),
        ];
        assert_eq!(fields, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn text_from_git_forges_neither_fields_nor_lines_and_secrets_are_masked() {
        let evil = "x\nMESSAGE_ID=0\nTRUEUP_APPLICATION\n\u{1}\0\u{1b}[2J\u{202e}s3cr3t-token";
        let redactor = Redactor::new(["s3cr3t-token"]);
        let fields = fields(&said(evil, &[("app", "web"), ("error", evil)]).entry(Level::WARN, &redactor));
        assert_eq!(fields["TRUEUP_APPLICATION"], "web");
        assert!(!fields.contains_key("MESSAGE_ID"));
        for value in fields.values() {
            assert!(!value.contains(crate::model::deceives) && !value.contains("s3cr3t"), "{value:?}");
        }
        assert!(fields["TRUEUP_ERROR"].ends_with("[redacted]"));
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        let fields = fields(&said(&"é".repeat(LONGEST), &[]).entry(Level::INFO, &Redactor::default()));
        assert_eq!(fields["MESSAGE"].len(), LONGEST);
    }
}
