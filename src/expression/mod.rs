//! Rules as expressions in CEL, bounded before they run: whoever writes one cannot stop the daemon with it.
//!
//! The language is the Common Expression Language (cel-spec), without messages and optional values, as the crate `cel` reads
//! it. That has no limit on work and cannot be cancelled. So everything that can be refused by looking at the text is refused
//! when it is compiled: what is too long, too deep or too large, more than two loops inside one another, names and functions
//! that are not known, patterns that are not written out. What depends on values is measured before each evaluation: the most
//! work that the expression can make of the values it is given, counted in steps of some 50 ns, is at most [`BUDGET`].
//!
//! A rule that cannot be answered with true or false is an error, and who asked fails closed.

mod check;
mod cost;
mod names;
mod parse;
mod pattern;
mod shape;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::IdedExpr;
use cel::common::types::{CelBool, CelString};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, FunctionContext, Value};

pub use pattern::{InvalidPattern, Pattern};
pub use variables::Variables;

use crate::yaml::quoted;

/// One expression may have this many bytes.
pub const LONGEST: usize = 4096;
/// One evaluation may take this many steps of work.
pub const BUDGET: u64 = 1_000_000;

/// One expression that answers true or false. A clone is the same one.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    text: String,
    root: IdedExpr,
    /// The variables that it names, without those of its own loops.
    names: BTreeSet<String>,
    /// By their text.
    patterns: Arc<BTreeMap<String, Pattern>>,
}

/// Why a text is not an expression that may run: what is wrong, and where in the text it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidExpression {
    pub message: String,
    /// Line and column within the text, counted from 1, columns in characters.
    pub line: u32,
    pub column: u32,
    pub hint: Option<String>,
}

/// Why an expression gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    #[error("it could take {0} steps of work on these values, and it may not take so many")]
    TooDear(u64),
    #[error("the variable {} has no value here", quoted(.0))]
    NoValue(String),
    #[error("there is no field {}", quoted(.0))]
    NoField(String),
    #[error("it is of type {0}, expected true or false")]
    NotBoolean(String),
    #[error("{0}")]
    Failed(String),
}

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

impl Expression {
    /// Reads an expression that may name `variables`, the variables of its own loops, and CEL's types.
    ///
    /// # Errors
    /// With the first thing that is wrong: no CEL, a name or function that is not known, or more than may run.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Self, InvalidExpression> {
        let parsed = parse::parse(text)?;
        let checked = check::check(&parsed, variables)?;
        let (names, patterns) = (checked.names, Arc::new(checked.patterns));
        Ok(Self(Arc::new(Compiled { text: text.to_owned(), root: parsed.root, names, patterns })))
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns whether the expression names this variable; one of its own loops that bears the same name is another.
    #[must_use]
    pub fn names(&self, variable: &str) -> bool {
        self.0.names.contains(variable)
    }

    /// Returns whether the expression holds for these values.
    ///
    /// # Errors
    /// When it is neither true nor false: it names what is not there, its types do not go together, a number overflows, or
    /// it could take more work than [`BUDGET`].
    pub fn evaluate(&self, variables: &Variables) -> Result<bool, EvaluationError> {
        let mut left = BUDGET;
        self.evaluate_within(variables, &mut left)
    }

    /// Returns whether the expression holds, as [`Expression::evaluate`] does, and takes what that may cost from the steps of
    /// work that are `left` to it and others: whoever asks once for each step of a plan bounds all of them together.
    ///
    /// # Errors
    /// As [`Expression::evaluate`], and when it could take more than is left. Nothing is taken then.
    pub fn evaluate_within(&self, variables: &Variables, left: &mut u64) -> Result<bool, EvaluationError> {
        let cost = self.cost(variables)?;
        if cost > BUDGET.min(*left) {
            return Err(EvaluationError::TooDear(cost));
        }
        *left -= cost;
        // The evaluator is ours to bound, not ours to trust.
        catch_unwind(AssertUnwindSafe(|| self.run(variables)))
            .unwrap_or_else(|_| Err(EvaluationError::Failed("the evaluator gave up on it".into())))
    }

