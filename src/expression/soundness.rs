//! That the bounds are bounds: what an evaluation does is counted, and what it answers is measured.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::types::{CelBool, CelBytes, CelList, CelMap, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use cel::{Context, Value};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::shape::Shape;
use super::{BUDGET, ENVIRONMENT, EvaluationError, Expression, Variables, cost, matching};
use crate::model::Time;

const KNOWN: [&str; 4] = ["plan", "commit", "labels", "now"];

/// Counts how often the evaluator asks for a variable: once for each turn of a loop whose body names one.
struct Counting<'a> {
    variables: &'a Variables,
    asked: AtomicU64,
}

impl VariableResolver for Counting<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let found = self.variables.resolve(variable)?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        Some(found)
    }
}

fn variables(steps: usize, text: usize) -> Variables {
    let step = |at: usize| json!({ "name": format!("/etc/{at}"), "n": at, "tags": ["a", "bb"], "more": if at.is_multiple_of(2) { json!("x") } else { json!([1]) } });
    let mut variables = Variables::new();
    variables
        .set("plan", &json!({ "steps": (0..steps).map(step).collect::<Vec<_>>(), "deletes": steps, "share": 0.5 }));
    variables
        .set("commit", &json!({ "message": "ö".repeat(text), "time": "2026-11-20T12:00:00Z", "parents": ["a", "b"] }));
    variables.set("labels", &json!({ "team": "edge", "zone": null, "wide": { "a": { "b": "c" } } }));
    variables.set_time("now", Time(1_795_000_000_000_000));
    variables
}

