use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format;

use super::show::printable;

/// Sends the log to stderr: text, or JSON where `TRUEUP_LOG_FORMAT=json`; as much as `TRUEUP_LOG` says, else `info`.
pub(super) fn start() {
    let filter = EnvFilter::try_from_env("TRUEUP_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let json = std::env::var_os("TRUEUP_LOG_FORMAT").is_some_and(|format| format == "json");
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A line of text stays one line, whatever a remote or a commit said; JSON escapes by its own rules.
    let fields = format::debug_fn(|writer, field, value| {
        let value = format!("{value:?}");
        match field.name() {
            "message" => write!(writer, "{}", printable(&value)),
            name => write!(writer, "{name}={}", printable(&value)),
        }
    });
    // Fails only when a log was started already, which then is the one to keep.
    let _ = if json {
        log.json().try_init()
    } else {
        log.with_ansi(colour).with_target(false).fmt_fields(fields.delimited(" ")).try_init()
    };
}
