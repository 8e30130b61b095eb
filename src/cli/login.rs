//! Logging in at a daemon elsewhere, with a browser on this machine (RFC 8252).

use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Url;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::Exit;
use super::args::Global;
use super::client::Client;
use super::remote::client;
use super::screen::Screen;
use super::show::printable;
use super::trouble::Trouble;
use crate::agent::PREFIX;
use crate::api::TokenMade;
use crate::config::Endpoint;
use crate::model::Problem;
use crate::store::random;

/// So long somebody may look for their second factor.
const PATIENCE: Duration = Duration::from_mins(10);
/// What a browser sends at once.
const REQUEST: Duration = Duration::from_secs(10);
const LARGEST: usize = 16 * 1024;
/// One token has 88 characters.
const TOKEN: usize = 4096;

/// Has a browser log somebody in, and keeps the token that comes of it.
pub(super) async fn login(global: &Global, screen: Screen) -> Result<Exit, Trouble> {
    let server = named(global)?;
    let [verifier, state] = [secret()?, secret()?];
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| Trouble::chain(&error))?;
    let port = listener.local_addr().map_err(|error| Trouble::chain(&error))?.port();
    let mut address = at(&server, &["v1", "login"]);
    address
        .query_pairs_mut()
        .append_pair("redirect", &format!("http://127.0.0.1:{port}/"))
        .append_pair("challenge", &URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())))
        .append_pair("state", &state);
    screen.say(&format!("open this address in a browser on this machine, and log in there:\n\n  {address}\n"));
    open(address.as_str());
    let code = timeout(PATIENCE, code(&listener, &state)).await;
    let code = code.map_err(|_| Trouble::new("nobody logged in within ten minutes"))??;
    let http = client(global, &server)?.build().map_err(|error| Trouble::chain(&error))?;
    let body = json!({ "code": code, "verifier": verifier });
    let answer = http.post(at(&server, &["v1", "login", "token"])).json(&body).send().await;
    let answer = answer.map_err(|error| Trouble::chain(&error))?;
    if !answer.status().is_success() {
        let status = answer.status();
        let problem = answer.json::<Problem>().await;
        return Err(problem.map_or_else(|_| Trouble::new(format!("the daemon answered {status}")), Into::into));
    }
    let made: TokenMade = answer.json().await.map_err(|error| Trouble::chain(&error))?;
    let file =
        file(&server).ok_or_else(|| Trouble::new("neither XDG_CONFIG_HOME nor HOME says where to keep the token"))?;
    keep(&file, &made.secret).map_err(|error| Trouble::chain(&error))?;
    let person = made.token.bearer.person().map(ToString::to_string).unwrap_or_default();
    screen.say(&format!("you are logged in as {} until {}", printable(&person), made.token.expires));
    Ok(Exit::Done)
}

/// Ends the login there, and forgets it here.
pub(super) async fn logout(global: &Global, screen: Screen) -> Result<Exit, Trouble> {
    let server = named(global)?;
    let none = || Trouble::new("you are not logged in there").hint("`trueup login` does that");
    let file = kept(&server).ok_or_else(none)?;
    let text = std::fs::read_to_string(&file).map_err(|error| Trouble::chain(&error))?;
    let id = text.trim().strip_prefix(PREFIX).and_then(|rest| rest.split_once('_')).map(|(id, _)| id.to_owned());
    let global = Global { token_file: Some(file.clone()), ..global.clone() };
    let ended = match id {
        Some(id) => Client::new(&global)?.post(&["tokens", &id, "revoke"], &json!({})).await.map(|_| ()),
        None => Ok(()),
    };
    // It counts no more here, whatever the daemon says of it.
    std::fs::remove_file(&file).map_err(|error| Trouble::chain(&error))?;
    ended?;
    screen.say("you are logged out");
    Ok(Exit::Done)
}

/// Returns the file with the token of a login at a server, where there is one.
pub(super) fn kept(server: &Url) -> Option<PathBuf> {
    file(server).filter(|file| file.is_file())
}

