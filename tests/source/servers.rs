//! Servers: `git http-backend` behind a few lines of http, `git daemon`, sshd, and scripts that lie.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// One request, as it came.
pub(crate) struct Request {
    /// First line and header fields, lower case names.
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = |line: &&String| line.to_lowercase().starts_with(&format!("{name}:"));
        self.head.iter().find(found).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }
}

type Answer = dyn Fn(&Request) -> Vec<u8> + Send + Sync;

/// An http server that answers with whatever `answer` returns.
pub(crate) struct Web {
    pub(crate) port: u16,
    pub(crate) requests: Arc<Mutex<Vec<Request>>>,
    pub(crate) sent: Arc<Mutex<usize>>,
}

impl Web {
    pub(crate) fn start(tls: Option<Arc<rustls::ServerConfig>>, answer: Box<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (requests, sent) = (Arc::<Mutex<Vec<Request>>>::default(), Arc::<Mutex<usize>>::default());
        let web = Self { port, requests: Arc::clone(&requests), sent: Arc::clone(&sent) };
        let answer: Arc<Answer> = Arc::from(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, answer) = (tls.clone(), Arc::clone(&answer));
                let (requests, sent) = (Arc::clone(&requests), Arc::clone(&sent));
                std::thread::spawn(move || {
                    let handle = |stream: &mut dyn ReadWrite| one(stream, &*answer, &requests, &sent);
                    match tls {
                        None => handle(&mut { stream }),
                        Some(tls) => {
                            let connection = rustls::ServerConnection::new(tls).unwrap();
                            let mut stream = rustls::StreamOwned::new(connection, stream);
                            let done = handle(&mut stream);
                            stream.conn.send_close_notify();
                            let _ = stream.flush();
                            done
                        }
                    }
                });
            }
        });
        web
    }

    /// Serves the repositories below `root`, as `/NAME`.
    pub(crate) fn backend(root: &Path, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let root = root.to_owned();
        Self::start(tls, Box::new(move |request| backend(&root, request)))
    }

    pub(crate) fn heads(&self) -> String {
        self.requests.lock().unwrap().iter().map(|request| request.head.join("\n")).collect::<Vec<_>>().join("\n\n")
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

fn one(stream: &mut dyn ReadWrite, answer: &Answer, requests: &Mutex<Vec<Request>>, sent: &Mutex<usize>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut request = Request { head, body: Vec::new() };
    let length = request.field("content-length").map_or(0, |length| length.parse().unwrap());
    request.body.resize(length, 0);
    reader.read_exact(&mut request.body).ok()?;
    let bytes = answer(&request);
    requests.lock().unwrap().push(request);
    *sent.lock().unwrap() += bytes.len();
    let stream = reader.into_inner();
    stream.write_all(&bytes).ok()?;
    stream.flush().ok()
}

/// Makes an http answer.
pub(crate) fn http(status: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let mut answer =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len()).into_bytes();
    answer.extend_from_slice(fields.as_bytes());
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(body);
    answer
}

fn backend(root: &Path, request: &Request) -> Vec<u8> {
    let mut first = request.head[0].split(' ');
    let (method, target) = (first.next().unwrap(), first.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").env("REQUEST_METHOD", method);
    command.env("PATH_INFO", path).env("QUERY_STRING", query).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("CONTENT_LENGTH", request.body.len().to_string());
    command.env("CONTENT_TYPE", request.field("content-type").unwrap_or_default());
    if let Some(protocol) = request.field("git-protocol") {
        command.env("GIT_PROTOCOL", protocol);
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&request.body).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(output[..end].to_vec()).unwrap();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let fields: String = head.lines().filter(|l| !l.starts_with("Status")).flat_map(|line| [line, "\r\n"]).collect();
    http(status, &fields, &output[end + 4..])
}

/// A private authority and a certificate, made by openssl.
pub(crate) struct Authority {
    pub(crate) folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self { folder: tempfile::tempdir().unwrap() };
        authority.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 3650 -subj /CN=test-ca");
        authority
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn openssl(&self, args: &str) {
        let output = Command::new("openssl").args(args.split(' ')).current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Returns the configuration of a server with a certificate for these names, valid for `days` from now.
    pub(crate) fn server(&self, names: &str, days: i32) -> Arc<rustls::ServerConfig> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        std::fs::write(self.folder.path().join("ext"), format!("subjectAltName={names}\n")).unwrap();
        self.openssl("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server");
        let dates = if days < 0 {
            "-not_before 20200101000000Z -not_after 20200201000000Z".to_owned()
        } else {
            format!("-days {days}")
        };
        let sign = format!(
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -extfile ext {dates}"
        );
        if days < 0 {
            self.expired();
        } else {
            self.openssl(&sign);
        }
        let path = |name: &str| self.folder.path().join(name);
        let chain = CertificateDer::pem_file_iter(path("server.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(path("server.key")).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        Arc::new(config)
    }

    /// Signs the request for a time that is over: only `openssl ca` of older versions can.
    fn expired(&self) {
        let path = |name: &str| self.folder.path().join(name);
        std::fs::write(path("index.txt"), "").unwrap();
        std::fs::write(path("serial"), "01\n").unwrap();
        let config = "[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n";
        std::fs::write(path("ca.conf"), config).unwrap();
        self.openssl("ca -batch -notext -config ca.conf -cert ca.pem -keyfile ca.key -in server.csr -out server.pem -extfile ext -startdate 20200101000000Z -enddate 20200201000000Z");
    }
}

/// A server on a port, whose conversations are a function.
pub(crate) fn script(talk: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let talk = Arc::new(talk);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let talk = Arc::clone(&talk);
            std::thread::spawn(move || talk(stream));
        }
    });
    port
}

/// A program that ends with the test, and whatever it started with it.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let group = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.0.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn wait_for(port: u16) {
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("nothing listens on {port}");
}

/// sshd on loopback, with keys of its own.
pub(crate) struct Sshd {
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
    _running: Running,
}

impl Sshd {
    /// Starts it, or says that it cannot be had here.
    pub(crate) fn start(accepts_protocol: bool) -> Option<Self> {
        let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].iter().find(|path| Path::new(path).exists());
        let Some(program) = program else {
            assert!(std::env::var("TRUEUP_REQUIRE_PARTS").as_deref() != Ok("1"), "sshd is missing");
            let _ = writeln!(std::io::stderr(), "SKIP: sshd is missing");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "user", "other"] {
            keygen(&at(key));
        }
        std::fs::copy(at("user.pub"), at("authorized")).unwrap();
        let port = free_port();
        let accept = if accepts_protocol { "AcceptEnv GIT_PROTOCOL\n" } else { "" };
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n{accept}",
            at("host"),
            at("authorized")
        );
        std::fs::write(at("config"), config).unwrap();
        let _ = std::fs::create_dir_all("/run/sshd");
        let log = std::fs::File::create(at("log")).unwrap();
        let running = Running::start(Command::new(program).args(["-D", "-e", "-f", &at("config")]).stderr(log));
        let sshd = Self { port, folder, _running: running };
        wait_for(port);
        Some(sshd)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of known hosts that holds `key`, after `mark`.
    pub(crate) fn known(&self, name: &str, mark: &str, key: &str) -> PathBuf {
        let key = std::fs::read_to_string(self.path(&format!("{key}.pub"))).unwrap();
        std::fs::write(self.path(name), format!("{mark}[127.0.0.1]:{} {key}", self.port)).unwrap();
        self.path(name)
    }
}

fn keygen(path: &str) {
    let output = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", path]).output().unwrap();
    assert!(output.status.success());
}