    /// Returns the most steps of work that an evaluation takes.
    ///
    /// # Errors
    /// When a variable that the expression names has no value.
    pub fn cost(&self, variables: &Variables) -> Result<u64, EvaluationError> {
        cost::of(&self.0.root, variables, &self.0.patterns).map(|(cost, _)| cost)
    }

    fn run(&self, variables: &dyn VariableResolver) -> Result<bool, EvaluationError> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.set_variable_resolver(variables);
        let matches = matching(Arc::clone(&self.0.patterns));
        context.add_function("matches", matches).map_err(|error| EvaluationError::Failed(error.to_string()))?;
        let answer = Value::resolve_val(&self.0.root, &context).map_err(|error| failed(&error))?;
        match answer.downcast_ref::<CelBool>() {
            Some(answer) => Ok(*answer.inner()),
            None => Err(EvaluationError::NotBoolean(answer.get_type().name().to_owned())),
        }
    }
}

type Function =
    Box<dyn for<'c, 'v> Fn(&mut FunctionContext<'c, 'v>) -> Result<CowVal<'c, 'v>, ExecutionError> + Send + Sync>;

/// Returns the function `matches`, over patterns that were compiled with the expression. It copies none of its operands, not
/// even to say that one is no text.
fn matching(patterns: Arc<BTreeMap<String, Pattern>>) -> Function {
    Box::new(move |call| {
        let operands: Vec<_> = call.this.iter().chain(&call.args).collect();
        let [text, pattern] = operands.as_slice() else { return Err(call.error("expected a text and a pattern")) };
        let (text, pattern) = (text.downcast_ref::<CelString>(), pattern.downcast_ref::<CelString>());
        let (Some(text), Some(pattern)) = (text, pattern) else { return Err(call.error("expected text")) };
        match patterns.get(pattern.inner()) {
            Some(pattern) => Ok(CowVal::owned(CelBool::from(pattern.matches(text.inner())))),
            None => Err(call.error("the pattern is not written out")),
        }
    })
}

/// Says what went wrong without the values: they may be large, and are told elsewhere.
fn failed(error: &ExecutionError) -> EvaluationError {
    EvaluationError::Failed(match error {
        ExecutionError::NoSuchKey(name) => return EvaluationError::NoField(name.to_string()),
        ExecutionError::UndeclaredReference(name) => return EvaluationError::NoValue(name.to_string()),
        ExecutionError::NoSuchOverload(overload) => {
            let types = overload.argument_types().join(", ");
            format!("{} does not go with ({types})", quoted(names::shown(overload.function())))
        }
        ExecutionError::UnexpectedType { got, want } => format!("found {got}, expected {want}"),
        ExecutionError::UnsupportedBinaryOperator(name, ..) => {
            format!("{} does not go with its operands", quoted(name))
        }
        ExecutionError::ValuesNotComparable(..) => "two values that have no order are compared".into(),
        ExecutionError::UnsupportedIndex(..) | ExecutionError::UnsupportedKeyType(_) => {
            "a value of this type is no index".into()
        }
        ExecutionError::IndexOutOfBounds(_) => "an index lies outside of its list".into(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "a number is divided by zero".into(),
        ExecutionError::Overflow(..) => "a number or time is too large or too small".into(),
        ExecutionError::DuplicateKey(_) => "a map has one key twice".into(),
        ExecutionError::FunctionError { function, message } => {
            format!("{} failed: {}", quoted(function), quoted(message))
        }
        ExecutionError::UnsupportedTargetType { .. } | ExecutionError::NotSupportedAsMethod { .. } => {
            "a function does not go with what it is called on".into()
        }
        _ => "it could not be evaluated".into(),
    })
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.0.text).finish()
    }
}

/// Expressions are the same that are written alike.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text && self.0.names == other.0.names
    }
}

#[cfg(test)]
mod soundness;
#[cfg(test)]
mod tests;
