//! The trail is signed for and published, and whoever keeps what was published sees what became of it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::telling::{SOON, all_is_well, applied, intact, world};
use super::world::{Authority, Fault, HttpServer, Options, Repo, SshServer, World, clean, eventually, must};

const REF: &str = "refs/trueup/checkpoints/web-1";

/// Where checkpoints go: a file, and a repository on a server of its own.
struct Elsewhere {
    repo: Repo,
    server: HttpServer,
}

impl Elsewhere {
    /// Lets a world publish to both; the repository takes pushes from who knows the token.
    fn of(world: &mut World) -> Self {
        let folder = world.path("elsewhere");
        let repo = Repo::new(&folder, "audit");
        let authority = Authority::new(&folder, "ours");
        let options = Options { login: Some(("auditor", "t0ken-c4nary")), authority: Some(&authority), names: None };
        let server = HttpServer::with(&folder, options);
        let token = folder.join("token");
        fs::write(&token, "t0ken-c4nary\r\n").unwrap();
        fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        world.declared.daemon = published(&world.path("checkpoints"), "audit");
        world.declared.more = repository(
            "audit",
            &server.url("audit"),
            &format!(
                "credentials: {{ username: auditor, file: {} }}\n  tls: {{ ca: {} }}",
                token.display(),
                authority.file().display()
            ),
        );
        Self { repo, server }
    }

    /// Returns how many records the checkpoint at the ref covers.
    fn pushed(&self) -> u64 {
        let found = clean("git", &self.repo.bare())
            .args(["--git-dir".as_ref(), self.repo.bare().as_os_str()])
            .args(["show", &format!("{REF}:checkpoint")])
            .output()
            .unwrap();
        size(&String::from_utf8_lossy(&found.stdout))
    }
}

fn published(file: &Path, repository: &str) -> String {
    format!("trail:\n  publish:\n    file: {}\n    git: {{ repository: {repository}, ref: {REF} }}", file.display())
}

fn repository(name: &str, url: &str, more: &str) -> String {
    format!(
        "---\napiVersion: trueup.dev/v1alpha1\nkind: Repository\nmetadata: {{ name: {name} }}\nspec:\n  url: {url}\n  poll: 1h\n  {more}\n"
    )
}

/// Returns how many records a checkpoint covers.
fn size(note: &str) -> u64 {
    note.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or_default()
}

/// Returns how many records the last checkpoint in a file covers.
fn in_file(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let text = text.trim_end();
    size(text.rsplit("\n\ntrueup.dev/").next().map(|note| note.trim_start_matches("trueup.dev/")).unwrap_or_default())
}

/// Returns how many records the trail has.
fn records(world: &World) -> u64 {
    world.cli(&["audit", "list", "-n", "1", "--json"]).code(0).json()[0]["seq"].as_u64().unwrap()
}

fn trail(world: &World) -> Value {
    world.cli(&["status", "--json"]).json()["trail"].clone()
}

/// Stops the daemon, and copies its data folder as a backup does.
fn backed_up(world: &mut World) {
    assert!(world.stop().success());
    copy(&world.path("data"), &world.path("backup"));
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    must(clean("cp", from).arg("-a").arg(from).arg(to));
}

