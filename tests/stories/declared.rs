//! Applications, policies and people that are declared in Git.

use serde_json::Value;

use super::neighbours::identity;
use super::telling::{SOON, all_is_well, applied, ended, held, records, status, until, waits_with, word, world_of};
use super::world::signing::{SshKey, trust};
use super::world::{World, eventually, parts};

/// The folder of the repository that declares.
const FOLDER: &str = "trueup";

pub(super) fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

/// Declares an application of the folder that bears its name.
pub(super) fn app(world: &World, name: &str) {
    let spec = format!("{{ source: {{ repository: platform, path: {name} }}, target: host }}");
    world.repo.write(&format!("{FOLDER}/{name}.yaml"), document("Application", name, &spec));
    world.repo.write(&format!("{name}/root/etc/{name}"), format!("{name}\n"));
}

fn policy(world: &World, deletes: u32) {
    let spec = format!("{{ limit: {{ deletes: {deletes} }} }}");
    world.repo.write(&format!("{FOLDER}/policy.yaml"), document("Policy", "house", &spec));
}

/// Returns a world that declares in Git, and no application of its own; `more` are further lines of `declarations`.
pub(super) fn declaring(more: &str) -> World {
    let mut world = world_of(&[]);
    declare(&mut world, "allow: { targets: [host], paths: [/etc] }", more);
    world
}

fn declare(world: &mut World, allow: &str, more: &str) {
    let lines = format!("declarations:\n  repository: platform\n  path: {FOLDER}\n  {allow}\n  {more}\n");
    lines.trim_end().clone_into(&mut world.declared.daemon);
}

pub(super) fn orphans(world: &World) -> Vec<(String, u64)> {
    let status = world.cli(&["status", "--json"]).json();
    let orphans = status["orphans"].as_array().cloned().unwrap_or_default();
    orphans.iter().map(|one| (word(one, "name").to_owned(), one["objects"].as_u64().unwrap())).collect()
}

/// Waits until these are the policies of Git that are in force: what was last applied of the declarations.
fn in_force(world: &World, revision: &str) {
    applied(world, "declarations", revision);
}

#[test]
fn a_new_application_appears_by_a_push_and_one_that_goes_leaves_all_as_it_is() {
    let mut world = declaring("");
    app(&world, "web");
    let first = world.repo.land("web");
    world.start();
    applied(&world, "web", &first);
    assert_eq!(world.read("/etc/web").as_deref(), Some("web\n"));

    let (pid, web) = (world.pid(), status(&world, "web"));
    app(&world, "mail");
    let second = world.repo.land("mail");
    applied(&world, "mail", &second);
    assert_eq!((world.read("/etc/mail").as_deref(), world.pid()), (Some("mail\n"), pid));
    assert!(status(&world, "web")["syncs"].as_u64() >= web["syncs"].as_u64(), "the other one went on");
    all_is_well(&world, &["declarations", "web", "mail"]);

    // What changes is shown as a document, by whoever looks.
    let told = records(&world, "declarations");
    let steps = |record: &Value| record["body"]["steps"].as_array().cloned().unwrap_or_default();
    let planned = told.iter().find(|record| record["kind"] == "planned").unwrap();
    assert_eq!(steps(planned)[0]["object"]["kind"], "application", "{planned:#}");

    let before = identity(&world, "/etc/mail");
    world.repo.remove(&format!("{FOLDER}/mail.yaml"));
    let third = world.repo.land("no more mail");
    applied(&world, "declarations", &third);
    eventually("mail is declared no more", SOON, || status(&world, "mail").is_null());
    eventually("mail is shown as an orphan", SOON, || orphans(&world) == [("mail".to_owned(), 1)]);
    assert_eq!(identity(&world, "/etc/mail"), before, "nothing is deleted");
    world.edit("/etc/mail", "nobody minds\n");
    world.edit("/etc/mail", "mail\n");
    world.restart();
    assert_eq!(orphans(&world), [("mail".to_owned(), 1)]);

    // Declared again it goes on where it was.
    app(&world, "mail");
    let fourth = world.repo.land("mail again");
    applied(&world, "declarations", &fourth);
    until(&world, "mail", "mail goes on", |status| status["objects"] == 1 && status["outcome"] == "unchanged");
    eventually("nothing is left alone", SOON, || orphans(&world).is_empty());
    all_is_well(&world, &["declarations", "web", "mail"]);
}