/// Expressions whose loops name variables; most of those that are built from fitting parts have an answer.
fn expression() -> impl Strategy<Value = String> {
    let atom = select(vec![
        "plan",
        "plan.steps",
        "plan.deletes",
        "plan.share",
        "commit",
        "commit.message",
        "commit.time",
        "commit.parents",
        "labels",
        "labels.team",
        "labels.wide.a",
        "labels.zone",
        "now",
        "1",
        "-3",
        "2.5",
        "7u",
        "'x'",
        "'text of some length'",
        "b'\\xff'",
        "[]",
        "[1, 'a']",
        "{}",
        "{'k': [1]}",
        "true",
        "false",
        "null",
        "string",
        "v",
        "v.name",
        "v.tags",
        "v.more",
        "w",
        "plan.steps[0]",
        "duration('90s')",
        "timestamp('2026-01-01T00:00:00Z')",
        "'2026-01-01T00:00:00Z'",
    ])
    .prop_map(str::to_owned);
    atom.prop_recursive(4, 24, 3, |part| {
        let operators = vec!["+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in"];
        let calls = vec![
            "size",
            "string",
            "int",
            "double",
            "uint",
            "bytes",
            "bool",
            "dyn",
            "type",
            "timestamp",
            "duration",
            "!",
            "-",
        ];
        let methods = vec!["contains", "startsWith", "endsWith"];
        let loops = vec!["all", "exists", "exists_one", "map", "filter"];
        let fields = vec![
            ".name",
            ".tags",
            ".steps",
            ".message",
            "[0]",
            "['team']",
            ".getHours()",
            ".size()",
            ".matches('ö+|x')",
        ];
        prop_oneof![
            (part.clone(), select(operators), part.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (select(calls), part.clone()).prop_map(|(call, a)| format!("{call}({a})")),
            (part.clone(), select(methods), part.clone()).prop_map(|(a, method, b)| format!("({a}).{method}({b})")),
            (part.clone(), select(fields)).prop_map(|(a, field)| format!("({a}){field}")),
            (part.clone(), part.clone(), part.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (part.clone(), part.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (part.clone(), part.clone()).prop_map(|(a, b)| format!("{{'k': {a}, string({b}): {b}}}")),
            (select(vec!["plan.steps", "labels", "[1, 2, 3]", "commit.parents"]), select(loops.clone()), part.clone())
                .prop_map(|(range, it, body)| format!("{range}.{it}(v, {body})")),
            (part.clone(), select(loops), part).prop_map(|(range, it, body)| format!("({range}).{it}(w, {body})")),
        ]
    })
}

/// Measures an answer as [`Shape::of`] measures what comes in.
fn weight(value: &dyn Val) -> Shape {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Shape::text(text.inner().len() as u64);
    }
    if let Some(bytes) = value.downcast_ref::<CelBytes>() {
        return Shape::text(bytes.inner().len() as u64);
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        let item = list.inner().iter().fold(Shape::default(), |item, part| item.or(&weight(part.as_ref())));
        return Shape::list(list.inner().len() as u64, Arc::new(item));
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        let parts: Vec<_> = map.inner().values().map(|part| weight(part.as_ref())).collect();
        let any = parts.iter().fold(Shape::default(), |any, part| any.or(part));
        let map = super::shape::Map { length: parts.len() as u64, key: 0, fields: None, any: Arc::new(any) };
        return Shape::map(map);
    }
    Shape::text(0)
}

fn within(is: &Shape, bound: &Shape) -> bool {
    let lists = match (&is.list, &bound.list) {
        (Some(is), Some(bound)) => is.length <= bound.length && (is.length == 0 || within(&is.item, &bound.item)),
        (Some(_), None) => false,
        (None, _) => true,
    };
    let maps = match (&is.map, &bound.map) {
        (Some(is), Some(bound)) => is.length <= bound.length && (is.length == 0 || within(&is.any, &bound.any)),
        (Some(_), None) => false,
        (None, _) => true,
    };
    is.text <= bound.text && lists && maps
}

/// Runs an expression without the net that catches panics, and returns how often variables were asked for.
fn count(rule: &Expression, variables: &Variables, bound: &Shape) -> u64 {
    let counting = Counting { variables, asked: AtomicU64::new(0) };
    {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.set_variable_resolver(&counting);
        context.add_function("matches", matching(Arc::clone(&rule.0.patterns))).unwrap();
        if let Ok(answer) = Value::resolve_val(&rule.0.root, &context) {
            let is = weight(answer.as_ref());
            assert!(within(&is, bound), "{}: {is:?} is not within {bound:?}", rule.text());
            if answer.downcast_ref::<CelBool>().is_some() {
                assert!(bound.list.is_none() || bound.weight > 0);
            }
        }
    }
    counting.asked.into_inner()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_evaluation_does_or_makes_more_than_was_told(text in expression(), steps in 0_usize..40, length in 0_usize..300) {
        let Ok(rule) = Expression::compile(&text, &KNOWN) else { return Ok(()) };
        let variables = variables(steps, length);
        let (cost, bound) = cost::of(&rule.0.root, &variables, &rule.0.patterns).unwrap();
        if cost <= BUDGET {
            let asked = count(&rule, &variables, &bound);
            prop_assert!(asked <= cost, "{}: asked {} times, told {}", text, asked, cost);
        } else {
            prop_assert_eq!(rule.evaluate(&variables), Err(EvaluationError::TooDear(cost)));
        }
    }

    #[test]
    fn no_text_makes_it_panic(
        parts in proptest::collection::vec(
            select(vec![
                "plan", ".", "steps", "(", ")", "[", "]", "{", "}", ",", ":", "?", "&&", "||", "!", "-", "+", "*", "/", "%", "==", "<", ">=",
                "in", "1", "0x", "9999999999999999999", "1e999", "-9223372036854775808", "1u", ".5", "'", "\"", "'''", "r'", "b'", "\\", "'x'",
                ".all(", ".map(", "has(", "v", " ", "\n", "\u{0}", "\u{202e}", "ö", "`", "//", "#", "@", "$", "null", "true", "for", "size(",
                "timestamp(", "duration('", "matches(", "optional", "google.protobuf.Timestamp",
            ]),
            0..40,
        ),
    ) {
        let text = parts.concat();
        match Expression::compile(&text, &KNOWN) {
            Ok(rule) => {
                let variables = variables(3, 3);
                let (cost, bound) = cost::of(&rule.0.root, &variables, &rule.0.patterns).unwrap();
                if cost <= BUDGET {
                    count(&rule, &variables, &bound);
                }
            }
            Err(wrong) => {
                prop_assert!(!wrong.message.contains("gave up"), "{}: {}", text, wrong.message);
                prop_assert!(wrong.line >= 1 && wrong.column >= 1 && !wrong.message.chars().any(crate::model::deceives));
            }
        }
    }
}

/// Loops count as they run: twice as much in each of two makes four times as much.
#[test]
fn what_is_counted_grows_as_was_told() {
    let rule = Expression::compile("plan.steps.all(v, plan.steps.all(w, now >= now))", &KNOWN).unwrap();
    let asked = |steps: usize| {
        let variables = variables(steps, 1);
        let (cost, bound) = cost::of(&rule.0.root, &variables, &rule.0.patterns).unwrap();
        (count(&rule, &variables, &bound), cost)
    };
    let ((small, told), (large, more)) = (asked(20), asked(40));
    // Each turn asks for `now` twice, and once for the plan of the inner loop.
    assert_eq!((small, large), (1 + 20 + 2 * 400, 1 + 40 + 2 * 1600));
    assert!(told > small && more > 3 * told && more < 5 * told, "{told} {more}");
}
