//! Where it listens, and what it shows there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::sender::{Answer, Delivery, SOON, begin, push, world};
use super::world::{Authority, World, eventually, free, private};

/// Sends a delivery by TLS; nothing, where whoever answers is not known by this authority.
fn send(delivery: &Delivery, to: SocketAddr, authority: &Authority) -> Option<Answer> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(&delivery.bytes()).ok()?;
    let mut answer = vec![];
    let _ = stream.read_to_end(&mut answer);
    Some(Answer::of(&answer))
}

/// Puts a certificate of this authority where the daemon looks for it.
fn show(world: &World, authority: &Authority) {
    let [certificate, key] = authority.write_server("server", &["localhost"]);
    std::fs::copy(certificate, world.path("home/shown.crt")).unwrap();
    private(world, "shown.key", &std::fs::read_to_string(key).unwrap());
}

fn rejected(world: &World) -> String {
    world.cli(&["status", "--json"]).json()["rejected_configuration"].to_string()
}

fn authority(world: &World, name: &str) -> Authority {
    Authority::new(Path::new(&world.path("home")), name)
}

#[test]
fn by_tls_it_shows_the_certificate_that_lies_there_at_the_last_reload() {
    let (mut world, to) = world();
    let (ours, next) = (authority(&world, "ours"), authority(&world, "next"));
    show(&world, &ours);
    world.declared.daemon += "\n  tls: { certificate: home/shown.crt, key: { file: home/shown.key } }";
    begin(&mut world);
    let ping = Delivery::github("ping", "", b"{}".to_vec());
    assert_eq!(send(&ping, to, &ours).unwrap().said(), "pong");
    assert!(send(&ping, to, &next).is_none(), "whoever knows another authority hangs up");
    assert_eq!(ping.send(to).status, 0, "nothing is heard in the clear");
    world.repo.write("web/root/etc/motd", "two\n").land("second");
    assert_eq!(send(&Delivery::forgejo("push", "1", push()), to, &ours).unwrap().said(), "look");
    world.until_live("/etc/motd", "two\n");

    // One who shakes no hands keeps nobody waiting, and is put out.
    let mut silent = TcpStream::connect(to).unwrap();
    silent.set_read_timeout(Some(SOON)).unwrap();
    let began = Instant::now();
    assert_eq!(send(&ping, to, &ours).unwrap().said(), "pong");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(silent.read(&mut [0; 16]).unwrap_or(0), 0);
    assert!(began.elapsed() < Duration::from_secs(15));

    show(&world, &next);
    assert_eq!(send(&ping, to, &ours).unwrap().said(), "pong", "until a reload it is the one before");
    world.signal(Signal::HUP);
    eventually("the new certificate is shown", SOON, || {
        send(&ping, to, &next).is_some_and(|answer| answer.status == 200)
    });
    // One that does not go with its key is not taken.
    let [certificate, _] = ours.write_server("server", &["localhost"]);
    std::fs::copy(certificate, world.path("home/shown.crt")).unwrap();
    world.signal(Signal::HUP);
    eventually("status tells of it", SOON, || rejected(&world).contains("could not use the certificate"));
    assert_eq!(send(&ping, to, &next).unwrap().said(), "pong");
    std::fs::write(world.path("home/shown.crt"), "none").unwrap();
    world.signal(Signal::HUP);
    eventually("status tells of it", SOON, || rejected(&world).contains("holds no certificate"));
    show(&world, &ours);
    world.signal(Signal::HUP);
    eventually("the mended one is shown", SOON, || send(&ping, to, &ours).is_some_and(|answer| answer.status == 200));
    assert_eq!(rejected(&world), "null");
    assert!(!world.stderr().contains("PRIVATE KEY"));
}

#[test]
fn to_listen_elsewhere_takes_a_restart_and_says_so() {
    let (mut world, to) = world();
    begin(&mut world);
    let ping = Delivery::github("ping", "", b"{}".to_vec());
    let other = free();
    world.declared.daemon = format!("hooks:\n  listen: {other}");
    world.configure();
    eventually("status tells of it", SOON, || {
        let told = rejected(&world);
        told.contains("hooks.listen, api.listen") && told.contains("take a restart")
    });
    assert_eq!(ping.send(to).said(), "pong", "the old place answers");
    world.restart();
    assert_eq!(ping.send(other).said(), "pong");
    assert!(TcpStream::connect(to).is_err());
    world.stop();
    assert!(TcpStream::connect(other).is_err(), "it ends with the daemon");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let (mut world, to) = world();
    let _taken = TcpListener::bind(to).unwrap();
    world.repo.write("web/root/etc/motd", "one\n").land("first");
    world.spawn();
    assert!(!world.wait().success());
    let told = world.stderr();
    assert!(told.contains(&format!("could not listen for webhooks at {to}")), "{told}");
}