#[test]
fn what_is_declared_is_in_force_after_a_restart_whatever_git_says_meanwhile() {
    let mut world = declaring("");
    app(&world, "web");
    let first = world.repo.land("web");
    world.start();
    applied(&world, "web", &first);
    world.stop();
    let url = world.declared.url.replace("http://127.0.0.1:1/platform.git".into());
    world.start();
    world.edit("/etc/web", "by hand\n");
    world.until_live("/etc/web", "web\n");
    assert_eq!(status(&world, "web")["applied"], first.as_str());
    world.declared.url = url;
    app(&world, "mail");
    let second = world.repo.land("mail");
    world.restart();
    applied(&world, "mail", &second);
    all_is_well(&world, &["declarations", "web", "mail"]);
}

#[test]
fn many_that_go_at_once_wait_and_none_of_them_is_let_go_of_meanwhile() {
    let mut world = declaring("");
    let names = ["one", "two", "three", "four", "five"];
    for name in names {
        app(&world, name);
    }
    let all = world.repo.land("five");
    world.start();
    for name in names {
        applied(&world, name, &all);
    }

    for name in &names[1..] {
        world.repo.remove(&format!("{FOLDER}/{name}.yaml"));
    }
    let left = world.repo.land("one is left");
    let plan = held(&world, "declarations", "delete-limit");
    world.edit("/etc/five", "by hand\n");
    world.until_live("/etc/five", "five\n");

    // An empty folder, and one that is gone.
    world.repo.remove(&format!("{FOLDER}/one.yaml")).write(&format!("{FOLDER}/README.md"), "nothing here\n");
    world.repo.land("empty");
    held(&world, "declarations", "empty-render");
    world.repo.remove(FOLDER);
    world.repo.land("gone");
    until(&world, "declarations", "the folder is missing", |status| word(status, "message").contains("has no trueup"));
    assert_eq!(orphans(&world), []);

    world.repo.git(&["checkout", "--quiet", &left, "--", FOLDER]);
    let back = world.repo.land("one is left, again");
    waits_with(&world, "declarations", &plan);
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "declarations", &back);
    eventually("they are let go of", SOON, || orphans(&world).len() == 4);
    assert_eq!(world.read("/etc/five").as_deref(), Some("five\n"));
    all_is_well(&world, &["declarations", "one"]);
}

#[test]
fn a_document_with_a_mistake_leaves_what_was_accepted_in_force_and_says_where() {
    let mut world = declaring("");
    app(&world, "web");
    let first = world.repo.land("web");
    world.start();
    applied(&world, "web", &first);
    app(&world, "mail");
    let odd = document("Application", "odd", "{ sauce: { repository: platform, path: x }, target: hots }");
    world.repo.write(&format!("{FOLDER}/more/odd.yml"), odd);
    world.repo.land("a mistake");
    let told = until(&world, "declarations", "refused", |status| status["outcome"] == "refused");
    let message = word(&told, "message");
    assert!(message.contains("trueup/more/odd.yml:4:9") && message.contains("did you mean"), "{message}");
    assert_eq!(told["applied"], first.as_str());
    assert!(status(&world, "mail").is_null());
    world.edit("/etc/web", "by hand\n");
    world.until_live("/etc/web", "web\n");

    // The same is told before it is pushed.
    let folder = world.repo.work().join(FOLDER).display().to_string();
    let checked = world.cli(&["check", "--declarations", &folder, "--json"]).code(2).json();
    assert_eq!((word(&checked[1], "code"), checked[1]["place"]["line"].as_u64()), ("schema.unknown-field", Some(4)));

    world.repo.remove(&format!("{FOLDER}/more/odd.yml"));
    let mended = world.repo.land("mended");
    applied(&world, "mail", &mended);
    assert!(world.cli(&["check", "--declarations", &folder]).code(0).stdout.contains("2 documents"));
    all_is_well(&world, &["declarations", "web", "mail"]);
}