fn named(global: &Global) -> Result<Url, Trouble> {
    let none = || Trouble::new("which daemon?").hint("trueup login --server https://HOST:PORT");
    let server = global.server.as_ref().ok_or_else(none)?;
    let url = Endpoint::parse(server).map_err(|error| Trouble::new(format!("could not use the server: {error}")))?;
    Ok(url.url().clone())
}

fn at(server: &Url, path: &[&str]) -> Url {
    let mut url = server.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// Returns where the token of a login at a server lies.
fn file(server: &Url) -> Option<PathBuf> {
    use std::fmt::Write as _;
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    // Two addresses of one server are two logins; no two servers share one.
    let name: String = server.as_str().bytes().fold(String::new(), |mut name, byte| {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' => name.push(char::from(byte)),
            other => {
                let _ = write!(name, "_{other:02x}");
            }
        }
        name
    });
    Some(folder.join("trueup").join(format!("login-{name}")))
}

fn keep(file: &Path, secret: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    if let Some(folder) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut kept = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    writeln!(kept, "{secret}")
}

fn secret() -> Result<String, Trouble> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>().map_err(|error| Trouble::chain(&error))?))
}

/// Opens a browser, where there is a screen for one; who has none opens the address elsewhere.
fn open(address: &str) {
    if ["DISPLAY", "WAYLAND_DISPLAY"].iter().all(|name| std::env::var_os(name).is_none()) {
        return;
    }
    let mut command = Command::new("xdg-open");
    // That there is none is no trouble: the address was said.
    let _ = command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// Waits until a browser comes back with the code of this login; whoever else comes is sent away.
async fn code(listener: &TcpListener, state: &str) -> Result<String, Trouble> {
    loop {
        let (mut stream, _) = listener.accept().await.map_err(|error| Trouble::chain(&error))?;
        let Ok(Some(request)) = timeout(REQUEST, request(&mut stream)).await else { continue };
        let Some(pairs) = back(&request, state) else {
            answer(&mut stream, "404 Not Found", "This is not the login that was begun here.").await;
            continue;
        };
        let find = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        if let Some(code) = find("code") {
            answer(&mut stream, "200 OK", "You are logged in. You may close this page.").await;
            return Ok(code);
        }
        let error = find("error").unwrap_or_default();
        answer(&mut stream, "200 OK", "You are not logged in. The command says why.").await;
        let trouble = Trouble::new(format!("the login failed ({})", printable(&error)));
        return Err(match find("account").filter(|account| !account.is_empty() && error == "login.unknown") {
            Some(account) => {
                let account = printable(&account).into_owned();
                Trouble::new("you are no declared person there (login.unknown)").hint(format!(
                    "somebody who declares people on that machine has to say so: a Person document with `login: {account}`"
                ))
            }
            None => trouble.hint("the daemon's log says more"),
        });
    }
}

async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = vec![];
    let mut some = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut some).await.ok()?;
        head.extend_from_slice(&some[..read]);
        if read == 0 || head.len() > LARGEST {
            return None;
        }
    }
    String::from_utf8(head).ok()
}

/// Returns what a request brings, where it is the one that is waited for.
fn back(request: &str, state: &str) -> Option<Vec<(String, String)>> {
    let target = request.lines().next()?.strip_prefix("GET ")?.strip_suffix(" HTTP/1.1")?;
    let url = Url::parse("http://127.0.0.1/").ok()?.join(target).ok()?;
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let ours = url.path() == "/" && pairs.iter().any(|(name, value)| name == "state" && value == state);
    (ours && pairs.iter().all(|(_, value)| value.len() <= TOKEN)).then_some(pairs)
}

async fn answer(stream: &mut TcpStream, status: &str, words: &str) {
    let length = words.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n");
    // Who is gone already does not miss it.
    let _ = stream.write_all(format!("{head}Connection: close\r\n\r\n{words}").as_bytes()).await;
}
