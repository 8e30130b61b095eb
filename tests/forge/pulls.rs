//! What a pull request would change, as the Git host shows it.

use std::fmt::Write as _;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::scene::{SOON, Scene};
use super::world::{Person, eventually, private};

/// Pushes a branch with these files, and opens a pull request.
pub fn propose(scene: &Scene, branch: &str, files: &[(&str, &str)]) -> u64 {
    scene.world.repo.branch("main").branch(branch);
    for (path, content) in files {
        scene.world.repo.write(path, content);
    }
    scene.world.repo.land(branch);
    let number = scene.host.pull(&scene.ada, &scene.repository, branch, branch);
    scene.world.repo.branch("main");
    number
}

/// Returns the only comment of an account on a pull request, once it says this.
pub fn comment(scene: &Scene, number: u64, robot: &Person, wanted: &str) -> String {
    let mut found = vec![];
    let start = std::time::Instant::now();
    loop {
        found.clear();
        let all = scene.host.comments(&scene.repository, number);
        found.extend(all.into_iter().filter(|(author, _)| *author == robot.name).map(|(_, text)| text));
        if found.iter().any(|text| text.contains(wanted)) {
            break;
        }
        assert!(start.elapsed() < SOON, "no comment says {wanted:?}: {found:#?}\n{}", scene.world.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn head(scene: &Scene, number: u64) -> String {
    let pull = scene.host.get(&format!("repos/{}/pulls/{number}", scene.repository));
    pull["head"]["sha"].as_str().unwrap().to_owned()
}

/// Waits for the status of a pull request's plan.
pub fn status(scene: &Scene, number: u64, wanted: &str) {
    let commit = head(scene, number);
    let mut last = String::new();
    eventually(&format!("the plan of {number} is {wanted}"), SOON, || {
        let all = scene.host.statuses(&scene.repository, &commit);
        let plan = all.into_iter().find(|one| one[0] == "trueup/plan");
        last = plan.map(|one| format!("{}: {}", one[1], one[2])).unwrap_or_default();
        last.starts_with(wanted)
    });
}

/// Returns what follows `Plan` in a comment.
pub fn plan_id(comment: &str) -> String {
    let line = comment.lines().find_map(|line| line.strip_prefix("Plan `")).expect("it names a plan");
    line.trim_end_matches('`').to_owned()
}

/// Returns the plan that brought a revision live, as the trail has it.
pub fn ran(scene: &Scene, revision: &str) -> String {
    let trail = scene.world.cli(&["audit", "list", "--json"]).code(0).json();
    let all = trail.as_array().or(trail["records"].as_array()).cloned().expect("records");
    let one = all.iter().find(|one| one["kind"] == "closed" && one["revision"] == revision).expect("it was closed");
    one["plan"].as_str().unwrap().to_owned()
}

#[test]
fn the_plan_that_is_shown_is_the_plan_that_runs_after_the_merge() {
    let Some(mut scene) = Scene::new() else { return };
    let robot = scene.forge("");
    scene.begin();
    scene.host.protect(&scene.repository, "main", &["trueup/plan"]);
    let number = propose(&scene, "next", &[("web/root/etc/motd", "two\n"), ("web/root/etc/new", "new\n")]);
    status(&scene, number, "success: 1 application would change");
    let shown = comment(&scene, number, &robot, "+two");
    assert!(
        shown.contains("| **web** |") && shown.contains("| 1 | 1 | 0 | 0 | low | goes live by itself |"),
        "{shown}"
    );
    assert!(shown.contains("**create** `path /etc/new`") && shown.contains("-one"), "{shown}");
    let plan = plan_id(&shown);
    assert_eq!(scene.world.read("/etc/motd").as_deref(), Some("one\n"), "nothing was carried out");

    let merged = scene.host.merge(&scene.ada, &scene.repository, number);
    scene.world.until_live("/etc/motd", "two\n");
    eventually("it is written down", SOON, || scene.world.stderr().contains("applied in"));
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(ran(&scene, &merged), plan, "the plan that ran is the one that was shown");
}

#[test]
fn a_plan_is_made_anew_when_anything_moves_and_said_in_the_same_comment() {
    let Some(mut scene) = Scene::new() else { return };
    let robot = scene.forge("");
    scene.begin();
    let number = propose(&scene, "next", &[("web/root/etc/next", "next\n")]);
    let first = comment(&scene, number, &robot, "/etc/next");
    status(&scene, number, "success: 1 application");
    // The branch that it goes to.
    scene.world.repo.write("web/root/etc/motd", "two\n").land("main moves");
    scene.world.until_live("/etc/motd", "two\n");
    let mut second = String::new();
    eventually("it is planned on what main is now", SOON, || {
        second = comment(&scene, number, &robot, "/etc/next");
        plan_id(&second) != plan_id(&first)
    });
    assert!(!second.contains("/etc/motd"), "what is live already is no part of it: {second}");
    // What is proposed.
    scene.world.repo.branch("next").write("web/root/etc/next", "other\n").land("head moves");
    scene.world.repo.branch("main");
    comment(&scene, number, &robot, "+other");
    status(&scene, number, "success: 1 application");
    // What is live: somebody made that very file by hand, which is not taken over without a word.
    scene.world.edit("/etc/next", "by hand\n");
    scene.world.repo.write("web/root/etc/motd", "three\n").land("main moves again");
    comment(&scene, number, &robot, "waits for a yes");
    // A restart plans anew, and says nothing anew.
    let before = scene.host.get(&format!("repos/{}/issues/{number}/comments", scene.repository));
    let asked = scene.host.history(&scene.repository, &head(&scene, number), "trueup/plan").len();
    scene.world.restart();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(scene.host.get(&format!("repos/{}/issues/{number}/comments", scene.repository)), before);
    assert_eq!(scene.host.history(&scene.repository, &head(&scene, number), "trueup/plan").len(), asked);
    // One that touches nothing of ours says so on the commit alone; one that is closed is not planned any more.
    let other = propose(&scene, "aside", &[("docs/readme", "x\n")]);
    status(&scene, other, "success: nothing changes");
    assert_eq!(scene.host.comments(&scene.repository, other), []);
    scene.host.by(
        &scene.ada,
        Method::PATCH,
        &format!("repos/{}/pulls/{number}", scene.repository),
        &json!({ "state": "closed" }),
    );
    let last = comment(&scene, number, &robot, "waits for a yes");
    scene.world.repo.write("web/root/etc/motd", "four\n").land("and again");
    scene.world.until_live("/etc/motd", "four\n");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(comment(&scene, number, &robot, "waits for a yes"), last);
}

#[test]
fn what_cannot_be_planned_says_why_and_is_not_green() {
    let Some(mut scene) = Scene::new() else { return };
    let robot = scene.forge("");
    scene.begin();
    let conflict = propose(&scene, "conflict", &[("web/root/etc/motd", "theirs\n")]);
    status(&scene, conflict, "success");
    scene.world.repo.write("web/root/etc/motd", "ours\n").land("main moves");
    status(&scene, conflict, "failure: it conflicts with main");
    assert!(comment(&scene, conflict, &robot, "conflicts").contains("- `web/root/etc/motd`"));
    let broken = propose(&scene, "broken", &[("web/host.yaml", "kind: [\n")]);
    status(&scene, broken, "failure: web: ");
    let said = comment(&scene, broken, &robot, "yaml.");
    assert!(said.contains("web/host.yaml:"), "{said}");
    assert_eq!(scene.world.read("/etc/motd").as_deref(), Some("ours\n"));
}

#[test]
fn a_fork_is_planned_only_where_that_is_allowed() {
    let Some(mut scene) = Scene::new() else { return };
    let robot = scene.forge("");
    scene.begin();
    let eve = scene.host.person("eve");
    let fork = scene.host.fork(&eve, &scene.repository);
    let branch = scene.world.repo.branch("evil").write("web/root/etc/motd", "evil\n").commit("evil");
    let remote = scene.host.remote(&fork, &eve);
    scene.world.repo.git(&["push", "--quiet", &remote, "HEAD:refs/heads/evil"]);
    scene.world.repo.branch("main");
    let number = scene.host.pull(&eve, &scene.repository, &format!("{}:evil", eve.name), "please");
    status(&scene, number, "error: it comes from a fork");
    assert_eq!(scene.host.comments(&scene.repository, number), []);
    let has = |scene: &Scene| {
        let mirrors = scene.world.path("data/mirrors/platform");
        let mirror = std::fs::read_dir(mirrors).unwrap().flatten().find(|one| one.path().join("objects").is_dir());
        let mut git = super::world::clean("git", &scene.world.path("home"));
        git.arg("-C").arg(mirror.unwrap().path()).args(["-c", "safe.directory=*", "cat-file", "-e", &branch]);
        git.status().unwrap().success()
    };
    assert!(!has(&scene), "nothing of the fork was fetched");
    // Whoever may read may push to this, and the host says that it lies in the repository itself.
    let here = scene.host.remote(&scene.repository, &eve);
    scene.world.repo.git(&["push", "--quiet", "-o", "topic=sly", &here, &format!("{branch}:refs/for/main")]);
    let pulls = scene.host.get(&format!("repos/{}/pulls?state=open", scene.repository));
    let numbers = pulls.as_array().unwrap().iter().filter_map(|one| one["number"].as_u64());
    let sly = numbers.max().filter(|other| *other != number).expect("it was opened");
    status(&scene, sly, "error: it comes from a fork");
    assert_eq!(scene.host.comments(&scene.repository, sly), []);
    assert!(!has(&scene), "nothing of it was fetched");
    scene.world.declared.repository += "\n  forks: true";
    scene.world.configure();
    status(&scene, number, "success: 1 application");
    assert!(comment(&scene, number, &robot, "+evil").contains("| **web** |"));
    assert!(has(&scene));
}

#[test]
fn what_stands_in_git_stays_in_its_fence_and_shows_no_secret() {
    const SECRET: &str = "correct-horse-battery-staple";
    let Some(mut scene) = Scene::new() else { return };
    let robot = scene.forge("");
    // A secret that the daemon knows, and one that only its owner may read on the host.
    let known = private(&scene.world, "known", SECRET);
    scene.world.declared.more = format!(
        "---\napiVersion: trueup.dev/v1alpha1\nkind: Notification\nmetadata: {{ name: hook }}\nspec:\n  events: [trail]\n  \
         slack: {{ url: {{ file: {known} }} }}\n"
    );
    scene.begin();
    scene.world.edit("/etc/private", "hunter2-of-the-host\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(scene.world.live("/etc/private"), mode).unwrap();
    // Everyone may read this one, but nobody gets there.
    std::fs::create_dir_all(scene.world.live("/etc/closed")).unwrap();
    scene.world.edit("/etc/closed/key", "hunter2-of-the-folder\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(scene.world.live("/etc/closed/key"), mode).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(scene.world.live("/etc/closed"), mode).unwrap();
    let evil = format!(
        "````\n</details>\n\n<!-- trueup/plan -->\n# **db** goes live by itself\n@{} closes #1 {}#1\n````diff\n+x\n{SECRET}\n",
        scene.ada.name, scene.repository
    );
    let name = "web/root/etc/`@ada` closes #1 | x";
    let shown = "kind: File\napiVersion: host.trueup.dev/v1alpha1\nmetadata: { name: /etc/private }\nspec: { source: p, show: true }\n";
    let files = [
        ("web/root/etc/evil", evil.as_str()),
        (name, "x\n"),
        ("web/host.yaml", shown),
        ("web/p", "mine\n"),
        ("web/root/etc/closed/key", "mine\n"),
        ("web/root/etc/there", "````\n# **db**\n@ada\nmore\n"),
    ];
    // What is there already stands in a diff behind a blank, which a fence may have before it.
    scene.world.repo.write("web/root/etc/there", "````\n# **db**\n@ada\n").land("there");
    scene.world.until_live("/etc/there", "````\n# **db**\n@ada\n");
    let number = propose(&scene, "evil", &files);
    // Somebody else writes what looks like ours.
    let fake = "<!-- trueup/plan -->\nall is well";
    let path = format!("repos/{}/issues/{number}/comments", scene.repository);
    scene.host.by(&scene.ada, Method::POST, &path, &json!({ "body": fake }));
    let said = comment(&scene, number, &robot, "/etc/evil");
    let all = scene.host.comments(&scene.repository, number);
    assert!(all.iter().any(|(author, text)| *author == scene.ada.name && text == fake), "it is left alone");
    assert!(!said.contains(SECRET) && said.contains("[redacted]"), "{said}");
    assert!(said.contains("/etc/closed/key") && !said.contains("hunter2") && said.contains("content hidden"), "{said}");
    // What the host makes of it: one section, nobody is called, nothing is referred to, and no heading but our own.
    let html = scene.host.rendered(&scene.repository, &said);
    assert_eq!(html.matches("<details>").count(), 1, "{html}");
    assert_eq!(html.matches("</details>").count(), 1, "{html}");
    assert_eq!(html.matches("<h").count(), 1, "{html}");
    assert!(!html.contains("class=\"mention\"") && !html.contains("ref-issue") && !html.contains("<a href"), "{html}");
    let timeline = scene.host.get(&format!("repos/{}/issues/{number}/timeline", scene.repository));
    let refers = |one: &serde_json::Value| one["type"].as_str().is_some_and(|sort| sort.ends_with("_ref"));
    assert!(!timeline.as_array().unwrap().iter().any(refers), "{timeline}");
}

#[test]
fn of_a_head_that_is_not_signed_nothing_is_rendered() {
    use super::world::signing::{SshKey, trust};
    let (Some(mut scene), Some(_)) = (Scene::new(), super::world::parts::program("ssh-keygen")) else { return };
    let robot = scene.forge("");
    let key = SshKey::new(&scene.world.path("home"), "signer", &["-t", "ed25519"]);
    let signers = format!("ada@example.org namespaces=\"git\" {}\n", key.public());
    let file = trust(&scene.world.path("home/signers"), &signers);
    let _ = write!(scene.world.declared.repository, "\nverify: {{ policy: tip, ssh: {{ allowedSigners: {file} }} }}");
    scene.world.repo.sign_with(&key.settings());
    scene.begin();
    scene.world.repo.sign_nothing();
    let number = propose(&scene, "unsigned", &[("web/root/etc/motd", "unsigned\n")]);
    status(&scene, number, "failure: web: ");
    let said = comment(&scene, number, &robot, "`verify.unsigned`");
    assert!(!said.contains("+unsigned") && !said.contains("Plan `"), "{said}");
    scene.world.repo.git(&["config", "commit.gpgsign", "true"]);
    let number = propose(&scene, "signed", &[("web/root/etc/motd", "signed\n")]);
    status(&scene, number, "success: 1 application would change");
    comment(&scene, number, &robot, "+signed");
}
