use std::time::Duration;

use tokio::time::timeout;

use super::fault::{Fault, FaultKind};
use super::message::Message;
use super::{email, matrix, slack, webhook};
use crate::config::Notification;
use crate::model::Time;

/// One attempt takes no longer, whatever the other side does.
const PATIENCE: Duration = Duration::from_secs(30);

/// A way to the other side, open for as long as there is something to send.
pub(super) enum Line {
    Webhook(webhook::Line),
    Slack(slack::Line),
    Matrix(matrix::Line),
    Email(Box<email::Line>),
}

impl Line {
    async fn open(declared: &Notification) -> Result<Self, Fault> {
        match declared {
            Notification { webhook: Some(webhook), .. } => Ok(Self::Webhook(webhook::Line::open(declared, webhook)?)),
            Notification { slack: Some(slack), .. } => Ok(Self::Slack(slack::Line::open(declared, slack)?)),
            Notification { matrix: Some(matrix), .. } => Ok(Self::Matrix(matrix::Line::open(declared, matrix)?)),
            Notification { email: Some(email), .. } => {
                Ok(Self::Email(Box::new(email::Line::open(declared, email).await?)))
            }
            // `check` lets none through that says nothing.
            _ => Err(Fault::new(FaultKind::Credentials, "nothing says where it goes")),
        }
    }

    async fn send(&mut self, message: &Message, now: Time) -> Result<String, Fault> {
        match self {
            Self::Webhook(line) => line.send(message, now).await,
            Self::Slack(line) => line.send(message).await,
            Self::Matrix(line) => line.send(message).await,
            Self::Email(line) => line.send(message, now).await,
        }
    }

    /// Ends it in order.
    pub(super) async fn close(self) {
        if let Self::Email(line) = self {
            // Nobody waits for a server that does not say goodbye.
            let _ = timeout(Duration::from_secs(2), line.close()).await;
        }
    }
}

/// Sends a message once, over the line that is open, or a new one, and returns what the other side answered.
///
/// # Errors
/// Why it was not taken. The line is closed then: a new one reads secrets anew.
pub(super) async fn attempt(
    line: &mut Option<Line>,
    declared: &Notification,
    message: &Message,
    now: Time,
) -> Result<String, Fault> {
    let sent = timeout(PATIENCE, async {
        let open = match line.take() {
            Some(open) => open,
            None => Line::open(declared).await?,
        };
        let open = line.insert(open);
        open.send(message, now).await
    });
    let silent = || Fault::new(FaultKind::Unreachable, format!("no answer within {} s", PATIENCE.as_secs()));
    let sent = sent.await.unwrap_or_else(|_| Err(silent()));
    if sent.is_err() {
        *line = None;
    }
    sent
}
