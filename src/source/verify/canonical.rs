//! The exact bytes that a signature was made over.
//!
//! What git tools read out of an odd object differs from tool to tool, so a signature proves something only of an object that
//! can be read in one way. Whatever `git commit` and `git tag` would not write is refused before anything is verified.

use super::{Unverified, refused};
use crate::source::SourceError;

/// No signature is longer, in bytes.
const SIGNATURE: usize = 32 * 1024;

/// Lines that begin a signature at the end of a tag, as git knows them.
const BEGINS: [&[u8]; 4] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
];

/// An object taken apart.
#[derive(Debug)]
pub(super) struct Canonical {
    /// The object without its signature.
    pub(super) payload: Vec<u8>,
    /// Armoured.
    pub(super) signature: Option<String>,
    /// What the committer or tagger says of when, in seconds since 1970.
    pub(super) time: i64,
}

impl Canonical {
    /// Takes a commit apart: `tree`, parents, `author`, `committer`, in this order, then other headers, each at most one
    /// signature (`gpgsig`).
    pub(super) fn commit(data: &[u8]) -> Result<Self, SourceError> {
        let (header, _) = split(data)?;
        let mut lines = header.split_inclusive(|byte| *byte == b'\n').peekable();
        object_id(lines.next(), b"tree ")?;
        while lines.peek().is_some_and(|line| line.starts_with(b"parent ")) {
            object_id(lines.next(), b"parent ")?;
        }
        person(lines.next(), b"author ")?;
        let time = person(lines.next(), b"committer ")?;
        let (mut signature, mut rest) = (None, Vec::new());
        while let Some(line) = lines.next() {
            let name = header_name(line)?;
            let mut value = line.to_vec();
            while let Some(more) = lines.next_if(|more| more.starts_with(b" ")) {
                value.extend_from_slice(more);
            }
            match name {
                b"tree" | b"parent" | b"author" | b"committer" => {
                    return Err(odd("a header stands twice, or too late"));
                }
                b"gpgsig" if signature.is_some() => return Err(odd("there are two signatures")),
                b"gpgsig" => signature = Some(unfolded(&value[b"gpgsig ".len()..])?),
                // Which of two signatures counts depends on who looks.
                name if name.starts_with(b"gpgsig") => return Err(odd("there is a signature of another kind")),
                _ => rest.extend_from_slice(&value),
            }
        }
        let fixed = header.split_inclusive(|byte| *byte == b'\n').take_while(|line| !is_other(line));
        let payload = [&fixed.collect::<Vec<_>>().concat(), &rest, &data[header.len()..]].concat();
        Ok(Self { payload, signature, time })
    }

    /// Takes a tag object apart: `object`, `type`, `tag`, `tagger`, and the signature at the end of the message. Returns the
    /// name in it too.
    pub(super) fn tag(data: &[u8]) -> Result<(Self, String), SourceError> {
        let (header, message) = split(data)?;
        let mut lines = header.split_inclusive(|byte| *byte == b'\n');
        object_id(lines.next(), b"object ")?;
        field(lines.next(), b"type ")?;
        let name = field(lines.next(), b"tag ")?;
        let time = person(lines.next(), b"tagger ")?;
        if lines.next().is_some() {
            return Err(odd("there is a header that does not belong there"));
        }
        let name = String::from_utf8(name.to_vec()).map_err(|_| odd("its name is not UTF-8"))?;
        let mut at = data.len() - message.len();
        let mut begins = None;
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            if BEGINS.iter().any(|begin| line.starts_with(begin)) && begins.replace(at).is_some() {
                return Err(odd("there are two signatures"));
            }
            at += line.len();
        }
        let (payload, signature) = data.split_at(begins.unwrap_or(data.len()));
        let signature = if begins.is_some() { Some(text(signature)?) } else { None };
        Ok((Self { payload: payload.to_vec(), signature, time }, name))
    }
}

/// Parts header and message. A NUL hides from some tools what follows it.
fn split(data: &[u8]) -> Result<(&[u8], &[u8]), SourceError> {
    if data.contains(&0) {
        return Err(odd("there is a NUL in it"));
    }
    let end = data.windows(2).position(|pair| pair == b"\n\n").ok_or_else(|| odd("its header has no end"))?;
    Ok((&data[..=end], &data[end + 2..]))
}

fn field<'d>(line: Option<&'d [u8]>, name: &[u8]) -> Result<&'d [u8], SourceError> {
    let value = line.and_then(|line| line.strip_prefix(name)).and_then(|value| value.strip_suffix(b"\n"));
    let value = value.filter(|value| !value.is_empty());
    value.ok_or_else(|| odd(&format!("expected the header {:?}", String::from_utf8_lossy(name).trim_end())))
}

fn object_id(line: Option<&[u8]>, name: &[u8]) -> Result<(), SourceError> {
    let id = field(line, name)?;
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if id.len() == 40 && id.iter().all(hex) { Ok(()) } else { Err(odd("an object id in its header is none")) }
}

