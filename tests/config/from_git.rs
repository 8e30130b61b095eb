//! What the machine says of declarations in Git, and what is in force when both change.

use serde_json::{Value, json};
use trueup::config::{Accepted, Config, Effective, parse_declarations};
use trueup::model::{Mistake, Place};

use super::mistakes::{APPLICATION, REPOSITORY, TARGET, document, load, told};

const FROM_GIT: &str = "{ declarations: { repository: r, path: trueup, allow: { targets: [t], paths: [/etc/app] } } }";

fn machine(daemon: &str, more: &str) -> String {
    document("Daemon", "d", daemon) + &document("Repository", "r", REPOSITORY) + &document("Target", "t", TARGET) + more
}

fn loaded(text: &str) -> Config {
    load(text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}")).config
}

fn in_git(machine: &Config, files: &[(&str, String)]) -> Vec<String> {
    let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), text.clone().into_bytes())).collect();
    let tell = |Mistake { place, code, message, .. }: Mistake| format!("{place} {code}: {message}");
    parse_declarations(&files, machine).err().unwrap_or_default().into_iter().map(tell).collect()
}

#[test]
fn what_decides_trust_in_declarations_stands_on_the_machine_and_each_mistake_has_its_place() {
    let daemon = "\n  declarations:\n    repository: q\n    path: ../trueup\n    allow:\n      targets: [t, u]\n      \
                  repositories: [s]\n      paths: [etc/app]\n      units: [\"app service\"]\n      commands: [sh]\n    \
                  accept:\n      signedBy: [\"*@example.org\", SHA256:abc]\n      people: [ada]\n";
    let text = machine(daemon, &document("Application", "declarations", APPLICATION));
    assert_eq!(
        told(&text),
        [
            "7:17 config.reference: no Repository is called 'q' (did you mean 'r'?)",
            "8:11 config.path: expected a path without '.', '..' and empty segments, found '../trueup' \
             (name it from the top of the repository, such as hosts/web-1)",
            "10:20 config.reference: no Target is called 'u' (did you mean 't'?)",
            "11:22 config.reference: no Repository is called 's' (did you mean 'r'?)",
            "12:15 config.allow: expected an absolute path, found 'etc/app' (did you mean '/etc/app'?)",
            "13:15 config.unit: the unit 'app service' has no type, such as `.service` \
             (write a whole name (nginx.service), or a pattern with `*` for any part of one (app-*.service))",
            "14:18 config.command: expected an absolute path, found 'sh' (did you mean '/sh'?)",
            "16:18 config.accept: expected one principal or the fingerprint of one key, found '*@example.org' \
             (as `verify` names who signed: ada@example.org, or SHA256:…)",
            "17:16 config.reference: no Person is called 'ada' (declare it: kind: Person)",
            "32:19 config.reserved-name: no Application is called 'declarations': what is declared in Git is \
             (give it another name)",
        ]
    );
    let unverified = "{ declarations: { repository: r, path: ., accept: { signedBy: [ada] } } }";
    assert!(
        told(&machine(unverified, ""))[0].contains("asks for no signatures"),
        "{:?}",
        told(&machine(unverified, ""))
    );
    let own = machine("{}", &document("Application", "declarations", APPLICATION));
    assert!(load(&own).is_ok(), "the name is free where nothing is declared in Git");
}

#[test]
fn a_notification_may_name_an_application_that_only_git_knows() {
    let sink = "{ slack: { url: { file: u } }, match: { applications: [web, declarations] } }";
    let sink = document("Notification", "n", sink);
    assert_eq!(told(&machine("{}", &sink)).len(), 2);
    loaded(&machine(FROM_GIT, &sink));
}

#[test]
fn a_policy_of_the_machine_may_ask_for_people_whom_only_git_knows() {
    let policy = document("Policy", "p", "{ approve: { people: 2, from: [leads] }, override: [oncall] }");
    assert_eq!(told(&machine("{}", &policy)).len(), 2);
    loaded(&machine(FROM_GIT, &policy));
}

