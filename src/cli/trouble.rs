use std::error::Error;
use std::io;

use super::show::{mistakes, printable};
use crate::model::{Mistake, Problem, chain};

/// Why a command could not do its work: exit status 2.
#[derive(Debug)]
pub(super) struct Trouble {
    /// Safe to show.
    pub message: String,
    pub hint: Option<String>,
    /// The reader of our output went away: nobody is left to be told, and nothing is wrong.
    pub quiet: bool,
    /// Trying again would not help, before somebody has mended it.
    pub lasting: bool,
}

impl Trouble {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, quiet: false, lasting: false }
    }

    /// Tells of an error and all its causes.
    pub(super) fn chain(error: &(dyn Error + 'static)) -> Self {
        Self::new(printable(&chain(error)))
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) const fn lasting(mut self, lasting: bool) -> Self {
        self.lasting = lasting;
        self
    }

    /// Tells that stdout could not be written.
    pub(super) fn printing(error: &io::Error) -> Self {
        let quiet = error.kind() == io::ErrorKind::BrokenPipe;
        Self { quiet, ..Self::new(format!("could not print: {error}")) }
    }

    /// Tells of every mistake of a configuration.
    pub(super) fn mistakes(all: &[Mistake]) -> Self {
        Self::new(format!("the configuration has mistakes\n{}", mistakes(all).trim_end()))
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        let mut message = format!("{} ({})", printable(&problem.title), printable(&problem.code));
        if !problem.mistakes.is_empty() {
            message = format!("{message}\n{}", mistakes(&problem.mistakes).trim_end());
        }
        Self { hint: problem.hint.map(|hint| printable(&hint).into_owned()), ..Self::new(message) }
    }
}
