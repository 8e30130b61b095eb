//! What can be refused by looking at the syntax tree alone.

use std::collections::{BTreeMap, BTreeSet};

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr};

use super::cost::literal;
use super::parse::Parsed;
use super::{InvalidExpression, InvalidPattern, Pattern, names};
use crate::yaml::{nearest, quoted};

/// Parts of an expression may stand inside one another this deeply, loops written out.
const DEEPEST: usize = 48;
/// It may have this many parts.
const LARGEST: usize = 1_000;
/// Loops may stand inside one another this deeply.
const LOOPS: usize = 2;

/// What is known of an expression that may run.
#[derive(Default)]
pub(super) struct Checked {
    pub names: BTreeSet<String>,
    pub patterns: BTreeMap<String, Pattern>,
}

pub(super) fn check(parsed: &Parsed, variables: &[&str]) -> Result<Checked, InvalidExpression> {
    let mut check = Check { parsed, variables, own: vec![], parts: 0, loops: 0, checked: Checked::default() };
    check.part(&parsed.root, 0)?;
    Ok(check.checked)
}

struct Check<'a> {
    parsed: &'a Parsed,
    variables: &'a [&'a str],
    /// The variables of the loops around.
    own: Vec<&'a str>,
    parts: usize,
    loops: usize,
    checked: Checked,
}

type Outcome = Result<(), InvalidExpression>;

impl<'a> Check<'a> {
    fn part(&mut self, part: &'a IdedExpr, depth: usize) -> Outcome {
        self.parts += 1;
        if self.parts > LARGEST {
            let message = format!("an expression has at most {LARGEST} parts");
            return Err(self.parsed.wrong(part.id, message, Some("split it into several rules".into())));
        }
        if depth > DEEPEST {
            let message = format!("the parts of an expression stand at most {DEEPEST} deep inside one another");
            return Err(self.parsed.wrong(part.id, message, None));
        }
        let depth = depth + 1;
        match &part.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(part, name),
            Expr::Select(select) => self.part(&select.operand, depth),
            Expr::List(list) if list.optional_indices.is_empty() => {
                list.elements.iter().try_for_each(|element| self.part(element, depth))
            }
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) if !entry.optional => {
                    self.part(&entry.key, depth)?;
                    self.part(&entry.value, depth)
                }
                _ => Err(self.unknown(part, "optional values are not known here")),
            }),
            Expr::Call(call) => self.call(part, call, depth),
            Expr::Comprehension(comprehension) => self.comprehension(part, comprehension, depth),
            Expr::List(_) => Err(self.unknown(part, "optional values are not known here")),
            Expr::Struct(_) => Err(self.unknown(part, "messages cannot be made here")),
            Expr::Unspecified => Err(self.unknown(part, "expected an expression")),
        }
    }

    fn unknown(&self, part: &IdedExpr, message: &str) -> InvalidExpression {
        self.parsed.wrong(part.id, message.to_owned(), None)
    }

    fn name(&mut self, part: &IdedExpr, name: &str) -> Outcome {
        if self.own.contains(&name) || names::TYPES.contains(&name) {
            return Ok(());
        }
        if self.variables.contains(&name) {
            self.checked.names.insert(name.to_owned());
            return Ok(());
        }
        let known = self.variables.iter().chain(&self.own).copied().filter(|known| !known.starts_with('@'));
        let hint = match nearest(name, known.clone()) {
            Some(meant) => format!("did you mean {}?", quoted(meant)),
            None => format!("known are: {}", known.collect::<Vec<_>>().join(", ")),
        };
        Err(self.parsed.wrong(part.id, format!("the name {} is not known", quoted(name)), Some(hint)))
    }

    fn call(&mut self, part: &'a IdedExpr, call: &'a CallExpr, depth: usize) -> Outcome {
        let name = call.func_name.as_str();
        let known = match &call.target {
            Some(_) => names::METHODS.contains(&name),
            None => names::FUNCTIONS.contains(&name) || names::is_operator(name),
        };
        if !known {
            return Err(self.unknown_function(part, call));
        }
        if name == "matches" {
            self.pattern(part, call)?;
        }
        call.target.iter().try_for_each(|target| self.part(target, depth))?;
        call.args.iter().try_for_each(|argument| self.part(argument, depth))
    }

    fn unknown_function(&self, part: &IdedExpr, call: &CallExpr) -> InvalidExpression {
        let name = call.func_name.as_str();
        if names::MACROS.contains(&name) {
            let example = if name == "has" {
                "has(step.after)".into()
            } else {
                format!("plan.steps.{name}(s, s.action == \"delete\")")
            };
            let message = format!("{} is called with other arguments", quoted(name));
            return self.parsed.wrong(part.id, message, Some(format!("such as {example}")));
        }
        let other: &[&str] = if call.target.is_some() { &names::FUNCTIONS } else { &names::METHODS };
        let hint = if other.contains(&name) && call.target.is_some() {
            Some(format!("write {name}(…)"))
        } else if other.contains(&name) {
            Some(format!("call it on a value: value.{name}(…)"))
        } else {
            let all = names::FUNCTIONS.iter().chain(&names::METHODS).chain(&names::MACROS).copied();
            nearest(name, all).map(|meant| format!("did you mean {}?", quoted(meant)))
        };
        self.parsed.wrong(part.id, format!("the function {} is not known", quoted(names::shown(name))), hint)
    }

    /// Patterns are compiled once, so they have to stand in the text.
    fn pattern(&mut self, part: &IdedExpr, call: &CallExpr) -> Outcome {
        let expected = if call.target.is_some() { 1 } else { 2 };
        let text = call.args.last().filter(|_| call.args.len() == expected).and_then(literal);
        let Some(text) = text else {
            let message = "the pattern of 'matches' has to be written out, as text in quotes".to_owned();
            return Err(self.parsed.wrong(part.id, message, Some("such as name.matches(\"^web-[0-9]+$\")".into())));
        };
        let pattern = Pattern::new(text).map_err(|wrong: InvalidPattern| {
            let place = call.args.last().map_or(part.id, |argument| argument.id);
            self.parsed.wrong(place, wrong.to_string(), None)
        })?;
        self.checked.patterns.insert(text.to_owned(), pattern);
        Ok(())
    }

    fn comprehension(&mut self, part: &'a IdedExpr, it: &'a ComprehensionExpr, depth: usize) -> Outcome {
        self.part(&it.iter_range, depth)?;
        self.part(&it.accu_init, depth)?;
        if self.loops == LOOPS || it.iter_var2.is_some() {
            let message = format!("loops (all, exists, map, filter) stand at most {LOOPS} deep inside one another");
            return Err(self.parsed.wrong(part.id, message, None));
        }
        self.loops += 1;
        self.own.extend([it.accu_var.as_str(), it.iter_var.as_str()]);
        let inside = [&it.loop_cond, &it.loop_step, &it.result];
        inside.into_iter().try_for_each(|part| self.part(part, depth))?;
        self.own.truncate(self.own.len() - 2);
        self.loops -= 1;
        Ok(())
    }
}