#[test]
fn git_names_no_target_and_no_repository_that_it_is_not_allowed() {
    let more = document("Repository", "lab", REPOSITORY) + &document("Target", "other", TARGET);
    let machine = loaded(&machine(FROM_GIT, &more));
    let app = |name: &str, repository: &str, target: &str| {
        document(
            "Application",
            name,
            &format!("{{ source: {{ repository: {repository}, path: x }}, target: {target} }}"),
        )
    };
    assert_eq!(in_git(&machine, &[("a.yaml", app("web", "r", "t"))]), Vec::<String>::new());
    let files = [("a.yaml", app("web", "lab", "other") + &app("declarations", "r", "t"))];
    assert_eq!(
        in_git(&machine, &files),
        [
            "a.yaml:5:31 declarations.not-allowed: applications that are declared in Git may not be of the repository lab",
            "a.yaml:5:55 declarations.not-allowed: applications that are declared in Git may not name the target other",
            "a.yaml:9:19 config.reserved-name: no Application is called 'declarations': what is declared in Git is",
        ]
    );
    let many: String = (0..2001).map(|number| app(&format!("a-{number}"), "r", "t")).collect();
    let told = in_git(&machine, &[("many.yaml", many)]);
    assert!(told.len() == 1 && told[0].contains("declarations.too-many"), "{told:?}");
}

#[test]
fn break_glass_is_asked_for_in_git_alone_and_by_what_is_declared() {
    let text =
        machine(FROM_GIT, &document("BreakGlass", "b", "{ applications: [a], policies: [p], reason: x, for: 1h }"));
    assert!(told(&text)[0].contains("config.break-glass: break-glass is asked for in Git"), "{:?}", told(&text));
    let machine = loaded(&machine(FROM_GIT, &document("Policy", "freeze", "{ limit: { deletes: 1 } }")));
    let app = document("Application", "web", "{ source: { repository: r, path: x }, target: t }");
    let ask = |spec: &str| in_git(&machine, &[("a.yaml", app.clone()), ("b.yaml", document("BreakGlass", "b", spec))]);
    assert_eq!(ask("{ applications: [web], policies: [freeze], reason: down, for: 1h }"), Vec::<String>::new());
    assert_eq!(
        ask("{ applications: [web], liveEdit: [/etc/*], reason: down, ticket: OPS-1, for: 2h }"),
        Vec::<String>::new()
    );
    for (spec, said) in [
        ("{ applications: [], policies: [freeze], reason: x, for: 1h }", "at least 1 items"),
        ("{ applications: [wep], policies: [freeze], reason: x, for: 1h }", "no Application is called 'wep'"),
        ("{ applications: [web], policies: [freez], reason: x, for: 1h }", "no Policy is called 'freez'"),
        ("{ applications: [web], reason: x, for: 1h }", "expected policies or liveEdit"),
        ("{ applications: [web], policies: [freeze], liveEdit: [x], reason: x, for: 1h }", "found both"),
        ("{ applications: [web], policies: [freeze], reason: ' ', for: 1h }", "a text of at most 1000"),
        ("{ applications: [web], policies: [freeze], reason: x, for: 8d }", "from 1m to 7d"),
        ("{ applications: [web], policies: [freeze], for: 1h }", "reason"),
    ] {
        let told = ask(spec);
        assert!(told.iter().any(|one| one.contains(said)), "{spec}: {told:?}");
    }
}

fn accepted(number: u32, kind: &str, name: &str, spec: &Value) -> Accepted {
    let document = json!({
        "apiVersion": "trueup.dev/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec,
    });
    Accepted { document, place: Place { file: format!("{name}.yaml").into(), line: number, column: 1 } }
}

fn told_left_out(effective: &Effective) -> Vec<String> {
    effective.left_out.iter().map(|one| format!("{} {}", one.place, one.code)).collect()
}

