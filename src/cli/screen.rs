use std::io::{self, BufRead, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use super::args::{Color, Format, Global};
use super::trouble::Trouble;

/// Where answers go: data to stdout, talk to stderr, colour only where it is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    /// Data for programs.
    pub json: bool,
    color: Color,
}

impl Screen {
    pub(super) fn new(global: &Global) -> Self {
        Self { json: global.json || global.output == Format::Json, color: global.color }
    }

    /// Prints an answer as people read it. Whoever reads no further has read what they wanted: the exit status says how it ended all the
    /// same.
    pub(super) fn text(self, text: &str) -> Result<(), Trouble> {
        unless_closed(self.story(text))
    }

    /// Prints a part of what goes on as long as somebody reads it.
    pub(super) fn story(self, text: &str) -> Result<(), Trouble> {
        let mut out = AutoStream::new(io::stdout().lock(), self.choice(io::stdout().is_terminal()));
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| Trouble::printing(&error))
    }

    /// Says something beside the data. Nobody can be told when stderr is closed.
    pub(super) fn say(self, text: &str) {
        let mut out = AutoStream::new(io::stderr().lock(), self.choice(io::stderr().is_terminal()));
        let _ = writeln!(out, "{text}");
    }

    /// Gives a hint, after a blank line.
    pub(super) fn hint(self, hint: &str) {
        self.say(&format!("\nhint: {hint}"));
    }

    /// Asks a person, and returns whether they said yes; `None` where there is nobody who could.
    pub(super) fn ask(self, question: &str) -> Result<Option<bool>, Trouble> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        self.say(&format!("\n{question} [y/N]"));
        let mut said = String::new();
        io::stdin().lock().read_line(&mut said).map_err(|error| Trouble::chain(&error))?;
        Ok(Some(matches!(said.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
    }

    fn choice(self, terminal: bool) -> ColorChoice {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match self.color {
            Color::Always => ColorChoice::AlwaysAnsi,
            Color::Auto if terminal && !plain => ColorChoice::AlwaysAnsi,
            Color::Auto | Color::Never => ColorChoice::Never,
        }
    }
}

/// Prints an answer as programs read it; it may be read in part, as [`Screen::text`].
pub(super) fn json(data: &impl Serialize) -> Result<(), Trouble> {
    let mut text = serde_json::to_string_pretty(data).map_err(|error| Trouble::new(error.to_string()))?;
    text.push('\n');
    unless_closed(raw(text.as_bytes()))
}

fn unless_closed(printed: Result<(), Trouble>) -> Result<(), Trouble> {
    printed.or_else(|trouble| if trouble.quiet { Ok(()) } else { Err(trouble) })
}

/// Prints bytes to stdout as they are, as long as somebody reads them.
pub(super) fn raw(bytes: &[u8]) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Trouble::printing(&error))
}
