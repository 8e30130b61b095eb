//! Started on demand, gone when nobody needs it, and there as long as a watch is open.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;
use trueup::target::root::{RootHalf, listen};

use crate::clock::Machine;
use crate::front::{Front, file};
use crate::host::Host;
use crate::parts::skip;
use crate::rootside::{access, declared};

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_while_somebody_is_connected_and_no_longer() {
    let host = Host::new();
    let socket = host.scratch.path().join("host.sock");
    let half = Arc::new(RootHalf::open(access(&host), Arc::new(Machine)).unwrap());
    let listener = UnixListener::bind(&socket).unwrap();
    let idle = Duration::from_millis(300);
    let serving = tokio::spawn(listen(half, listener, Some(idle), CancellationToken::new()));
    let mut front = Front::connect(&socket, &serde_json::to_value(declared(&host)).unwrap());
    // Four times as long as it would stay alone.
    let until = Instant::now() + 4 * idle;
    while Instant::now() < until {
        assert_eq!(front.preview(&[file("/etc/app/x", b"x")])[0]["type"], "preview");
        assert!(!serving.is_finished());
        tokio::time::sleep(idle / 3).await;
    }
    drop(front);
    tokio::time::timeout(Duration::from_secs(20), serving).await.expect("it ends").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_serves_on_a_socket_that_it_was_passed() {
    let activate = Path::new("/usr/bin/systemd-socket-activate");
    if !activate.exists() || !rustix::process::geteuid().is_root() {
        skip("this test takes root and systemd-socket-activate");
        return;
    }
    let host = Host::new();
    let scratch = host.scratch.path();
    let (config, socket) = (scratch.join("host.yaml"), scratch.join("host.sock"));
    let text = format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: HostAccess\nmetadata: {{ name: here }}\nspec: {{ allow: [/etc/app], data: {}, root: {} }}\n",
        scratch.join("data").display(),
        scratch.join("root").display(),
    );
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new(activate)
        .arg("-l")
        .arg(&socket)
        .args([env!("CARGO_BIN_EXE_trueup"), "host", "--config"])
        .arg(&config)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    // It may be there and not be listened on yet; a connection that goes again is one more that is served.
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("nobody listens");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut front = Front::connect(&socket, &json!({ "allow": ["/etc/app"] }));
    assert_eq!(front.preview(&[file("/etc/app/x", b"x")])[0]["after"]["is"], "state");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success(), "a stop is no failure");
}
