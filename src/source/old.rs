//! Protocol 0, for servers (or an sshd before them) that never hear that protocol 2 is asked for. They tell all their refs
//! unasked, give only what a ref points to, and hang up after one answer.

use std::collections::BTreeMap;
use std::io::Read;

use super::SourceError;
use super::error::protocol;
use super::packet::{Packets, put};
use super::remote::{AGENT, Boundary, Greeting, Wants, arguments, check_format, note_boundary, split_ref};

pub(super) fn greeting<R: Read>(
    packets: &mut Packets<R>,
    first: Option<Vec<u8>>,
    names: &[String],
) -> Result<Greeting, SourceError> {
    let Some(first) = first else { return Err(protocol("the server greets with nothing")) };
    let at =
        first.iter().position(|c| *c == 0).ok_or_else(|| protocol("the server does not speak the git protocol"))?;
    let capabilities = String::from_utf8_lossy(&first[at + 1..]).into_owned();
    for format in capabilities.split(' ').filter_map(|one| one.strip_prefix("object-format=")) {
        check_format(format)?;
    }
    let mut told = BTreeMap::new();
    let mut inhabited = false;
    let mut line = first[..at].to_vec();
    loop {
        if !line.starts_with(b"shallow ") {
            let (id, name) = split_ref(&line)?;
            inhabited |= name.starts_with(b"refs/");
            if let Some(name) = names.iter().find(|one| one.as_bytes() == name) {
                told.insert(name.clone(), id);
            }
        }
        match packets.line()? {
            Some(next) => line = next.to_vec(),
            None => break,
        }
    }
    let shallow = capabilities.split(' ').any(|one| one == "shallow");
    Ok(Greeting { told: Some(told), inhabited, shallow, capabilities })
}

pub(super) fn request(wants: &Wants, capabilities: &str) -> Vec<u8> {
    let known = ["side-band-64k", "ofs-delta", "no-progress", "shallow"];
    let offered: Vec<_> = capabilities.split(' ').filter(|one| known.contains(one)).collect();
    let mut features = format!(" {} {AGENT}", offered.join(" "));
    let mut request = Vec::new();
    for id in &wants.ids {
        put(&mut request, &format!("want {id}{}", std::mem::take(&mut features)));
    }
    arguments(&mut request, wants);
    request.extend_from_slice(b"0000");
    for id in &wants.haves {
        put(&mut request, &format!("have {id}"));
    }
    put(&mut request, "done");
    request
}

/// Reads up to the pack: the boundary, if it was to move, and then one line on what is in common.
pub(super) fn head<R: Read>(packets: &mut Packets<R>, wants: &Wants) -> Result<Boundary, SourceError> {
    let mut boundary = Boundary::default();
    if wants.depth.is_some() {
        while let Some(line) = packets.line()? {
            note_boundary(&mut boundary, line)?;
        }
    }
    match packets.line()? {
        Some(line) if line == b"NAK" || line.starts_with(b"ACK ") => Ok(boundary),
        _ => Err(protocol("the server did not answer what is in common")),
    }
}
