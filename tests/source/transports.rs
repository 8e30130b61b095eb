//! Every way to a server, with what must hold on each.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use trueup::config::{Credentials, Repository};
use trueup::source::{Relation, Source, SourceErrorKind};

use crate::repo::{Followed, Repo, declared};
use crate::servers::{Authority, Running, Sshd, Web, free_port, http, wait_for};

/// First contact, news, rewind, on whatever transport.
async fn follows(repo: &Repo, declared: &Repository) {
    let followed = Followed::new(declared);
    let first = followed.poll().await.unwrap();
    assert_eq!(followed.read(&first, "apps/web/site.conf").await.unwrap(), b"one\n");
    repo.write("apps/web/site.conf", "two\n");
    let second = repo.commit("second");
    let polled = followed.source.poll(std::slice::from_ref(&first)).await.unwrap().revision;
    assert_eq!(polled, second);
    assert_eq!(followed.read(&second, "apps/web/site.conf").await.unwrap(), b"two\n");
    assert_eq!(followed.source.relation(&first, &second).await.unwrap(), Relation::Descends);
    let before = followed.picture();
    assert_eq!(followed.poll().await.unwrap(), second);
    assert!(before == followed.picture());
    repo.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let rewound = followed.source.poll(std::slice::from_ref(&second)).await.unwrap().revision;
    assert_eq!(followed.source.relation(&second, &rewound).await.unwrap(), Relation::Behind);
    repo.git(&["checkout", "-q", "-b", "feature"]);
    let feature = repo.commit("feature");
    repo.git(&["checkout", "-q", "main"]);
    assert_eq!(followed.source.resolve("feature").await.unwrap().revision, feature);
}

fn private(folder: &Path, name: &str, content: &str) -> Credentials {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    Credentials { username: "bot".into(), file: Some(path), systemd: None }
}

#[tokio::test]
async fn http_is_followed() {
    let repo = Repo::new();
    let web = Web::backend(repo.path(), None);
    follows(&repo, &declared(&format!("http://127.0.0.1:{}/.git", web.port))).await;
    assert!(web.heads().contains("version=2"));
}

#[tokio::test]
async fn an_old_http_server_is_followed_over_protocol_0() {
    let repo = Repo::new();
    let root = repo.path().to_owned();
    let modern = Web::backend(&root, None);
    let port = modern.port;
    // A proxy that drops the header which asks for protocol 2, as some do.
    let web = Web::start(
        None,
        Box::new(move |request| {
            use std::io::{Read, Write};
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            let kept: Vec<_> = request.head.iter().filter(|line| !line.starts_with("git-protocol")).cloned().collect();
            stream.write_all(format!("{}\r\n\r\n", kept.join("\r\n")).as_bytes()).unwrap();
            stream.write_all(&request.body).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer
        }),
    );
    follows(&repo, &declared(&format!("http://127.0.0.1:{}/.git", web.port))).await;
    assert!(!modern.heads().contains("version=2"));
}

#[tokio::test]
async fn https_with_a_private_authority_and_a_token_is_followed() {
    let repo = Repo::new();
    let authority = Authority::new();
    let root = repo.path().to_owned();
    let inner = Web::backend(&root, None);
    let port = inner.port;
    let web = Web::start(
        Some(authority.server("IP:127.0.0.1,DNS:localhost", 30)),
        Box::new(move |request| {
            if request.field("authorization") != Some("Basic Ym90OnMzY3JldA==") {
                return http("401 Unauthorized", "WWW-Authenticate: Basic realm=x\r\n", b"");
            }
            forward(port, request)
        }),
    );
    let mut declared = declared(&format!("https://127.0.0.1:{}/.git", web.port));
    declared.tls.ca = Some(authority.ca());
    let error = Followed::new(&declared).poll().await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unauthorised);
    declared.credentials = Some(private(authority.folder.path(), "token", "s3cret\n"));
    follows(&repo, &declared).await;
    declared.credentials = Some(private(authority.folder.path(), "wrong", "wr0ng\n"));
    let error = Followed::new(&declared).poll().await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Unauthorised);
    assert!(!format!("{error:?}").contains("wr0ng"));
}

fn forward(port: u16, request: &crate::servers::Request) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(format!("{}\r\n\r\n", request.head.join("\r\n")).as_bytes()).unwrap();
    stream.write_all(&request.body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

/// A9: an unknown authority, another name, a time that is over.
#[tokio::test]
async fn certificates_that_do_not_hold_are_refused() {
    let repo = Repo::new();
    let (ours, other) = (Authority::new(), Authority::new());
    for (server, ca) in [
        (ours.server("IP:127.0.0.1", 30), Some(other.ca())),
        (ours.server("IP:127.0.0.1", 30), None),
        (ours.server("DNS:elsewhere.example.org", 30), Some(ours.ca())),
        (ours.server("IP:127.0.0.1", -1), Some(ours.ca())),
    ] {
        let web = Web::backend(repo.path(), Some(Arc::clone(&server)));
        let mut declared = declared(&format!("https://127.0.0.1:{}/.git", web.port));
        declared.tls.ca = ca;
        let error = Followed::new(&declared).poll().await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Tls, "{error:?}");
        assert_eq!(web.heads(), "");
    }
}

