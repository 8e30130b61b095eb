//! The world is judged before anything is judged in it, by git's own client.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "mod.rs"]
mod world;

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use world::{App, Authority, Fault, HttpServer, Options, Repo, Snapshot, SshServer, World, clean, must};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> (Self, Repo) {
        let folder = tempfile::tempdir().unwrap();
        let repo = Repo::new(folder.path(), "platform");
        repo.write("etc/motd", "hello\n").land("first");
        (Self(folder), repo)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Clones with git's own client.
    fn clone(&self, url: &str, more: impl FnOnce(&mut Command)) -> Output {
        let into = self.path().join("clone");
        let _ = std::fs::remove_dir_all(&into);
        let mut command = clean("git", self.path());
        command.args(["clone", "--quiet", url]).arg(&into).env("GIT_ASKPASS", "true");
        more(&mut command);
        command.output().unwrap()
    }

    fn cloned(&self) -> String {
        std::fs::read_to_string(self.path().join("clone/etc/motd")).unwrap()
    }
}

#[test]
fn commits_are_the_same_in_every_world() {
    let (one, other) = (Folder::new(), Folder::new());
    assert_eq!(one.1.head(), other.1.head());
    assert_eq!(one.1.git(&["log", "--format=%an <%ae> %cn %s"]), "Ada <ada@example.org> Ada first");
}

#[test]
fn a_repository_takes_what_people_and_attackers_do_to_it() {
    let (_folder, repo) = Folder::new();
    let first = repo.head();
    repo.write("bin/run", "#!/bin/sh\n").mode("bin/run", 0o755).link("etc/link", "motd");
    let second = repo.land("second");
    assert!(repo.git_bare(&["ls-tree", "-r", "main"]).contains("100755"));
    assert!(repo.git_bare(&["ls-tree", "-r", "main"]).contains("120000"));
    let reverted = repo.revert(&second);
    assert!(![&first, &second].contains(&&reverted));
    assert_eq!(repo.git_bare(&["rev-parse", "main^{tree}"]), repo.git(&["rev-parse", &format!("{first}^{{tree}}")]));
    repo.reset(&first).force_push().tag("v1");
    assert_eq!(repo.git_bare(&["rev-parse", "main"]), first);
    repo.branch("next").remove("etc/motd").write("x", "y").land("on a branch");
    repo.branch("main");
    assert_eq!((repo.head(), repo.git_bare(&["rev-list", "--count", "next"])), (first, "2".to_owned()));

    let blob = repo.raw_object("blob", b"evil");
    let tree = repo.raw_tree(&[("100644", b"../evil", &blob)]);
    repo.land_tree("main", &tree);
    assert!(repo.git_bare(&["ls-tree", "main"]).contains("../evil"));
    repo.delete_branch("main");
    assert_eq!(repo.git_bare(&["branch", "--list", "main"]), "");
}

#[test]
fn git_clones_over_http_by_protocol_2() {
    let (folder, repo) = Folder::new();
    let server = HttpServer::start(folder.path());
    assert!(folder.clone(&server.url("platform"), |_| {}).status.success());
    assert_eq!(folder.cloned(), "hello\n");
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.protocol.as_deref() == Some("version=2") && request.status == 200));
    assert!(server.bytes().0 > 0 && server.bytes().1 > 0);

    // Git compresses a request of more than 1 KiB: one that names many commits of which the server knows nothing.
    let clone = folder.path().join("clone");
    let own =
        "for n in $(seq 60); do git -c user.name=Bo -c user.email=bo@example.org commit -q --allow-empty -m $n; done";
    must(clean("sh", folder.path()).args(["-c", own]).current_dir(&clone));
    repo.write("etc/motd", "new\n").land("another line");
    must(clean("git", folder.path()).args(["fetch", "--quiet"]).current_dir(&clone));
    let fetched = clean("git", folder.path()).args(["rev-parse", "origin/main"]).current_dir(&clone).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&fetched.stdout).trim(), repo.head());
    assert!(server.requests().iter().any(|request| request.compressed), "no request was compressed");

    let dumb = raw(&server, "GET /platform.git/HEAD HTTP/1.1");
    assert!(dumb.starts_with("HTTP/1.1 404"), "the dumb protocol is off: {dumb}");
}