fn left_out(world: &World) -> Value {
    world.cli(&["status", "--json"]).json()["left_out"].clone()
}

#[test]
fn one_that_no_longer_fits_the_machine_is_left_out_and_the_rest_goes_on() {
    let mut world = declaring("");
    app(&world, "web");
    app(&world, "mail");
    let first = world.repo.land("both");
    world.start();
    applied(&world, "web", &first);
    applied(&world, "mail", &first);
    // The machine gives the name to an application of its own.
    world.repo.write("own/root/etc/own", "own\n");
    world.declared.apps.push(super::world::App::new("mail", &["own"]));
    let second = world.repo.land("own");
    world.configure();
    eventually("it is left out", SOON, || word(&left_out(&world)[0], "code") == "config.duplicate-name");
    assert_eq!(left_out(&world)[0]["place"]["file"], "trueup/mail.yaml");
    let shown = world.cli(&["status"]).code(1).stdout;
    assert!(
        shown.contains("does not fit the machine's files any more") && shown.contains("trueup/mail.yaml:1:1"),
        "{shown}"
    );
    assert_eq!(world.read("/etc/mail").as_deref(), Some("mail\n"));
    world.edit("/etc/web", "by hand\n");
    world.until_live("/etc/web", "web\n");
    world.restart();
    assert_eq!(word(&left_out(&world)[0], "code"), "config.duplicate-name");
    world.repo.git(&["mv", "trueup/mail.yaml", "trueup/post.yaml"]);
    let renamed = document("Application", "post", "{ source: { repository: platform, path: post }, target: host }");
    world.repo.write("trueup/post.yaml", renamed).write("post/root/etc/post", "post\n");
    let third = world.repo.land("another name");
    applied(&world, "post", &third);
    eventually("nothing is left out", SOON, || left_out(&world).is_null());
    assert!(first != second);
    all_is_well(&world, &["declarations", "web", "mail", "post"]);
}

#[test]
fn what_lies_further_than_the_machine_allows_is_refused_whatever_declares_it() {
    let mut world = declaring("");
    world.declared.commands = vec!["/usr/bin/true".into(), "/usr/bin/env".into()];
    world.declared.allow = vec!["/etc".into(), "/srv".into()];
    declare(&mut world, "allow: { targets: [host], paths: [/etc/app], commands: [/usr/bin/true] }", "");
    let spec = "{ source: { repository: platform, path: web }, target: host }";
    world.repo.write("trueup/web.yaml", document("Application", "web", spec));
    world.repo.write("web/root/etc/app/conf", "one\n");
    let check = |program: &str| {
        format!(
            "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: {{ name: c }}\nspec: {{ command: [{program}] }}\n"
        )
    };
    world.repo.write("web/check.yaml", check("\"true\""));
    let first = world.repo.land("within");
    world.start();
    applied(&world, "web", &first);
    let before = world.snapshot();

    world.repo.write("web/root/srv/other", "x\n").write("web/root/etc/app/conf", "two\n");
    world.repo.land("another path");
    let told = ended(&world, "web", "refused", "declarations.not-allowed");
    assert!(word(&told, "message").contains("web/root/srv/other: path /srv/other lies outside"), "{told:#}");
    world.repo.remove("web/root/srv").write("web/check.yaml", check("/usr/bin/env"));
    world.repo.land("another program");
    until(&world, "web", "the program is named", |status| word(status, "message").contains("runs /usr/bin/env"));
    assert_eq!(status(&world, "web")["code"], "declarations.not-allowed");
    before.settled(|_| false).assert_same(&world.snapshot().settled(|_| false), "nothing live changed");

    // What was applied is kept true for as long as the machine allows it, and no longer.
    world.edit("/etc/app/conf", "by hand\n");
    world.until_live("/etc/app/conf", "one\n");
    declare(&mut world, "allow: { targets: [host], paths: [/etc/other], commands: [/usr/bin/true] }", "");
    world.configure();
    until(&world, "web", "out of reach", |status| word(status, "message").contains("/etc/app/conf lies outside"));
    world.edit("/etc/app/conf", "by hand\n");
    let report = world.cli(&["sync", "web", "--json"]).json();
    assert_eq!(
        (word(&report, "code"), world.read("/etc/app/conf").as_deref()),
        ("declarations.not-allowed", Some("by hand\n"))
    );

    declare(&mut world, "allow: { targets: [], paths: [/etc/app] }", "");
    world.configure();
    let refused = until(&world, "declarations", "no target", |status| status["code"] == "declarations.not-allowed");
    assert!(word(&refused, "message").contains("may not name the target host"), "{refused:#}");
    eventually("web is left out", SOON, || status(&world, "web").is_null());
    assert_eq!(orphans(&world), [("web".to_owned(), 1)]);
}