#[test]
fn what_was_accepted_is_in_force_with_the_application_that_keeps_it() {
    let all = [
        accepted(1, "Application", "web", &json!({ "source": { "repository": "r", "path": "web" }, "target": "t" })),
        accepted(2, "Policy", "house", &json!({ "limit": { "deletes": 1 } })),
        accepted(3, "Person", "ada", &json!({ "emails": ["ada@example.org"] })),
        accepted(
            4,
            "BreakGlass",
            "b",
            &json!({ "applications": ["web"], "policies": ["house"], "reason": "x \"y\"", "for": "1h" }),
        ),
    ];
    let effective = loaded(&machine(FROM_GIT, "")).with_git(&all);
    assert_eq!(told_left_out(&effective), Vec::<String>::new());
    let config = &effective.config;
    let names: Vec<_> = config.applications.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["declarations", "web"]);
    assert_eq!(config.applications["declarations"].spec.target.as_str(), "declarations");
    assert_eq!(effective.from_git.iter().map(ToString::to_string).collect::<Vec<_>>(), ["web"]);
    assert!(config.policies.contains_key("house") && config.people.contains_key("ada"));
    assert_eq!(config.requests["b"].reason, "x \"y\"");
    // Without the word of the machine nothing of it counts.
    let without = loaded(&machine("{}", &document("Application", "a", APPLICATION))).with_git(&all);
    assert!(without.config.policies.is_empty() && without.config.applications.len() == 1);
}

#[test]
fn one_that_no_longer_fits_is_left_out_by_itself() {
    let app = |target: &str| json!({ "source": { "repository": "r", "path": "x" }, "target": target });
    let all = [
        accepted(1, "Application", "web", &app("t")),
        accepted(2, "Application", "lost", &app("gone")),
        accepted(3, "Application", "taken", &app("t")),
        accepted(4, "Person", "eve", &json!({ "emails": ["Ada@example.org"] })),
        accepted(5, "Person", "bob", &json!({ "groups": ["oncall"] })),
        accepted(6, "Application", "odd", &json!({ "sauce": 1 })),
    ];
    let more =
        document("Application", "taken", APPLICATION) + &document("Person", "ada", "{ emails: [ada@example.org] }");
    let effective = loaded(&machine(FROM_GIT, &more)).with_git(&all);
    let mut told = told_left_out(&effective);
    told.sort_unstable();
    told.dedup();
    assert_eq!(
        told,
        [
            "eve.yaml:4:1 config.two-people",
            "lost.yaml:2:1 config.reference",
            "odd.yaml:6:1 schema.missing-field",
            "odd.yaml:6:1 schema.unknown-field",
            "taken.yaml:3:1 config.duplicate-name",
        ]
    );
    let names: Vec<_> = effective.config.applications.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["declarations", "taken", "web"]);
    assert_eq!(effective.from_git.len(), 1, "`taken` is the machine's");
    assert!(effective.config.people.contains_key("bob") && !effective.config.people.contains_key("eve"));
}

#[test]
fn a_policy_stays_though_what_it_names_went_and_holds_all_that_it_binds_where_it_cannot_be_read() {
    let all = [
        accepted(1, "Policy", "four-eyes", &json!({ "approve": { "people": 2, "from": ["gone"] } })),
        accepted(2, "Policy", "elsewhere", &json!({ "match": { "targets": ["gone"] }, "limit": { "deletes": 0 } })),
        accepted(3, "Policy", "newer", &json!({ "match": { "applications": ["web"] }, "moon": "full" })),
        accepted(4, "Policy", "stranger", &json!("nothing")),
        accepted(5, "Policy", "house", &json!({ "limit": { "deletes": 9 } })),
    ];
    let more = document("Policy", "house", "{ limit: { deletes: 1 } }");
    let effective = loaded(&machine(FROM_GIT, &more)).with_git(&all);
    let policies = &effective.config.policies;
    assert_eq!(policies["four-eyes"].spec.approve.as_ref().unwrap().people, 2);
    assert_eq!(policies["elsewhere"].spec.limit.as_ref().unwrap().deletes, Some(0));
    assert!(policies["newer"].spec.deny.as_ref().unwrap().expression().is_err(), "it has no answer, and so holds");
    assert_eq!(policies["newer"].spec.matches.applications.len(), 1, "no more than it ever bound");
    assert!(policies["stranger"].spec.deny.is_some() && policies["stranger"].spec.matches.applications.is_empty());
    assert_eq!(policies["house"].spec.limit.as_ref().unwrap().deletes, Some(1), "the machine's own stands");
    assert_eq!(effective.left_out.len(), 5, "{:#?}", effective.left_out);
}
