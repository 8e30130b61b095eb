use std::time::Duration;

use super::Scope;
use super::target::absolute;
use crate::config::{Condition, Glob, Limit, Match, OBJECT_KINDS, Policy, Protect, Require, Span, Window};
use crate::expression::InvalidExpression;
use crate::schedule::{InvalidSchedule, Recurrence};
use crate::yaml::{nearest, quoted};

pub(super) fn check(policy: &Policy, scope: &mut Scope) {
    if !policy.rules() {
        let message = "expected at least one of window, limit, protect, approve, require, deny and warn";
        scope.hint("config.policy", "/spec", message, "such as window: { deny: \"0 15 * * Fri\", for: 65h }");
    }
    matches(&policy.matches, scope);
    if let Some(window) = &policy.window {
        self::window(window, scope);
    }
    if let Some(limit) = &policy.limit {
        self::limit(limit, scope);
    }
    if let Some(protect) = &policy.protect {
        self::protect(protect, scope);
    }
    if let Some(require) = &policy.require {
        self::require(require, scope);
    }
    for (condition, field) in [(&policy.deny, "deny"), (&policy.warn, "warn")] {
        if let Some(condition) = condition {
            self::condition(condition, &format!("/spec/{field}"), scope);
        }
    }
}

fn matches(matches: &Match, scope: &mut Scope) {
    kinds(&matches.kinds, "/spec/match/kinds", scope);
    paths(&matches.names, "/spec/match/names", scope);
}

fn kinds(kinds: &[String], pointer: &str, scope: &mut Scope) {
    for (at, kind) in kinds.iter().enumerate().filter(|(_, kind)| !OBJECT_KINDS.contains(&kind.as_str())) {
        let hint = match (kind.as_str(), nearest(kind, OBJECT_KINDS)) {
            ("run", _) => "what runs is chosen by actions: [run]".to_owned(),
            ("file" | "directory" | "symlink" | "File" | "Directory" | "Symlink", _) => "a file is a path".to_owned(),
            (_, Some(meant)) => format!("did you mean {}?", quoted(meant)),
            (_, None) => format!("expected one of {}", OBJECT_KINDS.join(", ")),
        };
        let message = format!("no object is of the kind {}", quoted(kind));
        scope.say("config.kind", &format!("{pointer}/{at}"), message, Some(hint));
    }
}

/// Names of objects may be those of units, but a path that is written like one has to mean one.
fn paths(names: &[Glob], pointer: &str, scope: &mut Scope) {
    for (at, name) in names.iter().enumerate().filter(|(_, name)| name.0.starts_with('/')) {
        let trimmed = name.0.trim_end_matches('/');
        if name.0.contains("//") || name.0.split('/').any(|part| matches!(part, "." | "..")) || trimmed != name.0 {
            let message = format!("no path is written like {}", quoted(&name.0));
            let hint = format!("all below a folder is {}/*", if trimmed.is_empty() { "" } else { trimmed });
            scope.say("config.path", &format!("{pointer}/{at}"), message, Some(hint));
        }
    }
}

fn window(window: &Window, scope: &mut Scope) {
    match (&window.allow, &window.deny) {
        (Some(_), Some(_)) => {
            let message = "expected either allow or deny, found both";
            scope.hint("config.window", "/spec/window/deny", message, "make two policies of it");
        }
        (None, None) => {
            let hint = "deny: \"0 15 * * Fri\" closes the time, allow: opens it and closes all other";
            scope.hint("config.window", "/spec/window", "expected allow or deny", hint);
        }
        _ => {}
    }
    let given = [("allow", &window.allow), ("deny", &window.deny)];
    let first = given.iter().filter_map(|(field, at)| Some((format!("/spec/window/{field}"), at.as_ref()?)));
    let first = first.map(|(pointer, at)| (pointer, at, window.length, "/spec/window/for".to_owned()));
    let also = window.also.iter().enumerate().map(|(at, also)| {
        let pointer = format!("/spec/window/also/{at}");
        (format!("{pointer}/at"), &also.at, also.length, format!("{pointer}/for"))
    });
    let mut zone = false;
    for (pointer, cron, Span(length), for_length) in first.chain(also) {
        let Err(invalid) = Recurrence::new(cron, &window.timezone, length) else { continue };
        let (code, pointer) = match &invalid {
            InvalidSchedule::Cron { .. } => ("config.cron", pointer),
            InvalidSchedule::Length => ("config.length", for_length),
            InvalidSchedule::Zone { .. } if std::mem::replace(&mut zone, true) => continue,
            InvalidSchedule::Zone { .. } => ("config.timezone", "/spec/window/timezone".to_owned()),
        };
        scope.say(code, &pointer, invalid.to_string(), invalid.hint().map(str::to_owned));
    }
}

fn limit(limit: &Limit, scope: &mut Scope) {
    let Limit { deletes, deletes_percent, replaces, objects, objects_percent, applications, budget } = limit;
    let numbers = [deletes, replaces, objects, applications].iter().any(|number| number.is_some());
    let shares = [deletes_percent, objects_percent].iter().any(|share| share.is_some());
    if !numbers && !shares && budget.is_none() {
        scope.hint("config.limit", "/spec/limit", "expected at least one limit", "such as deletes: 5");
    }
    if let Some(budget) = budget {
        between(budget.within, "/spec/limit/budget/within", "30d", Duration::from_hours(30 * 24), scope);
    }
}

fn between(span: Span, pointer: &str, most: &str, longest: Duration, scope: &mut Scope) {
    if span.0 < Duration::from_secs(1) || span.0 > longest {
        let message = format!("expected at least 1s and at most {most}, found {span}");
        scope.say("config.length", pointer, message, None);
    }
}

fn protect(protect: &Protect, scope: &mut Scope) {
    kinds(&protect.kinds, "/spec/protect/kinds", scope);
    paths(&protect.names, "/spec/protect/names", scope);
    for (at, path) in protect.paths.iter().enumerate() {
        absolute("config.path", path, &format!("/spec/protect/paths/{at}"), scope);
    }
}

fn require(require: &Require, scope: &mut Scope) {
    let Require { signed_by, ticket, age, descendant } = require;
    if signed_by.is_empty() && ticket.is_none() && age.is_none() && !descendant {
        let message = "expected at least one of signedBy, ticket, age and descendant";
        scope.hint("config.require", "/spec/require", message, "such as age: 10m");
    }
    if let Err(invalid) = require.ticket() {
        scope.say("config.pattern", "/spec/require/ticket", invalid.to_string(), None);
    }
    if let Some(age) = age {
        between(*age, "/spec/require/age", "366d", Duration::from_hours(366 * 24), scope);
    }
}

fn condition(condition: &Condition, pointer: &str, scope: &mut Scope) {
    let Err(InvalidExpression { message, line, column, hint }) = condition.expression() else { return };
    // The text may be folded in the document, so its own lines are counted.
    let several = condition.when.trim_end().contains('\n');
    let place = if several { format!("line {line}, column {column}") } else { format!("column {column}") };
    scope.say(
        "config.expression",
        &format!("{pointer}/when"),
        format!("{message}, at {place} of the expression"),
        hint,
    );
}
