//! What people get wrong, and what they are told.

use trueup::config::{Config, Loaded};
use trueup::model::Mistake;

pub(super) fn load(text: &str) -> Result<Loaded, Vec<Mistake>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.yaml");
    std::fs::write(&file, text).unwrap();
    let shown = format!("{}/", folder.path().display());
    Config::load(&file).map_err(|mut mistakes| {
        for mistake in &mut mistakes {
            mistake.message = mistake.message.replace(&shown, "");
        }
        mistakes
    })
}

/// Returns each mistake as `line:column code: message (hint)`.
pub(super) fn told(text: &str) -> Vec<String> {
    let tell = |mistake: Mistake| {
        let hint = mistake.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        let Mistake { place, code, message, .. } = mistake;
        format!("{}:{} {code}: {message}{hint}", place.line, place.column)
    };
    load(text).map(|_| ()).unwrap_err().into_iter().map(tell).collect()
}

const TEN: &str = r"apiVersion: trueup.dev/v1alpha1
kind: Repository
metadata: { name: platform }
spec:
  url: https://user:s3cret@git.example.org/ops/platform.git
  brnach: main
  poll: 5 minutes
---
apiVersion: trueup.dev/v1alpha1
kind: Repositroy
metadata: { name: other }
---
apiVersion: trueup.dev/v1
kind: Target
metadata: { name: web-1 }
spec:
  host: { allow: [/etc/nginx] }
---
apiVersion: trueup.dev/v1alpha1
kind: Target
metadata: { name: web-1 }
spec:
  host: { allow: [etc/nginx], allowSetuid: yes }
---
apiVersion: trueup.dev/v1alpha1
kind: Application
metadata: { name: 8080 }
spec:
  source: { path: a }
  target: web-1
  sync: { drift: heel }
---
apiVersion: trueup.dev/v1alpha1
kind: Application
metadata: { name: nginx }
spec:
  source: { repository: platfrom, path: ../x }
  target: web-1
";

#[test]
fn a_file_with_many_mistakes_has_all_of_them_told() {
    assert_eq!(
        told(TEN),
        [
            "5:8 config.url: a URL holds neither a password nor, for https, a user name \
             (name the secret under credentials: { file: … } or { systemd: … })",
            "6:3 schema.unknown-field: the field 'brnach' is not known here (did you mean 'branch'?)",
            "7:9 schema.value: expected text like 30s or 5m, found '5 minutes' (it has to match ^[0-9]+(ms|s|m|h|d)$)",
            "10:7 config.kind: the kind 'Repositroy' is not known (did you mean 'Repository'?)",
            "13:13 schema.value: expected trueup.dev/v1alpha1, found 'trueup.dev/v1' (did you mean 'trueup.dev/v1alpha1'?)",
            "21:19 config.duplicate-name: the Target 'web-1' is declared twice: here and at x.yaml:15:19 (rename or remove one)",
            "23:19 config.allow: expected an absolute path, found 'etc/nginx' (did you mean '/etc/nginx'?)",
            "23:44 schema.type: expected true or false, found 'yes' (did you mean true, without quotes?)",
            "27:19 schema.type: expected text, found the number 8080 (put it in quotes: \"8080\")",
            "29:11 schema.missing-field: the field 'repository' is missing (The name of a Repository document)",
            "31:18 schema.value: expected heal, hold or report, found 'heel' (did you mean 'heal'?)",
            "37:25 config.reference: no Repository is called 'platfrom' (did you mean 'platform'?)",
            "37:41 config.path: expected a path without '.', '..' and empty segments, found '../x' \
             (name it from the top of the repository, such as hosts/web-1)",
        ]
    );
}

