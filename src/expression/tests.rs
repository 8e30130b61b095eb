use serde_json::{Value, json};

use super::{BUDGET, EvaluationError, Expression, InvalidExpression, Pattern, Variables};
use crate::model::Time;

const KNOWN: [&str; 7] = ["plan", "step", "commit", "commits", "application", "target", "now"];

fn compile(text: &str) -> Result<Expression, InvalidExpression> {
    Expression::compile(text, &KNOWN)
}

fn steps(count: usize) -> Value {
    let step = |at: usize| json!({ "action": "update", "kind": "path", "name": format!("/etc/app/{at}.conf") });
    json!({ "steps": (0..count).map(step).collect::<Vec<_>>(), "deletes": 3, "share": 0.5 })
}

fn variables() -> Variables {
    let mut variables = Variables::new();
    variables.set("plan", &steps(3));
    variables.set("application", &json!({ "name": "web", "labels": { "team": "edge" }, "note": null }));
    variables.set("commit", &json!({ "message": "OPS-12 more", "time": "2026-11-20T12:00:00Z", "size": u64::MAX }));
    variables.set_time("now", Time(1_795_177_800_000_000));
    variables
}

fn evaluate(text: &str) -> Result<bool, EvaluationError> {
    compile(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}")).evaluate(&variables())
}