#[test]
fn what_is_recorded_is_signed_and_published_within_a_second() {
    let mut world = world();
    let elsewhere = Elsewhere::of(&mut world);
    let file = world.path("checkpoints");
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    eventually("all is published", SOON, || {
        let size = records(&world);
        in_file(&file) == size && elsewhere.pushed() == size
    });
    // A person's act is one record: it is in the file within the second, and soon at the ref.
    drop(world.cli(&["suspend", "web", "--reason", "to see"]).code(0));
    let (acted, size) = (Instant::now(), records(&world));
    eventually("it is in the file", SOON, || in_file(&file) >= size);
    let took = acted.elapsed();
    assert!(took < Duration::from_secs(1), "published after {took:?}");
    eventually("it is at the ref", SOON, || elsewhere.pushed() >= size);
    drop(world.cli(&["resume", "web"]).code(0));
    applied(&world, "web", &first);

    let shown = trail(&world);
    assert!(shown["origin"].as_str().unwrap().starts_with("trueup.dev/story/"), "{shown}");
    eventually("the status says so", SOON, || {
        let (shown, size) = (trail(&world), records(&world));
        let places = shown["places"].as_array().unwrap().clone();
        places.len() == 2 && places.iter().all(|place| place["published"] == size && place["code"].is_null())
    });
    // Whoever has the file, or what Git has, holds the trail against it.
    let log = world.path("from-git");
    fs::write(&log, elsewhere.repo.git_bare(&["log", "--format=%B", REF])).unwrap();
    for notes in [&file, &log] {
        let notes = notes.display().to_string();
        let report = world.cli(&["audit", "verify", "--checkpoint", &notes, "--json"]).code(0).json();
        let held = report["checkpoints"].as_array().unwrap();
        assert!(held.len() > 2 && held.iter().all(|one| one["holds"] == true), "{report}");
        assert_eq!(report["covered"], report["size"], "{report}");
    }
    // A file that grew for years is more than one question takes.
    let years = world.path("years");
    let text = fs::read_to_string(&file).unwrap();
    let (times, notes) = ((9 << 20) / text.len() + 1, text.matches("\n\n\u{2014}").count());
    fs::write(&years, text.repeat(times)).unwrap();
    let report = world.cli(&["audit", "verify", "--checkpoint", &years.display().to_string(), "--json"]).code(0).json();
    let held = report["checkpoints"].as_array().unwrap();
    assert_eq!(held.len(), times * notes);
    assert!(held.iter().all(|one| one["holds"] == true));
    let journal = world.stderr();
    assert!(journal.contains("checkpoint of") && journal.contains(r"\n\n— trueup.dev/story/"), "{journal}");
    for secret in ["t0ken", "PRIVATE+KEY"] {
        assert!(!journal.contains(secret));
    }
    all_is_well(&world, &["web"]);
    let events = world.cli(&["audit", "export", "--format", "cloudevents"]).code(0).stdout;
    assert_eq!(events.lines().count() as u64, records(&world));
    assert_eq!(events.matches("\"type\":\"dev.cdevents.service.deployed.0.2.0\",\"sequence\"").count(), 1, "{events}");

    // Without the daemon: from the folder, from an export, and one record from its proof.
    let folder = world.path("");
    let path = |name: &str| folder.join(name).display().to_string();
    let data = path("data");
    let busy = world.cli(&["audit", "verify", "--from", &data]).code(2);
    assert!(busy.stderr.contains("a daemon holds it"), "{busy:?}");
    fs::write(world.path("export"), world.cli(&["audit", "export"]).code(0).stdout).unwrap();
    fs::write(world.path("part"), world.cli(&["audit", "export", "--after", "3"]).code(0).stdout).unwrap();
    fs::write(world.path("proof"), world.cli(&["audit", "prove", "2"]).code(0).stdout).unwrap();
    let oldest = fs::read_to_string(&file).unwrap().split_inclusive("\n\n").take(2).collect::<String>();
    fs::write(world.path("oldest"), &oldest).unwrap();
    fs::write(world.path("growth"), world.cli(&["audit", "prove", "--since", &path("oldest")]).code(0).stdout).unwrap();
    let key = world.cli(&["audit", "verify", "--json"]).code(0).json()["keys"][0].as_str().unwrap().to_owned();
    fs::write(world.path("key"), format!("# web-1\n{key}\n")).unwrap();
    fs::copy(&file, world.path("notes")).unwrap();
    assert!(world.stop().success());
    let against = |from: &str, more: &[&str]| {
        let trusted = ["audit", "verify", "--json", "--from", from, "--key", &path("key")];
        let report = world.cli(&[&trusted, more].concat()).code(0).json();
        assert_eq!((&report["vouched"], &report["covered"]), (&true.into(), &report["size"]), "{from}: {report}");
        report
    };
    for (from, notes) in [(&data, &path("checkpoints")), (&path("export"), &path("notes"))] {
        assert!(against(from, &["--checkpoint", notes])["checkpoints"].as_array().unwrap().len() > 2);
    }
    assert_eq!(against(&path("part"), &[])["begin"], 3);
    for proof in ["proof", "growth"] {
        let told = world.cli(&["audit", "verify", "--proof", &path(proof), "--key", &path("key")]).code(0).stdout;
        assert!(told.starts_with("proven: ") && told.contains("(as given)"), "{told}");
        let spoilt = fs::read_to_string(world.path(proof)).unwrap().replacen("\"path\": [", "\"path\": [\"00\",", 1);
        fs::write(world.path("spoilt"), spoilt.replacen("\"00\"", &format!("\"{}\"", "0".repeat(64)), 1)).unwrap();
        drop(world.cli(&["audit", "verify", "--proof", &path("spoilt")]).code(1));
    }
    world.start();
    all_is_well(&world, &["web"]);
}

