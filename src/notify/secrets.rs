use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{slack, webhook};
use crate::config::Notification;
use crate::source;

/// Returns the secrets of these sinks as they are now, so that they can be kept out of records and messages. One that cannot
/// be read cannot leak either.
pub fn secrets<'a>(notifications: impl Iterator<Item = &'a Notification>) -> Vec<Vec<u8>> {
    let mut secrets = vec![];
    for notification in notifications {
        for secret in notification.secrets().filter_map(|source| source::secret(source).ok()) {
            let text = secret.reveal();
            secrets.push(text.as_bytes().to_vec());
            if notification.webhook.is_some() {
                // What is signed with, beside how it is written.
                secrets.extend(STANDARD.decode(webhook::digits(text)).ok());
            }
            if notification.slack.is_some() {
                secrets.extend(slack::telling_parts(text).into_iter().map(String::into_bytes));
            }
        }
    }
    secrets
}