#[test]
fn rules_answer_as_cel_says() {
    let mut wrong = vec![];
    for (text, answer) in [
        ("plan.deletes > 2", true),
        ("plan.deletes + 1 == 4 && plan.deletes - 5 == -2", true),
        ("plan.share * 2.0 == 1.0", true),
        ("plan.steps.exists(s, s.name.startsWith('/etc/app/2'))", true),
        ("plan.steps.all(s, s.action in ['update', 'create'])", true),
        ("plan.steps.filter(s, s.name.endsWith('0.conf')).size() == 1", true),
        ("plan.steps.map(s, s.kind).all(k, k == 'path')", true),
        ("size(plan.steps) == 3 && plan.steps[0].kind == 'path'", true),
        ("plan.steps.all(s, plan.steps.exists_one(t, t.name == s.name))", true),
        ("application.labels.team == 'edge' && 'team' in application.labels", true),
        ("has(application.labels.zone) || application.labels['team'] == 'core'", false),
        ("application.note == null", true),
        ("commit.message.matches('^[A-Z]+-[0-9]+ ') && !matches(commit.message, 'x$')", true),
        ("now - timestamp(commit.time) > duration('10m')", true),
        ("now.getDayOfWeek('Europe/Berlin') == 5 && now.getHours() == 12", true),
        ("commit.size > 9000000000000000000", true),
        ("type(plan.deletes) == int && type(now) == type(timestamp(commit.time))", true),
        ("(plan.deletes > 5 ? 'many' : 'few') == 'few'", true),
        // An error on one side does not matter where the other decides.
        ("true || plan.nothing", true),
        ("plan.steps.exists(plan, plan.kind == 'path')", true),
    ] {
        if evaluate(text) != Ok(answer) {
            wrong.push(format!("{text}: {:?}", evaluate(text)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_neither_true_nor_false_is_an_error() {
    let mut wrong = vec![];
    for (text, told) in [
        ("plan.deletes", "it is of type int, expected true or false"),
        ("application.note", "it is of type null_type, expected true or false"),
        ("plan.nothing == 1", "there is no field 'nothing'"),
        ("has(plan.nothing.more)", "there is no field 'nothing'"),
        ("step.action == 'delete'", "the variable 'step' has no value here"),
        ("plan.deletes + 'x' == 1", "'add' does not go with its operands"),
        ("plan.deletes < 'x'", "'<' does not go with (int, string)"),
        ("plan.steps && true", "'&&' does not go with (list, bool)"),
        ("9223372036854775807 + plan.deletes > 0", "a number or time is too large or too small"),
        ("plan.deletes / 0 == 1", "a number is divided by zero"),
        ("plan.steps[3] == 1", "an index lies outside of its list"),
        ("plan.steps['x'] == 1", "'[]' does not go with (list, string)"),
        ("timestamp('soon') > now", "'timestamp' failed: 'premature end of input'"),
        ("int(commit.message) == 1", "'int' failed: 'string parse error: invalid digit found in string'"),
        ("duration('9000000000s') + duration('9000000000s') > now - now", "a number or time is too large or too small"),
        ("plan.deletes.startsWith('x')", "'startsWith' does not go with (int, string)"),
        ("plan.deletes.matches('x')", "'matches' failed: 'expected text'"),
        ("{'a': 1, 'a': 2}.size() == 1", "a map has one key twice"),
        ("plan.steps.exists(s, s.missing == 1)", "there is no field 'missing'"),
    ] {
        let is = evaluate(text).map_err(|error| error.to_string());
        if is != Err(told.to_owned()) {
            wrong.push(format!("{text}: {is:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_may_not_run_is_refused_with_its_place() {
    let mut wrong = vec![];
    let long = format!("'{}' == ''", "x".repeat(5000));
    let sum = format!("1{} == 1", "+1".repeat(200));
    let wide = format!("1 in [{}1]", "1,".repeat(1200));
    let open = "(".repeat(3000);
    let doubled = format!("[commit.message]{}.size() == 1", ".map(v, v+v)".repeat(60));
    for (text, told) in [
        ("", "1:1 the expression ends too early"),
        ("plan.steps.all(s,\n  s.kind ==)", "2:12 ')' does not belong here"),
        ("plan.deletes = 1", "1:14 a single '=' is no operator (write '==' to compare)"),
        ("plan.deletes > 1 & true", "1:18 a single '&' is no operator (write it twice)"),
        ("'ü' == plna.x", "1:8 the name 'plna' is not known (did you mean 'plan'?)"),
        ("a.b", "1:1 the name 'a' is not known (known are: plan, step, commit, commits, application, target, now)"),
        (".plan.x", "1:2 the name '.plan' is not known (did you mean 'plan'?)"),
        ("plan.steps.all(s, true) && s.kind == 'x'", "1:28 the name 's' is not known"),
        ("plan.name.startWith('x')", "1:20 the function 'startWith' is not known (did you mean 'startsWith'?)"),
        (
            "startsWith(plan.name, 'x')",
            "1:11 the function 'startsWith' is not known (call it on a value: value.startsWith(…))",
        ),
        ("plan.name.int() == 1", "1:14 the function 'int' is not known (write int(…))"),
        ("plan.steps.all(s)", "1:15 'all' is called with other arguments"),
        ("has(plan)", "1:5 invalid argument to has() macro"),
        ("plan.steps.all(1, true)", "1:16 argument must be a simple name"),
        ("commit.message.matches(application.name)", "1:23 the pattern of 'matches' has to be written out"),
        ("commit.message.matches('(')", "1:24 the pattern is not understood: unclosed group"),
        ("commit.message.matches('(?=x)')", "1:24 the pattern is not understood: look-around, including"),
        ("commit.message.matches('(((a{99}){99}){99})')", "1:24 the pattern is too large"),
        ("plan.?x", "1:5 unsupported syntax '.?'"),
        ("[?plan.x]", "1:2 unsupported syntax '?'"),
        ("optional.of(1).hasValue()", "1:24 the function 'hasValue' is not known"),
        ("Plan{x: 1} == 1", "1:5 messages cannot be made here"),
        ("plan\u{0} == 1", "1:5 '\\0' is not understood"),
        ("plan \u{202e}== 1", "1:6 '\\u{202e}' is not understood"),
        ("for", "1:1 reserved identifier: for"),
        ("99999999999999999999 == 1", "1:1 invalid int literal"),
        (&long, "1:1 an expression has at most 4096 bytes, this one has 5008"),
        (&sum, "1:304 the parts of an expression stand at most 48 deep inside one another"),
        (&wide, "1:2001 an expression has at most 1000 parts (split it into several rules)"),
        (&open, "1:50 an expression is nested at most 48 deep"),
        (&doubled, "1:165 the parts of an expression stand at most 48 deep inside one another"),
        (
            "plan.steps.all(a, plan.steps.all(b, plan.steps.all(c, a == b)))",
            "1:51 loops (all, exists, map, filter) stand at most 2 deep inside one another",
        ),
    ] {
        let refused = compile(text).map(|_| ()).expect_err(text);
        let hint = refused.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        let is = format!("{}:{} {}{hint}", refused.line, refused.column, refused.message);
        if !is.starts_with(told) {
            wrong.push(format!("{text}: {is}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn it_knows_what_it_names() {
    let rule = compile("plan.steps.all(step, step.x == now)").unwrap();
    assert!(rule.names("plan") && rule.names("now"));
    assert!(!rule.names("step") && !rule.names("commit"));
    assert_eq!(rule.text(), "plan.steps.all(step, step.x == now)");
    assert!(compile("step.x").unwrap().names("step"));
}

#[test]
fn variables_go_on_from_others() {
    let rule = compile("step.name == plan.steps[1].name").unwrap();
    let shared = variables();
    let mut own = shared.clone();
    own.set("step", &json!({ "name": "/etc/app/1.conf" }));
    assert_eq!(rule.evaluate(&own), Ok(true));
    own.set("step", &json!({ "name": "/etc/app/2.conf" }));
    assert_eq!(rule.evaluate(&own), Ok(false));
    assert_eq!(rule.evaluate(&shared), Err(EvaluationError::NoValue("step".into())));
}

#[test]
fn an_expression_goes_between_threads() {
    fn both<T: Send + Sync>(_: &T) {}
    both(&compile("true").unwrap());
    both(&variables());
    both(&Pattern::new("x").unwrap());
}

#[test]
fn what_could_take_too_long_does_not_run() {
    let text = "plan.steps.all(s, plan.steps.exists(t, t.name == s.name))";
    let rule = compile(text).unwrap();
    let with = |count: usize| {
        let mut variables = Variables::new();
        variables.set("plan", &steps(count));
        rule.evaluate(&variables)
    };
    assert_eq!(with(100), Ok(true));
    match with(5_000) {
        Err(EvaluationError::TooDear(cost)) => assert!(cost > 100 * BUDGET, "{cost}"),
        other => panic!("{other:?}"),
    }
    // One loop over many steps is what rules are.
    let rule =
        compile("plan.steps.filter(s, s.action == 'delete' || s.name.matches('^/srv/.*')).map(s, s.name).size() > 5")
            .unwrap();
    let mut variables = Variables::new();
    variables.set("plan", &steps(2_000));
    assert_eq!(rule.evaluate(&variables), Ok(false));
    // Text that doubles forty times over.
    let doubling = format!("[commit.message]{}.size() == 1", ".map(v, v+v)".repeat(40));
    match compile(&doubling) {
        Ok(rule) => {
            let mut variables = Variables::new();
            variables.set("commit", &json!({ "message": "x".repeat(100) }));
            assert!(matches!(rule.evaluate(&variables), Err(EvaluationError::TooDear(_))));
        }
        Err(wrong) => assert!(wrong.message.contains("deep"), "{wrong:?}"),
    }
}

#[test]
fn evaluations_share_what_is_left_to_them() {
    let rule = compile("plan.steps.all(s, s.name != step.name)").unwrap();
    let mut variables = Variables::new();
    variables.set("plan", &steps(2_000));
    variables.set("step", &json!({ "name": "x" }));
    let cost = rule.cost(&variables).unwrap();
    let mut left = 10 * cost + 1;
    let answers: Vec<_> = (0..12).map(|_| rule.evaluate_within(&variables, &mut left)).collect();
    assert!(answers[..10].iter().all(|answer| *answer == Ok(true)));
    assert!(answers[10..].iter().all(|answer| *answer == Err(EvaluationError::TooDear(cost))));
    assert_eq!(left, 1);
}

#[test]
fn patterns_match_anywhere() {
    let pattern = Pattern::new("[A-Z]+-[0-9]+").unwrap();
    assert!(pattern.matches("fix: OPS-12, again") && !pattern.matches("ops-12"));
    assert_eq!(pattern.text(), "[A-Z]+-[0-9]+");
    // What takes a backtracking engine for ever.
    assert!(!Pattern::new("^(a+)+$").unwrap().matches(&format!("{}b", "a".repeat(50_000))));
}

/// A worker thread has 2 MiB of stack, as this one has.
#[test]
fn the_deepest_that_may_run_runs() {
    for (open, close) in [
        ("!(", ")"),
        ("[", "][0]"),
        ("(true ? ", " : false)"),
        ("dyn(", ")"),
        ("{'a': ", "}.a"),
        ("(false || ", ")"),
        ("(true == ", ")"),
        ("[true].all(v, ", ")"),
        ("", ".map(v, v)"),
        ("", "[0 + 0]"),
    ] {
        let nested = |depth: usize| format!("{}plan.ok{} == null || true", open.repeat(depth), close.repeat(depth));
        let deepest = (1..100).take_while(|depth| compile(&nested(*depth)).is_ok()).last().unwrap_or(0);
        assert!(deepest >= 2, "{open}…{close}: {:?}", compile(&nested(1)).map(|_| ()));
        let mut variables = Variables::new();
        variables.set("plan", &json!({ "ok": [true] }));
        // Some have an answer, and all of them come back.
        let answer = compile(&nested(deepest)).unwrap().evaluate(&variables);
        assert!(
            !matches!(&answer, Err(EvaluationError::Failed(told)) if told.contains("gave up")),
            "{open}…{close}: {answer:?}"
        );
    }
}

/// M4 of the hostile inputs: error, time-out, memory, undefined, no boolean, and patterns that take for ever.
#[test]
fn m4_a_rule_that_has_no_answer_never_lets_pass() {
    let long = "a".repeat(20_000);
    let mut variables = variables();
    variables.set("step", &json!({ "name": long, "body": (0..3_000).collect::<Vec<_>>() }));
    for text in [
        "1 / 0 == 1",
        "step.body.all(a, step.body.all(b, a + b >= 0))",
        "step.body.map(a, step.body.map(b, [a, b, step.name])).size() > 0",
        "[step.name].map(v, v+v).map(v, v+v).map(v, v+v).map(v, v+v).map(v, v+v).map(v, v+v).map(v, v+v).map(v, v+v).map(v, v+v).size() == 1",
        "step.undefined",
        "step.name",
        "step.name.matches('^(a|aa|aaa|aaaa)+(a?){200}$')",
        "step.body.all(n, step.name.contains(step.name))",
    ] {
        let rule = compile(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"));
        let started = std::time::Instant::now();
        let answer = rule.evaluate(&variables);
        assert!(answer.is_err(), "{text}: {answer:?}");
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{text}: {:?}", started.elapsed());
    }
}