#[test]
fn an_application_of_git_deletes_nothing_that_lies_further_though_it_bears_the_name_of_what_made_it() {
    let mut world = declaring("");
    declare(&mut world, "allow: { targets: [host], paths: [/etc/app] }", "");
    world.declared.apps.push(super::world::App::new("web", &["web"]));
    world.repo.write("web/root/etc/far", "far\n").write("web/root/etc/app/near", "near\n");
    world.repo.write("web/root/etc/app/stays", "stays\n").write(&format!("{FOLDER}/README.md"), "none yet\n");
    let first = world.repo.land("declared on the machine");
    world.start();
    applied(&world, "web", &first);
    world.declared.apps.clear();
    world.configure();
    eventually("web is declared no more", SOON, || orphans(&world) == [("web".to_owned(), 3)]);
    let spec = "{ source: { repository: platform, path: web }, target: host }";
    world.repo.write("trueup/web.yaml", document("Application", "web", spec));
    world.repo.remove("web/root/etc/far").remove("web/root/etc/app/near");
    let second = world.repo.land("declared in Git");
    applied(&world, "web", &second);
    assert_eq!((world.read("/etc/app/near"), world.read("/etc/far").as_deref()), (None, Some("far\n")));
    assert_eq!(status(&world, "web")["objects"], 1);
    all_is_well(&world, &["declarations", "web"]);
}

#[test]
fn what_the_daemon_lives_by_is_out_of_reach_though_its_path_is_allowed() {
    let mut world = declaring("");
    // The target is the folder that holds the daemon's own files, whole.
    let root = world.path("").display().to_string().trim_end_matches('/').to_owned();
    world.declared.more = document("Target", "all", &format!("{{ host: {{ root: \"{root}\", allow: [/] }} }}"));
    let chat = "{ slack: { url: { file: chat-url } } }";
    world.declared.more = format!("---\n{}---\n{}", world.declared.more, document("Notification", "chat", chat));
    declare(&mut world, "allow: { targets: [all], paths: [/data, /run, /config.yaml, /chat-url, /root] }", "");
    let spec = "{ source: { repository: platform, path: web }, target: all }";
    world.repo.write("trueup/web.yaml", document("Application", "web", spec)).write("web/root/root/etc/ok", "ok\n");
    let first = world.repo.land("within");
    world.start();
    applied(&world, "web", &first);
    let configuration = std::fs::read(world.path("config.yaml")).unwrap();
    for path in ["config.yaml", "chat-url", "data/content.key", "data/new", "run/trueup.sock"] {
        world.repo.write(&format!("web/root/{path}"), "poison\n");
        world.repo.land("poison");
        let said = format!("path /{path} is what trueup itself lives by");
        until(&world, "web", &said, |status| word(status, "message").contains(&said));
        assert_eq!(status(&world, "web")["code"], "declarations.not-allowed");
        world.repo.remove(&format!("web/root/{path}"));
    }
    assert_eq!(std::fs::read(world.path("config.yaml")).unwrap(), configuration);
    let last = world.repo.land("clean");
    until(&world, "web", "all is well", |status| status["outcome"] == "unchanged");
    assert!(first != last && world.cli(&["audit", "verify"]).code == 0);
}