#[test]
fn n2_a_backup_that_was_restored_is_refused_until_a_person_says_why() {
    let mut world = world();
    let elsewhere = Elsewhere::of(&mut world);
    let file = world.path("checkpoints");
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    backed_up(&mut world);
    let at_backup = in_file(&file);
    world.start();
    world.repo.write("web/root/etc/motd", "two\n");
    let second = world.repo.land("second");
    applied(&world, "web", &second);
    assert!(world.stop().success());
    let newest = in_file(&file);
    assert!(newest > at_backup && elsewhere.pushed() == newest, "the last records are published before the end");

    copy(&world.path("backup"), &world.path("data"));
    for place in ["file", "git"] {
        if place == "git" {
            // Even where the file is gone too.
            fs::rename(&file, world.path("away")).unwrap();
        }
        world.spawn();
        assert_eq!(world.wait().code(), Some(78));
        let told = world.stderr();
        let said = told.lines().rev().take(4).collect::<Vec<_>>().join("\n");
        assert!(
            said.contains(&format!("checkpoint of {newest} records")) && said.contains("trail.rolled-back"),
            "{said}"
        );
        assert!(said.contains("trueup audit accept --reason"), "{said}");
    }
    fs::rename(world.path("away"), &file).unwrap();

    let empty = world.cli(&["audit", "accept", "--reason", " "]).code(2);
    assert!(empty.stderr.contains("a reason is needed"));
    drop(world.cli(&["audit", "accept", "--reason", "the disk died"]).code(0));
    world.start();
    applied(&world, "web", &second);
    assert!(!world.path("data/trail.accept").exists());
    let acts = world.cli(&["audit", "list", "-n", "100", "--json"]).code(0).json();
    let accepted =
        acts.as_array().unwrap().iter().find(|one| one["body"]["reason"] == "the disk died").unwrap().clone();
    assert_eq!((&accepted["kind"], accepted["body"]["forgone"].as_array().unwrap().len()), (&"trail".into(), 2));
    assert_eq!(accepted["actor"]["kind"], "unix-user");
    // What was published of what is gone does not hold; what still is there does, by the old key.
    let notes = file.display().to_string();
    let report = world.cli(&["audit", "verify", "--checkpoint", &notes, "--json"]).code(1).json();
    for held in report["checkpoints"].as_array().unwrap() {
        let of_old = held["size"].as_u64() > Some(at_backup) && held["size"].as_u64() <= Some(newest);
        let after = accepted["seq"].as_u64().unwrap();
        assert!(held["holds"] == true || of_old, "{held} of {after}");
    }
    assert!(report["checkpoints"].as_array().unwrap().iter().any(|held| held["holds"] == false), "{report}");
    intact(&world);
    // A second start asks nothing any more.
    world.restart();
    all_is_well(&world, &["web"]);
}

#[test]
fn a_place_that_does_not_answer_holds_up_nothing_and_is_told() {
    let mut world = world();
    let elsewhere = Elsewhere::of(&mut world);
    elsewhere.server.inject(Fault::Status(503));
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let at = |world: &World| trail(world)["places"][1].clone();
    eventually("it is told", SOON, || at(&world)["code"].is_string());
    let shown = world.cli(&["status"]).code(1).stdout;
    assert!(shown.contains(&format!("not published at {REF} of audit")), "{shown}");
    assert_eq!(trail(&world)["places"][0]["code"], Value::Null);
    assert_eq!(world.stderr().matches("could not publish a checkpoint").count(), 1, "{}", world.stderr());
    elsewhere.server.inject(Fault::None);
    eventually("it is published", SOON, || elsewhere.pushed() == records(&world));
    eventually("it is told again", SOON, || at(&world)["code"].is_null());
    assert!(world.stderr().contains("checkpoints are published again"));
    // A ref that somebody deleted is made again, from what is newest.
    elsewhere.repo.git_bare(&["update-ref", "-d", REF]);
    drop(world.cli(&["suspend", "web", "--reason", "to see"]).code(0));
    drop(world.cli(&["resume", "web"]).code(0));
    eventually("it is there again", SOON, || elsewhere.pushed() == records(&world));
    all_is_well(&world, &["web"]);
}

