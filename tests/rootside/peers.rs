//! Who may connect, and whose word is taken.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use trueup::config::Peer;
use trueup::target::root::load;

use crate::rootside::RootSide;

/// A user that is nobody's peer, where we can become it.
const STRANGER: &str = "65534";

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_turned_away_and_a_named_user_is_not() {
    let python = std::path::Path::new("/usr/bin/python3").exists();
    if !rustix::process::geteuid().is_root() || !python || Command::new("setpriv").arg("--version").output().is_err() {
        crate::parts::skip("this test becomes another user, which takes root, setpriv and python3");
        return;
    }
    for (named, served) in [("1", false), (STRANGER, true), ("nobody", true)] {
        let side = RootSide::with(|access| access.peers = vec![Peer { unit: None, user: Some(named.into()) }]);
        fs::set_permissions(side.host.scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(side.socket(), fs::Permissions::from_mode(0o666)).unwrap();
        let hello =
            r#"{"type":"hello","protocol":{"min":1,"max":1},"client":"x","configuration":{"allow":["/etc/app"]}}"#;
        let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(20)\ns.connect(sys.argv[1])\n\
                      try:\n s.sendall(sys.argv[2].encode()+b'\\n')\n print(s.recv(100).decode())\nexcept OSError: pass";
        let socket = side.socket();
        let run = tokio::task::spawn_blocking(move || {
            let ids = [format!("--reuid={STRANGER}"), format!("--regid={STRANGER}"), "--clear-groups".into()];
            Command::new("setpriv")
                .args(ids)
                .args(["/usr/bin/python3", "-c", script])
                .arg(socket)
                .arg(hello)
                .output()
                .unwrap()
        });
        let said = run.await.unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(text.contains("welcome"), served, "{named}: {said:?}");
    }
}

#[test]
fn an_allow_list_that_others_can_write_is_not_taken() {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let file = folder.path().join("host.yaml");
    let text =
        "apiVersion: trueup.dev/v1alpha1\nkind: HostAccess\nmetadata: { name: here }\nspec: { allow: [/etc/app] }\n";
    fs::write(&file, text).unwrap();
    assert_eq!(load(&file).unwrap().allow, [std::path::Path::new("/etc/app")]);
    let codes = || load(&file).unwrap_err().into_iter().map(|mistake| mistake.code).collect::<Vec<_>>();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    assert_eq!(codes(), ["host.access-unsafe"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(codes(), ["host.access-unsafe"]);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&file, Some(65534), None).unwrap();
        assert_eq!(codes(), ["host.access-unsafe"]);
        chown(&file, Some(0), None).unwrap();
    } else {
        crate::parts::skip("only root gives a file away");
    }
    fs::write(
        &file,
        text.replace("HostAccess", "Target").replace("{ allow", "{ host: { allow").replace("app] }", "app] } }"),
    )
    .unwrap();
    assert!(load(&file).is_err());
}
