//! Whom to tell of what: declared on the machine only, since it holds credentials and says what may leave it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::url::host_and_port;
use super::{SecretSource, Tls};
use crate::model::notice::{NoticeEvent, Severity};

/// Whom to tell what the trail records: exactly one of `webhook`, `slack`, `matrix` and `email`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notification {
    /// A program that takes JSON over https, signed after Standard Webhooks.
    #[serde(default)]
    pub webhook: Option<Webhook>,
    /// A chat with an incoming webhook as Slack has it: Slack, Mattermost, Rocket.Chat, Discord (`/slack`).
    #[serde(default)]
    pub slack: Option<Slack>,
    /// A room of a Matrix homeserver.
    #[serde(default)]
    pub matrix: Option<Matrix>,
    /// Mail, handed to a server by SMTP.
    #[serde(default)]
    pub email: Option<Email>,
    /// What is told. The default is quiet: what changed, waits, failed and is well again, and every break-glass.
    #[serde(default = "quiet")]
    #[schemars(length(min = 1))]
    pub events: Vec<NoticeEvent>,
    /// Only what concerns these applications; without it, everything. A break-glass over several applications is always told.
    #[serde(default, rename = "match")]
    pub matching: Matching,
    /// Only what matters at least so much.
    #[serde(default)]
    pub severity: Severity,
    /// The words, in the language of Jinja.
    #[serde(default)]
    pub template: Wording,
    /// How a server that speaks TLS is known.
    #[serde(default)]
    pub tls: Tls,
}

/// A program that takes JSON over https, signed after Standard Webhooks.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// `https://host/path`; `http://` only for a loopback address. Secrets do not belong here. Redirects are not followed.
    pub url: String,
    /// The key of the signature: 24 to 64 random bytes in base64, after `whsec_`.
    pub secret: SecretSource,
}

/// A chat with an incoming webhook as Slack has it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slack {
    /// Where the URL of the webhook is: whoever knows it may write to the chat.
    pub url: SecretSource,
}

/// A room of a Matrix homeserver.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Matrix {
    /// `https://host` of the homeserver; `http://` only for a loopback address.
    pub server: String,
    /// The id of the room, `!…`, which the user of the token has joined.
    pub room: String,
    /// An access token of that user.
    pub token: SecretSource,
}

/// Mail, handed to a server by SMTP.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Email {
    /// `host:port` of the server that takes the mail.
    pub server: String,
    /// How the way there is encrypted.
    #[serde(default)]
    pub tls: MailTls,
    /// The sender: an address, or `Name <address>`.
    pub from: String,
    /// The recipients, each as the sender is written.
    #[schemars(length(min = 1))]
    pub to: Vec<String>,
    /// The user to log in as; needs a password.
    #[serde(default)]
    pub username: Option<String>,
    /// The password to log in with; needs a user.
    #[serde(default)]
    pub password: Option<SecretSource>,
}

/// How the way to a mail server is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// It begins in the clear and must turn to TLS before anything is sent: port 587.
    #[default]
    Starttls,
    /// TLS from the first byte: port 465.
    Implicit,
    /// Not at all: only to a loopback address.
    None,
}

/// Which applications are meant: all that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Matching {
    /// Names, of which one must fit; `*` stands for any part of one (`web-*`).
    pub applications: Vec<String>,
    /// Labels that the application must have, each with this value.
    pub labels: BTreeMap<String, String>,
}

/// The words of a notification, in the language of Jinja: `docs/notifications.md` names what may be put in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Wording {
    /// The first line, or the subject of a mail. The default says all of it in one line.
    pub title: Option<String>,
    /// What stands below. The default gives the reason, and by which names to look further.
    pub text: Option<String>,
}

fn quiet() -> Vec<NoticeEvent> {
    NoticeEvent::QUIET.to_vec()
}

impl Email {
    /// Returns host and port of the server. In a loaded configuration there always are both.
    #[must_use]
    pub fn address(&self) -> Option<(String, u16)> {
        let (host, port) = host_and_port(&self.server).ok()?;
        Some((host, port?))
    }
}

impl Notification {
    /// Returns the word for where it goes: `webhook`, `slack`, `matrix` or `email`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self { webhook: Some(_), .. } => "webhook",
            Self { slack: Some(_), .. } => "slack",
            Self { matrix: Some(_), .. } => "matrix",
            _ => "email",
        }
    }

    /// Returns every file of the machine that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.secrets().filter_map(|secret| secret.file.as_deref()).chain(self.tls.ca.as_deref())
    }

    pub(super) fn files_mut(&mut self) -> Vec<&mut PathBuf> {
        let webhook = self.webhook.iter_mut().map(|webhook| &mut webhook.secret);
        let slack = self.slack.iter_mut().map(|slack| &mut slack.url);
        let matrix = self.matrix.iter_mut().map(|matrix| &mut matrix.token);
        let email = self.email.iter_mut().filter_map(|email| email.password.as_mut());
        let secrets = webhook.chain(slack).chain(matrix).chain(email);
        secrets.filter_map(|secret| secret.file.as_mut()).chain(&mut self.tls.ca).collect()
    }

    /// Returns where each of its secrets is.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretSource> {
        let webhook = self.webhook.iter().map(|webhook| &webhook.secret);
        let slack = self.slack.iter().map(|slack| &slack.url);
        let matrix = self.matrix.iter().map(|matrix| &matrix.token);
        let email = self.email.iter().filter_map(|email| email.password.as_ref());
        webhook.chain(slack).chain(matrix).chain(email)
    }
}