/// Returns the time of `NAME <EMAIL> SECONDS ZONE`.
fn person(line: Option<&[u8]>, name: &[u8]) -> Result<i64, SourceError> {
    let wrong = || odd("a person or a time in its header cannot be read");
    let line = field(line, name)?;
    let one = |wanted: u8| line.split(|byte| *byte == wanted).count() == 2;
    let (who, when) = line.split_at(line.iter().rposition(|byte| *byte == b'>').ok_or_else(wrong)?);
    let when = std::str::from_utf8(&when[1..]).map_err(|_| wrong())?;
    let (seconds, zone) = when.strip_prefix(' ').and_then(|when| when.split_once(' ')).ok_or_else(wrong)?;
    let digits = |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let zoned = zone.strip_prefix(['+', '-']).is_some_and(|zone| zone.len() == 4 && digits(zone, 4));
    if !(who.contains(&b'<') && one(b'<') && one(b'>') && zoned && digits(seconds, 12)) {
        return Err(wrong());
    }
    seconds.parse().map_err(|_| wrong())
}

fn header_name(line: &[u8]) -> Result<&[u8], SourceError> {
    let end = line.iter().position(|byte| *byte == b' ').ok_or_else(|| odd("a header has no value"))?;
    let (name, plain) = (&line[..end], |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'_'));
    if name.is_empty() || !name.iter().all(plain) {
        return Err(odd("a header has no name, or continues none"));
    }
    Ok(name)
}

/// Whether a line is neither of the four that every commit has.
fn is_other(line: &[u8]) -> bool {
    ![&b"tree "[..], b"parent ", b"author ", b"committer "].iter().any(|name| line.starts_with(name))
}

/// Takes out the space that each further line of a header begins with.
fn unfolded(value: &[u8]) -> Result<String, SourceError> {
    let lines = value.split_inclusive(|byte| *byte == b'\n');
    text(&lines.map(|line| line.strip_prefix(b" ").unwrap_or(line)).collect::<Vec<_>>().concat())
}

fn text(signature: &[u8]) -> Result<String, SourceError> {
    if signature.len() > SIGNATURE {
        return Err(odd(&format!("its signature has more than {SIGNATURE} bytes")));
    }
    String::from_utf8(signature.to_vec())
        .ok()
        .filter(|text| text.is_ascii())
        .ok_or_else(|| odd("its signature is no text"))
}

fn odd(what: &str) -> SourceError {
    refused(Unverified::Malformed, format!("it is not written as git writes it: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 0123456789012345678901234567890123456789\n";
    const WHO: &str = "author A <a@b> 1 +0000\ncommitter A <a@b> 1700000000 +0100\n";

    fn code(data: &str) -> &'static str {
        Canonical::commit(data.as_bytes()).unwrap_err().kind.code()
    }

    #[test]
    fn the_signature_is_taken_out_and_every_other_byte_stays() {
        let data = format!(
            "{TREE}{WHO}encoding x\ngpgsig -----BEGIN\n \n one\n -----END\nHG:extra y\n z\n\nhello\n\n gpgsig\n"
        );
        let read = Canonical::commit(data.as_bytes()).unwrap();
        assert_eq!(read.signature.as_deref(), Some("-----BEGIN\n\none\n-----END\n"));
        let payload = format!("{TREE}{WHO}encoding x\nHG:extra y\n z\n\nhello\n\n gpgsig\n");
        assert_eq!((String::from_utf8(read.payload).unwrap(), read.time), (payload, 1_700_000_000));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_malformed() {
        for data in [
            format!("{TREE}{TREE}{WHO}\nx"),
            format!("{WHO}{TREE}\nx"),
            format!("{TREE}{WHO}{TREE}\nx"),
            format!("{TREE}{WHO}author A <a@b> 1 +0000\n\nx"),
            format!("{TREE}{WHO}gpgsig a\ngpgsig b\n\nx"),
            format!("{TREE}{WHO}gpgsig a\ngpgsig-sha256 b\n\nx"),
            format!("{TREE}{WHO} continues\n\nx"),
            format!("{TREE} continues\n{WHO}\nx"),
            format!("{TREE}{WHO}a\0b c\n\nx"),
            format!("{TREE}{WHO}\nx\0y"),
            format!("{TREE}{WHO}"),
            format!("{TREE}author A <a@b> 1 +0000\ncommitter A <a@b>> 1 +0000\n\nx"),
            format!("{TREE}author A <a@b> 1 +0000\ncommitter A <a@b> -1 +0000\n\nx"),
            format!("{TREE}{WHO}gpgsig {}\n\nx", "x".repeat(SIGNATURE + 1)),
            TREE.to_uppercase() + WHO + "\nx",
        ] {
            assert_eq!(code(&data), "verify.malformed", "{data}");
        }
    }

    #[test]
    fn a_tag_has_four_headers_and_one_signature() {
        let head = "object 0123456789012345678901234567890123456789\ntype commit\ntag v1\ntagger A <a@b> 7 +0000\n";
        let sig = "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n";
        let (read, name) = Canonical::tag(format!("{head}\nhello\n{sig}").as_bytes()).unwrap();
        assert_eq!((read.payload.as_slice(), name.as_str()), (format!("{head}\nhello\n").as_bytes(), "v1"));
        assert_eq!((read.signature.as_deref(), read.time), (Some(sig), 7));
        for data in [format!("{head}\n{sig}{sig}"), format!("{head}tag v2\n\nx"), format!("{head}x y\n\nx")] {
            assert_eq!(Canonical::tag(data.as_bytes()).unwrap_err().kind.code(), "verify.malformed", "{data}");
        }
    }
}
