//! What a command says: read as it comes, and its end kept.

use std::collections::VecDeque;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::neutral;

/// How much of the end of a command's output is kept, in bytes.
pub(super) const TAIL: usize = 8 * 1024;

/// Reads to the end of each pipe, which is `None` then. May be dropped half-way: what was read is in `tail`.
pub(super) async fn drain<A, B>(pipes: &mut (Option<A>, Option<B>), tail: &mut Tail)
where
    A: AsyncRead + Unpin,
    B: AsyncRead + Unpin,
{
    let (mut one, mut two) = ([0; 4096], [0; 4096]);
    while pipes.0.is_some() || pipes.1.is_some() {
        // Reads are cancel-safe: bytes are taken only by the arm that completes.
        tokio::select! {
            read = next(&mut pipes.0, &mut one) => match read { 0 => pipes.0 = None, n => tail.push(&one[..n]) },
            read = next(&mut pipes.1, &mut two) => match read { 0 => pipes.1 = None, n => tail.push(&two[..n]) },
        }
    }
}

async fn next<R: AsyncRead + Unpin>(pipe: &mut Option<R>, buffer: &mut [u8]) -> usize {
    match pipe {
        Some(pipe) => pipe.read(buffer).await.unwrap_or(0),
        None => std::future::pending().await,
    }
}

/// The last bytes of an output, however long it was.
#[derive(Default)]
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    cut: bool,
}

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        if self.bytes.len() > TAIL {
            self.cut = true;
            self.bytes.drain(..self.bytes.len() - TAIL);
        }
    }

    pub(super) fn text(mut self) -> String {
        let text = neutral(&String::from_utf8_lossy(self.bytes.make_contiguous()));
        if self.cut { format!("…{text}") } else { text }
    }
}