#[tokio::test]
async fn a_git_daemon_is_followed() {
    let repo = Repo::new();
    let port = free_port();
    let mut command = Command::new("git");
    command.args(["daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", &format!("--port={port}")]);
    command.arg(format!("--base-path={}", repo.path().display())).stderr(Stdio::null());
    let _daemon = Running::start(&mut command);
    wait_for(port);
    follows(&repo, &declared(&format!("git://127.0.0.1:{port}/.git"))).await;
    let error = Followed::new(&declared(&format!("git://127.0.0.1:{port}/nothing"))).poll().await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::NotFound, "{error:?}");
}

fn over_ssh(sshd: &Sshd, repo: &Repo) -> Repository {
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let url = format!("ssh://{}@127.0.0.1:{}{}/.git", user.trim(), sshd.port, repo.path().display());
    let mut declared = declared(&url);
    declared.ssh.known_hosts = Some(sshd.known("known", "", "host"));
    declared.credentials = Some(Credentials { username: "git".into(), file: Some(sshd.path("user")), systemd: None });
    declared
}

#[tokio::test]
async fn ssh_is_followed_with_and_without_protocol_2() {
    for accepts in [true, false] {
        let Some(sshd) = Sshd::start(accepts) else { return };
        let repo = Repo::new();
        follows(&repo, &over_ssh(&sshd, &repo)).await;
    }
}

/// A8: unknown, changed and revoked host keys; and the key, the repository, the server that are not there.
#[tokio::test]
async fn ssh_says_what_is_wrong() {
    let Some(sshd) = Sshd::start(true) else { return };
    let repo = Repo::new();
    let good = over_ssh(&sshd, &repo);
    let with = |change: &dyn Fn(&mut Repository)| {
        let mut declared = good.clone();
        change(&mut declared);
        declared
    };
    let empty = sshd.path("empty");
    std::fs::write(&empty, "").unwrap();
    let (changed, revoked) = (sshd.known("changed", "", "other"), sshd.known("revoked", "@revoked ", "host"));
    let known = |path: &Path| with(&|declared| declared.ssh.known_hosts = Some(path.to_owned()));
    let other = Credentials { username: "git".into(), file: Some(sshd.path("other")), systemd: None };
    let nowhere = free_port();
    let cases = [
        (SourceErrorKind::HostKey, known(&empty)),
        (SourceErrorKind::HostKey, known(&changed)),
        (SourceErrorKind::HostKey, known(&revoked)),
        (SourceErrorKind::HostKey, with(&|declared| declared.ssh.known_hosts = None)),
        (SourceErrorKind::Unauthorised, with(&|declared| declared.credentials = Some(other.clone()))),
        (SourceErrorKind::Unauthorised, with(&|declared| declared.credentials = None)),
        (SourceErrorKind::NotFound, with(&|declared| declared.url = declared.url.replace("/.git", "/nothing"))),
        (
            SourceErrorKind::Unreachable,
            with(&|declared| {
                declared.url = declared.url.replace(&format!(":{}", sshd.port), &format!(":{nowhere}"));
            }),
        ),
    ];
    for (kind, declared) in cases {
        let error = Followed::new(&declared).poll().await.unwrap_err();
        assert_eq!(error.kind, kind, "{error:?}");
    }
}

/// 10,000 refs cost one line, and no-news polls a few hundred bytes.
#[tokio::test]
async fn a_repository_with_ten_thousand_refs_costs_one_line() {
    let repo = Repo::new();
    let head = repo.head();
    let refs: Vec<_> = (0..10_000).map(|number| format!("{head} refs/heads/team/{number:05}")).collect();
    std::fs::write(repo.path().join(".git/packed-refs"), refs.join("\n") + "\n").unwrap();
    let web = Web::backend(repo.path(), None);
    let followed = Followed::new(&declared(&format!("http://127.0.0.1:{}/.git", web.port)));
    followed.poll().await.unwrap();
    *web.sent.lock().unwrap() = 0;
    followed.poll().await.unwrap();
    let sent = *web.sent.lock().unwrap();
    println!("one poll of a repository with 10,000 refs: {sent} bytes");
    assert!(sent < 2_000, "{sent}");
}
