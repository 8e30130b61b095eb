//! schemathesis, which knows the description alone, against a real daemon.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{io, thread};

use serde_json::Value;

use super::estate::{ask, estate, waiting};
use super::world::{clean, parts};

#[test]
fn a_stranger_who_knows_the_description_finds_no_fault() {
    let Some(schemathesis) = parts::schemathesis() else { return };
    let world = estate();
    let base = proxy(world.path("run/trueup.sock"));
    let plan = waiting(&world).unwrap();
    let folder = world.path("home");
    std::fs::write(folder.join("schemathesis.toml"), settings(&base, &plan)).unwrap();
    let cases = std::env::var("TRUEUP_FUZZ").unwrap_or_else(|_| "20".into());
    let mut command = clean(&schemathesis, &folder);
    command.current_dir(&folder).args(["--config-file", "schemathesis.toml", "run", "--max-examples", &cases]);
    command.args(["--seed", "6", "--workers", "2", "--report", "ndjson", "--report-ndjson-path", "events.ndjson"]);
    command.arg(format!("{base}/v1/openapi.json"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = std::fs::write("/tmp/b/fuzz.txt", &said);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

fn settings(base: &str, plan: &str) -> String {
    format!(
        r#"
base-url = "{base}"

[dictionaries]
names = {{ values = ["web", "api"] }}
plans = {{ values = ["{plan}"] }}

[parameters]
"path.name" = {{ dictionary = "names", probability = 0.5 }}
"path.plan" = {{ dictionary = "plans", probability = 0.5 }}
"#
    )
}

/// Lets whoever speaks TCP to this port speak to the daemon's socket, and returns its address.
fn proxy(socket: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(mut near), Ok(mut far)) = (stream, UnixStream::connect(&socket)) else { continue };
            let (mut answers, mut asks) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut near, &mut asks));
            thread::spawn(move || {
                let _ = io::copy(&mut far, &mut answers);
                let _ = answers.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    base
}
