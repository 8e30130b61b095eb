//! Class A of the hostile inputs: URLs, and servers that lie, stall or flood.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use trueup::config::{Credentials, Span, Transport};
use trueup::source::{GitSource, SourceError, SourceErrorKind};

use crate::repo::{ALL, Followed, Repo, declared};
use crate::servers::{Web, http, script};

fn packet(line: &[u8]) -> Vec<u8> {
    let mut packet = format!("{:04x}", line.len() + 4).into_bytes();
    packet.extend_from_slice(line);
    packet
}

const ID: &str = "1234567890123456789012345678901234567890";

fn greeting() -> Vec<u8> {
    let lines = ["version 2\n", "agent=liar\n", "ls-refs=unborn\n", "fetch=shallow\n", "bundle-uri\n"];
    let mut greeting: Vec<u8> = lines.iter().flat_map(|line| packet(line.as_bytes())).collect();
    greeting.extend_from_slice(b"0000");
    greeting
}

/// Reads one request, up to its flush.
fn request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"0000") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// A server that is honest up to the answer to `fetch`, and then sends `answer`.
fn server(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> u16 {
    script(move |mut stream| {
        // The line that opens a conversation with a daemon.
        let mut head = [0; 4];
        let _ = stream.read_exact(&mut head);
        let length = usize::from_str_radix(std::str::from_utf8(&head).unwrap(), 16).unwrap();
        let _ = stream.read_exact(&mut vec![0; length - 4]);
        let _ = stream.write_all(&greeting());
        if request(&mut stream).is_none() {
            return;
        }
        let mut refs = packet(format!("{ID} refs/heads/main\n").as_bytes());
        refs.extend_from_slice(b"0000");
        let _ = stream.write_all(&refs);
        if request(&mut stream).is_some() {
            answer(&mut stream);
        }
    })
}

async fn polled(port: u16, seconds: u64) -> SourceError {
    let mut declared = declared(&format!("git://127.0.0.1:{port}/x"));
    declared.limits.timeout = Span(Duration::from_secs(seconds));
    declared.limits.mirror_mib = 4;
    let followed = Followed::new(&declared);
    let (start, error) = (Instant::now(), followed.poll().await.unwrap_err());
    assert!(start.elapsed() < Duration::from_secs(seconds + 2), "{:?}", start.elapsed());
    assert!(followed.files(".pack").is_empty() && followed.files("head").is_empty(), "something was kept");
    error
}

/// A1–A5, A14: refused before anything is opened, without repeating a secret.
#[test]
fn hostile_urls_make_no_source() {
    for url in [
        "ext::sh -c x",
        "ssh://-oProxyCommand=x/x",
        "ssh://git@host/re'po;id;'",
        "https://user:TOKEN@host/x",
        "https://h/x?%0ahost=y",
        "/etc",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let error = GitSource::new(&declared(url), &ALL, folder.path().join("m")).err().unwrap();
        assert_eq!(error.kind, SourceErrorKind::Transport, "{url}");
        assert!(!format!("{error:?}").contains("TOKEN"));
        assert!(!folder.path().join("m").exists());
    }
}

#[test]
fn transports_that_are_not_named_are_refused_and_credentials_never_go_over_plain_http() {
    let folder = tempfile::tempdir().unwrap();
    for url in ["file:///srv/x", "http://host/x", "git://host/x"] {
        let refused = GitSource::new(&declared(url), &[Transport::Https, Transport::Ssh], folder.path().join("m"));
        assert_eq!(refused.err().unwrap().kind, SourceErrorKind::Transport, "{url}");
    }
    for host in ["host", "127.0.0.1", "localhost"] {
        let mut declared = declared(&format!("http://{host}/x"));
        declared.credentials = Some(Credentials { username: "x".into(), file: Some("/x".into()), systemd: None });
        let refused = GitSource::new(&declared, &ALL, folder.path().join("m"));
        assert_eq!(refused.err().unwrap().kind, SourceErrorKind::Transport);
    }
}

/// A6, A7: redirects are not followed, wherever they lead.
#[tokio::test]
async fn redirects_are_not_followed() {
    let other = Web::start(None, Box::new(|_| http("200 OK", "", b"")));
    let to = format!("Location: http://user:SECRET@127.0.0.1:{}/x?token=SECRET\r\n", other.port);
    let web = Web::start(None, Box::new(move |_| http("302 Found", &to, b"")));
    let error = Followed::new(&declared(&format!("http://127.0.0.1:{}/x", web.port))).poll().await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Redirected);
    assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    assert_eq!(other.heads(), "");
}