/// Returns a world whose repository takes what two keys signed, of which the machine names the first for changes of policies.
fn signed() -> Option<(World, SshKey, SshKey)> {
    parts::program("ssh-keygen")?;
    let mut world = declaring("accept: { signedBy: [ada@example.org] }");
    let (ada, bob) = (key(&world, "ada"), key(&world, "bob"));
    let signers = format!("ada@example.org {}\nbob@example.org {}\n", ada.public(), bob.public());
    let file = trust(&world.path("home/signers"), &signers);
    world.declared.repository = format!("verify: {{ ssh: {{ allowedSigners: {file} }} }}");
    world.repo.sign_with(&ada.settings());
    Some((world, ada, bob))
}

fn key(world: &World, name: &str) -> SshKey {
    SshKey::new(&world.path("home"), name, &["-t", "ed25519"])
}

#[test]
fn a_policy_changes_by_the_signature_of_whom_the_machine_names_and_by_no_other() {
    let Some((mut world, ada, bob)) = signed() else { return };
    app(&world, "web");
    policy(&world, 1);
    let first = world.repo.land("by ada");
    world.start();
    applied(&world, "web", &first);
    in_force(&world, &first);

    world.repo.sign_with(&bob.settings());
    policy(&world, 100);
    app(&world, "mail");
    world.repo.land("by bob: a policy, and an application beside it");
    let plan = held(&world, "declarations", "acceptance");
    assert!(status(&world, "mail").is_null(), "a commit is not taken by halves");
    // A person whom the machine does not name for that cannot let it through.
    assert_eq!(world.cli(&["approve", &plan, "--json"]).json()["outcome"], "held");
    // What the policy judges goes on meanwhile.
    world.edit("/etc/web", "by hand\n");
    world.until_live("/etc/web", "web\n");
    world.restart();
    waits_with(&world, "declarations", &plan);
    assert_eq!(status(&world, "declarations")["applied"], first.as_str());

    // An application alone needs no such word.
    policy(&world, 1);
    let second = world.repo.land("by bob: an application");
    applied(&world, "mail", &second);
    world.repo.sign_with(&ada.settings());
    policy(&world, 2);
    let third = world.repo.land("by ada");
    in_force(&world, &third);
    all_is_well(&world, &["declarations", "web", "mail"]);
}

#[test]
fn an_older_policy_does_not_come_back_though_it_is_signed_and_approved() {
    let Some((mut world, ..)) = signed() else { return };
    app(&world, "web");
    policy(&world, 100);
    let loose = world.repo.land("loose");
    world.start();
    in_force(&world, &loose);
    policy(&world, 1);
    let strict = world.repo.land("strict");
    in_force(&world, &strict);

    world.repo.reset(&loose).force_push();
    let plan = held(&world, "declarations", "policy-rewound");
    assert_eq!(world.cli(&["approve", &plan, "--json"]).json()["outcome"], "held");
    waits_with(&world, "declarations", &plan);
    assert_eq!(status(&world, "declarations")["applied"], strict.as_str());

    // By way of a revision that changes no policy: the rewind of an application may be approved, and leads no further.
    world.repo.reset(&strict).force_push();
    until(&world, "declarations", "back", |status| status["outcome"] == "unchanged");
    world.repo.reset(&loose);
    policy(&world, 1);
    app(&world, "mail");
    let beside = world.repo.commit("strict, beside");
    world.repo.force_push();
    let plan = held(&world, "declarations", "not-descendant");
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "mail", &beside);
    policy(&world, 100);
    world.repo.land("loose again, as it was");
    held(&world, "declarations", "policy-rewound");

    // What descends from the strict one goes the ordinary way.
    world.repo.reset(&strict);
    policy(&world, 5);
    let forward = world.repo.commit("forward");
    world.repo.force_push();
    let plan = held(&world, "declarations", "not-descendant");
    let _ = world.cli(&["approve", &plan]).code(0);
    in_force(&world, &forward);
}

