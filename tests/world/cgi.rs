//! `git http-backend`, as the CGI program that it is.

use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use super::clean;

/// One request as CGI puts it.
pub(super) struct Call<'a> {
    pub root: &'a Path,
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// `Content-Type`, `Content-Encoding` and `Git-Protocol`, where they were sent.
    pub content_type: Option<&'a str>,
    pub encoding: Option<&'a str>,
    pub protocol: Option<&'a str>,
    pub user: Option<&'a str>,
    pub body: &'a [u8],
}

pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Runs git and returns its answer.
pub(super) async fn answer(call: Call<'_>) -> std::io::Result<Answer> {
    let mut command = clean("git", call.root);
    command.arg("http-backend").env("GIT_PROJECT_ROOT", call.root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("REQUEST_METHOD", call.method).env("PATH_INFO", call.path).env("QUERY_STRING", call.query);
    command.env("CONTENT_LENGTH", call.body.len().to_string()).env("REMOTE_ADDR", "127.0.0.1");
    let optional = [
        ("CONTENT_TYPE", call.content_type),
        ("HTTP_CONTENT_ENCODING", call.encoding),
        ("GIT_PROTOCOL", call.protocol),
        ("REMOTE_USER", call.user),
    ];
    command.envs(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());

    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let mut input = child.stdin.take().ok_or_else(|| std::io::Error::other("no input"))?;
    // Side by side: git may answer before it has read everything, and does not read on while nobody takes the answer.
    let feed = async {
        let _ = input.write_all(call.body).await;
        drop(input);
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), feed);
    split(&output?.stdout).ok_or_else(|| std::io::Error::other("git http-backend gave no header"))
}

fn split(output: &[u8]) -> Option<Answer> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n")?;
    let mut answer = Answer { status: 200, headers: Vec::new(), body: output[end + 4..].to_vec() };
    for line in std::str::from_utf8(&output[..end]).ok()?.split("\r\n") {
        let (name, value) = line.split_once(": ")?;
        if name.eq_ignore_ascii_case("status") {
            answer.status = value.split(' ').next()?.parse().ok()?;
        } else {
            answer.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    Some(answer)
}