/// Sends a request as it stands and returns all that comes back.
fn raw(server: &HttpServer, request: &str) -> String {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.write_all(format!("{request}\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A broken connection may show as a reset.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_goes_wrong_on_the_way_goes_wrong() {
    let (folder, _repo) = Folder::new();
    let server = HttpServer::start(folder.path());
    let url = server.url("platform");
    let says = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();

    server.inject(Fault::Status(503));
    assert!(says(&folder.clone(&url, |_| {})).contains("503"));
    server.inject(Fault::Truncate(20));
    let answer = raw(&server, "GET /platform.git/info/refs?service=git-upload-pack HTTP/1.1");
    assert!(answer.contains("200 OK") && !answer.ends_with("0\r\n\r\n"), "broken off, not ended: {answer}");
    assert!(!folder.clone(&url, |_| {}).status.success());
    server.inject(Fault::Body("text/html", b"<html>a portal</html>".to_vec()));
    let _ = folder.clone(&url, |_| {});
    assert!(!folder.path().join("clone/etc").exists(), "a portal is no repository");
    server.inject(Fault::Redirect("http://127.0.0.1:1/elsewhere.git/info/refs?service=git-upload-pack".into()));
    assert!(!folder.clone(&url, |_| {}).status.success());
    server.answer_with(|request| if request.method == "POST" { Fault::Truncate(100) } else { Fault::None });
    assert!(!folder.clone(&url, |_| {}).status.success());
    server.inject(Fault::Hang);
    let slow = |command: &mut Command| {
        command.args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=1"]);
    };
    assert!(!folder.clone(&url, slow).status.success());
    let start = std::time::Instant::now();
    server.inject(Fault::Delay(Duration::from_millis(200)));
    assert!(folder.clone(&url, |_| {}).status.success() && start.elapsed() >= Duration::from_millis(400));
    server.inject(Fault::None);
    assert!(folder.clone(&url, |_| {}).status.success());
}

#[test]
fn https_wants_the_authority_and_the_password() {
    let (folder, _repo) = Folder::new();
    let (ours, theirs) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "theirs"));
    let options = Options { login: Some(("ada", "s3cret!")), authority: Some(&ours), names: None };
    let server = HttpServer::with(folder.path(), options);
    let url = server.url("platform");
    let trusting = |file: &Path| {
        let file = file.to_owned();
        move |command: &mut Command| {
            command.env("GIT_SSL_CAINFO", file);
        }
    };
    let login = url.replace("https://", "https://ada:s3cret!@");
    let output = folder.clone(&login, trusting(ours.file()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(folder.cloned(), "hello\n");
    assert!(!folder.clone(&login, trusting(theirs.file())).status.success());
    assert!(!folder.clone(&url, trusting(ours.file())).status.success());
    assert!(!folder.clone(&url.replace("https://", "https://ada:wrong@"), trusting(ours.file())).status.success());
    assert!(server.requests().iter().any(|request| request.status == 401));
}

#[test]
fn git_clones_over_ssh_from_a_host_that_it_knows() {
    let (folder, repo) = Folder::new();
    let Some(server) = SshServer::start(&folder.path().join("ssh")) else { return };
    let ssh = |known: &Path| {
        let command = format!(
            "ssh -F /dev/null -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile={} -i {}",
            known.display(),
            server.key().display()
        );
        move |git: &mut Command| {
            git.env("GIT_SSH_COMMAND", command);
        }
    };
    let output = folder.clone(&server.url(&repo), ssh(&server.known_hosts()));
    assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), server.log());
    assert_eq!(folder.cloned(), "hello\n");
    let output = folder.clone(&server.url(&repo), ssh(&server.other_hosts()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("IDENTIFICATION HAS CHANGED"));
    let mode = std::fs::metadata(server.key()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_snapshot_sees_bytes_modes_and_times() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a/b");
    std::fs::create_dir(folder.path().join("a")).unwrap();
    std::fs::write(&file, "one").unwrap();
    let before = Snapshot::of(folder.path());
    before.assert_same(&Snapshot::of(folder.path()), "nothing happened");
    std::thread::sleep(Duration::from_millis(20));
    std::fs::write(&file, "one").unwrap();
    let touched = Snapshot::of(folder.path());
    assert_eq!(before.differences(&touched).len(), 1);
    before.clone().settled(|_| false).assert_same(&touched.settled(|_| false), "times are left out");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(folder.path().join("c"), "two").unwrap();
    let after = Snapshot::of(folder.path()).settled(|_| false);
    assert_eq!(before.settled(|_| false).differences(&after).len(), 2);
}

/// A stand-in keeps the contract of the program: `run` waits for SIGTERM, `status` answers while it runs.
const STAND_IN: &str = r#"#!/bin/sh
case "$1" in
run) echo "started with $3" >&2; echo $$ >run/pid; trap 'rm run/pid; exit 0' TERM; sleep 600 & wait $!;;
--config) [ -e run/pid ] && grep -q . "/proc/$(cat run/pid)/cmdline" && echo '{"applications":[]}' || exit 2;;
esac
"#;

