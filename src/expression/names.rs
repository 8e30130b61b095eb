//! What an expression may name, beside variables.

use cel::common::ast::operators;

/// Words that stand for types.
pub(super) const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Functions that are called with their arguments alone.
pub(super) const FUNCTIONS: [&str; 12] =
    ["bool", "bytes", "double", "duration", "dyn", "int", "matches", "size", "string", "timestamp", "type", "uint"];

/// Functions that are called on a value.
pub(super) const METHODS: [&str; 15] = [
    "contains",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "matches",
    "size",
    "startsWith",
];

/// Calls that are rewritten while the text is read; here for the hint of who mistypes one.
pub(super) const MACROS: [&str; 7] = ["all", "exists", "exists_one", "existsOne", "filter", "has", "map"];

const OPERATORS: [(&str, &str); 19] = [
    (operators::ADD, "+"),
    (operators::CONDITIONAL, "? :"),
    (operators::DIVIDE, "/"),
    (operators::EQUALS, "=="),
    (operators::GREATER, ">"),
    (operators::GREATER_EQUALS, ">="),
    (operators::IN, "in"),
    (operators::INDEX, "[]"),
    (operators::LESS, "<"),
    (operators::LESS_EQUALS, "<="),
    (operators::LOGICAL_AND, "&&"),
    (operators::LOGICAL_NOT, "!"),
    (operators::LOGICAL_OR, "||"),
    (operators::MODULO, "%"),
    (operators::MULTIPLY, "*"),
    (operators::NEGATE, "-"),
    (operators::NOT_EQUALS, "!="),
    (operators::NOT_STRICTLY_FALSE, "loop"),
    (operators::SUBSTRACT, "-"),
];

pub(super) fn is_operator(name: &str) -> bool {
    OPERATORS.iter().any(|(operator, _)| *operator == name)
}

/// Returns what people call an operator or function.
pub(super) fn shown(name: &str) -> &str {
    OPERATORS.iter().find(|(operator, _)| *operator == name).map_or(name, |(_, shown)| shown)
}
