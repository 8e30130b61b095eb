use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::journal::Journal;
use super::show::printable;
use crate::audit::Masks;
use crate::model::deceives;

/// What a line of text leaves out, because its words say it already; the journal and JSON have it.
const APART: [&str; 4] = ["event", "sync", "actor", "object"];

/// Begins the log: to the journal where that is what stderr leads to, else to stderr, as text or (`TRUEUP_LOG_FORMAT=json`)
/// as JSON. As much as `TRUEUP_LOG` says, else `info`; without the secrets that the masks know.
pub(super) fn start(masks: &Masks) {
    let filter = || EnvFilter::try_from_env("TRUEUP_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let format = std::env::var("TRUEUP_LOG_FORMAT").ok();
    // Who asks for a format reads stderr.
    let journal = if format.is_none() { Journal::of_stderr(masks) } else { None };
    let (stderr, json) = (masks.clone(), format.as_deref() == Some("json"));
    let log = tracing_subscriber::fmt().with_env_filter(filter());
    let log = log.with_writer(move || Masked { masks: stderr.clone(), json });
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let fields = format::debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{}", printable(&format!("{value:?}"))),
        name => match shown(name, unquoted(&format!("{value:?}"))) {
            Some(value) => write!(writer, " {name}={value}"),
            None => Ok(()),
        },
    });
    // Fails only when a log was started already, which then is the one to keep.
    let _ = match (journal, format.as_deref()) {
        (Some(journal), _) => {
            tracing_subscriber::registry().with(filter()).with(journal).try_init().map_err(Into::into)
        }
        (None, Some("json")) => log.json().try_init(),
        (None, _) => log.with_ansi(colour).with_target(false).fmt_fields(fields.delimited("")).try_init(),
    };
}

/// Returns how a field stands in a line of text: one line, whatever a remote or a commit said, and ids by their beginning.
pub(super) fn shown<'v>(name: &str, value: &'v str) -> Option<Cow<'v, str>> {
    match name {
        name if APART.contains(&name) => None,
        "plan" | "revision" => Some(printable(value.get(..10).unwrap_or(value))),
        _ => Some(printable(value)),
    }
}

/// Returns a text without the marks that `Debug` puts around it.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// Returns JSON that means the same, and that a terminal shows as it is: JSON escapes the lower controls alone (RFC 8259, section 7).
fn readable(json: &str) -> Cow<'_, str> {
    let bad = |char: char| char != '\n' && deceives(char);
    if !json.contains(bad) {
        return Cow::Borrowed(json);
    }
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        if bad(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(char);
        }
    }
    Cow::Owned(text)
}

/// Stderr, without secrets. A line comes in one piece.
struct Masked {
    masks: Masks,
    json: bool,
}

impl Write for Masked {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let masks = self.masks.get();
        let text = masks.mask(&text);
        // Text has been escaped field by field.
        let text = if self.json { readable(&text) } else { text };
        io::stderr().write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
