//! Lines of JSON, never longer than they may be.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::mpsc;

use super::{LONGEST_LINE, ProtocolError};

/// Lines that may wait to be written: with the longest line, the memory that one slow reader costs.
const WAITING: usize = 16;

/// Reads messages.
pub(super) struct Reader<R> {
    from: BufReader<R>,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from: BufReader::new(from), line: Vec::new() }
    }

    /// Returns the next message; `None` where the stream ended between two lines. Cancel-safe: what was read of a line is kept.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ProtocolError> {
        loop {
            let there = self.from.fill_buf().await?;
            if there.is_empty() {
                return if self.line.is_empty() { Ok(None) } else { Err(ProtocolError::Ended) };
            }
            let end = there.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(there.len(), |end| end + 1);
            if self.line.len() + taken > LONGEST_LINE {
                return Err(ProtocolError::LongLine);
            }
            self.line.extend_from_slice(&there[..taken]);
            self.from.consume(taken);
            if end.is_some() {
                // What a parser says of the place is of use; it never repeats content.
                let read = serde_json::from_slice(&self.line).map_err(|error| {
                    ProtocolError::NoMessage(format!("{:?} error at column {}", error.classify(), error.column()))
                });
                self.line.clear();
                self.line.shrink_to(64 * 1024);
                return read.map(Some);
            }
        }
    }
}

/// Writes messages, in the order in which they were sent; a full queue makes the sender wait.
#[derive(Clone, Debug)]
pub(super) struct Writer(mpsc::Sender<Vec<u8>>);

impl Writer {
    /// Returns a writer, and the work that writes what it is given until all writers are gone.
    pub(super) fn new<W: AsyncWrite + Unpin>(to: W) -> (Self, impl Future<Output = std::io::Result<()>>) {
        let (sender, mut lines) = mpsc::channel::<Vec<u8>>(WAITING);
        let writing = async move {
            let mut to = BufWriter::new(to);
            while let Some(line) = lines.recv().await {
                to.write_all(&line).await?;
                if lines.is_empty() {
                    to.flush().await?;
                }
            }
            to.shutdown().await
        };
        (Self(sender), writing)
    }

    /// # Errors
    /// When a message is longer than a line may be, or nobody writes any more.
    pub(super) async fn send(&self, message: &impl Serialize) -> Result<(), ProtocolError> {
        let mut line = serde_json::to_vec(message).map_err(|error| ProtocolError::NoMessage(error.to_string()))?;
        line.push(b'\n');
        if line.len() > LONGEST_LINE {
            return Err(ProtocolError::LongLine);
        }
        self.0.send(line).await.map_err(|_| ProtocolError::Ended)
    }

    /// Sends a message if there is room for it now.
    pub(super) fn try_send(&self, message: &impl Serialize) {
        if let Ok(mut line) = serde_json::to_vec(message) {
            line.push(b'\n');
            let _ = self.0.try_send(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_is_read_whole_or_not_at_all() {
        let mut reader = Reader::new(&b"[1]\n[2]\n[3"[..]);
        assert_eq!(reader.next::<Vec<u8>>().await.ok().flatten(), Some(vec![1]));
        assert_eq!(reader.next::<Vec<u8>>().await.ok().flatten(), Some(vec![2]));
        assert!(matches!(reader.next::<Vec<u8>>().await, Err(ProtocolError::Ended)));
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_given_up_at_its_limit() {
        let mut reader = Reader::new(tokio::io::repeat(b' '));
        assert!(matches!(reader.next::<Vec<u8>>().await, Err(ProtocolError::LongLine)));
        assert!(reader.line.capacity() <= 2 * LONGEST_LINE);
    }
}
