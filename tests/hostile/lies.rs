//! Servers that greet as git does, and then lie, stall or flood.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use crate::raw::{entry_header, packet, zeros};

/// A commit that no server has.
pub(crate) const ID: &str = "1234567890123456789012345678901234567890";

/// Serves every connection on a loopback port by a function, and returns the `git://` URL.
pub(crate) fn script(talk: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let talk = Arc::new(talk);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let talk = Arc::clone(&talk);
            std::thread::spawn(move || talk(stream));
        }
    });
    format!("git://127.0.0.1:{port}/x")
}

/// A server of protocol 2 that is honest up to the answer to `fetch`.
pub(crate) fn fetching(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    listing(packet(format!("{ID} refs/heads/main\n").as_bytes()), answer)
}

/// One that lists these refs, flushes, and answers `fetch`.
pub(crate) fn listing(refs: Vec<u8>, answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> String {
    script(move |mut stream| {
        opened(&mut stream);
        let _ = stream.write_all(&greeting());
        if !asked(&mut stream) {
            return;
        }
        let _ = stream.write_all(&refs);
        let _ = stream.write_all(b"0000");
        if asked(&mut stream) {
            answer(&mut stream);
        }
    })
}

/// Sends a pack as the answer to `fetch`.
pub(crate) fn packed(bytes: Vec<u8>) -> String {
    fetching(move |stream| {
        let _ = stream.write_all(&packet(b"packfile\n"));
        for part in bytes.chunks(60_000) {
            if stream.write_all(&packet(&[b"\x01", part].concat())).is_err() {
                return;
            }
        }
        let _ = stream.write_all(b"0000");
    })
}

/// Sends an object that says it has `size` bytes, of zeros: a thousandth of that is sent, and it never ends.
pub(crate) fn inflating(size: u64) -> String {
    fetching(move |stream| {
        // Eight runs take 13 bytes, after the 29 bits in front: from there on it repeats itself.
        let stream_of_zeros = zeros(40_000);
        let (head, round) = stream_of_zeros.split_at(stream_of_zeros.len() - 13 * 4_000);
        let first = [b"\x01PACK\0\0\0\x02\0\0\0\x01", entry_header(3, size).as_slice(), head].concat();
        let _ = stream.write_all(&packet(b"packfile\n"));
        let _ = stream.write_all(&packet(&first));
        let round = packet(&[b"\x01", round].concat());
        while stream.write_all(&round).is_ok() {}
    })
}

/// Says nothing more until the other side hangs up.
pub(crate) fn silence(stream: &mut TcpStream) {
    while matches!(stream.read(&mut [0; 4096]), Ok(1..)) {}
}

/// Reads the line that opens a conversation with a daemon.
pub(crate) fn opened(stream: &mut TcpStream) {
    let mut head = [0; 4];
    let length = stream.read_exact(&mut head).ok();
    let length = length.and_then(|()| usize::from_str_radix(std::str::from_utf8(&head).ok()?, 16).ok());
    let _ = stream.read_exact(&mut vec![0; length.unwrap_or(4).saturating_sub(4)]);
}

fn greeting() -> Vec<u8> {
    let lines = ["version 2\n", "agent=liar\n", "ls-refs=unborn\n", "fetch=shallow\n", "bundle-uri\n"];
    let greeting: Vec<u8> = lines.iter().flat_map(|line| packet(line.as_bytes())).collect();
    [greeting, b"0000".to_vec()].concat()
}

/// Reads one request, up to its flush. Returns whether there was one.
fn asked(stream: &mut TcpStream) -> bool {
    let mut text = Vec::new();
    while !text.ends_with(b"0000") {
        let mut byte = [0];
        if stream.read_exact(&mut byte).is_err() {
            return false;
        }
        text.push(byte[0]);
    }
    true
}
