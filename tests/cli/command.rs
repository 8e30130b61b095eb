//! The real command against a fake daemon.

use std::os::unix::process::CommandExt;

use serde_json::Value;

use crate::fake::{Fake, Ran, Served, open_to_all};
use crate::samples;

const NOBODY: u32 = 65534;

#[test]
fn exit_status_tells_done_from_differs_from_trouble() {
    let served = Served::new(Fake::default(), None);
    let open = ["break-glass", "open", "nginx", "--reason", "the site is down", "--for", "1h"];
    let cases: [(i32, &[&str]); 33] = [
        (1, &["status"]),
        (1, &["plan", "nginx"]),
        (1, &["diff", "nginx", "--color", "always"]),
        (0, &["sync", "nginx"]),
        (1, &["adopt", "nginx"]),
        (2, &["approve", "0123456789ab"]),
        (2, &["approve", "0123"]),
        (2, &["plan", "nope"]),
        (2, &["plan", "../../v1/status"]),
        (0, &["suspend", "nginx", "--reason", "maintenance"]),
        (1, &["audit", "verify"]),
        (0, &["reject", "0123456789ab", "--reason", "not now"]),
        (2, &["reject", "0123"]),
        (0, &["policy", "list"]),
        (1, &["policy", "explain", "nginx"]),
        (0, &["break-glass", "list"]),
        (0, &["break-glass", "requests"]),
        (0, &["break-glass", "open", "--request", "mend"]),
        (2, &["break-glass", "open", "nginx", "--request", "mend"]),
        (1, &["break-glass", "show", "0123456789abcdef"]),
        (2, &["break-glass", "agree", "0123456789abcdef"]),
        (0, &["break-glass", "close", "0123456789abcdef"]),
        (2, &["break-glass", "close", "../plans"]),
        (0, &[&open[..], &["--policy", "freeze"]].concat()),
        (0, &[&open[..], &["--live-edit", "/etc/nginx/*"]].concat()),
        (2, &open),
        (2, &[&open[..], &["--policy", "freeze", "--live-edit", "/etc/x"]].concat()),
        (0, &["notify", "test", "ops-chat"]),
        (2, &["notify", "test", "../status"]),
        (2, &["rollback", "nope"]),
        (2, &["rollback", "../status"]),
        (2, &["rollback", "nginx", "--repository", "/"]),
        (2, &["rollback", "nginx", "--print", "--yes"]),
    ];
    for (code, arguments) in cases {
        let ran = served.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {ran:?}");
        assert_eq!(ran.out.is_empty(), code == 2, "{arguments:?}: {ran:?}");
        assert!(!ran.out.contains('\u{1b}') || arguments.contains(&"always"), "{ran:?}");
        assert!(!ran.out.contains("\u{1b}[2J") && !ran.out.contains('\u{202e}'), "{ran:?}");
    }
}

#[test]
fn a_problem_is_told_with_its_code_and_its_hint_after_a_blank_line() {
    let ran = Served::new(Fake::default(), None).run(&["plan", "nope"]);
    let expected = "error: there is no application nope (application.unknown)\n\nhint: applications here: nginx\n";
    assert_eq!(ran.err, expected);
}

#[test]
fn json_is_what_the_api_says() {
    let served = Served::new(Fake::default(), None);
    let ran = served.run(&["plan", "nginx", "--json", "--revision", "feature/a b&c"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["commit"], "feature/a b&c");
    assert_eq!(value["plan"]["id"], samples::plan().plan.id.to_string());
    assert_eq!(ran.err, "");
    let ran = served.run(&["status", "-o", "json"]);
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value, serde_json::to_value(samples::status()).unwrap());
}

