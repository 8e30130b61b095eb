//! Class A: servers that redirect, stall, flood, or are not who they should be. A6–A9, A12, A13, A15.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::case::{Case, Ground, quoted};
use crate::lies::{self, ID};
use crate::raw::packet;
use crate::world::{Authority, Fault, HttpServer, Options, Shown, SshHost, SshServer};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = redirects();
    cases.extend(addresses());
    cases.extend(host_keys());
    cases.extend(certificates());
    cases.extend(slow());
    cases.extend(floods());
    cases.extend(packs());
    cases.extend(unasked());
    cases
}

/// From now on the world's server does this with every request for the repository.
fn wrong(ground: &Ground, fault: Fault) {
    ground.faults.lock().expect("nobody panicked with it").insert(ground.name.clone(), fault);
}

/// A6, A7: redirects.
fn redirects() -> Vec<Case> {
    let to = |id, to: &'static str| {
        Case::refused(id, format!("redirected to {to}"), &["source.redirected"])
            .attack(move |ground| wrong(ground, Fault::Redirect(to.into())))
    };
    vec![
        to("A6", "https://user:S3CRET@evil.example.org/x?token=S3CRET"),
        to("A7", "http://169.254.169.254/latest/meta-data"),
        to("A7", "http://127.0.0.1:2379/x"),
        to("A7", "http://[::1]/x"),
        to("A7", "http://0x7f.1/x"),
        to("A7", "http://metadata.google.internal/x"),
    ]
}

/// A7: addresses that are never connected to, whatever they are called.
fn addresses() -> Vec<Case> {
    [
        "http://169.254.169.254/x",
        "https://[fe80::1]/x",
        "https://[fd00:ec2::254]/x",
        "git://169.254.169.254/x",
        "http://0.0.0.0/x",
        "http://2130706433/x",
        "http://0x7f.1/x",
        "git://0x7f.1/x",
    ]
    .map(|url| Case::refused("A7", url, &["source.transport"]).attack(move |ground| ground.spec.url = url.into()))
    .into()
}

/// A8: ssh servers that are not known.
fn host_keys() -> Vec<Case> {
    let over = |title: &'static str, host: SshHost, known: fn(&SshServer, &Ground) -> String| {
        Case::refused("A8", title, &["source.host-key"]).attack(move |ground| over_ssh(ground, &host, known))
    };
    let ours = |server: &SshServer, _: &Ground| std::fs::read_to_string(server.known_hosts()).expect("known hosts");
    let modern = SshHost::default();
    vec![
        Case::powerless("A8", "the control: a known key", |_| ()).attack(move |ground| over_ssh(ground, &modern, ours)),
        over("an unknown key", modern, |_, _| String::new()),
        over("a changed key", modern, |server, _| std::fs::read_to_string(server.other_hosts()).expect("known hosts")),
        over("a revoked key", modern, |server, _| {
            let line = std::fs::read_to_string(server.known_hosts()).expect("known hosts");
            format!("{line}@revoked {line}")
        }),
        over("a key of RSA-1024", SshHost { key: &["rsa", "-b", "1024"], more: "RequiredRSASize 1024\n" }, ours),
        over(
            "only ssh-rsa with SHA-1",
            SshHost { key: &["rsa", "-b", "2048"], more: "HostKeyAlgorithms ssh-rsa\n" },
            ours,
        ),
    ]
}

fn over_ssh(ground: &mut Ground, host: &SshHost, known: fn(&SshServer, &Ground) -> String) {
    let server = SshServer::with(&ground.folder().join("sshd"), host).expect("tests/setup installs sshd");
    let hosts = ground.folder().join("known_hosts");
    std::fs::write(&hosts, known(&server, ground)).expect("known hosts can be written");
    ground.spec.url = server.url(&ground.repo);
    let key = quoted(&server.key());
    ground.spec.repository = format!("ssh: {{ knownHosts: {} }}\ncredentials: {{ file: {key} }}", quoted(&hosts));
    ground.keep.push(Box::new(server));
}

/// A9: certificates that do not hold.
fn certificates() -> Vec<Case> {
    let over = |title: &'static str, shown: Shown, trusted: bool| {
        Case::refused("A9", title, &["source.tls"]).attack(move |ground| over_tls(ground, &shown, trusted))
    };
    vec![
        Case::powerless("A9", "the control: a certificate that holds", |_| ())
            .attack(|ground| over_tls(ground, &Shown::default(), true)),
        over("of an authority that is not trusted", Shown::default(), false),
        over("expired", Shown { expired: true, ..Shown::default() }, true),
        over("for another name", Shown { names: Some(&["elsewhere.example.org"]), ..Shown::default() }, true),
        over("signed by itself", Shown { by_itself: true, ..Shown::default() }, true),
        over("outside the names of its authority", Shown { constrained: true, ..Shown::default() }, true),
    ]
}

fn over_tls(ground: &mut Ground, shown: &Shown, trusted: bool) {
    let folder = ground.folder();
    let authority = Authority::showing(&folder, "ours", *shown);
    let other = Authority::new(&folder, "other");
    let root = ground.repo.bare();
    let root = root.parent().expect("it lies in a folder");
    let server = HttpServer::with(root, Options { authority: Some(&authority), ..Options::default() });
    let ca = if trusted { authority.file() } else { other.file() };
    ground.spec.url = server.url(ground.repo.name());
    ground.spec.repository = format!("tls: {{ ca: {} }}", quoted(ca));
    ground.keep.push(Box::new(server));
}