#[test]
fn somebody_else_at_the_ref_is_found_out_and_never_overwritten() {
    let mut world = world();
    let elsewhere = Elsewhere::of(&mut world);
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    // What is no checkpoint at all says nothing against the trail, and is left as it is.
    elsewhere.repo.write("checkpoint", "hello\n").land("notes of somebody");
    let strange = elsewhere.repo.git_bare(&["rev-parse", "main"]);
    elsewhere.repo.git_bare(&["update-ref", REF, "main"]);
    world.start();
    applied(&world, "web", &first);
    eventually("it is told", SOON, || trail(&world)["places"][1]["code"] == "trail.foreign");
    assert_eq!(elsewhere.repo.git_bare(&["rev-parse", REF]), strange);
    assert!(world.stop().success());
    elsewhere.repo.write("checkpoint", "trueup.dev/other/1\n3\nAAAA\n\n— trueup.dev/other/1 AAAAAAAA\n").land("theirs");
    let theirs = elsewhere.repo.git_bare(&["rev-parse", "main"]);
    elsewhere.repo.git_bare(&["update-ref", REF, "main"]);
    world.spawn();
    assert_eq!(world.wait().code(), Some(78), "{}", world.stderr());
    assert!(world.stderr().contains("trail.foreign"), "{}", world.stderr());
    assert_eq!(elsewhere.repo.git_bare(&["rev-parse", REF]), theirs);
    // A daemon that could not ask at its start finds it later, and ends.
    elsewhere.server.inject(Fault::Status(503));
    world.start();
    elsewhere.server.inject(Fault::None);
    assert_eq!(world.wait().code(), Some(78), "{}", world.stderr());
    assert_eq!(elsewhere.repo.git_bare(&["rev-parse", REF]), theirs);
}

#[test]
fn somebody_else_who_pushes_between_two_of_ours_is_never_built_on() {
    let mut world = world();
    let elsewhere = Elsewhere::of(&mut world);
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    eventually("it is published", SOON, || elsewhere.pushed() == records(&world));
    let ours = elsewhere.repo.git_bare(&["rev-parse", REF]);
    let at = || elsewhere.repo.git_bare(&["rev-parse", REF]);
    let theirs = |text: &str| {
        elsewhere.repo.write("checkpoint", text).land("theirs");
        let theirs = elsewhere.repo.git_bare(&["rev-parse", "main"]);
        elsewhere.repo.git_bare(&["update-ref", REF, "main"]);
        theirs
    };
    let act = |world: &World| {
        drop(world.cli(&["suspend", "web", "--reason", "to see"]).code(0));
        drop(world.cli(&["resume", "web"]).code(0));
    };
    // The repository at hand broke meanwhile: it is made anew, and nobody has to know.
    fs::remove_dir_all(world.path("data/checkpoints.git/objects")).unwrap();
    act(&world);
    eventually("it is published again", SOON, || elsewhere.pushed() == records(&world));
    let strange = theirs("hello\n");
    act(&world);
    eventually("it is told", SOON, || trail(&world)["places"][1]["code"] == "trail.foreign");
    // It was fetched by now, and is what the next push would stand on.
    for _ in 0..3 {
        act(&world);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(at(), strange);
    }
    elsewhere.repo.git_bare(&["update-ref", REF, &ours]);
    eventually("it goes on once that is gone", SOON, || elsewhere.pushed() == records(&world));
    // What shows that the trail is not what was published ends the daemon, and its last push stays away too.
    let forked = theirs("trueup.dev/other/1\n3\nAAAA\n\n— trueup.dev/other/1 AAAAAAAA\n");
    drop(world.cli(&["suspend", "web", "--reason", "to see"]).code(0));
    assert_eq!(world.wait().code(), Some(78), "{}", world.stderr());
    assert_eq!(at(), forked);
}