#[test]
fn a_policy_changes_by_the_approval_of_whom_the_machine_names_and_by_no_other() {
    let Some(user) = user() else { return };
    let mut world = declaring("accept: { people: [bob] }");
    let ada = document("Person", "ada", &format!("{{ unix: [{user}] }}"));
    let bob = document("Person", "bob", "{ emails: [bob@example.org] }");
    world.declared.more = format!("---\n{ada}---\n{bob}");
    app(&world, "web");
    policy(&world, 1);
    let first = world.repo.land("a policy");
    world.start();
    let plan = held(&world, "declarations", "acceptance");
    assert!(status(&world, "web").is_null());
    // It is ada who says yes, and bob whom the machine names.
    assert_eq!(world.cli(&["approve", &plan, "--json"]).json()["outcome"], "held");
    waits_with(&world, "declarations", &plan);
    // Git cannot say who bob is, nor that ada is somebody else too.
    let eve = document("Person", "eve", &format!("{{ unix: [{user}] }}"));
    world.repo.write("trueup/eve.yaml", eve + "---\n" + &document("Person", "bob", &format!("{{ unix: [{user}] }}")));
    world.repo.land("who is who");
    until(&world, "declarations", "nobody is two", |status| {
        let message = word(status, "message");
        message.contains("belongs to the Person 'ada' too")
            && message.contains("the Person 'bob' is declared on the machine")
    });
    world.repo.remove("trueup/eve.yaml");
    world.repo.land("as before");
    waits_with(&world, "declarations", &plan);

    declare(&mut world, "allow: { targets: [host], paths: [/etc] }", "accept: { people: [ada] }");
    // She said yes to exactly this plan already.
    world.configure();
    until(&world, "web", "web goes live", |status| status["outcome"] == "applied" || status["outcome"] == "unchanged");
    assert!(!first.is_empty());
    all_is_well(&world, &["declarations", "web"]);
}

/// Returns the name of the user that the tests run as.
fn user() -> Option<String> {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = rustix::process::geteuid().as_raw().to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid));
    let name = line.and_then(|line| line.split(':').next()).map(str::to_owned);
    if name.is_none() {
        parts::skip("the user that runs the tests has no name");
    }
    name
}

#[test]
fn break_glass_that_git_asks_for_is_in_force_as_a_request_alone() {
    let mut world = declaring("");
    app(&world, "web");
    let ask = document("BreakGlass", "mend", "{ applications: [web], liveEdit: [/etc/web], reason: down, for: 1h }");
    world.repo.write("trueup/mend.yaml", ask);
    let first = world.repo.land("web, and a request");
    world.start();
    applied(&world, "web", &first);
    world.edit("/etc/web", "by hand\n");
    world.until_live("/etc/web", "web\n");
    let asked = world.cli(&["break-glass", "requests"]).code(0);
    assert!(asked.stdout.contains("mend") && asked.stdout.contains("/etc/web"), "{}", asked.stdout);
    assert_eq!(world.cli(&["break-glass", "list", "--json"]).code(0).json(), serde_json::json!([]));

    let open = ["break-glass", "open", "--request"];
    let unknown = world.cli(&[&open[..], &["other"]].concat()).code(2);
    assert!(unknown.stderr.contains("mend"), "{}", unknown.stderr);
    let _ = world.cli(&[&open[..], &["mend", "--reason", "mine"]].concat()).code(2);
    let opened = world.cli(&[&open[..], &["mend", "--json"]].concat()).code(0).json();
    assert_eq!((word(&opened, "request"), word(&opened, "reason"), &opened["lasts"]), ("mend", "down", &3600.into()));
    world.edit("/etc/web", "by hand\n");
    ended(&world, "web", "degraded", "drift.live-edit");
    assert_eq!(world.read("/etc/web").as_deref(), Some("by hand\n"));
    let _ = world.cli(&["break-glass", "close", word(&opened, "id")]).code(0);
    world.until_live("/etc/web", "web\n");
    all_is_well(&world, &["declarations", "web"]);
}