#[test]
fn the_trail_is_listed_told_shown_and_exported() {
    let served = Served::new(Fake::default(), None);
    let list = served.run(&["audit", "list"]).out;
    let expected = r"     4  2026-11-18T11:06:40.000Z  closed     nginx  applied  at aaaaaaaaaa  by ro\u{1b}ot
     3  2026-11-18T11:06:40.000Z  outcome    nginx  1 step, 1 failed  at aaaaaaaaaa  by ro\u{1b}ot
     2  2026-11-18T11:06:40.000Z  intent     nginx  1 step  at aaaaaaaaaa  by ro\u{1b}ot
     1  2026-11-18T11:06:40.000Z  planned    nginx  go  2 steps  at aaaaaaaaaa  on poll
";
    assert_eq!(list, expected);
    let two = served.run(&["audit", "list", "-n", "2", "--before", "4"]).out;
    assert_eq!(two.lines().map(|line| line.trim_start().chars().next().unwrap()).collect::<String>(), "32");
    let history = served.run(&["history", "nginx"]).out;
    assert_eq!(history, format!("{}\n", list.lines().next().unwrap()));
    assert_eq!(served.run(&["history", "other"]).out, "");

    assert!(served.run(&["audit", "show", "2"]).out.contains("\"name\": \"/etc/motd\""));
    assert_eq!(served.run(&["audit", "show", "9"]).code, Some(2));

    let export = served.run(&["audit", "export", "--after", "1"]).out;
    let lines: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[..3].iter().map(|line| line["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(lines[3..], [serde_json::json!({ "head": { "size": 4, "root": "0".repeat(64) } })]);

    let verify = served.run(&["audit", "verify"]).out;
    let told = "record 2: its bytes do not hash to its leaf\ndamaged: 1 problem in 4 records\n";
    assert!(verify.starts_with(told), "{verify}");
    let rotated = served.run(&["audit", "rotate-key", "--reason", "ada left"]);
    assert!(rotated.out.ends_with("because of ada left\n"), "{rotated:?}");
}

#[test]
fn what_a_trail_is_held_against_is_read_first_and_refused_where_it_proves_nothing() {
    let served = Served::new(Fake::default(), None);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let note = "log\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\u{2014} log AAAAAAAA\n";
    let (good, empty) = (file("good", note), file("empty", "\n"));
    let key = file("key", "# mine\nPeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n");
    let (no_key, other) = (file("no-key", "# nobody\n"), file("other", "log+00000000+AAAA\n"));
    let report = served.run(&["audit", "verify", "--checkpoint", &good, "--key", &key, "--json"]);
    let report: Value = serde_json::from_str(&report.out).unwrap();
    assert_eq!((&report["checkpoints"][0]["place"], &report["vouched"]), (&good.clone().into(), &true.into()));
    for arguments in [["--checkpoint", &empty], ["--checkpoint", "/nowhere"], ["--key", &no_key], ["--key", &other]] {
        let ran = served.run(&[&["audit", "verify"][..], &arguments].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
    }
}

#[test]
fn without_a_daemon_it_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trueup"));
    let ran = Ran::of(command.env_clear().args(["status", "--socket"]).arg(&socket));
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.starts_with(&format!("error: no daemon answers at {}\n\nhint: ", socket.display())), "{}", ran.err);
}

#[test]
fn the_socket_is_found_though_the_configuration_has_mistakes() {
    let served = Served::new(Fake::default(), None);
    let file = served.socket.with_file_name("trueup.yaml");
    let text =
        format!("kind: Daemon\nspec: {{ socket: '{}', nonsense: 1 }}\n---\nkind: Nonsense\n", served.socket.display());
    std::fs::write(&file, text).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trueup"));
    let ran = Ran::of(command.env_clear().env("TRUEUP_CONFIG", &file).args(["status", "--json"]));
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[test]
fn a_reader_who_goes_away_is_no_trouble_and_hides_nothing() {
    let served = Served::new(Fake::default(), None);
    // What it would have been told: that the plan does something.
    for (arguments, code) in [(&["status"][..], 1), (&["plan", "nginx"], 1), (&["policy", "list"], 0)] {
        let mut child = served.command(arguments);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = Ran::of(child.stdout(writer));
        assert_eq!((ran.code, ran.err.contains("error")), (Some(code), false), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn others_may_read_but_only_the_group_may_act() {
    if !rustix::process::getuid().is_root() {
        eprintln!("SKIP: becoming another user needs root");
        return;
    }
    let served = Served::new(Fake::default(), None);
    let as_nobody = |served: &Served, arguments: &[&str]| Ran::of(copied(served, arguments).uid(NOBODY).gid(NOBODY));
    let closed = as_nobody(&served, &["status"]);
    assert!(closed.err.contains("you may not open"), "{closed:?}");

    open_to_all(&served.socket, 0o666);
    assert_eq!(as_nobody(&served, &["status"]).code, Some(1));
    for act in [&["sync", "nginx"][..], &["adopt", "nginx"], &["resume", "nginx"], &["approve", "0123456789"]] {
        let refused = as_nobody(&served, act);
        assert_eq!(refused.code, Some(2));
        assert!(
            refused.err.starts_with("error: nobody may not ") && refused.err.contains("(api.forbidden)\n\nhint: "),
            "{}",
            refused.err
        );
    }
    let group = std::fs::read_to_string("/etc/group").unwrap();
    let group = group.lines().find(|line| line.split(':').nth(2) == Some("65534")).unwrap().split(':').next().unwrap();
    let served = Served::new(Fake::default(), Some(group));
    let ran = as_nobody(&served, &["sync", "nginx"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("by 65534/nobody"), "{}", ran.out);
}

/// The command from a place that everybody may read: the build folder may lie in somebody's home.
fn copied(served: &Served, arguments: &[&str]) -> std::process::Command {
    let copy = served.socket.with_file_name("trueup");
    if !copy.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_trueup"), &copy).unwrap();
    }
    let mut command = std::process::Command::new(copy);
    command.env_clear().arg("--socket").arg(&served.socket).args(arguments);
    command
}

fn alone(arguments: &[&str]) -> Ran {
    Ran::of(std::process::Command::new(env!("CARGO_BIN_EXE_trueup")).env_clear().args(arguments))
}

#[test]
fn check_tells_every_mistake_with_its_place_and_counts_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    let file = file.to_str().unwrap();
    let good =
        r#"{ apiVersion: trueup.dev/v1alpha1, kind: Repository, metadata: { name: p }, spec: { url: "https://h/p" } }"#;
    std::fs::write(file, format!("{good}\n---\n{{ apiVersion: trueup.dev/v1alpha1, kind: Daemon, metadata: {{ name: x }}, spec: {{ sokcet: /x }} }}\n")).unwrap();
    let ran = alone(&["check", file]);
    assert_eq!(ran.code, Some(2));
    assert_eq!(ran.out, format!("{file}:3:81: the field 'sokcet' is not known here\n  hint: did you mean 'socket'?\n"));
    assert_eq!(ran.err, "1 mistake\n");
    let json: Value = serde_json::from_str(&alone(&["check", "--json", file]).out).unwrap();
    assert_eq!(json[0]["place"]["line"], 3);

    std::fs::write(file, good).unwrap();
    let ran = alone(&["--config", file, "check"]);
    assert_eq!((ran.code, ran.out), (Some(0), format!("{file}: ok, 1 repository, 0 targets, 0 applications\n")));
}

#[test]
fn render_lays_later_folders_over_earlier_ones() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("common/root/etc/motd", "all\n");
    write("common/root/etc/issue", "all\n");
    write("web/root/etc/motd", "web\n");
    let path = |layer: &str| folder.path().join(layer).to_str().unwrap().to_owned();
    let ran = alone(&["render", &path("common"), &path("web")]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let places: Vec<_> = ran.out.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(places, ["# common/root/etc/issue", "# web/root/etc/motd"]);

    write(
        "web/bad.yaml",
        "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: { name: relative }\nspec: { content: x }\n",
    );
    let ran = alone(&["render", &path("web")]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.out.starts_with("bad.yaml:3:"), "{ran:?}");
}
