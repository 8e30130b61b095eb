//! Mail, handed to a server by SMTP (RFC 5321). TLS comes before anything is said, and before the password above all.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;

use super::fault::{Fault, FaultKind};
use super::message::Message;
use crate::config::{Email, MailTls, Notification};
use crate::model::Time;
use crate::source::{self, harmless};

/// Waits for one answer of the server.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Line {
    connection: AsyncSmtpConnection,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Line {
    pub(super) async fn open(declared: &Notification, email: &Email) -> Result<Self, Fault> {
        let odd = |what: &str| Fault::new(FaultKind::Credentials, format!("{what} makes no sense"));
        let from: Mailbox = email.from.parse().map_err(|_| odd("the sender"))?;
        let to: Result<Vec<Mailbox>, _> = email.to.iter().map(|to| to.parse()).collect();
        let to = to.map_err(|_| odd("a recipient"))?;
        let (host, port) = email.address().ok_or_else(|| odd("the server"))?;
        let mut connection = connect(declared, email, &host, port).await?;
        if let (Some(user), Some(password)) = (&email.username, &email.password) {
            let password = source::secret(password)?.reveal().to_owned();
            let credentials = Credentials::new(user.clone(), password);
            connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await.map_err(|e| denied(&e))?;
        }
        Ok(Self { connection, from, to })
    }

    pub(super) async fn send(&mut self, message: &Message, now: Time) -> Result<String, Fault> {
        let mail = self.mail(message, now)?;
        let answer = self.connection.send(mail.envelope(), &mail.formatted()).await;
        answer.map(|answer| told(&answer)).map_err(|error| refused(&error))
    }

    pub(super) async fn close(mut self) {
        // The mail was taken; how the goodbye goes is of no interest.
        let _ = self.connection.quit().await;
    }

    fn mail(&self, message: &Message, now: Time) -> Result<lettre::Message, Fault> {
        let domain = self.from.email.domain();
        let date = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.0).unwrap_or(0));
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .subject(message.title.clone())
            .date(date)
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        let mail = mail.body(message.text.clone() + "\n");
        let mut mail = mail.map_err(|error| Fault::new(FaultKind::Refused, format!("no mail can be made: {error}")))?;
        // Nobody's out-of-office answers (RFC 3834).
        let more = [("Auto-Submitted", "auto-generated"), ("X-Trueup-Event", message.event)];
        for (name, value) in more {
            let name = HeaderName::new_from_ascii_str(name);
            mail.headers_mut().insert_raw(HeaderValue::new(name, value.to_owned()));
        }
        Ok(mail)
    }
}

async fn connect(declared: &Notification, email: &Email, host: &str, port: u16) -> Result<AsyncSmtpConnection, Fault> {
    let addresses = source::resolve(host, port).await?;
    let hello = hello();
    let tls = match email.tls {
        MailTls::None => None,
        MailTls::Starttls | MailTls::Implicit => Some(tls(host, declared.tls.ca.as_deref())?),
    };
    let at_once = tls.clone().filter(|_| email.tls == MailTls::Implicit);
    let connected =
        AsyncSmtpConnection::connect_tokio1(addresses.as_slice(), Some(PATIENCE), &hello, at_once, None).await;
    let mut connection = connected.map_err(|error| passing(&error))?;
    if let (MailTls::Starttls, Some(tls)) = (email.tls, tls) {
        if !connection.can_starttls() {
            let message = "the server offers no STARTTLS, and nothing is sent in the clear";
            return Err(Fault::new(FaultKind::Tls, message));
        }
        connection.starttls(tls, &hello).await.map_err(|error| passing(&error))?;
    }
    Ok(connection)
}

fn tls(host: &str, ca: Option<&Path>) -> Result<TlsParameters, Fault> {
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(ca) = ca {
        let broken = || Fault::new(FaultKind::Tls, format!("could not use the authorities in {}", ca.display()));
        let pem = std::fs::read(ca).map_err(|_| broken())?;
        let certificate = Certificate::from_pem(&pem).map_err(|_| broken())?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
    }
    builder.build().map_err(|error| Fault::new(FaultKind::Tls, crate::model::chain(&error)))
}

/// Returns the name of this machine, or its address where it has none that a mail server would take.
fn hello() -> ClientId {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    if !name.is_empty() && name.bytes().all(plain) { ClientId::Domain(name) } else { ClientId::default() }
}

type SmtpError = lettre::transport::smtp::Error;

fn said(error: &SmtpError) -> String {
    harmless(crate::model::chain(error).as_bytes())
}

/// A greeting, or the way to TLS, that went wrong says nothing about any mail.
fn passing(error: &SmtpError) -> Fault {
    let text = said(error);
    let tls = error.is_tls() || ["certificate", "tls", "UnknownIssuer"].iter().any(|word| text.contains(word));
    Fault::new(if tls { FaultKind::Tls } else { FaultKind::Unreachable }, text)
}

fn denied(error: &SmtpError) -> Fault {
    // 535 and its like (RFC 4954); or no mechanism that both know.
    let kind = if error.is_permanent() || error.is_client() { FaultKind::Denied } else { FaultKind::Unreachable };
    Fault::new(kind, format!("it would not let us in: {}", said(error)))
}

fn refused(error: &SmtpError) -> Fault {
    let kind = match error.status() {
        _ if !error.is_permanent() => FaultKind::Unreachable,
        // 530, 535, 550 and 553 are about who sends and to whom: the next mail fares no better.
        Some(code) if matches!(u16::from(code), 530 | 535 | 550 | 551 | 553) => FaultKind::Denied,
        _ => FaultKind::Refused,
    };
    Fault::new(kind, said(error))
}

fn told(answer: &Response) -> String {
    let line = answer.first_line().unwrap_or_default();
    harmless(format!("{} {line}", answer.code()).as_bytes())
}
