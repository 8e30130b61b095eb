//! Text → syntax tree, and where each part of it is written.

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::{ParseError, ParseErrors};

use super::{ENVIRONMENT, InvalidExpression, LONGEST};
use crate::model::deceives;
use crate::yaml::{on_own_stack, quoted};

/// Brackets may be nested this deeply.
const DEEPEST: u16 = 48;

/// An expression as it is written.
pub(super) struct Parsed {
    pub root: IdedExpr,
    places: SourceInfo,
}

impl Parsed {
    /// Returns what is wrong with a part of it.
    pub(super) fn wrong(&self, part: u64, message: String, hint: Option<String>) -> InvalidExpression {
        let at = self.places.offset_for(part).map_or(0, |(start, _)| start as usize);
        let (mut line, mut column) = (1, 1);
        for (_, character) in self.places.source.char_indices().take_while(|(byte, _)| *byte < at) {
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        InvalidExpression { message, line, column, hint }
    }
}

pub(super) fn parse(text: &str) -> Result<Parsed, InvalidExpression> {
    let refused = |message: String| InvalidExpression { message, line: 1, column: 1, hint: None };
    if text.len() > LONGEST {
        return Err(refused(format!("an expression has at most {LONGEST} bytes, this one has {}", text.len())));
    }
    let parser = ENVIRONMENT.parser().max_recursion_depth(DEEPEST);
    // Errors hold what may not leave the thread.
    let read = || parser.parse_with_source_info(text).map_err(|errors| first(&errors));
    let read = on_own_stack("expression", read);
    let (root, places) =
        read.unwrap_or_else(|| Err(refused("the reader of expressions gave up on this text".into())))?;
    Ok(Parsed { root, places })
}

fn first(errors: &ParseErrors) -> InvalidExpression {
    let Some(error) = errors.errors.first() else {
        return InvalidExpression { message: "expected an expression".into(), line: 1, column: 1, hint: None };
    };
    let place = |number: isize| u32::try_from(number).unwrap_or(1).max(1);
    let (message, hint) = words(error);
    InvalidExpression { message, line: place(error.pos.0), column: place(error.pos.1), hint: hint.map(str::to_owned) }
}

/// Says what the grammar's engine says, without its lists of tokens.
fn words(error: &ParseError) -> (String, Option<&'static str>) {
    let told = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    if told.contains("Recursion limit") {
        return (format!("an expression is nested at most {DEEPEST} deep"), None);
    }
    let told = told.split(" expecting ").next().unwrap_or(told);
    for found in ["mismatched input ", "extraneous input ", "no viable alternative at input "] {
        let Some(found) = told.strip_prefix(found) else { continue };
        return match found.trim_matches('\'') {
            "<EOF>" => ("the expression ends too early".into(), None),
            "=" => ("a single '=' is no operator".into(), Some("write '==' to compare")),
            found => (format!("{} does not belong here", quoted(found)), None),
        };
    }
    if let Some(found) = told.strip_prefix("token recognition error at: ") {
        let found = found.strip_prefix('\'').and_then(|found| found.strip_suffix('\'')).unwrap_or(found);
        return match found.trim() {
            "=" => ("a single '=' is no operator".into(), Some("write '==' to compare")),
            found @ ("&" | "|") => (format!("a single {} is no operator", quoted(found)), Some("write it twice")),
            found => (format!("{} is not understood", quoted(found)), None),
        };
    }
    let shown = told.chars().filter(|character| !deceives(*character)).take(120).collect::<String>();
    (if shown.is_empty() { "expected an expression".into() } else { shown }, None)
}
