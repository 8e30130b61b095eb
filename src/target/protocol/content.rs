//! Contents in chunks: split, put together, and held against their digest.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::line::Writer;
use super::message::Chunk;
use super::{LARGEST_CHUNK, LARGEST_CONTENT, ProtocolError};
use crate::model::Digest;

/// Returns the chunks of a content, in order; an empty content has one.
pub(super) fn chunks(id: u64, digest: Digest, bytes: &[u8], secret: bool) -> impl Iterator<Item = Chunk> {
    let count = bytes.len().div_ceil(LARGEST_CHUNK).max(1);
    (0..count).map(move |number| {
        let from = number * LARGEST_CHUNK;
        let part = &bytes[from..bytes.len().min(from + LARGEST_CHUNK)];
        Chunk { id, digest, offset: from as u64, size: bytes.len() as u64, data: STANDARD.encode(part), secret }
    })
}

/// Sends a content.
pub(super) async fn send<M: serde::Serialize>(
    writer: &Writer,
    message: impl Fn(Chunk) -> M,
    (id, digest): (u64, Digest),
    bytes: &[u8],
    secret: bool,
) -> Result<(), ProtocolError> {
    for chunk in chunks(id, digest, bytes, secret) {
        writer.send(&message(chunk)).await?;
    }
    Ok(())
}

/// A content of which more is to come.
pub(super) struct Gathering {
    digest: Digest,
    size: Option<u64>,
    bytes: Vec<u8>,
}

impl Gathering {
    pub(super) const fn of(digest: Digest) -> Self {
        Self { digest, size: None, bytes: Vec::new() }
    }

    pub(super) const fn digest(&self) -> Digest {
        self.digest
    }

    /// Takes the next chunk, and returns the content when it is whole.
    ///
    /// # Errors
    /// When the chunk is not the next one, is too large, or the whole is not what its digest says.
    pub(super) fn take(&mut self, chunk: &Chunk) -> Result<Option<Arc<[u8]>>, ProtocolError> {
        let wrong = |what: &str| ProtocolError::Unexpected(format!("content {}: {what}", self.digest.short()));
        if chunk.digest != self.digest || chunk.offset != self.bytes.len() as u64 {
            return Err(wrong("a chunk is not the next one"));
        }
        if chunk.size > LARGEST_CONTENT || self.size.is_some_and(|size| size != chunk.size) {
            return Err(wrong("it is too large, or its size changes"));
        }
        let part = STANDARD.decode(&chunk.data).map_err(|_| wrong("a chunk is not base64"))?;
        let room = chunk.size - chunk.offset;
        if part.len() > LARGEST_CHUNK || part.len() as u64 > room || (part.is_empty() && room > 0) {
            return Err(wrong("a chunk has too many bytes, or none"));
        }
        self.size = Some(chunk.size);
        self.bytes.extend_from_slice(&part);
        if (self.bytes.len() as u64) < chunk.size {
            return Ok(None);
        }
        if Digest::of(&self.bytes) != self.digest {
            return Err(wrong("its bytes do not digest to it"));
        }
        Ok(Some(std::mem::take(&mut self.bytes).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(bytes: &[u8], change: impl Fn(usize, &mut Chunk)) -> Result<Option<Arc<[u8]>>, ProtocolError> {
        let digest = Digest::of(bytes);
        let mut gathering = Gathering::of(digest);
        let mut whole = None;
        for (number, mut chunk) in chunks(1, digest, bytes, false).enumerate() {
            change(number, &mut chunk);
            whole = gathering.take(&chunk)?;
        }
        Ok(whole)
    }

    #[test]
    fn contents_of_every_size_come_back() {
        for size in [0, 1, LARGEST_CHUNK - 1, LARGEST_CHUNK, LARGEST_CHUNK + 1, 3 * LARGEST_CHUNK] {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect();
            assert_eq!(gathered(&bytes, |_, _| {}).ok().flatten().as_deref(), Some(&bytes[..]), "{size}");
        }
    }

    #[test]
    fn what_is_not_the_content_is_refused() {
        let bytes = vec![7; LARGEST_CHUNK + 5];
        assert!(gathered(&bytes, |_, chunk| chunk.size += 1).is_ok_and(|whole| whole.is_none()), "never whole");
        let changes: [fn(&mut Chunk); 5] = [
            |chunk| chunk.offset += 1,
            |chunk| chunk.size = LARGEST_CONTENT + 1,
            |chunk| chunk.data = "!".into(),
            |chunk| chunk.data = String::new(),
            |chunk| chunk.digest = Digest::of(b"other"),
        ];
        for change in changes {
            assert!(
                gathered(&bytes, |number, chunk| if number == 1 {
                    change(chunk);
                })
                .is_err()
            );
        }
        assert!(
            gathered(&bytes, |number, chunk| if number == 1 {
                chunk.data = "AAAAAAA=".into();
            })
            .is_err()
        );
    }
}
