//! Documents that come from Git.

use std::collections::BTreeMap;

use trueup::config::{Config, Declarations, parse_declarations};
use trueup::model::Mistake;

use super::mistakes::{APPLICATION, REPOSITORY, TARGET, document, load};

fn machine() -> Config {
    let text = document("Repository", "r", REPOSITORY)
        + &document("Target", "t", TARGET)
        + &document("Application", "own", APPLICATION)
        + &document("Policy", "house", "{ limit: { deletes: 1 } }")
        + &document("Person", "ada", "{ emails: [ada@example.org], groups: [leads] }");
    load(&text).unwrap().config
}

fn parse(files: &[(&str, String)]) -> Result<Declarations, Vec<String>> {
    let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), text.clone().into_bytes())).collect();
    let tell = |Mistake { place, code, message, hint }: Mistake| {
        let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{place} {code}: {message}{hint}")
    };
    parse_declarations(&files, &machine()).map_err(|mistakes| mistakes.into_iter().map(tell).collect())
}

#[test]
fn what_git_declares_keeps_its_place_and_one_form() {
    let application = "apiVersion: trueup.dev/v1alpha1\nkind: Application\nmetadata: { name: web, labels: { team: edge } }\n\
                       spec: { source: { repository: r, path: web }, target: t }\n";
    let declared = parse(&[
        ("apps/web.yaml", application.to_owned()),
        ("rules.yaml", document("Policy", "two", "{ approve: { people: 2, from: [leads, oncall] } }")),
        ("people.yaml", document("Person", "bob", "{ groups: [oncall] }")),
    ])
    .unwrap();
    let web = &declared.applications["web"];
    assert_eq!(web.place.to_string(), "apps/web.yaml:1:1");
    assert_eq!(web.labels, BTreeMap::from([("team".to_owned(), "edge".to_owned())]));
    assert_eq!(
        web.value.to_string(),
        r#"{"labels":{"team":"edge"},"spec":{"source":{"repository":"r","path":"web","paths":[]},"target":"t","sync":{"automatic":true,"prune":true,"drift":"heal","interval":"3m"}}}"#
    );
    assert_eq!(declared.policies["two"].spec.approve.as_ref().unwrap().people, 2);
    assert_eq!(declared.people["bob"].spec.groups[0].as_str(), "oncall");
    // The same said in other words.
    let other = "apiVersion: trueup.dev/v1alpha1\nkind: Application\nspec:\n  sync: {drift: heal}\n  target: t\n  source:\n    \
                 path: web\n    repository: r\nmetadata:\n  labels: {team: \"edge\"}\n  name: web\n";
    let other = parse(&[("apps/web.yaml", other.to_owned())]).unwrap();
    assert_eq!(other.applications["web"].value, web.value);
    assert_eq!(other.applications["web"].value.to_string(), web.value.to_string());
}

#[test]
fn what_decides_trust_is_not_declared_in_git() {
    let files = [(
        "x.yaml",
        document("Target", "t2", "{ host: { allow: [/] } }")
            + &document("Repository", "r2", "{}")
            + &document("Role", "all", "{ role: admin, people: [ada] }"),
    )];
    assert_eq!(
        parse(&files).unwrap_err(),
        [
            "x.yaml:3:7 config.trust: a Target is declared on the machine, not in Git: it decides what is trusted \
             (in Git are declared: Application, Policy, Person, BreakGlass)",
            "x.yaml:8:7 config.trust: a Repository is declared on the machine, not in Git: it decides what is trusted \
             (in Git are declared: Application, Policy, Person, BreakGlass)",
            "x.yaml:13:7 config.trust: a Role is declared on the machine, not in Git: it decides what is trusted \
             (in Git are declared: Application, Policy, Person, BreakGlass)",
        ]
    );
    for kind in ["Daemon", "HostAccess"] {
        let told = parse(&[("x.yaml", document(kind, "d", "{}"))]).unwrap_err();
        assert!(told.len() == 1 && told[0].contains("config.trust"), "{told:?}");
    }
}

#[test]
fn mistakes_in_git_are_told_as_those_of_the_machine() {
    let text = document("Application", "own", APPLICATION)
        + &document("Application", "b", "{ source: { repository: q, path: x }, target: t9 }")
        + &document("Policy", "house", "{ window: { deny: \"0 0 * *\", for: 1h } }")
        + &document("Person", "ada", "{}")
        + &document("Person", "eve", "{ emails: [Ada+x@example.org] }")
        + &document("Policy", "p", "{ approve: { people: 2, from: [leads] }, protect: {}, override: [oncal] }")
        + &document("Polcy", "p", "{}");
    assert_eq!(
        parse(&[("a/b.yaml", text)]).unwrap_err(),
        [
            "a/b.yaml:4:19 config.duplicate-name: the Application 'own' is declared on the machine already \
             (give this one another name)",
            "a/b.yaml:10:31 config.reference: no Repository is called 'q' (did you mean 'r'?)",
            "a/b.yaml:10:53 config.reference: no Target is called 't9' (did you mean 't'?)",
            "a/b.yaml:14:19 config.duplicate-name: the Policy 'house' is declared on the machine already \
             (give this one another name)",
            "a/b.yaml:15:25 config.cron: expected five fields, found 4 \
             (minute, hour, day of month, month, weekday: \"0 15 * * Fri\")",
            "a/b.yaml:19:19 config.duplicate-name: the Person 'ada' is declared on the machine already \
             (give this one another name)",
            "a/b.yaml:25:18 config.two-people: the e-mail 'Ada+x@example.org' belongs to the Person 'ada' too, \
             on the machine (let each person have it alone, or make one Person of the two)",
            "a/b.yaml:33:7 config.kind: the kind 'Polcy' is not known (did you mean 'Policy'?)",
        ]
    );
    let policy = "{ approve: { people: 2, from: [leads] }, protect: {}, override: [oncal] }";
    assert_eq!(
        parse(&[
            ("p.yaml", document("Policy", "p", policy)),
            ("q.yaml", document("Person", "bob", "{ groups: [oncall] }"))
        ])
        .unwrap_err(),
        [
            "p.yaml:5:28 config.approve: 2 people are asked for, and 1 belong to these groups \
             (no plan could ever be approved)",
            "p.yaml:5:72 config.group: nobody belongs to the group 'oncal' (did you mean 'oncall'?)",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_hides_no_other_mistake() {
    let told = parse(&[
        ("a.yaml", "a: [1\n".to_owned()),
        ("b.yaml", document("Application", "a", "{ source: { repository: r, path: /x }, target: t }")),
    ])
    .unwrap_err();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("a.yaml:") && told[0].contains("yaml.syntax"), "{told:?}");
    assert!(told[1].starts_with("b.yaml:5:40 config.path"), "{told:?}");
    assert_eq!(parse(&[]).unwrap(), Declarations::default());
}
