use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::tail::TAIL;
use super::*;
use crate::model::{Actor, SyncId};

fn call() -> Call {
    Call {
        deadline: tokio::time::Instant::now() + Duration::from_secs(30),
        cancel: CancellationToken::new(),
        fence: 1,
        sync: SyncId("0".into()),
        actor: Actor::daemon("test"),
    }
}

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

/// Every way to run commands that there is where the tests run: root under systemd has both.
fn ways() -> Vec<bool> {
    if Bus::rules_here() { vec![false, true] } else { vec![false] }
}

fn commands(allowed: &[&str], by_systemd: bool) -> Commands {
    let writable = [std::env::temp_dir()];
    let commands = Commands::new(allowed.iter().map(PathBuf::from).collect(), Arc::default(), "0", &writable);
    let _ = commands.by_systemd.set(by_systemd);
    commands
}

async fn run(by_systemd: bool, call: &Call, script: &str, timeout: u64) -> Result<String, CommandError> {
    let commands = commands(&["/bin/sh"], by_systemd);
    commands.run(call, Purpose::Judge, &sh(script), Duration::from_millis(timeout)).await
}

/// Tells whether a process is alive, and no zombie.
fn alive(pid: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    status.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Waits until a process is no more. A signal is taken when the process gets its turn, which a busy machine may put off.
async fn dies(pid: &str) -> bool {
    let started = Instant::now();
    while alive(pid) && started.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    !alive(pid)
}

#[test]
fn only_listed_programs_run() {
    let commands = commands(&["/bin/sh", "/usr/bin/env"], false);
    for (name, program) in [("/bin/sh", "/bin/sh"), ("sh", "/bin/sh"), ("env", "/usr/bin/env")] {
        assert_eq!(commands.program(&[name.into()]).unwrap(), Path::new(program));
    }
    for name in ["", "ls", "/usr/bin/sh", "./sh", "bin/sh", "../bin/sh", "/bin/../bin/sh", "sh\n"] {
        assert!(commands.program(&[name.into()]).is_err(), "{name}");
    }
    assert!(commands.program(&[]).is_err());
}

#[tokio::test]
async fn nothing_is_inherited_and_both_streams_are_told() {
    for way in ways() {
        let told = run(way, &call(), "env | sort; pwd; cat; echo wrong >&2", 5000).await.unwrap();
        let mut lines: Vec<_> = told.lines().filter(|line| !line.starts_with("_=")).collect();
        lines.sort_unstable();
        let path = format!("PATH={PATH}");
        assert_eq!(lines, ["/", "HOME=/", "LANG=C.UTF-8", &path, "PWD=/", "wrong"]);
    }
}

#[tokio::test]
async fn only_the_end_of_an_output_is_kept_without_what_a_terminal_acts_on() {
    for way in ways() {
        let script = "yes | head -c 1000000; printf '\\033[2J last\\n'; exit 3";
        let text = run(way, &call(), script, 20_000).await.unwrap_err().to_string();
        assert!(text.contains("exited with status 3") && text.ends_with("\\u{1b}[2J last"), "{text}");
        assert!(text.len() < TAIL + 200 && !text.contains('\u{1b}'), "{}", text.len());
    }
}

#[tokio::test]
async fn the_whole_group_ends_with_its_time_out() {
    for way in ways() {
        // Where the machine is so busy that the shell said nothing before its time was up, it gets more of it.
        let mut told = String::new();
        for time_out in [300, 3_000, 20_000] {
            let error = run(way, &call(), "sleep 60 & echo $!; sleep 60", time_out).await.unwrap_err();
            let CommandError::Failed { how, output, .. } = error else { panic!("{error:?}") };
            assert!(how.contains("time-out"), "{how}");
            told = output;
            if !told.is_empty() {
                break;
            }
        }
        // Nobody waits for the child: were it not ended with the group, it would live on for most of a minute.
        assert!(!told.is_empty() && dies(&told).await, "by systemd: {way}, {told:?}");
    }
}

#[tokio::test]
async fn the_deadline_of_the_call_ends_a_command_that_has_more_time() {
    for way in ways() {
        let call = Call { deadline: tokio::time::Instant::now() + Duration::from_millis(500), ..call() };
        let started = Instant::now();
        let error = run(way, &call, "sleep 60", 60_000).await.unwrap_err();
        assert!(matches!(error, CommandError::Deadline { .. }), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn the_whole_group_ends_when_the_call_is_cancelled_or_dropped() {
    let folder = tempfile::tempdir().unwrap();
    for (way, dropped) in ways().into_iter().flat_map(|way| [(way, false), (way, true)]) {
        let file = folder.path().join(format!("{way}-{dropped}"));
        let script = format!("sleep 60 & echo $! > {}; wait", file.display());
        let call = call();
        let cancel = call.cancel.clone();
        let running = tokio::spawn(async move { run(way, &call, &script, 60_000).await });
        while std::fs::read_to_string(&file).unwrap_or_default().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if dropped {
            running.abort();
        } else {
            cancel.cancel();
        }
        let ended = running.await;
        assert!(dropped || matches!(ended, Ok(Err(CommandError::Cancelled))));
        let pid = std::fs::read_to_string(&file).unwrap();
        assert!(dies(&pid).await, "by systemd: {way}, dropped: {dropped}");
    }
}

#[tokio::test]
async fn a_dollar_is_the_programs_own() {
    for way in ways() {
        let script = "A=one; B='two three'; echo ${A} $B $HOME; printf %s '$$'";
        assert_eq!(run(way, &call(), script, 20_000).await.unwrap(), "one two three /\n$$", "by systemd: {way}");
    }
}

#[tokio::test]
async fn a_child_that_left_the_group_does_not_hold_the_sync() {
    for way in ways() {
        let started = Instant::now();
        assert_eq!(run(way, &call(), "setsid sleep 5 & echo done", 20_000).await.unwrap(), "done\n");
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}
