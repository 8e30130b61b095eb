//! Policies and people: what is read, and what is told of each mistake.

use std::time::Duration;

use trueup::config::Policy;
use trueup::model::{Action, Cause, Time};

use super::mistakes::{document, load, told, told_of};

fn person(name: &str, spec: &str) -> String {
    document("Person", name, spec)
}

/// A configuration that is right, with these documents behind it.
fn with(documents: &str) -> String {
    use super::mistakes::{APPLICATION, REPOSITORY, TARGET};
    document("Repository", "r", REPOSITORY)
        + &document("Target", "t", TARGET)
        + &document("Application", "a", APPLICATION)
        + documents
}

fn policy(spec: &str) -> Policy {
    let people = person("ada", "{ groups: [leads, oncall] }") + &person("bob", "{ groups: [leads] }");
    let text = with(&(document("Policy", "p", spec) + &people));
    let loaded = load(&text).unwrap_or_else(|mistakes| panic!("{spec}: {mistakes:#?}"));
    loaded.config.policies["p"].spec.clone()
}

#[test]
fn a_policy_is_what_is_written() {
    let read = policy(
        r#"
  match: { applications: [web-*], labels: { team: edge }, actions: [delete, adopt], causes: [corrective], names: [/etc/*] }
  window: { deny: "0 15 * * Fri", for: 65h, timezone: Europe/Berlin, also: [ { at: "0 0 24 12 *", for: 72h } ] }
  limit: { deletes: 5, deletesPercent: 10, applications: 2, budget: { deletes: 20, within: 1h } }
  approve: { people: 2, from: [leads] }
  require: { ticket: "[A-Z]+-[0-9]+", age: 10m }
  deny: { when: "plan.steps.exists(s, s.name == '/etc/shadow')", message: no }
  override: []
  overridePeople: 1
"#,
    );
    assert_eq!(read.matches.actions, [Action::Delete, Action::Adopt]);
    assert_eq!(read.matches.causes, [Cause::Corrective]);
    assert!(read.matches.applications[0].matches("web-1") && !read.matches.applications[0].matches("db"));
    let windows = read.window.as_ref().unwrap().recurrences().unwrap();
    // A Friday in November 2026, at 16:00 in Berlin; and Christmas.
    assert_eq!(windows.len(), 2);
    assert!(windows[0].at(Time(1_795_186_800_000_000)).open && !windows[1].at(Time(1_795_186_800_000_000)).open);
    assert!(windows[1].at(Time(1_798_150_000_000_000)).open);
    let limit = read.limit.unwrap();
    assert_eq!((limit.deletes, limit.deletes_percent, limit.objects), (Some(5), Some(10), None));
    assert_eq!(limit.budget.unwrap().within.0, Duration::from_hours(1));
    assert!(read.require.as_ref().unwrap().ticket().unwrap().unwrap().matches("OPS-1: x"));
    assert!(read.deny.unwrap().expression().unwrap().names("plan"));
    assert_eq!((read.overrides, read.override_people), (Some(vec![]), 1));
    let left_out = policy("{ protect: { paths: [/srv/db] } }");
    assert_eq!(left_out.protect.unwrap().actions, [Action::Delete, Action::Replace]);
    assert_eq!((left_out.overrides, left_out.override_people), (None, 0));
    assert_eq!(left_out.matches, trueup::config::Match::default());
}

#[test]
fn each_mistake_of_a_policy_is_told_once() {
    let mut wrong = Vec::new();
    let deny = |text: &str| format!("{{ deny: {{ when: \"{text}\", message: no }} }}");
    let (unknown, typo, deep) = (
        deny("plam.deletes > 1"),
        deny("plan.steps.all(s, s.startWith('x'))"),
        deny("plan.a.all(a, plan.b.all(b, plan.c.all(c, true)))"),
    );
    for (spec, start) in [
        ("{}", "20:7 config.policy: expected at least one of window, limit, protect"),
        ("{ match: { actions: [delete] } }", "20:7 config.policy"),
        ("{ window: { for: 1h } }", "20:17 config.window: expected allow or deny"),
        (
            "{ window: { allow: \"@daily\", deny: \"@weekly\", for: 1h } }",
            "20:42 config.window: expected either allow or deny, found both",
        ),
        ("{ window: { deny: \"0 15 * *\", for: 1h } }", "20:25 config.cron: expected five fields, found 4"),
        ("{ window: { deny: \"0 25 * * *\", for: 1h } }", "20:25 config.cron: hour '25': expected 0 to 23"),
        ("{ window: { deny: \"0 0 * * Fry\", for: 1h } }", "20:25 config.cron: weekday 'Fry': expected 0 to 7, or sun"),
        ("{ window: { deny: \"0 0 31 2 *\", for: 1h } }", "20:25 config.cron: no month of these has such a day"),
        (
            "{ window: { deny: \"@daily\", for: 1h, timezone: Europe/Berln } }",
            "20:54 config.timezone: no time zone is called 'Europe/Berln' (did you mean 'Europe/Berlin'?)",
        ),
        ("{ window: { deny: \"@daily\", for: 367d } }", "20:40 config.length: expected a length of more than 0"),
        ("{ window: { deny: \"@daily\", for: 0s } }", "20:40 config.length"),
        (
            "{ window: { deny: \"@daily\", for: 1h, also: [ { at: \"@reboot\", for: 1h } ] } }",
            "20:58 config.cron: the word '@reboot' is not known",
        ),
        ("{ limit: {} }", "20:16 config.limit: expected at least one limit"),
        ("{ limit: { deletesPercent: 101 } }", "20:34 schema.value"),
        ("{ limit: { deletes: -1 } }", "20:27 schema."),
        (
            "{ limit: { budget: { deletes: 1, within: 0s } } }",
            "20:48 config.length: expected at least 1s and at most 30d",
        ),
        ("{ protect: { paths: [srv] } }", "20:28 config.path: expected an absolute path"),
        (
            "{ protect: { kinds: [paths] } }",
            "20:28 config.kind: no object is of the kind 'paths' (did you mean 'path'?)",
        ),
        ("{ protect: { actions: [] } }", "20:29 schema."),
        ("{ protect: {}, match: { kinds: [run] } }", "20:39 config.kind: no object is of the kind 'run' (what runs"),
        ("{ protect: {}, match: { names: [/etc/] } }", "20:39 config.path: no path is written like '/etc/' (all below"),
        ("{ protect: {}, match: { actions: [remove] } }", "20:41 schema.value"),
        ("{ protect: {}, match: { targets: [tt] } }", "20:41 config.reference: no Target is called 'tt'"),
        ("{ protect: {}, match: { repositories: [rr] } }", "20:46 config.reference: no Repository is called 'rr'"),
        ("{ approve: { people: 0 } }", "20:28 schema.value: expected at least 1, found 0"),
        ("{ approve: { from: [leads] } }", "20:27 config.group: nobody belongs to the group 'leads' (declare who does"),
        ("{ protect: {}, override: [oncall] }", "20:33 config.group"),
        ("{ require: { signedBy: [leads] } }", "20:31 config.group"),
        ("{ require: {} }", "20:18 config.require: expected at least one of signedBy, ticket"),
        ("{ require: { ticket: \"(\" } }", "20:28 config.pattern: the pattern is not understood: unclosed group"),
        ("{ require: { ticket: \"(?=x)\" } }", "20:28 config.pattern"),
        ("{ require: { age: 0s } }", "20:25 config.length"),
        (
            &unknown,
            "20:23 config.expression: the name 'plam' is not known, at column 1 of the expression (did you mean 'plan'?)",
        ),
        (&typo, "20:23 config.expression: the function 'startWith' is not known, at column 30 of the expression"),
        (&deep, "20:23 config.expression: loops (all, exists, map, filter) stand at most 2 deep"),
        ("{ deny: { when: \"true\" } }", "20:15 schema.missing-field"),
        ("{ deny: { when: \"true\", message: \"\" } }", "20:40 schema."),
        (
            "{ windows: {} }",
            "20:9 schema.unknown-field: the field 'windows' is not known here (did you mean 'window'?)",
        ),
    ] {
        let told = told_of("Policy", spec);
        if told.len() != 1 || !told[0].starts_with(start) {
            wrong.push(format!("{spec}: expected {start}, got {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_expression_over_several_lines_is_told_by_its_own() {
    let told = told_of("Policy", "\n  deny:\n    message: no\n    when: |\n      plan.deletes > 1 &&\n      plam.x\n");
    assert_eq!(
        told,
        ["24:7 config.expression: the name 'plam' is not known, at line 2, column 1 of the expression \
             (did you mean 'plan'?)"]
    );
}

#[test]
fn each_mistake_of_a_person_is_told_once() {
    let mut wrong = Vec::new();
    for (spec, start) in [
        ("{ unix: [\"1000\"] }", "20:16 config.person: expected the name of a user of this machine, found '1000'"),
        ("{ unix: [\"a b\"] }", "20:16 config.person"),
        ("{ unix: [\"\"] }", "20:16 config.person"),
        ("{ emails: [ada] }", "20:18 config.person: expected an address such as ada@example.org, found 'ada'"),
        ("{ emails: [\"@x\"] }", "20:18 config.person"),
        ("{ emails: [\"+tag@x\"] }", "20:18 config.person"),
        ("{ emails: [\"a\\u200bda@x\"] }", "20:18 config.person: expected no invisible characters"),
        ("{ keys: [\"SHA256:abc\"] }", "20:16 config.person: expected 43 characters of base64"),
        ("{ login: ada }", "20:16 config.person: expected the https:// address of an account"),
        ("{ groups: [Leads] }", "20:18 schema.value"),
        ("{ mail: a }", "20:9 schema.unknown-field"),
    ] {
        let told = told_of("Person", spec);
        if told.len() != 1 || !told[0].starts_with(start) {
            wrong.push(format!("{spec}: expected {start}, got {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_two_people_share_what_they_are_known_by() {
    let key = "0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567";
    let lower = "0123456789abcdef0123456789abcdef01234567";
    let one = format!(
        "{{ unix: [ada], emails: [Ada@example.org, ada+git@example.org], keys: [\"{key}\"], login: \"https://g.org/ada\" }}"
    );
    for (other, what) in [
        ("{ unix: [ada] }".to_owned(), "unix user 'ada'"),
        ("{ emails: [ADA@EXAMPLE.org] }".to_owned(), "e-mail 'ADA@EXAMPLE.org'"),
        ("{ emails: [ada+x@example.org] }".to_owned(), "e-mail 'ada+x@example.org'"),
        ("{ emails: [\"\u{ff41}da@example.org\"] }".to_owned(), "e-mail '\u{ff41}da@example.org'"),
        (format!("{{ keys: [{lower}] }}"), "key '0123456789abcdef0123456789abcdef01234567'"),
        ("{ login: \"https://G.org/Ada/\" }".to_owned(), "login 'https://G.org/Ada/'"),
    ] {
        let told = told(&with(&(person("ada", &one) + &person("eve", &other))));
        assert_eq!(told.len(), 1, "{told:?}");
        let expected = format!("config.two-people: the {what} belongs to the Person 'ada' too, at x.yaml:20:");
        assert!(told[0].contains(&expected), "{told:?}");
    }
    assert!(load(&with(&(person("ada", &one) + &person("eve", "{ unix: [Ada], emails: [eve@example.org] }")))).is_ok());
}

#[test]
fn a_rule_that_nobody_could_keep_is_a_mistake() {
    let people = person("ada", "{ groups: [leads] }") + &person("bob", "{ groups: [leads, oncall] }");
    let told_with = |spec: &str| told(&with(&(people.clone() + &document("Policy", "p", spec))));
    assert_eq!(
        told_with("{ approve: { people: 3, from: [leads, oncall] } }"),
        ["30:28 config.approve: 3 people are asked for, and 2 belong to these groups (no plan could ever be approved)"]
    );
    assert_eq!(
        told_with("{ approve: { from: [leeds] } }"),
        ["30:27 config.group: nobody belongs to the group 'leeds' (did you mean 'leads'?)"]
    );
    // Who there is is not known while a Person is wrong.
    let spec = "{ approve: { people: 3, from: [security] } }";
    let told = told(&with(&(person("ada", "{ group: [security] }") + &document("Policy", "p", spec))));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("schema.unknown-field"), "{told:?}");
}

#[test]
fn a_daemon_with_rules_and_people_alone_waits_for_more() {
    let rules = document("Policy", "p", "{ limit: { deletes: 1 } }") + &person("ada", "{ unix: [ada] }");
    assert!(load(&(document("Daemon", "d", "{}") + &rules)).is_ok());
    assert!(told(&rules)[0].contains("config.no-repository"));
}

#[test]
fn a_role_is_for_people_of_this_machine_and_for_somebody() {
    let people = person("ada", "{ groups: [leads] }");
    let right = with(
        &(people.clone()
            + &document("Role", "all", "{ role: admin, people: [ada] }")
            + &document("Role", "edge", "{ role: break-glass, groups: [leads], match: { applications: [a, web-*] } }")),
    );
    assert_eq!(load(&right).unwrap().config.roles.len(), 2);
    let wrong = |spec: &str| told(&with(&(people.clone() + &document("Role", "r", spec))));
    for (spec, code, hint) in [
        ("{ role: admin }", "config.role: nobody is given this role", "groups: [ops]"),
        ("{ role: viewer, people: [adda] }", "config.reference: no Person is called 'adda'", "did you mean 'ada'?"),
        ("{ role: viewer, groups: [lead] }", "config.group: nobody belongs to the group 'lead'", "'leads'"),
        ("{ role: viewer, people: [ada], match: { applications: [b] } }", "no Application is called 'b'", ""),
        ("{ role: viewer, people: [ada], match: { applications: [B] } }", "config.match", "pattern"),
    ] {
        let told = wrong(spec);
        assert!(told.len() == 1 && told[0].contains(code) && told[0].contains(hint), "{spec}: {told:?}");
    }
    let told = told(&with(&(people.clone() + &document("Role", "r", "{ role: owner, people: [ada] }"))));
    assert!(told.len() == 1 && told[0].contains("expected"), "{told:?}");
}
