use std::borrow::Cow;
use std::collections::HashSet;

use lettre::message::Mailbox;

use super::Scope;
use super::names::reference;
use super::repository::secret;
use crate::config::{Email, Endpoint, MailTls, Matching, Matrix, Notification, names_loopback};
use crate::model::notice::Notice;
use crate::template::Template;
use crate::yaml::quoted;

/// No list of people to wake is longer; a list server takes more.
const MOST_RECIPIENTS: usize = 50;

pub(super) fn check(notification: &Notification, scope: &mut Scope) {
    let Notification { webhook, slack, matrix, email, events, .. } = notification;
    one_kind(notification, scope);
    if let Some(webhook) = webhook {
        endpoint("/spec/webhook/url", &webhook.url, scope);
        secret("/spec/webhook/secret", &webhook.secret, scope);
    }
    if let Some(slack) = slack {
        secret("/spec/slack/url", &slack.url, scope);
    }
    if let Some(matrix) = matrix {
        room(matrix, scope);
    }
    if let Some(email) = email {
        mail(email, scope);
    }
    for (at, event) in events.iter().enumerate().filter(|(at, event)| events[..*at].contains(event)) {
        scope.say("config.notification", &format!("/spec/events/{at}"), format!("{event} is named twice"), None);
    }
    let wording = &notification.template;
    for (name, text) in [("title", &wording.title), ("text", &wording.text)] {
        if let Some(text) = text {
            template(&format!("/spec/template/{name}"), text, scope);
        }
    }
}

fn one_kind(notification: &Notification, scope: &mut Scope) {
    let Notification { webhook, slack, matrix, email, .. } = notification;
    let kinds = [
        ("webhook", webhook.is_some()),
        ("slack", slack.is_some()),
        ("matrix", matrix.is_some()),
        ("email", email.is_some()),
    ];
    let given: Vec<_> = kinds.iter().filter(|(_, given)| *given).map(|(kind, _)| *kind).collect();
    match given.as_slice() {
        [_] => {}
        [] => {
            let hint = "webhook: { url: https://…, secret: { file: … } }, or slack, matrix or email";
            scope.hint("config.notification", "/spec", "expected one of webhook, slack, matrix and email", hint);
        }
        [_, second, ..] => {
            let message = format!("expected one of webhook, slack, matrix and email, found {}", given.join(" and "));
            let hint = "write a Notification for each";
            scope.hint("config.notification", &format!("/spec/{second}"), message, hint);
        }
    }
}

pub(super) fn endpoint(pointer: &str, url: &str, scope: &mut Scope) {
    if let Err(invalid) = Endpoint::parse(url) {
        scope.say("config.url", pointer, invalid.to_string(), None);
    }
}

fn room(matrix: &Matrix, scope: &mut Scope) {
    endpoint("/spec/matrix/server", &matrix.server, scope);
    secret("/spec/matrix/token", &matrix.token, scope);
    // https://spec.matrix.org: room ids begin with '!'; the newest have no server's name behind a colon.
    let plain = |char: char| char.is_ascii_graphic() && char != '/';
    if !matrix.room.starts_with('!') || matrix.room.len() > 255 || !matrix.room[1..].chars().all(plain) {
        let message = format!("expected the id of a room, which begins with '!', found {}", quoted(&matrix.room));
        scope.hint("config.room", "/spec/matrix/room", message, "a client shows it among the room's advanced settings");
    }
}

fn mail(email: &Email, scope: &mut Scope) {
    match email.address() {
        Some((host, port)) => way(email, &host, port, scope),
        None => scope.hint(
            "config.server",
            "/spec/email/server",
            "expected host:port",
            "587 for starttls, 465 for implicit TLS: smtp.example.org:587",
        ),
    }
    let from = std::iter::once((&email.from, "/spec/email/from".to_owned()));
    let to = email.to.iter().enumerate().map(|(at, to)| (to, format!("/spec/email/to/{at}")));
    for (address, pointer) in from.chain(to) {
        if address.parse::<Mailbox>().is_err() {
            let message = format!("{} is not a mail address", quoted(address));
            scope.hint("config.address", &pointer, message, "ops@example.org, or Operations <ops@example.org>");
        }
    }
    if email.to.len() > MOST_RECIPIENTS {
        let message = format!("expected at most {MOST_RECIPIENTS} recipients, found {}", email.to.len());
        scope.hint("config.address", "/spec/email/to", message, "name a mailing list");
    }
    match (&email.username, &email.password) {
        (Some(_), None) => {
            scope.hint("config.login", "/spec/email/username", "a user needs a password", "password: { file: … }");
        }
        (None, Some(_)) => scope.say("config.login", "/spec/email/password", "a password needs a username", None),
        (_, Some(password)) => secret("/spec/email/password", password, scope),
        (None, None) => {}
    }
}

fn way(email: &Email, host: &str, port: u16, scope: &mut Scope) {
    if email.tls == MailTls::None && !names_loopback(host) {
        let message = "without TLS, mail goes to a loopback address only";
        scope.hint("config.server", "/spec/email/tls", message, "tls: starttls (587) or tls: implicit (465)");
    }
    if port == 465 && email.tls == MailTls::Starttls {
        let message = "port 465 speaks TLS from the first byte";
        scope.hint("config.server", "/spec/email/server", message, "tls: implicit");
    }
}

/// Sees that the applications that are named are declared, where it is `known` which are; a pattern may wait for some.
pub(super) fn applications(matching: &Matching, known: Option<&HashSet<&str>>, scope: &mut Scope) {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'*');
    for (at, pattern) in matching.applications.iter().enumerate() {
        let pointer = format!("/spec/match/applications/{at}");
        if pattern.is_empty() || pattern.len() > 63 || !pattern.bytes().all(allowed) {
            let message = format!("no application is called {}", quoted(pattern));
            scope.hint("config.match", &pointer, message, "a name, or a pattern with `*` for any part of one (web-*)");
        } else if let Some(known) = known.filter(|_| !pattern.contains('*')) {
            reference("Application", pattern, known, &pointer, scope);
        }
    }
}

fn template(pointer: &str, text: &str, scope: &mut Scope) {
    let compiled = match Template::compile(text, |value| Cow::Borrowed(value)) {
        Ok(compiled) => compiled,
        Err(fault) => return scope.say("config.template", pointer, fault.to_string(), None),
    };
    let unknown = compiled.unknown(&Notice::NAMES);
    if let Some(name) = unknown.first() {
        let hint = match crate::yaml::nearest(name, Notice::NAMES) {
            Some(meant) => format!("did you mean {}?", quoted(meant)),
            None => format!("there are: {}", Notice::NAMES.join(", ")),
        };
        return scope.say("config.template", pointer, format!("nothing is called {}", quoted(name)), Some(hint));
    }
    for sample in Notice::samples() {
        if let Err(fault) = compiled.render(&sample, &[("labels", &sample.labels)]) {
            let hint = "what may be missing is asked for first: {% if plan %}…{% endif %}";
            return scope.hint("config.template", pointer, fault.to_string(), hint);
        }
    }
}
