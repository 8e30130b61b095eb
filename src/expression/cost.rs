//! The most work that an expression can make of the values it is given, known before it runs.
//!
//! Each part of the tree costs what the evaluator does for it: it copies the element of a list for each turn of a loop, both
//! operands of an arithmetic operator (into the sum, or into the error that they do not go together), and goes through text
//! for most functions. Loops multiply. What is not known is taken as the larger.

use std::collections::BTreeMap;
use std::sync::Arc;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};

use super::shape::{BYTES, Map, Shape};
use super::{EvaluationError, Pattern, Variables, names};

/// The longest text that a number, a time or a length becomes.
const NUMBER: u64 = 400;
/// Work that is done once for a call, a comparison with the types of its operands noted, or a scope.
const CALL: u64 = 4;
/// A name of a time zone is looked up, or a time is read.
const TIME: u64 = 20;
/// This many states of a pattern's engine are one step for each byte.
const STATES: u64 = 8;

/// Returns the steps that an evaluation takes at most, and how large its answer can be.
///
/// # Errors
/// When a variable that the expression names has no value.
pub(super) fn of(
    root: &IdedExpr,
    variables: &Variables,
    patterns: &BTreeMap<String, Pattern>,
) -> Result<(u64, Arc<Shape>), EvaluationError> {
    let mut meter = Meter { variables, patterns, scope: vec![] };
    meter.measure(root).map(|measured| (measured.cost, measured.shape))
}

struct Measured {
    cost: u64,
    shape: Arc<Shape>,
}

impl Measured {
    fn new(cost: u64, shape: Shape) -> Self {
        Self { cost, shape: Arc::new(shape) }
    }
}

struct Meter<'a> {
    variables: &'a Variables,
    patterns: &'a BTreeMap<String, Pattern>,
    /// The variables of the loops around, the innermost last.
    scope: Vec<(&'a str, Arc<Shape>)>,
}