/// A7: metadata and link-local addresses, and odd spellings of loopback, are never connected to.
#[tokio::test]
async fn metadata_addresses_are_not_connected_to() {
    for url in [
        "http://169.254.169.254/x",
        "https://[fe80::1]/x",
        "https://[fd00:ec2::254]/x",
        "git://169.254.169.254/x",
        "http://0x7f.1/x",
        "http://2130706433/x",
        "http://0.0.0.0/x",
        "git://0x7f.1/x",
    ] {
        let error = Followed::new(&declared(url)).poll().await.unwrap_err();
        assert_eq!(error.kind, SourceErrorKind::Transport, "{url}: {error:?}");
    }
}

/// A12: a server that says nothing, one that drips, one that stalls at the end of a pack.
#[tokio::test]
async fn slow_servers_end_with_the_time_limit() {
    let silent = server(|_| std::thread::sleep(Duration::from_secs(20)));
    assert_eq!(polled(silent, 1).await.kind, SourceErrorKind::TimedOut);
    let dripping = server(|stream| {
        for byte in packet(b"packfile\n").into_iter().cycle() {
            std::thread::sleep(Duration::from_millis(200));
            if stream.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    assert_eq!(polled(dripping, 2).await.kind, SourceErrorKind::TimedOut);
    let stalled = server(|stream| {
        let _ = stream.write_all(&packet(b"packfile\n"));
        let _ = stream.write_all(&packet(b"\x01PACK\0\0\0\x02\0\0\0\x01"));
        std::thread::sleep(Duration::from_secs(20));
    });
    assert_eq!(polled(stalled, 1).await.kind, SourceErrorKind::TimedOut);
}

/// A12: progress without end, a pack without end, refs without end.
#[tokio::test]
async fn floods_end_with_the_limit_of_the_mirror() {
    let mut talk = vec![b'x'; 60_000];
    for channel in [1, 2] {
        talk[0] = channel;
        if channel == 1 {
            // One object that says it has 256 MiB, stored, never ending.
            talk[1..13].copy_from_slice(b"PACK\0\0\0\x02\0\0\0\x01");
        }
        let chunk = packet(&talk);
        let flood = server(move |stream| {
            let _ = stream.write_all(&packet(b"packfile\n"));
            while stream.write_all(&chunk).is_ok() {}
        });
        let kind = polled(flood, 20).await.kind;
        let expected = if channel == 2 { SourceErrorKind::TooLarge } else { SourceErrorKind::Corrupt };
        assert_eq!(kind, expected);
    }
    let refs = script(|mut stream| {
        let _ = stream.write_all(&packet(format!("{ID} HEAD\0 side-band-64k\n").as_bytes()));
        let line = packet(format!("{ID} refs/heads/{}\n", "x".repeat(4_000)).as_bytes());
        while stream.write_all(&line).is_ok() {}
    });
    assert_eq!(polled(refs, 20).await.kind, SourceErrorKind::TooLarge);
}

/// A13: packs that are cut, of nonsense, with a wrong trailer, or without what was asked for.
#[tokio::test]
async fn broken_packs_leave_nothing() {
    let empty = b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82;\xd8\xa8\xea\xb5\x10\xadj\xc7\\\x82<\xfd>\xd3\x1e".to_vec();
    let mut trailer = empty.clone();
    *trailer.last_mut().unwrap() ^= 1;
    let cases: [(Vec<u8>, &[SourceErrorKind]); 5] = [
        (b"PACK\0\0\0\x02\xff\xff\xff\xff".to_vec(), &[SourceErrorKind::Corrupt, SourceErrorKind::TooLarge]),
        (
            b"PACK\0\0\0\x02\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
            &[SourceErrorKind::Corrupt],
        ),
        (b"nonsense, not a pack, but long enough to be one".to_vec(), &[SourceErrorKind::Corrupt]),
        (trailer, &[SourceErrorKind::Corrupt]),
        (empty, &[SourceErrorKind::Corrupt]),
    ];
    for (pack, kinds) in cases {
        let bytes = pack.clone();
        let broken = server(move |stream| {
            let _ = stream.write_all(&packet(b"packfile\n"));
            let _ = stream.write_all(&packet(&[b"\x01", bytes.as_slice()].concat()));
            let _ = stream.write_all(b"0000");
        });
        let error = polled(broken, 5).await;
        assert!(kinds.contains(&error.kind), "{pack:?}: {error:?}");
    }
    let gone = server(|stream| {
        let _ = stream.write_all(&packet(b"packfile\n"));
        let _ = stream.write_all(b"00ff\x01PACK");
    });
    assert_eq!(polled(gone, 5).await.kind, SourceErrorKind::Unreachable);
}

/// A15: URIs and other refs that a server offers unasked are passed over, and the dumb protocol is not spoken.
#[tokio::test]
async fn what_was_not_asked_for_is_passed_over() {
    let elsewhere = Web::start(None, Box::new(|_| http("200 OK", "", b"")));
    let uri = format!("0123 http://127.0.0.1:{}/pack\n", elsewhere.port);
    let offering = server(move |stream| {
        let _ = stream.write_all(&[packet(b"packfile-uris\n"), packet(uri.as_bytes()), b"0001".to_vec()].concat());
        let _ = stream.write_all(&packet(b"packfile\n"));
        let _ = stream.write_all(b"0000");
    });
    assert_eq!(polled(offering, 5).await.kind, SourceErrorKind::Corrupt);
    assert_eq!(elsewhere.heads(), "");
    let dumb = Web::start(None, Box::new(|_| http("200 OK", "Content-Type: text/plain\r\n", b"")));
    let error = Followed::new(&declared(&format!("http://127.0.0.1:{}/x", dumb.port))).poll().await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Protocol);
    assert_eq!(dumb.requests.lock().unwrap().len(), 1);
}

/// B7: refs with names that mean something elsewhere are never stored.
#[tokio::test]
async fn advertised_refs_of_any_name_are_not_stored() {
    let repo = Repo::new();
    let id = repo.head();
    let mut lines = packet(format!("{id} refs/heads/../../config\0side-band-64k shallow\n").as_bytes());
    for name in ["refs/heads/x.lock", "refs/heads/-D", "refs/heads/\x1b[2J", "refs/heads/COM1", "refs/replace/x"] {
        lines.extend(packet(format!("{id} {name}\n").as_bytes()));
    }
    lines.extend(packet(&[id.as_str().as_bytes(), b" refs/heads/\xff\xfe\n"].concat()));
    lines.extend_from_slice(b"0000");
    let port = script(move |mut stream| {
        let _ = stream.write_all(&lines);
        std::thread::sleep(Duration::from_secs(2));
    });
    assert_eq!(polled(port, 5).await.kind, SourceErrorKind::RefMissing);
}

#[tokio::test]
async fn answers_of_a_web_server_have_their_kinds() {
    for (status, kind) in [
        ("401 Unauthorized", SourceErrorKind::Unauthorised),
        ("403 Forbidden", SourceErrorKind::Unauthorised),
        ("404 Not Found", SourceErrorKind::NotFound),
        ("429 Too Many Requests", SourceErrorKind::Unreachable),
        ("503 Service Unavailable", SourceErrorKind::Unreachable),
    ] {
        let web = Web::start(None, Box::new(move |_| http(status, "", b"")));
        let error = Followed::new(&declared(&format!("http://127.0.0.1:{}/x", web.port))).poll().await.unwrap_err();
        assert_eq!(error.kind, kind, "{status}");
    }
}
