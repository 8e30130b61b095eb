//! The shim is judged before anything is judged with it: it sees what strace sees, and stops a program where it says.

// A test says what went wrong by failing.
#![allow(clippy::expect_used, clippy::unwrap_used)]

#[path = "mod.rs"]
mod faults;
#[path = "../parts/mod.rs"]
mod parts;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use faults::{Fault, Faults, tally, tally_of_strace, under_strace};
use rustix::fs::{AtFlags, RenameFlags};
use sqlx::any::AnyPoolOptions;

/// Where the program under test works, when it is started as one.
const FOLDER: &str = "TRUEUP_TEST_FOLDER";

/// The tiny program: each way in which trueup makes something durable. A test by itself, too.
#[test]
fn durable_acts_leave_what_they_say() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = std::env::var_os(FOLDER).map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    by_std(&folder);
    by_rustix(&folder);
    by_gix(&folder);
    by_sqlite(&folder);
}

fn by_std(folder: &Path) {
    let (first, second) = (folder.join("first"), folder.join("second"));
    let mut file = File::create(&first).unwrap();
    file.write_all(b"content").unwrap();
    file.sync_all().unwrap();
    file.sync_data().unwrap();
    fs::rename(&first, &second).unwrap();
    assert_eq!(fs::read(&second).unwrap(), b"content");
    fs::remove_file(&second).unwrap();
    fs::create_dir_all(folder.join("deep/er")).unwrap();
    fs::write(folder.join("deep/file"), "x").unwrap();
    fs::remove_dir(folder.join("deep/er")).unwrap();
    fs::remove_dir_all(folder.join("deep")).unwrap();
    assert!(!folder.join("deep").exists());
}

fn by_rustix(folder: &Path) {
    let dir = File::open(folder).unwrap();
    for name in ["one", "two"] {
        fs::write(folder.join(name), name).unwrap();
    }
    rustix::fs::renameat(&dir, "one", &dir, "two").unwrap();
    rustix::fs::renameat_with(&dir, "two", &dir, "three", RenameFlags::NOREPLACE).unwrap();
    assert_eq!(fs::read(folder.join("three")).unwrap(), b"one");
    rustix::fs::fsync(&dir).unwrap();
    rustix::fs::unlinkat(&dir, "three", AtFlags::empty()).unwrap();
    assert!(!folder.join("three").exists());
}

fn by_gix(folder: &Path) {
    let repository = gix::init_bare(folder.join("mirror.git")).unwrap();
    let blob = repository.write_blob(b"content").unwrap().detach();
    let any = gix::refs::transaction::PreviousValue::Any;
    repository.reference("refs/trueup/followed", blob, any, "followed").unwrap();
    assert_eq!(repository.find_reference("refs/trueup/followed").unwrap().id(), blob);
}

fn by_sqlite(folder: &Path) {
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.join("store.db").display());
    runtime.block_on(async {
        let pool = AnyPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
        for statement in [
            "PRAGMA journal_mode = DELETE",
            "CREATE TABLE t (a TEXT)",
            "INSERT INTO t VALUES ('rolled back by hand')",
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "INSERT INTO t VALUES ('first')",
            "INSERT INTO t VALUES ('second')",
        ] {
            sqlx::raw_sql(statement).execute(&pool).await.unwrap();
        }
        let rows = sqlx::query("SELECT a FROM t").fetch_all(&pool).await.unwrap();
        assert_eq!(rows.len(), 3);
        pool.close().await;
    });
}

/// Returns this very program, which is the tiny program when started with `FOLDER`, and its name.
fn tiny() -> (PathBuf, String) {
    let program = std::env::current_exe().unwrap();
    let name = program.file_name().unwrap().to_str().unwrap().to_owned();
    (program, name)
}