#[test]
fn a_secret_in_a_url_is_never_repeated() {
    for text in [
        TEN.to_owned(),
        document("Repository", "r", "{url: 'https://s3cret@h/x'}"),
        document("Repository", "r", "{url: 'https://h/x', proxy: 'http://u:s3cret@p:1'}"),
        document("Repository", "r", "{url: 'git:s3cret@h:x'}"),
    ] {
        let all = format!("{:?}", load(&text).unwrap_err());
        assert!(!all.contains("s3cret"), "{all}");
    }
}

pub(super) fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

pub(super) const REPOSITORY: &str = "{ url: \"https://h/x\" }";
pub(super) const TARGET: &str = "{ host: { allow: [/etc/x] } }";
pub(super) const APPLICATION: &str = "{ source: { repository: r, path: x }, target: t }";

/// Returns what is told of a file that is right but for one document.
pub(super) fn told_of(kind: &str, spec: &str) -> Vec<String> {
    let other = |one: &str, name: &str, right: &str| document(one, name, if one == kind { spec } else { right });
    let mut text = other("Repository", "r", REPOSITORY) + &other("Target", "t", TARGET);
    text += &other("Application", "a", APPLICATION);
    if !kind.is_empty() && !["Repository", "Target", "Application"].contains(&kind) {
        text += &document(kind, "d", spec);
    }
    if load(&text).is_ok() { vec![] } else { told(&text) }
}

#[test]
fn the_file_that_the_cases_start_from_is_right() {
    assert_eq!(told_of("", ""), [""; 0]);
    assert_eq!(told_of("Daemon", "{ group: ops }"), [""; 0]);
    assert_eq!(told_of("Target", "{ host: { allow: [/], root: /tmp/x } }"), [""; 0]);
    assert_eq!(told_of("Application", "{ source: { repository: r, path: . }, target: t }"), [""; 0]);
}

/// Names of a repository are what a Git host writes, exactly; nothing is heard that nobody listens for.
#[test]
fn a_webhook_has_a_secret_names_and_somebody_who_hears_it() {
    let hear = |listen: &str| document("Daemon", "d", &format!("{{ hooks: {{ listen: {listen:?} }} }}"));
    let repository =
        |webhook: &str| document("Repository", "r", &format!("{{ url: \"https://h/x\", webhook: {webhook} }}"));
    for listen in ["127.0.0.1:9443", "[::1]:9443", "127.8.0.1:1", "[::ffff:127.0.0.1]:9443"] {
        assert!(
            load(&(hear(listen) + &repository("{ secret: { file: s }, names: [a/b, g/s/b] }"))).is_ok(),
            "{listen}"
        );
    }
    let own = |name: &str| repository(&format!("{{ secret: {{ file: s }}, names: [{name:?}] }}"));
    for bad in [
        "b",
        "/b",
        "a/",
        "a//b",
        "a/../b",
        "a/b.git",
        "https://h/a/b",
        "a/*",
        "a/.*",
        "%%/%%",
        "a/b c",
        "a/b\\n",
        "a/b\t",
        "",
    ] {
        let told = told(&(hear("127.0.0.1:1") + &own(bad)));
        assert!(
            told.len() == 1 && told[0].starts_with("10:69 config.names: expected the full name"),
            "{bad}: {told:?}"
        );
    }
    let twice = told(&(hear("127.0.0.1:1") + &repository("{ secret: { file: s }, names: [a/b, a/b] }")));
    assert_eq!(twice, ["10:74 config.names: 'a/b' is named twice"]);
    let empty = told(&(hear("127.0.0.1:1") + &repository("{ secret: { file: s }, names: [] }")));
    assert!(empty.len() == 1 && empty[0].starts_with("10:68 schema."), "{empty:?}");
    let secret = told(&(hear("127.0.0.1:1") + &repository("{ secret: {}, names: [a/b] }")));
    assert!(secret.len() == 1 && secret[0].contains("config.secrets: expected file or systemd"), "{secret:?}");
    let unheard = "5:38 config.webhook: nobody hears this webhook (say in the Daemon document where to listen: \
                   hooks: { listen: \"127.0.0.1:9443\" })";
    assert_eq!(told(&own("a/b")), [unheard]);
    assert_eq!(told(&(own("a/b") + &document("Daemon", "d", "{}"))), [unheard]);
    // Where a Daemon is wrong, it may be meant to listen.
    assert_eq!(told(&(own("a/b") + &document("Daemon", "d", "{ hoks: {} }"))).len(), 1);
}

