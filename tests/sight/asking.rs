//! Requests at the daemon's socket, byte by byte.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::world::{App, World};

pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Returns a world with one application that is polled often, and that is live once it was started.
pub(crate) fn world() -> World {
    let mut world = World::new();
    world.declared.apps = vec![App::new("web", &["web"])];
    world.repo.write("web/root/etc/motd", "one\n").land("first");
    world
}

/// Sends a GET, and returns the connection.
pub(crate) fn open(world: &World, path: &str, headers: &str) -> UnixStream {
    let mut stream = UnixStream::connect(world.path("run").join("trueup.sock")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: trueup\r\n{headers}\r\n").as_bytes()).unwrap();
    stream
}

/// Returns the status, the head and the body.
pub(crate) fn get(world: &World, path: &str) -> (u16, String, String) {
    let mut answer = String::new();
    open(world, path, "").read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
}
