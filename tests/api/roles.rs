//! Which role may give which command: the table, tried cell by cell.

use std::path::{Path, PathBuf};

use super::there::{There, document};
use super::world::{App, Ran};

/// A command, with places for what there is; and the roles beside `admin` that it takes. `all`: for all applications.
struct Row {
    command: &'static str,
    by: &'static [&'static str],
    all: bool,
}

const fn on(command: &'static str, by: &'static [&'static str]) -> Row {
    Row { command, by, all: false }
}

const fn all(command: &'static str, by: &'static [&'static str]) -> Row {
    Row { command, by, all: true }
}

const EVERYBODY: &[&str] = &["viewer", "operator", "approver", "break-glass"];

/// Those that change what comes after stand last.
const TABLE: &[Row] = &[
    on("plan APP", EVERYBODY),
    on("diff APP", EVERYBODY),
    on("policy explain APP", EVERYBODY),
    on("audit show RECORD", EVERYBODY),
    on("audit prove RECORD", EVERYBODY),
    all("audit verify", &[]),
    all("audit export", &[]),
    all("notify test ops", &[]),
    all("audit rotate-key", &[]),
    all("audit archive", &[]),
    all("audit erase RECORD --reason x", &[]),
    on("sync APP", &["operator"]),
    on("suspend APP --reason x", &["operator"]),
    on("resume APP", &["operator"]),
    on("break-glass show GLASS", &["operator", "break-glass"]),
    on("break-glass open APP --policy house --reason x --for 1m", &["break-glass"]),
    on("break-glass agree GLASS", &["break-glass"]),
    on("break-glass close GLASS", &["break-glass"]),
    on("destroy APP", &[]),
    on("adopt OTHER", &["approver"]),
    on("reject NEXT", &["approver"]),
    on("approve PLAN", &["approver"]),
];

fn is_forbidden(ran: &Ran) -> bool {
    ran.stderr.contains("(api.forbidden)")
}

fn is_hidden(ran: &Ran) -> bool {
    ran.stderr.contains(".unknown)")
}

#[test]
fn each_role_may_what_its_row_says_and_nothing_of_another_application() {
    let mut there = There::new();
    there.world.declared.apps =
        ["web", "wee", "woo", "db"].map(|name| App::new(name, &[name]).sync("automatic: false")).to_vec();
    there.world.declared.more += &document("Policy", "house", "{ limit: { deletes: 9 } }");
    let hook = "{ webhook: { url: \"http://127.0.0.1:9/\", secret: { file: home/hook } } }";
    super::world::private(&there.world, "hook", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
    there.world.declared.more += &document("Notification", "ops", hook);
    let repo = &there.world.repo;
    repo.write("web/root/etc/motd", "one\n").write("wee/root/etc/wee", "one\n").write("woo/root/etc/woo", "one\n");
    repo.write("db/root/etc/db", "one\n").land("first");
    there.world.start();
    let of = |application: &str, [next, other]: [&str; 2]| {
        let plan = there.held(application);
        let open = ["break-glass", "open", application, "--policy", "house", "--reason", "x", "--for", "1h", "--json"];
        let glass = there.world.cli(&open).code(0).json()["id"].as_str().unwrap().to_owned();
        let records = there.records();
        let record = records.iter().find(|one| one["application"] == application && one["kind"] == "closed").unwrap();
        let places =
            [("APP", application.to_owned()), ("PLAN", plan), ("GLASS", glass), ("RECORD", record["seq"].to_string())];
        [&places[..], &[("NEXT", there.held(next)), ("OTHER", other.to_owned())]].concat()
    };
    let (web, db) = (of("web", ["wee", "woo"]), of("db", ["db", "db"]));
    let tokens: Vec<(&str, PathBuf)> =
        [("viewer", "vera"), ("operator", "olga"), ("break-glass", "bree"), ("approver", "per"), ("admin", "ann")]
            .map(|(role, person)| (role, there.token(person, &[role], &[])))
            .to_vec();
    let run = |token: &Path, row: &Row, with: &[(&str, String)]| {
        let put =
            |word: &str| with.iter().find(|(place, _)| *place == word).map_or(word.to_owned(), |(_, it)| it.clone());
        let words: Vec<_> = row.command.split(' ').map(put).collect();
        there.cli(token, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for row in TABLE {
        let mut first = true;
        for (role, token) in &tokens {
            let ran = run(token, row, &web);
            let may = !row.all && (*role == "admin" || row.by.contains(role));
            let of_all = row.all && !row.command.contains("RECORD") && row.command.starts_with("notify");
            if of_all {
                assert!(is_hidden(&ran), "{role}: {}: {}", row.command, ran.stderr);
                continue;
            }
            assert_eq!(is_forbidden(&ran), !may, "{role}: {}: {}{}", row.command, ran.stdout, ran.stderr);
            // The first who may finds it; the next ones may find it done.
            assert!(!(may && first && is_hidden(&ran)), "{role}: {}: {}", row.command, ran.stderr);
            first &= !may;
            if !row.all {
                let ran = run(token, row, &db);
                let none = ran.stderr.contains("(api.forbidden)") || ran.code != 2;
                assert!(is_hidden(&ran) && !none, "{role}: {} of db: {}{}", row.command, ran.stdout, ran.stderr);
            }
        }
    }
    assert_eq!(there.world.read("/etc/motd").as_deref(), Some("one\n"), "the approval counted");
    assert_eq!(there.world.read("/etc/db"), None);
    // One who sees everything and may nothing; and one who may everything.
    let (ella, ada) = (there.token("ella", &["viewer"], &[]), there.token("ada", &["admin"], &[]));
    for row in TABLE {
        let sees = row.by.contains(&"viewer") || ["audit verify", "audit export"].contains(&row.command);
        let forbidden = is_forbidden(&run(&ella, row, &db));
        assert_eq!(forbidden, !sees, "{}", row.command);
    }
    for row in TABLE {
        assert!(!is_forbidden(&run(&ada, row, &db)), "{}", row.command);
    }
}

#[test]
fn at_the_socket_roles_add_to_what_whoever_opens_it_may() {
    if !rustix::process::geteuid().is_root() {
        super::world::parts::skip("becoming another user needs root");
        return;
    }
    let mut there = There::new();
    there.world.declared.more = document("Person", "olga", "{ unix: [nobody] }")
        + &document("Role", "olga", "{ role: operator, people: [olga], match: { applications: [web] } }");
    there.world.repo.write("web/root/etc/motd", "one\n").write("db/root/etc/db", "one\n").land("first");
    there.world.start();
    there.world.until_live("/etc/db", "one\n");
    let socket = there.world.path("run/trueup.sock");
    std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let open = |path: &str, mode| {
        std::fs::set_permissions(there.world.path(path), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    open("run", 0o755);
    let nobody = |arguments: &[&str]| there.world.cli_as(65534, arguments);
    let seen = nobody(&["plan", "db"]);
    assert!(seen.code == 0, "{}", seen.stderr);
    let _ = nobody(&["sync", "web"]).code(0);
    assert!(is_forbidden(&nobody(&["sync", "db"])) && is_forbidden(&nobody(&["adopt", "web"])));
    assert!(is_forbidden(&nobody(&["audit", "rotate-key"])));
    // Their token has what their role gives, and not what the open socket lets them read.
    let made = nobody(&["token", "create", "--role", "operator", "--application", "web"]).code(0);
    let token = super::world::private(&there.world, "olga", &made.stdout);
    let token = Path::new(&token);
    assert_eq!(there.get(token, "/v1/applications/web/plan").status, 200);
    assert_eq!(there.get(token, "/v1/applications/db/plan").status, 404);
    let wider = nobody(&["token", "create", "--role", "viewer", "--application", "db"]);
    assert!(wider.stderr.contains("(token.forbidden)"), "{}", wider.stderr);
    // Who is nobody that is declared reads, and makes none.
    let sys = |arguments: &[&str]| there.world.cli_as(3, arguments);
    let _ = sys(&["plan", "db"]).code(0);
    let none = sys(&["token", "create", "--role", "viewer", "--robot", "x"]);
    assert!(none.stderr.contains("(token.forbidden)"), "{}", none.stderr);
}

/// M6: whatever somebody came as, they are one person.
#[test]
fn a_person_is_one_whether_by_the_socket_or_by_any_token() {
    let mut there = There::new();
    there.world.declared.apps = vec![App::new("web", &["web"])];
    let person = |name: &str, more: &str| document("Person", name, &format!("{{ groups: [ops]{more} }}"));
    there.world.declared.more = person("ada", ", unix: [root]")
        + &person("bob", "")
        + &document("Person", "cal", "{ emails: [ada@example.org] }")
        + &document("Role", "ops", "{ role: approver, groups: [ops] }")
        + &document("Role", "glass", "{ role: break-glass, groups: [ops] }")
        + &document("Policy", "two", "{ approve: { people: 2, from: [ops] }, overridePeople: 1 }");
    there.world.repo.write("web/root/etc/motd", "one\n").land("first");
    there.world.start();
    let plan = there.held("web");
    let (first, second) =
        (there.token("ada", &["approver", "break-glass"], &[]), there.token("ada", &["approver", "break-glass"], &[]));
    let _ = there.world.cli(&["approve", &plan]).code(1);
    let _ = there.cli(&first, &["approve", &plan]).code(1);
    let _ = there.cli(&second, &["approve", &plan]).code(1);
    assert_eq!(there.world.read("/etc/motd"), None, "three times ada is one person");
    let open = ["break-glass", "open", "web", "--policy", "two", "--reason", "x", "--for", "10m", "--json"];
    let glass = there.cli(&first, &open).code(0).json()["id"].as_str().unwrap().to_owned();
    for own in
        [there.world.cli(&["break-glass", "agree", &glass]), there.cli(&second, &["break-glass", "agree", &glass])]
    {
        assert!(own.stderr.contains("(break-glass.same-person)"), "{}", own.stderr);
    }
    let bob = there.token("bob", &["approver"], &[]);
    let _ = there.cli(&bob, &["approve", &plan]).code(0);
    there.world.until_live("/etc/motd", "one\n");
}