#[test]
fn what_is_wrong_with_a_git_host_is_told_where_it_stands() {
    let forge = |forge: &str| document("Repository", "r", &format!("{{ url: \"https://h/x\", forge: {{ {forge} }} }}"));
    let fine = "url: https://git.example.org, repository: ops/platform, token: { file: t }";
    let loaded = load(&forge(fine)).unwrap().config;
    let declared = loaded.repositories.values().next().unwrap().forge.clone().unwrap();
    assert!(declared.statuses && declared.plans && !declared.forks && declared.context == "trueup");
    assert!(declared.token.file.unwrap().is_absolute());
    for more in ["context: trueup/web-1", "forks: true, statuses: false, plans: false"] {
        assert!(load(&forge(&format!("{fine}, {more}"))).is_ok(), "{more}");
    }
    for (spec, wanted) in [
        (fine.replace("https", "http"), "config.url: expected https:// (http:// goes to a loopback address only)"),
        (fine.replace("//", "//ada:s3cret@"), "config.url: a URL holds neither a user name nor a password"),
        (fine.replace(".org", ".org?x=y"), "config.url: expected https://host/path"),
        (
            fine.replace("ops/platform", "platform"),
            "config.names: expected the full name of a repository, found 'platform'",
        ),
        (fine.replace("ops/platform", "ops/a/b"), "config.names"),
        (fine.replace("ops/platform", "../x"), "config.names"),
        (fine.replace("{ file: t }", "{}"), "config.secrets: expected file or systemd"),
        (fine.replace("{ file: t }", "s3cret"), "schema.type: expected a mapping"),
        (format!("{fine}, context: \"\""), "config.context: expected 1 to 100 letters"),
        (format!("{fine}, context: \"a b\""), "config.context: expected 1 to 100 letters"),
        (format!("{fine}, fork: true"), "schema.unknown-field"),
    ] {
        let told = told(&forge(&spec));
        assert!(told.len() == 1 && told[0].contains(wanted) && !told[0].contains("s3cret"), "{spec}: {told:?}");
    }
    let tag = document("Repository", "r", &format!("{{ url: \"https://h/x\", tag: v1, forge: {{ {fine} }} }}"));
    let told = told(&tag);
    assert!(told.len() == 1 && told[0].contains("config.plans: pull requests go to a branch"), "{told:?}");
    assert!(load(&tag.replace(fine, &format!("{fine}, plans: false"))).is_ok());
    let two = |more: &str| {
        let one = |name, more: &str| {
            document("Repository", name, &format!("{{ url: \"https://h/x\", forge: {{ {fine}{more} }} }}"))
        };
        format!("{}\n---\n{}", one("r", ""), one("s", more))
    };
    let told = self::told(&two(""));
    assert!(told.len() == 1 && told[0].contains("config.context: the repository at "), "{told:?}");
    assert!(load(&two(", context: trueup/staging")).is_ok());
}