#[test]
fn the_daemon_is_started_asked_killed_and_ended_with_its_children() {
    let mut world = World::new();
    let program = world.path("stand-in");
    std::fs::write(&program, STAND_IN).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    world = world.program(&program);
    world.declared.apps.push(App::new("web", &["common", "web"]).sync("drift: hold"));
    assert_eq!(world.cli(&["status"]).code, 2);
    world.start();
    assert!(world.cli(&["status", "--json"]).code(0).json()["applications"].is_array());
    assert!(world.stderr().contains("config.yaml"));
    let mut groups = vec![world.pid()];
    world.kill9();
    assert_eq!(world.cli(&["status"]).code, 2);
    world.start();
    groups.push(world.pid());
    assert!(world.stop().success());
    world.start().restart();
    groups.push(world.pid());
    drop(world);
    for group in groups {
        let group = rustix::process::Pid::from_raw(i32::try_from(group).unwrap()).unwrap();
        // A moment may pass until init has taken note of the last of them.
        world::eventually("the process group of each daemon ends", Duration::from_secs(5), || {
            rustix::process::test_kill_process_group(group).is_err()
        });
    }
}

#[test]
fn the_configuration_says_what_the_test_says() {
    let mut world = World::new();
    world.declared.apps.push(App::new("web", &["common", "web"]).sync("drift: hold\ninterval: 1s"));
    let text = std::fs::read_to_string(world.configure()).unwrap();
    assert_eq!(text.matches("\n---\n").count() + 1, 4, "{text}");
    assert!(text.contains("\nspec:\n  source:\n    repository: platform\n    paths: [\"common\",\"web\"]\n  target: host\n  sync:\n    drift: hold\n    interval: 1s\n"), "{text}");
    assert!(world.live("/etc").is_dir());
    assert!(world.path("run/trueup.sock").as_os_str().len() < 100);
}

#[test]
fn the_configuration_is_one_that_trueup_takes() {
    let mut world = World::new();
    world.declared.apps.push(App::new("web", &["common", "web"]).sync("drift: hold\ninterval: 1s"));
    world.declared.commands.push("/bin/true".into());
    let loaded = trueup::config::Config::load(&world.configure()).expect("no mistakes");
    assert_eq!(loaded.config.applications.len(), 1);
    world.declared.follow = "branch: main\ntag: v1".into();
    trueup::config::Config::load(&world.configure()).expect_err("two things to follow");
}