fn run(mut command: Command, folder: &Path) -> Output {
    fs::create_dir_all(folder).unwrap();
    command.args(["--exact", "durable_acts_leave_what_they_say", "--nocapture"]).env(FOLDER, folder);
    // Where the backtrace of a failure would be written, files are opened and the counts go astray.
    command.env("RUST_BACKTRACE", "0").output().expect("the program can be started")
}

fn run_with(fault: Fault, folder: &Path) -> (Faults, Output) {
    let (program, name) = tiny();
    let faults = Faults::new(&folder.join("log"), fault).program(&name);
    let mut command = Command::new(program);
    command.envs(faults.environment());
    let output = run(command, &folder.join("work"));
    (faults, output)
}

#[test]
fn the_shim_counts_what_strace_counts() {
    let Some(strace) = parts::program("strace") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let (program, name) = tiny();
    let faults = Faults::new(&scratch.path().join("log"), Fault::None).program(&name);
    let trace = scratch.path().join("trace");
    let output = run(under_strace(&strace, &trace, &program, &faults), &scratch.path().join("work"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let (ours, theirs) = (tally(&faults.calls()), tally_of_strace(&trace));
    println!("shim {ours:?}\nstrace {theirs:?}");
    assert_eq!(ours, theirs);
    for call in ["fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"] {
        assert!(ours.contains_key(call), "{call} is not seen: {ours:?}");
    }
    let paths: Vec<String> = faults.calls().into_iter().map(|call| call.path).collect();
    for part in ["refs/trueup/followed", "store.db-journal", "store.db-wal", "/three"] {
        assert!(paths.iter().any(|path| path.contains(part)), "nothing durable is seen at {part}: {paths:#?}");
    }
}

#[test]
fn a_kill_comes_right_before_or_right_after_the_call() {
    let scratch = tempfile::tempdir().unwrap();
    let (undisturbed, output) = run_with(Fault::None, &scratch.path().join("undisturbed"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let rename = undisturbed.calls().into_iter().find(|call| call.name == "rename").unwrap().number;

    for (fault, first, second) in [(Fault::KillBefore(rename), true, false), (Fault::KillAfter(rename), false, true)] {
        let folder = scratch.path().join(format!("{fault:?}"));
        let (faults, output) = run_with(fault, &folder);
        assert_eq!(output.status.signal(), Some(9), "{fault:?}: {:?}", output.status);
        assert_eq!(faults.calls().len(), rename, "{fault:?}");
        let there = |name: &str| folder.join("work").join(name).exists();
        assert_eq!((there("first"), there("second")), (first, second), "{fault:?}");
    }
}

#[test]
fn a_call_told_to_fail_does_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let (undisturbed, _) = run_with(Fault::None, &scratch.path().join("undisturbed"));
    let rename = undisturbed.calls().into_iter().find(|call| call.name == "rename").unwrap().number;
    let folder = scratch.path().join("fails");
    let (_, output) = run_with(Fault::Errno(rename, "ENOSPC"), &folder);
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && told.contains("StorageFull"), "{told}");
    assert!(folder.join("work/first").exists() && !folder.join("work/second").exists());
}

#[test]
fn nothing_is_counted_before_it_is_armed_nor_in_other_programs() {
    let scratch = tempfile::tempdir().unwrap();
    let (program, name) = tiny();
    let run_it = |faults: &Faults, work: &str| {
        let mut command = Command::new(&program);
        command.envs(faults.environment());
        let output = run(command, &scratch.path().join(work));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        faults.calls().len()
    };
    let waiting = Faults::new(&scratch.path().join("a"), Fault::KillBefore(1)).program(&name).waiting();
    assert_eq!(run_it(&waiting, "unarmed"), 0);
    let armed = Faults::new(&scratch.path().join("b"), Fault::None).program(&name).waiting();
    armed.arm();
    assert!(run_it(&armed, "armed") > 10);
    let other = Faults::new(&scratch.path().join("c"), Fault::KillBefore(1));
    assert_eq!(run_it(&other, "other"), 0);
}
