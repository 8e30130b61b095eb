use crate::model::{Mistake, Place};
use crate::source::SourceError;

use super::escape::escape;

/// More mistakes than a person reads in one go; the rest is counted.
const MOST_MISTAKES: usize = 500;

/// What people wrote is wrong.
pub(super) const INVALID: &str = "render.invalid";
/// It is still encrypted.
pub(super) const ENCRYPTED: &str = "render.encrypted";
/// It is encrypted, and not as SOPS writes it.
pub(super) const SOPS: &str = "render.sops";
/// It was changed since it was encrypted.
pub(super) const TAMPERED: &str = "render.tampered";

/// Why there is no render. What is live stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("could not render what is declared: {} in it", counted(.0.len()))]
    Mistakes(Vec<Mistake>),
    /// Folders that the application names and the revision does not have. Never to be read as "nothing is wanted".
    #[error("could not find any files in the repository at {}", .paths.join(", "))]
    PathMissing { paths: Vec<String> },
    #[error("could not render what is over the limit: {what} is {size}, and {limit} is allowed")]
    TooLarge { what: String, size: u64, limit: u64 },
    #[error("could not read what is declared")]
    Source(#[source] SourceError),
}

impl RenderError {
    /// Returns the stable code of this error, as records and the API carry it: that of the mistakes where they agree
    /// (`yaml.depth`, `render.encrypted`), so that each sort of refusal can be told apart.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Mistakes(mistakes) => match mistakes.split_first() {
                Some((first, others)) if others.iter().all(|other| other.code == first.code) => &first.code,
                _ => INVALID,
            },
            Self::PathMissing { .. } => "render.path-missing",
            Self::TooLarge { .. } => "render.too-large",
            Self::Source(error) => error.kind.code(),
        }
    }
}

fn counted(number: usize) -> String {
    if number == 1 { "1 mistake".into() } else { format!("{number} mistakes") }
}

/// The mistakes found so far. All text that goes in comes out safe to show.
#[derive(Default)]
pub(super) struct Mistakes {
    found: Vec<Mistake>,
    more: usize,
}

impl Mistakes {
    pub(super) fn add(&mut self, place: &Place, message: &str, hint: Option<&str>) {
        self.push(Mistake {
            code: INVALID.into(),
            place: place.clone(),
            message: message.into(),
            hint: hint.map(Into::into),
        });
    }

    pub(super) fn push(&mut self, mistake: Mistake) {
        if self.found.len() >= MOST_MISTAKES {
            self.more += 1;
            return;
        }
        let Mistake { code, place, message, hint } = mistake;
        let place = Place { file: escape(&place.file).into(), ..place };
        self.found.push(Mistake { code, place, message: escape(&message), hint: hint.as_deref().map(escape) });
    }

    /// Returns whether so few were found that it is worth while to look for what was meant.
    pub(super) fn few(&self) -> bool {
        self.found.len() < 20
    }

    /// Returns whether no further one would be shown.
    pub(super) fn full(&self) -> bool {
        self.found.len() >= MOST_MISTAKES
    }

    pub(super) fn extend(&mut self, found: Vec<Mistake>) {
        for mistake in found {
            self.push(mistake);
        }
    }

    /// Returns an error that holds every mistake, in the order of the files; nothing where there is none.
    pub(super) fn into_result(mut self) -> Result<(), RenderError> {
        let position = |m: &Mistake| (m.place.file.clone(), m.place.line, m.place.column);
        self.found.sort_by_key(position);
        if let (Some(last), 1..) = (self.found.last().cloned(), self.more) {
            let message = format!("and {} more, which are not shown", counted(self.more));
            self.found.push(Mistake { code: INVALID.into(), message, hint: None, place: last.place });
        }
        if self.found.is_empty() { Ok(()) } else { Err(RenderError::Mistakes(self.found)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_come_in_order_and_do_not_grow_without_end() {
        let mut mistakes = Mistakes::default();
        for line in (1..=700).rev() {
            mistakes.add(&Place { file: "a\u{202e}".into(), line, column: 1 }, "bad\u{1b}[2J", None);
        }
        let Err(RenderError::Mistakes(found)) = mistakes.into_result() else { panic!("700 mistakes are an error") };
        assert_eq!(found.len(), MOST_MISTAKES + 1);
        assert!(found.windows(2).all(|pair| pair[0].place.line <= pair[1].place.line));
        assert_eq!(found[0].to_string(), "a\\u{202e}:201:1: bad\\u{1b}[2J");
        assert_eq!(found[MOST_MISTAKES].message, "and 200 mistakes more, which are not shown");
    }
}
