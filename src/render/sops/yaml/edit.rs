//! Where the parts of a text stand, and what takes their place.

use super::{METADATA, Opener};
use crate::render::sops::fault::Fault;
use crate::render::sops::scalar::{self, Written};
use crate::render::sops::value::{self, Plain};
use crate::yaml::{Key, Node};

/// A longer comment is nobody's: each is tried under several paths.
const LONGEST_COMMENT: usize = 16 * 1024;
/// Places are counted in characters: in a longer line that is not ASCII each would be sought from its beginning.
const LONGEST_LINE: usize = 16 * 1024;

/// The file says what SOPS does not write, so that it cannot be told how it would print it.
pub(super) fn form() -> Fault {
    Fault::invalid("it is not written as SOPS writes YAML")
        .hint("write it anew: `sops decrypt` it and `sops encrypt` it")
}

/// What a value hangs on.
#[derive(Clone, Copy)]
pub(super) enum Under {
    /// A key, at this column.
    Key(u32),
    Item,
}

pub(super) struct Edits<'t> {
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
    /// What one level is indented by.
    indent: usize,
    /// Start, end, and what comes instead.
    made: Vec<(usize, usize, String)>,
}

impl<'t> Edits<'t> {
    pub(super) fn new(text: &'t str, nodes: &[Node]) -> Result<Self, Fault> {
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        // What is under `sops` is one level deep, so that it shows what a level is.
        let first = nodes.first().and_then(|node| node.get(METADATA)?.entries().first());
        let indent = first.map_or(0, |(key, _)| key.column.saturating_sub(1) as usize);
        if !(1..=16).contains(&indent) {
            return Err(form());
        }
        Ok(Self { text, lines, indent, made: vec![] })
    }

    fn line(&self, line: u32) -> Option<(usize, &'t str)> {
        let start = *self.lines.get((line as usize).checked_sub(1)?)?;
        let end = self.lines.get(line as usize).map_or(self.text.len(), |next| next - 1);
        Some((start, self.text.get(start..end)?))
    }

    /// Returns where a place is in the text, with its line and where that begins.
    fn find(&self, line: u32, column: u32) -> Option<(usize, usize, &'t str)> {
        let (start, text) = self.line(line)?;
        let column = (column as usize).checked_sub(1)?;
        if text.len() > LONGEST_LINE {
            return (column < text.len() && text.is_char_boundary(column)).then_some((start + column, start, text));
        }
        let (at, _) = text.char_indices().nth(column)?;
        Some((start + at, start, text))
    }

    /// Puts a value in its place. A comment behind it goes to a line of its own above, as SOPS does.
    ///
    /// # Errors
    /// `None` where the value cannot be written as text.
    pub(super) fn replace(
        &mut self,
        node: &Node,
        (sealed, plain): (&str, &Plain),
        under: Under,
        mut reveal: impl FnMut(&str) -> Option<String>,
    ) -> Result<(), Option<Fault>> {
        let wrong = || Some(form());
        let (at, start, line) = self.find(node.line, node.column).ok_or_else(wrong)?;
        let rest = line.get(at - start..).and_then(|line| line.strip_prefix(sealed)).ok_or_else(wrong)?;
        let (before, end) = (&line[..at - start], start + line.len());
        if let Plain::Comment(said) = plain {
            // In a list, an encrypted comment stands as an item.
            let dash = before.strip_suffix("- ").filter(|_| rest.is_empty() && matches!(under, Under::Item));
            let dash = dash.filter(|blank| blank.bytes().all(|byte| byte == b' ')).ok_or_else(wrong)?;
            self.made.push((start + dash.len(), end, format!("#{said}")));
            return Ok(());
        }
        let mut tail = rest;
        if !rest.is_empty() {
            let comment = rest.strip_prefix(" #").ok_or_else(wrong)?;
            if value::has_form(comment)
                && comment.len() <= LONGEST_COMMENT
                && let Some(said) = reveal(comment)
            {
                let blank = line.len() - line.trim_start_matches(' ').len();
                self.made.push((start, start, format!("{}#{said}\n", &line[..blank])));
                tail = "";
            }
        }
        let text = match scalar::write(plain, self.indent).ok_or(None)? {
            Written::Line(text) => format!("{text}{tail}"),
            Written::Block { header, lines } => {
                let deep = match under {
                    Under::Key(column) => {
                        let column = column.saturating_sub(1) as usize;
                        self.indent * ((column + self.indent) / self.indent)
                    }
                    Under::Item => before.len() - usize::from(before.ends_with("- ")) * 2 + 2,
                };
                let blank = " ".repeat(deep);
                let mut text = format!("{header}{tail}");
                for line in lines.split('\n') {
                    text.push('\n');
                    text.push_str(if line.is_empty() { "" } else { &blank });
                    text.push_str(line);
                }
                text
            }
        };
        self.made.push((at, end, text));
        Ok(())
    }

    /// Cuts the metadata out, from its key to the end of the document.
    pub(super) fn cut(&mut self, key: &Key, alone: bool) -> Result<(), Fault> {
        let (start, _) = self.line(key.line).filter(|(_, line)| line.starts_with("sops:")).ok_or_else(form)?;
        let end = self.text[start..].find("\n---").map_or(self.text.len(), |at| start + at + 1);
        self.made.push((start, end, if alone { "{}\n".into() } else { String::new() }));
        Ok(())
    }

    pub(super) fn apply(mut self) -> String {
        self.made.sort_by_key(|edit| (edit.0, edit.1));
        let mut out = String::with_capacity(self.text.len());
        let mut at = 0;
        for (start, end, text) in &self.made {
            out.push_str(self.text.get(at..*start).unwrap_or_default());
            out.push_str(text);
            at = (*end).max(at);
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        out
    }
}

/// Encrypted comments that have a line to themselves. Which mapping or list one belongs to its indentation does not always tell,
/// so each is tried under the paths of what stands around it.
pub(super) struct Comments<'t> {
    /// Line, place in the text, and what it says, encrypted.
    found: std::vec::IntoIter<(u32, usize, &'t str)>,
    next: Option<(u32, usize, &'t str)>,
    /// The path of what stood before.
    last: String,
}

impl<'t> Comments<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut found = vec![];
        let mut at = 0;
        for (number, line) in (1_u32..).zip(text.split('\n')) {
            let comment = line.trim_start_matches(' ').strip_prefix('#');
            if let Some(comment) = comment.filter(|text| value::has_form(text) && text.len() <= LONGEST_COMMENT) {
                found.push((number, at + line.len() - comment.len(), comment));
            }
            at += line.len() + 1;
        }
        let mut found = found.into_iter();
        Self { next: found.next(), found, last: String::new() }
    }

    /// Opens the comments above a line on which something at `path` stands.
    pub(super) fn before(&mut self, line: u32, path: &str, opener: &mut Opener, edits: &mut Edits<'_>) {
        while let Some((_, at, text)) = self.next.filter(|(number, ..)| *number < line) {
            let said = opener.comment(text, above(path).chain(above(&self.last)));
            if let Some(said) = said {
                edits.made.push((at, at + text.len(), said));
            }
            self.next = self.found.next();
        }
        path.clone_into(&mut self.last);
    }

    /// Opens the comments at the end.
    pub(super) fn rest(&mut self, opener: &mut Opener, edits: &mut Edits<'_>) {
        self.before(u32::MAX, ":", opener, edits);
    }
}

/// Returns a path and every path above it.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices(':').map(|(at, _)| &path[..=at]).chain(std::iter::once(":"))
}