/// A repository at a server that lies.
fn at(id: &'static str, title: &'static str, codes: &'static [&'static str], url: fn() -> String) -> Case {
    Case::refused(id, title, codes).within(12).attack(move |ground| {
        ground.spec.url = url();
        ground.spec.repository = "limits: { timeout: 1s, mirrorMib: 4 }".into();
    })
}

fn started(stream: &mut TcpStream) {
    let _ = stream.write_all(&packet(b"packfile\n"));
}

/// A12: servers that take their time.
fn slow() -> Vec<Case> {
    let late = &["source.timed-out"];
    vec![
        at("A12", "a server that never greets", late, || lies::script(|mut stream| lies::silence(&mut stream))),
        at("A12", "silence after a request", late, || lies::fetching(lies::silence)),
        at("A12", "5 bytes a second", late, || {
            lies::fetching(|stream| {
                for byte in packet(b"packfile\n").into_iter().cycle() {
                    std::thread::sleep(Duration::from_millis(200));
                    if stream.write_all(&[byte]).is_err() {
                        return;
                    }
                }
            })
        }),
        at("A12", "a pack that stalls", late, || {
            lies::fetching(|stream| {
                started(stream);
                let _ = stream.write_all(&packet(b"\x01PACK\0\0\0\x02\0\0\0\x01"));
                lies::silence(stream);
            })
        }),
        Case::refused("A12", "an http server that never answers", late).within(12).attack(|ground| {
            wrong(ground, Fault::Hang);
            ground.spec.repository = "limits: { timeout: 1s }".into();
        }),
    ]
}

/// A12: servers that never end.
fn floods() -> Vec<Case> {
    let large = &["source.too-large"];
    vec![
        at("A12", "refs without end", large, || {
            lies::script(|mut stream| {
                lies::opened(&mut stream);
                let _ = stream.write_all(&packet(format!("{ID} HEAD\0 side-band-64k\n").as_bytes()));
                let line = packet(format!("{ID} refs/heads/{}\n", "x".repeat(4_000)).as_bytes());
                while stream.write_all(&line).is_ok() {}
            })
        }),
        at("A12", "lines of 65,519 bytes without end", &["source.too-large", "source.protocol"], || {
            lies::script(|mut stream| {
                lies::opened(&mut stream);
                let line = packet(&vec![b'x'; 65_515]);
                while stream.write_all(&line).is_ok() {}
            })
        }),
        at("A12", "progress without end", large, || {
            lies::fetching(|stream| {
                started(stream);
                let line = packet(&[b"\x02".to_vec(), vec![b'x'; 60_000]].concat());
                while stream.write_all(&line).is_ok() {}
            })
        }),
        at("A12", "a pack without end", &["source.too-large", "source.corrupt"], || {
            lies::fetching(|stream| {
                started(stream);
                let head = [b"\x01PACK\0\0\0\x02\0\0\0\x01", crate::raw::entry_header(3, 1 << 20).as_slice()].concat();
                let _ = stream.write_all(&packet(&[head, vec![0x78, 0x01]].concat()));
                // Stored blocks, each of which says that it is not the last.
                let block = [b"\x01\x00\x00\x80\xff\x7f".to_vec(), vec![b'x'; 0x8000]].concat();
                let line = packet(&block);
                while stream.write_all(&line).is_ok() {}
            })
        }),
    ]
}

/// A13: packs that are broken.
fn packs() -> Vec<Case> {
    let sent = |title: &'static str, codes: &'static [&'static str], bytes: &'static [u8]| {
        Case::refused("A13", title, codes).attack(move |ground| ground.spec.url = lies::packed(bytes.to_vec()))
    };
    let corrupt = &["source.corrupt"];
    let long = b"PACK\0\0\0\x02\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
    let empty = b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82;\xd8\xa8\xea\xb5\x10\xadj\xc7\\\x82<\xfd>\xd3\x1e";
    let trailer = b"PACK\0\0\0\x02\0\0\0\0\x02\x9d\x08\x82;\xd8\xa8\xea\xb5\x10\xadj\xc7\\\x82<\xfd>\xd3\x1f";
    vec![
        sent(
            "a pack of 4,294,967,295 objects that ends",
            &["source.corrupt", "source.too-large"],
            b"PACK\0\0\0\x02\xff\xff\xff\xff",
        ),
        sent("a length that does not end", corrupt, long),
        sent("nonsense", corrupt, b"nonsense, not a pack, but long enough to be one"),
        sent("a wrong trailer", corrupt, trailer),
        sent("a good pack without what was asked for", corrupt, empty),
        at("A13", "a pack that is cut", &["source.unreachable"], || {
            lies::fetching(|stream| {
                started(stream);
                let _ = stream.write_all(b"00ff\x01PACK");
            })
        }),
    ]
}

/// A15: what a server offers beside.
fn unasked() -> Vec<Case> {
    vec![
        at("A15", "URIs of packs at another host", &["source.corrupt"], || {
            lies::fetching(|stream| {
                let uri = packet(b"0123 http://127.0.0.1:1/pack\n");
                let _ = stream.write_all(&[packet(b"packfile-uris\n"), uri, b"0001".to_vec()].concat());
                started(stream);
                let _ = stream.write_all(b"0000");
            })
        }),
        Case::refused("A15", "the dumb protocol, with alternates elsewhere", &["source.protocol"]).attack(|ground| {
            wrong(ground, Fault::Body("text/plain", format!("{ID}\trefs/heads/main\n").into_bytes()));
        }),
    ]
}