impl<'a> Meter<'a> {
    fn measure(&mut self, part: &'a IdedExpr) -> Result<Measured, EvaluationError> {
        Ok(match &part.expr {
            Expr::Literal(LiteralValue::String(text)) => Measured::new(1, Shape::text(text.inner().len() as u64)),
            Expr::Literal(LiteralValue::Bytes(bytes)) => Measured::new(1, Shape::text(bytes.inner().len() as u64)),
            Expr::Literal(_) => Measured::new(1, Shape::text(0)),
            Expr::Ident(name) => self.variable(name)?,
            Expr::Select(select) => {
                let of = self.measure(&select.operand)?;
                let shape = if select.test { Arc::new(Shape::text(0)) } else { of.shape.field(&select.field) };
                Measured { cost: of.cost.saturating_add(1), shape }
            }
            Expr::List(list) => {
                let items = self.all(&list.elements)?;
                let copied = items.shapes.iter().fold(items.cost, |sum, shape| sum.saturating_add(shape.weight));
                let item = items.shapes.iter().fold(Shape::text(0), |item, shape| item.or(shape));
                Measured::new(copied.saturating_add(1), Shape::list(list.elements.len() as u64, Arc::new(item)))
            }
            Expr::Map(map) => {
                let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => Some((&entry.key, &entry.value)),
                    EntryExpr::StructField(_) => None,
                });
                let mut cost = CALL;
                let (mut key, mut any) = (0, Shape::text(0));
                for (name, value) in entries {
                    let (name, value) = (self.measure(name)?, self.measure(value)?);
                    cost = [name.cost, value.cost, name.shape.weight, value.shape.weight, CALL]
                        .into_iter()
                        .fold(cost, u64::saturating_add);
                    key = key.max(name.shape.text);
                    any = any.or(&value.shape);
                }
                let length = map.entries.len() as u64;
                Measured::new(cost, Shape::map(Map { length, key, fields: None, any: Arc::new(any) }))
            }
            Expr::Call(call) => self.call(call)?,
            Expr::Comprehension(comprehension) => self.comprehension(comprehension)?,
            // Refused when it was compiled.
            Expr::Struct(_) | Expr::Unspecified => Measured::new(u64::MAX, Shape::default()),
        })
    }

    fn variable(&self, name: &str) -> Result<Measured, EvaluationError> {
        let own = self.scope.iter().rev().find(|(known, _)| *known == name).map(|(_, shape)| shape);
        match own.or_else(|| self.variables.shape(name)) {
            Some(shape) => Ok(Measured { cost: 1, shape: Arc::clone(shape) }),
            None if names::TYPES.contains(&name) => Ok(Measured::new(CALL, Shape::text(0))),
            None => Err(EvaluationError::NoValue(name.to_owned())),
        }
    }

    fn all(&mut self, parts: impl IntoIterator<Item = &'a IdedExpr>) -> Result<All, EvaluationError> {
        let mut all = All { cost: 0, shapes: vec![] };
        for part in parts {
            let Measured { cost, shape } = self.measure(part)?;
            all.cost = all.cost.saturating_add(cost);
            all.shapes.push(shape);
        }
        Ok(all)
    }

    fn call(&mut self, call: &'a CallExpr) -> Result<Measured, EvaluationError> {
        let All { cost, shapes } = self.all(call.target.iter().map(|target| &**target).chain(&call.args))?;
        let weight = |at: usize| shapes.get(at).map_or(0, |shape| shape.weight);
        let text = |at: usize| shapes.get(at).map_or(0, |shape| shape.text);
        // Copied into a sum and dropped with it, or twice into the error that says what does not go together.
        let both = weight(0).saturating_add(weight(1)).saturating_mul(3);
        let small = |work: u64| (work, Shape::text(0));
        let (work, shape) = match call.func_name.as_str() {
            operators::CONDITIONAL => (1, shapes.iter().skip(1).fold(Shape::text(0), |one, other| one.or(other))),
            operators::EQUALS | operators::NOT_EQUALS => small(weight(0).min(weight(1)).saturating_mul(2)),
            operators::IN => small(weight(1).saturating_mul(2)),
            operators::ADD => {
                (both, shapes.first().zip(shapes.get(1)).map_or_else(Shape::default, |(one, two)| joined(one, two)))
            }
            operators::INDEX => (weight(1), shapes.first().map(|shape| shape.inside()).unwrap_or_default()),
            operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => small(1),
            name if names::is_operator(name) => small(both),
            "contains" => small(text(0).saturating_add(text(1)) / (BYTES / 8)),
            "matches" => small(self.pattern(call, text(0))),
            "string" | "bytes" => (text(0) / BYTES + TIME, Shape::text(text(0).max(NUMBER))),
            "dyn" => (weight(0), shapes.first().map(|shape| (**shape).clone()).unwrap_or_default()),
            // They go through their text at most once; a number that is read, or a time, has to be short.
            _ => small((text(0).saturating_add(text(1)) / (BYTES / 8)).saturating_add(TIME)),
        };
        Ok(Measured::new(cost.saturating_add(work).saturating_add(CALL), shape))
    }

    fn pattern(&self, call: &CallExpr, text: u64) -> u64 {
        let pattern = call.args.last().and_then(literal).and_then(|text| self.patterns.get(text));
        pattern.map_or(u64::MAX, |pattern| pattern.states().saturating_mul(text.saturating_add(4)) / STATES + CALL)
    }

    fn comprehension(&mut self, it: &'a ComprehensionExpr) -> Result<Measured, EvaluationError> {
        let range = self.measure(&it.iter_range)?;
        let start = self.measure(&it.accu_init)?;
        let (turns, element) = range.shape.elements();
        let copied = element.weight;
        self.scope.push((&it.accu_var, Arc::clone(&start.shape)));
        self.scope.push((&it.iter_var, Arc::new(element)));
        let (goes_on, step) = (self.measure(&it.loop_cond)?, self.measure(&it.loop_step)?);
        self.scope.truncate(self.scope.len() - 2);
        // The macros only ever answer true or false, count, or append: what one step adds, every one may.
        let grown = Shape {
            text: step.shape.text,
            list: step.shape.list.as_ref().map(|list| super::shape::List {
                length: list.length.saturating_mul(turns),
                item: Arc::clone(&list.item),
            }),
            map: step.shape.map.clone(),
            weight: 0,
        };
        let end = grown.or(&start.shape);
        let turn = [copied, goes_on.cost, step.cost, 2 * CALL].into_iter().fold(0, u64::saturating_add);
        self.scope.push((&it.accu_var, Arc::new(end)));
        let result = self.measure(&it.result)?;
        self.scope.pop();
        let cost = [range.cost, start.cost, turns.saturating_mul(turn), result.cost, result.shape.weight, 2 * CALL];
        Ok(Measured { cost: cost.into_iter().fold(0, u64::saturating_add), shape: result.shape })
    }
}

struct All {
    cost: u64,
    shapes: Vec<Arc<Shape>>,
}

/// Returns the shape of a sum: text after text, and list after list. The evaluator takes a map for the list of its keys there.
fn joined(one: &Shape, other: &Shape) -> Shape {
    let ((length, item), (more, items)) = (one.elements(), other.elements());
    let text = Shape::text(one.text.saturating_add(other.text));
    if one.list.is_none() && other.list.is_none() {
        return text;
    }
    text.or(&Shape::list(length.saturating_add(more), Arc::new(item.or(&items))))
}

/// Returns the text of a part that is a text written out.
pub(super) fn literal(part: &IdedExpr) -> Option<&str> {
    match &part.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
