use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::io::ReaderStream;

use super::authority::Authority;
use super::cgi;

/// A request's body has this many bytes at most.
const BODY: usize = 256 << 20;

/// Serves every repository in a folder by `git http-backend`, smart protocol only, on a loopback port of its own.
pub struct HttpServer {
    address: SocketAddr,
    scheme: &'static str,
    served: Arc<Served>,
    /// Dropped with the server: ends every connection.
    _runtime: Runtime,
}

/// What a server asks of its clients.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// User and password for everything; with them, pushing works too.
    pub login: Option<(&'a str, &'a str)>,
    /// Speaks https with a certificate of this authority.
    pub authority: Option<&'a Authority>,
    /// The names in the certificate instead of `localhost` and `127.0.0.1`.
    pub names: Option<&'a [&'a str]>,
}

/// One request as it came, and how it was answered.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    /// The `Git-Protocol` header.
    pub protocol: Option<String>,
    pub headers: HeaderMap,
    /// Whether the body came compressed.
    pub compressed: bool,
    /// Bytes of its body.
    pub bytes: usize,
    /// The decoded body starts with, or holds in plain text, what the client asked for.
    pub body: Vec<u8>,
    pub status: u16,
    /// Bytes of the answer's body.
    pub answered: usize,
}

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Fault {
    None,
    /// Answered with this status and nothing else.
    Status(u16),
    /// Answered as it should be, this much later.
    Delay(Duration),
    /// The connection breaks after this many bytes of the answer.
    Truncate(usize),
    /// Answered with 200, this content type and these bytes.
    Body(&'static str, Vec<u8>),
    /// Sent elsewhere.
    Redirect(String),
    /// Answered with this status, these headers and these bytes.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// Never answered.
    Hang,
}

type Hook = Box<dyn Fn(&Request) -> Fault + Send + Sync>;

struct Served {
    root: PathBuf,
    login: Option<(String, String)>,
    hook: RwLock<Option<Arc<Hook>>>,
    requests: Mutex<Vec<Request>>,
}

impl HttpServer {
    /// Serves `ROOT/*.git` over http, to everyone.
    pub fn start(root: &Path) -> Self {
        Self::with(root, Options::default())
    }

    pub fn with(root: &Path, options: Options<'_>) -> Self {
        Self::on(std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port"), root, options)
    }

    /// Serves on a socket that listens, on whatever network it was made.
    pub fn on(listener: std::net::TcpListener, root: &Path, options: Options<'_>) -> Self {
        let login = options.login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let served =
            Arc::new(Served { root: root.to_owned(), login, hook: RwLock::default(), requests: Mutex::default() });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime can be made");
        listener.set_nonblocking(true).expect("a socket can be asked not to block");
        let listener = runtime.block_on(async { TcpListener::from_std(listener) }).expect("a runtime takes a socket");
        let address = listener.local_addr().expect("a bound socket has an address");
        let router = axum::Router::new().fallback(serve).with_state(served.clone());
        let names = options.names.unwrap_or(&["localhost", "127.0.0.1"]);
        if let Some(authority) = options.authority {
            let tls = Tls { listener, acceptor: TlsAcceptor::from(authority.server(names)) };
            runtime.spawn(async move { axum::serve(tls, router).await });
        } else {
            runtime.spawn(async move { axum::serve(listener, router).await });
        }
        let scheme = if options.authority.is_some() { "https" } else { "http" };
        Self { address, scheme, served, _runtime: runtime }
    }

    /// Returns the URL of the repository of this name.
    pub fn url(&self, name: &str) -> String {
        format!("{}://{}/{name}.git", self.scheme, self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets `hook` choose, from now on, what goes wrong with each request.
    pub fn answer_with(&self, hook: impl Fn(&Request) -> Fault + Send + Sync + 'static) {
        *self.served.hook.write().expect("no hook panicked") = Some(Arc::new(Box::new(hook)));
    }

    /// Lets the same go wrong with every request; `Fault::None` puts things right.
    pub fn inject(&self, fault: Fault) {
        self.answer_with(move |_| fault.clone());
    }

    /// Returns all requests so far, faults included, and those never answered excluded.
    pub fn requests(&self) -> Vec<Request> {
        self.served.requests.lock().expect("no request panicked").clone()
    }

    /// Returns the bytes of all bodies so far: those received, and those sent.
    pub fn bytes(&self) -> (usize, usize) {
        self.requests().iter().fold((0, 0), |(got, sent), request| (got + request.bytes, sent + request.answered))
    }
}

async fn serve(
    State(served): State<Arc<Served>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Ok(body) = axum::body::to_bytes(body, BODY).await else { return plain(413, Vec::new()) };
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let mut request = Request {
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        protocol: header("git-protocol").map(str::to_owned),
        headers: headers.clone(),
        compressed: header("content-encoding").is_some(),
        bytes: body.len(),
        body: body.to_vec(),
        status: 0,
        answered: 0,
    };
    let hook = served.hook.read().ok().and_then(|hook| hook.clone());
    let fault = hook.map_or(Fault::None, |hook| hook(&request));
    let (status, headers, bytes) = match &fault {
        Fault::Status(status) => (*status, Vec::new(), Vec::new()),
        Fault::Body(kind, bytes) => (200, vec![("content-type".into(), (*kind).to_owned())], bytes.clone()),
        Fault::Redirect(to) => (302, vec![("location".into(), to.clone())], Vec::new()),
        Fault::Answer(status, headers, body) => (*status, headers.clone(), body.clone()),
        Fault::Hang => return std::future::pending().await,
        Fault::None | Fault::Delay(_) | Fault::Truncate(_) => {
            if let Fault::Delay(delay) = fault {
                tokio::time::sleep(delay).await;
            }
            real(&served, &request, &header, &body).await
        }
    };
    request.status = status;
    let cut = if let Fault::Truncate(at) = fault { Some(at) } else { None };
    request.answered = cut.unwrap_or(bytes.len()).min(bytes.len());
    if let Ok(mut requests) = served.requests.lock() {
        requests.push(request);
    }
    let mut response = match cut {
        Some(at) => Response::new(Body::from_stream(ReaderStream::new(Broken::new(bytes, at)))),
        None => Response::new(Body::from(bytes)),
    };
    *response.status_mut() = status.try_into().unwrap_or_default();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<axum::http::HeaderName>(), value.parse()) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

type Plain = (u16, Vec<(String, String)>, Vec<u8>);

async fn real<'a>(
    served: &Served,
    request: &Request,
    header: &impl Fn(&str) -> Option<&'a str>,
    body: &Bytes,
) -> Plain {
    if let Some((user, password)) = &served.login
        && header("authorization") != Some(&format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))
    {
        return (401, vec![("www-authenticate".into(), "Basic realm=\"git\"".into())], Vec::new());
    }
    let smart = request.query.starts_with("service=git-") && request.path.ends_with("/info/refs")
        || request.path.ends_with("/git-upload-pack")
        || request.path.ends_with("/git-receive-pack");
    if !smart {
        return (404, Vec::new(), b"only the smart protocol is spoken here".to_vec());
    }
    let call = cgi::Call {
        root: &served.root,
        method: &request.method,
        path: &request.path,
        query: &request.query,
        content_type: header("content-type"),
        encoding: header("content-encoding"),
        protocol: header("git-protocol"),
        user: served.login.as_ref().map(|(user, _)| user.as_str()),
        body,
    };
    match cgi::answer(call).await {
        Ok(answer) => (answer.status, answer.headers, answer.body),
        Err(error) => (500, Vec::new(), error.to_string().into_bytes()),
    }
}

fn plain(status: u16, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status.try_into().unwrap_or_default();
    response
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * place) & 63];
            text.push(if place > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

/// Gives the first bytes, and breaks when they have had time to leave: what is unsent when the stream breaks is thrown away.
struct Broken {
    bytes: Vec<u8>,
    at: usize,
    sent: usize,
    pause: Pin<Box<tokio::time::Sleep>>,
}

impl Broken {
    fn new(bytes: Vec<u8>, at: usize) -> Self {
        Self { bytes, at, sent: 0, pause: Box::pin(tokio::time::sleep(Duration::from_millis(50))) }
    }
}

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let end = self.at.min(self.bytes.len());
        if self.sent == end {
            let broken = || Err(std::io::Error::other("broken off on purpose"));
            return self.pause.as_mut().poll(context).map(|()| broken());
        }
        let next = end.min(self.sent + buffer.remaining());
        buffer.put_slice(&self.bytes[self.sent..next]);
        self.sent = next;
        Poll::Ready(Ok(()))
    }
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, address)) = self.listener.accept().await else { continue };
            // A client that does not trust us hangs up: the next one, please. One that says nothing is not waited for.
            let shaken = tokio::time::timeout(Duration::from_secs(5), self.acceptor.accept(stream)).await;
            if let Ok(Ok(stream)) = shaken {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