#[test]
fn a_key_is_replaced_without_a_gap_in_trust_and_the_old_one_is_erased() {
    let mut world = world();
    world.declared.daemon = format!("trail: {{ publish: {{ file: {} }} }}", world.path("checkpoints").display());
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let file = world.path("data/trail.key");
    let key = || fs::read_to_string(&file).unwrap();
    let old = key();
    let known = world.cli(&["audit", "verify", "--json"]).code(0).json()["keys"][0].as_str().unwrap().to_owned();
    fs::write(world.path("known"), format!("{known}\n")).unwrap();
    let new = world.cli(&["audit", "rotate-key", "--reason", "a year has passed"]).code(0).stdout;
    assert_ne!(key(), old);
    assert!(!new.contains(&known) && new.starts_with("trueup.dev/story/"), "{new}");
    let secret = old.trim().rsplit('+').next().unwrap().to_owned();
    for file in
        fs::read_dir(world.path("data")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = fs::read(&file).unwrap();
        assert!(
            !bytes.windows(secret.len()).any(|part| part == secret.as_bytes()),
            "{} has the old key",
            file.display()
        );
    }
    // Who knows the old key alone follows to the new one, over what both have signed.
    let (known_file, notes) =
        (world.path("known").display().to_string(), world.path("checkpoints").display().to_string());
    eventually("the new key has signed", SOON, || in_file(&world.path("checkpoints")) >= records(&world));
    let report = world.cli(&["audit", "verify", "--key", &known_file, "--checkpoint", &notes, "--json"]).code(0).json();
    assert_eq!(report["keys"].as_array().unwrap().len(), 2);
    assert_eq!(report["covered"], report["size"]);
    let both = fs::read_to_string(&notes).unwrap();
    assert!(both.split("\n\n").any(|lines| lines.matches("— trueup.dev/story/").count() == 2), "{both}");
    // A restart goes on with the new one. A key that the trail does not name signs nothing.
    world.restart();
    assert!(world.stop().success());
    let new = key();
    fs::write(world.path("data/trail.key"), old).unwrap();
    world.spawn();
    assert_eq!(world.wait().code(), Some(78));
    assert!(world.stderr().contains("trail.key"), "{}", world.stderr());
    fs::remove_file(world.path("data/trail.key")).unwrap();
    world.spawn();
    assert_eq!(world.wait().code(), Some(78));
    assert!(!world.path("data/trail.key").exists(), "a key is never made beside an old trail");
    fs::write(world.path("data/trail.key"), new).unwrap();
    fs::set_permissions(world.path("data/trail.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    world.start();
    all_is_well(&world, &["web"]);
}

#[test]
fn checkpoints_are_pushed_over_ssh_and_to_a_folder_too() {
    let mut world = world();
    let folder = world.path("elsewhere");
    let repo = Repo::new(&folder, "audit");
    let Some(ssh) = SshServer::start(&folder.join("ssh")) else { return };
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    let over_ssh = format!(
        "credentials: {{ file: {} }}\n  ssh: {{ knownHosts: {} }}",
        ssh.key().display(),
        ssh.known_hosts().display()
    );
    let before = |world: &World| records(world);
    for (url, more) in [(ssh.url(&repo), over_ssh), (format!("file://{}", repo.bare().display()), String::new())] {
        world.declared.daemon = published(&world.path("checkpoints"), "audit");
        world.declared.more = repository("audit", &url, &more);
        world.start();
        applied(&world, "web", &first);
        let pushed = || {
            let bare = repo.bare();
            let found =
                clean("git", &bare).arg("--git-dir").arg(&bare).args(["show", &format!("{REF}:checkpoint")]).output();
            size(&String::from_utf8_lossy(&found.unwrap().stdout))
        };
        eventually("it is pushed", SOON, || pushed() >= before(&world));
        assert!(world.stop().success());
    }
    world.start();
    all_is_well(&world, &["web"]);
}