#[test]
fn each_thing_that_a_schema_cannot_say_is_one_mistake() {
    let mut wrong = Vec::new();
    let long = format!("{{ socket: /run/{} }}", "x".repeat(103));
    for (kind, spec, start) in [
        ("Daemon", "{ data: var/lib }", "20:15 config.path: expected an absolute path"),
        ("Daemon", "{ data: /var/../lib }", "20:15 config.path"),
        ("Daemon", long.as_str(), "20:17 config.socket: a socket's path has at most 107 bytes, this one has 108"),
        ("Daemon", "{ transports: [] }", "20:21 config.transport"),
        ("Daemon", "{ hooks: { listen: localhost:9443 } }", "20:26 config.listen: expected an IP address and a port"),
        ("Daemon", "{ hooks: { listen: \"127.0.0.1\" } }", "20:26 config.listen: expected an IP address and a port"),
        ("Daemon", "{ hooks: { listen: \"127.0.0.1:0\" } }", "20:26 config.listen: expected an IP address and a port"),
        ("Daemon", "{ hooks: { listen: \"0.0.0.0:9443\" } }", "20:26 config.listen: without TLS"),
        ("Daemon", "{ hooks: { listen: \"[::]:9443\" } }", "20:26 config.listen: without TLS"),
        ("Daemon", "{ hooks: { listen: \"[::ffff:10.0.0.1]:9443\" } }", "20:26 config.listen: without TLS"),
        ("Daemon", "{ hooks: { listen: \"10.0.0.1:1\", tls: { certificate: c, key: {} } } }", "20:68 config.secrets"),
        ("Daemon", "{ hooks: { listen: \"10.0.0.1:1\", tls: { key: { file: k } } } }", "20:45 schema.missing-field"),
        ("Daemon", "{ api: { listen: \"0.0.0.0:9444\" } }", "20:24 config.listen: without TLS, the API answers"),
        (
            "Daemon",
            "{ api: { listen: \"127.0.0.1:9444\", url: \"http://web-1\" } }",
            "20:47 config.url: expected https://",
        ),
        (
            "Daemon",
            "{ api: { listen: \"127.0.0.1:9444\", url: \"https://web-1/x\" } }",
            "20:47 config.url: expected an address",
        ),
        (
            "Daemon",
            "{ hooks: { listen: \"127.0.0.1:1\" }, api: { listen: \"127.0.0.1:1\" } }",
            "20:58 config.listen: webhooks are heard there already",
        ),
        ("Daemon", "{ transports: [ssh] }", "5:14 config.transport: the transport https is not allowed"),
        ("Repository", "{ url: \"file:///x\" }", "5:14 config.transport: the transport file is not allowed"),
        ("Repository", "{ url: \"ext::sh -c id\" }", "5:14 config.url"),
        ("Repository", "{ url: \"git@h:x\" }", "5:7 config.known-hosts"),
        ("Repository", "{ url: \"https://h/x\", branch: a, tag: b }", "5:45 config.ref: expected at most one of"),
        ("Repository", "{ url: \"https://h/x\", commit: abc }", "5:37 config.ref: expected a full commit id"),
        ("Repository", "{ url: \"https://h/x\", branch: refs/heads/a }", "5:37 config.ref"),
        ("Repository", "{ url: \"https://h/x\", branch: a..b }", "5:37 config.ref: 'a..b' cannot"),
        ("Repository", "{ url: \"https://h/x\", branch: -D }", "5:37 config.ref"),
        ("Repository", "{ url: \"https://h/x\", credentials: {} }", "5:42 config.credentials: expected file or"),
        (
            "Repository",
            "{ url: \"https://h/x\", credentials: { file: a, systemd: b } }",
            "5:42 config.credentials: expected either",
        ),
        ("Repository", "{ url: \"https://h/x\", credentials: { systemd: ../b } }", "5:53 config.credentials"),
        ("Repository", "{ url: \"https://h/x\", proxy: \"socks5://p\" }", "5:36 config.proxy"),
        ("Repository", "{ url: \"https://h/x\", poll: 999ms }", "5:35 config.poll: expected at least 1s, found 999ms"),
        ("Repository", "{ url: \"https://h/x\", limits: { timeout: 0s } }", "5:48 config.timeout"),
        ("Repository", "{ url: \"https://h/x\", limits: { files: 0 } }", "5:46 schema.value: expected at least 1"),
        ("Target", "{ host: { allow: [] } }", "10:15 config.allow: expected at least one path"),
        ("Target", "{ host: { allow: [/] } }", "10:25 config.allow: '/' lets a commit"),
        ("Target", "{ host: { allow: [/a, /b//c] } }", "10:29 config.allow"),
        ("Target", "{ host: { allow: [/a/] } }", "10:25 config.allow"),
        ("Target", "{ host: { allow: [/a/../b] } }", "10:25 config.allow"),
        ("Target", "{ host: { allow: [/a], commands: [nginx] } }", "10:41 config.command"),
        ("Target", "{ host: { allow: [/a], units: [nginx] } }", "10:38 config.unit: the unit 'nginx' has no type"),
        (
            "Target",
            "{ host: { allow: [/a], units: ['app-*', '*', 'a@*.service', ../x.service] } }",
            "10:67 config.unit",
        ),
        (
            "Target",
            "{ host: { allow: [/a], units: ['a b*'] } }",
            "10:38 config.unit: the unit 'a b*' holds a character",
        ),
        ("Target", "{ host: { allow: [/a], units: ['app-*.conf'] } }", "10:38 config.unit"),
        ("Target", "{ host: { allow: [/a], root: tmp } }", "10:36 config.path"),
        ("Target", "{}", "10:7 schema.missing-field: the field 'host' is missing"),
        ("Application", "{ source: { repository: r }, target: t }", "15:17 config.source: expected path or paths"),
        ("Application", "{ source: { repository: r, path: a, paths: [b] }, target: t }", "15:40 config.source"),
        ("Application", "{ source: { repository: r, path: /a }, target: t }", "15:40 config.path"),
        ("Application", "{ source: { repository: r, path: \"\" }, target: t }", "15:40 config.path"),
        ("Application", "{ source: { repository: r, paths: [a, a//b] }, target: t }", "15:45 config.path"),
        ("Application", "{ source: { repository: r, paths: [a, a] }, target: t }", "15:45 config.source"),
        ("Application", "{ source: { repository: q, path: a }, target: t }", "15:31 config.reference"),
        ("Application", "{ source: { repository: r, path: a }, target: t2 }", "15:53 config.reference"),
        (
            "Application",
            "{ source: { repository: r, path: a }, target: t, sync: { interval: 10ms } }",
            "15:74 config.interval",
        ),
    ] {
        let told = told_of(kind, spec);
        if told.len() != 1 || !told[0].starts_with(start) {
            wrong.push(format!("{kind} {spec}: expected {start}, got {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn credentials_are_not_sent_in_the_clear() {
    let daemon = document("Daemon", "d", "{ transports: [http, git, file] }");
    for url in ["http://h/x", "git://h/x", "file:///x"] {
        let repository = document("Repository", "r", &format!("{{ url: \"{url}\", credentials: {{ file: a }} }}"));
        let told = told(&(daemon.clone() + &repository));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("config.credentials: credentials are never sent over"), "{}", told[0]);
    }
}

#[test]
fn there_is_one_daemon_and_one_of_each_name() {
    let text = document("Repository", "r", REPOSITORY)
        + &document("Target", "r", TARGET)
        + &document("Daemon", "a", "{}")
        + &document("Daemon", "b", "{}")
        + &document("Repository", "r", REPOSITORY);
    assert_eq!(
        told(&text),
        [
            "18:7 config.two-daemons: a second Daemon; the first is at x.yaml:12:1 (write everything into one)",
            "24:19 config.duplicate-name: the Repository 'r' is declared twice: here and at x.yaml:4:19 (rename or remove one)",
        ]
    );
}

#[test]
fn mistakes_of_several_files_come_together_and_one_that_cannot_be_read_hides_no_other() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yaml"), "a: [1\n").unwrap();
    std::fs::write(folder.path().join("b.yaml"), document("Target", "t", "{ host: { allow: [x] } }")).unwrap();
    let application = document("Application", "a", "{ source: { repository: r, path: /x }, target: t }");
    std::fs::write(folder.path().join("c.yml"), application).unwrap();
    let mistakes = Config::load(folder.path()).unwrap_err();
    let codes: Vec<_> = mistakes.iter().map(|mistake| mistake.code.as_str()).collect();
    // The repository may stand in the file that cannot be read, so its absence is not told.
    assert_eq!(codes, ["yaml.syntax", "config.allow", "config.path"]);
}

#[test]
fn a_mistyped_kind_is_one_mistake_and_not_the_cause_of_others() {
    let text = document("Deamon", "d", "{ transports: [file] }")
        + &document("Repositroy", "r", REPOSITORY)
        + &document("Repository", "f", "{ url: \"file:///x\" }")
        + &document("Target", "t", TARGET)
        + &document("Application", "a", APPLICATION);
    assert_eq!(
        told(&text),
        [
            "3:7 config.kind: the kind 'Deamon' is not known (did you mean 'Daemon'?)",
            "8:7 config.kind: the kind 'Repositroy' is not known (did you mean 'Repository'?)",
        ]
    );
}

/// Returns what is told of a Notification with this spec, beside an application `web-1`.
fn notification(spec: &str) -> Vec<String> {
    let head = "apiVersion: trueup.dev/v1alpha1\nmetadata: { name: ";
    let indented = spec.lines().fold(String::new(), |text, line| text + "  " + line + "\n");
    told(&format!(
        "{head}x }}\nkind: Notification\nspec:\n{indented}---\n\
         {head}p }}\nkind: Repository\nspec: {{ url: https://git.example.org/p.git }}\n---\n\
         {head}t }}\nkind: Target\nspec: {{ host: {{ allow: [/etc/x] }} }}\n---\n\
         {head}web-1 }}\nkind: Application\nspec: {{ source: {{ repository: p, path: a }}, target: t }}\n"
    ))
}

#[test]
fn what_is_wrong_with_a_notification_is_told_where_it_stands() {
    let hook = "webhook: { url: https://hooks.example.org/x, secret: { file: s } }";
    for (spec, wanted) in [
        (
            "severity: info".to_owned(),
            "5:3 config.notification: expected one of webhook, slack, matrix and email \
             (webhook: { url: https://…, secret: { file: … } }, or slack, matrix or email)",
        ),
        (
            format!("{hook}\nslack: {{ url: {{ file: s }} }}"),
            "6:10 config.notification: expected one of webhook, slack, matrix and email, found webhook and slack \
             (write a Notification for each)",
        ),
        (
            "webhook: { url: http://hooks.example.org/x, secret: { file: s } }".into(),
            "5:19 config.url: expected https:// (http:// goes to a loopback address only)",
        ),
        (
            "webhook: { url: https://ada:s3cret@hooks.example.org/x, secret: { file: s } }".into(),
            "5:19 config.url: a URL holds neither a user name nor a password",
        ),
        (
            "webhook: { url: https://hooks.example.org/x, secret: { file: s, systemd: s } }".into(),
            "5:56 config.secrets: expected either file or systemd, found both (keep one)",
        ),
        (
            "slack: { url: https://hooks.slack.com/services/s3cret }".into(),
            "5:17 schema.type: expected a mapping, found text \
             (Where a secret comes from: exactly one of `file` and `systemd`)",
        ),
        (
            "matrix: { server: https://m.example.org, room: \"#ops:example.org\", token: { file: s } }".into(),
            "5:50 config.room: expected the id of a room, which begins with '!', found '#ops:example.org' \
             (a client shows it among the room's advanced settings)",
        ),
        (
            "email: { server: smtp.example.org, from: a@example.org, to: [b@example.org] }".into(),
            "5:20 config.server: expected host:port (587 for starttls, 465 for implicit TLS: smtp.example.org:587)",
        ),
        (
            "email: { server: \"smtp.example.org:465\", from: a@example.org, to: [b@example.org] }".into(),
            "5:20 config.server: port 465 speaks TLS from the first byte (tls: implicit)",
        ),
        (
            "email: { server: \"smtp.example.org:25\", tls: none, from: a@example.org, to: [b@example.org] }".into(),
            "5:48 config.server: without TLS, mail goes to a loopback address only \
             (tls: starttls (587) or tls: implicit (465))",
        ),
        (
            "email: { server: \"localhost:25\", tls: none, from: a@example.org, to: [\"b\\r\\nBcc: c@example.org\"] }"
                .into(),
            "5:73 config.address: 'b\\r\\nBcc: c@example.org' is not a mail address \
             (ops@example.org, or Operations <ops@example.org>)",
        ),
        (
            "email: { server: \"localhost:25\", tls: none, from: a@example.org, to: [b@example.org], username: a }"
                .into(),
            "5:99 config.login: a user needs a password (password: { file: … })",
        ),
        (format!("{hook}\nevents: [changed, held, changed]"), "6:27 config.notification: changed is named twice"),
        (
            format!("{hook}\nevents: [changd]"),
            "6:12 schema.value: expected changed, held, failed, degraded, recovered, rolled-back, revert, drift, act, \
             break-glass, daemon or trail, found 'changd' (did you mean 'changed'?)",
        ),
        (
            format!("{hook}\nmatch: {{ applications: [\"web-*\", wbe-1] }}"),
            "6:36 config.reference: no Application is called 'wbe-1' (did you mean 'web-1'?)",
        ),
        (
            format!("{hook}\nmatch: {{ applications: [Web*] }}"),
            "6:27 config.match: no application is called 'Web*' (a name, or a pattern with `*` for any part of one (web-*))",
        ),
        (
            format!("{hook}\ntemplate:\n  text: |\n    one\n    {{{{ message"),
            "8:7 config.template: line 2 of the template: syntax error: unexpected end of input, expected end of \
             variable block",
        ),
        (
            format!("{hook}\ntemplate: {{ title: \"{{% if plan %}}{{{{ aplication }}}}{{% endif %}}\" }}"),
            "6:22 config.template: nothing is called 'aplication' (did you mean 'application'?)",
        ),
        (
            format!("{hook}\ntemplate: {{ title: \"{{{{ actor.nmae }}}}\" }}"),
            "6:22 config.template: line 1 of the template: undefined value: `actor.nmae` is undefined \
             (what may be missing is asked for first: {% if plan %}…{% endif %})",
        ),
        (
            format!("{hook}\ntemplate: {{ text: \"{{{{ findings[0].code }}}}\" }}"),
            "6:21 config.template: line 1 of the template: undefined value: `findings[0]` is undefined \
             (what may be missing is asked for first: {% if plan %}…{% endif %})",
        ),
    ] {
        assert_eq!(notification(&spec), [wanted], "{spec}");
    }
}

#[test]
fn labels_of_a_template_may_be_any_and_paths_count_from_the_file() {
    let text = r#"apiVersion: trueup.dev/v1alpha1
kind: Repository
metadata: { name: p }
spec: { url: https://git.example.org/p.git }
---
apiVersion: trueup.dev/v1alpha1
kind: Notification
metadata: { name: x }
spec:
  email:
    server: "smtp.example.org:587"
    from: a@example.org
    to: [b@example.org]
    username: a
    password: { file: pass }
  template: { title: "{{ labels.team }}{% if labels.none %}!{% endif %}", text: "{{ plan }}" }
  tls: { ca: ca.pem }
"#;
    let config = load(text).unwrap().config;
    let notification = config.notifications.values().next().unwrap();
    let (ca, secret) = (notification.tls.ca.as_ref().unwrap(), notification.secrets().next().unwrap());
    assert!(ca.is_absolute() && secret.file.as_ref().unwrap().is_absolute());
    assert_eq!(notification.kind(), "email");
    assert_eq!(notification.events, trueup::model::notice::NoticeEvent::QUIET);
}
