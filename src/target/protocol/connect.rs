//! How an adapter is reached: a unix socket, or a program that speaks on its stdin and stdout.

use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// An open stream to an adapter.
pub struct Stream {
    pub(super) read: Box<dyn AsyncRead + Send + Unpin>,
    pub(super) write: Box<dyn AsyncWrite + Send + Unpin>,
    /// The program at the other end; ended with the stream.
    pub(super) program: Option<Child>,
}

/// Opens streams to one adapter.
#[async_trait]
pub trait Connect: Send + Sync {
    /// What it is called in messages.
    fn name(&self) -> String;

    /// # Errors
    /// When nobody answers there.
    async fn connect(&self) -> io::Result<Stream>;
}

/// An adapter that listens on a unix socket.
pub struct Socket(pub PathBuf);

#[async_trait]
impl Connect for Socket {
    fn name(&self) -> String {
        self.0.display().to_string()
    }

    async fn connect(&self) -> io::Result<Stream> {
        let (read, write) = UnixStream::connect(&self.0).await?.into_split();
        Ok(Stream { read: Box::new(read), write: Box::new(write), program: None })
    }
}

/// An adapter that is a program: started without a shell and with a clean environment, ended with its stream. What it
/// says on stderr goes where ours goes.
pub struct Program {
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

#[async_trait]
impl Connect for Program {
    fn name(&self) -> String {
        self.program.display().to_string()
    }

    async fn connect(&self) -> io::Result<Stream> {
        let mut program = Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let (Some(write), Some(read)) = (program.stdin.take(), program.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok(Stream { read: Box::new(read), write: Box::new(write), program: Some(program) })
    }
}
