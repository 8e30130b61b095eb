//! Standard Webhooks (<https://www.standardwebhooks.com>, version 1): the id, the time of the attempt and the body are signed
//! together, so that neither can be changed, and an old one not be played again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use sha2::Sha256;

use super::fault::{Fault, FaultKind};
use super::http;
use super::message::Message;
use crate::config::{Notification, Webhook};
use crate::model::Time;
use crate::source;

pub(super) struct Line {
    client: Client,
    url: Url,
    key: Hmac<Sha256>,
}

impl Line {
    pub(super) fn open(declared: &Notification, webhook: &Webhook) -> Result<Self, Fault> {
        let (client, url) = http::open(&webhook.url, declared.tls.ca.as_deref())?;
        let key = key(source::secret(&webhook.secret)?.reveal())?;
        Ok(Self { client, url, key })
    }

    pub(super) async fn send(&self, message: &Message, now: Time) -> Result<String, Fault> {
        let body = body(message);
        let seconds = now.0.div_euclid(1_000_000);
        let signature = self.signature(&message.id, seconds, &body);
        let request = self.client.post(self.url.clone());
        let request = request.header(CONTENT_TYPE, "application/json").header("webhook-id", &message.id);
        let request = request.header("webhook-timestamp", seconds).header("webhook-signature", signature);
        http::send(request.body(body)).await
    }

    fn signature(&self, id: &str, seconds: i64, body: &[u8]) -> String {
        let mut mac = self.key.clone();
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// Returns the notice, with its words beside it.
fn body(message: &Message) -> Vec<u8> {
    let mut body = message.notice.clone();
    if let Some(fields) = body.as_object_mut() {
        fields.insert("title".into(), message.title.clone().into());
        fields.insert("text".into(), message.text.clone().into());
    }
    body.to_string().into_bytes()
}

/// Returns the base64 digits of a secret.
pub(super) fn digits(secret: &str) -> &str {
    secret.strip_prefix("whsec_").unwrap_or(secret)
}

fn key(secret: &str) -> Result<Hmac<Sha256>, Fault> {
    let bytes = STANDARD.decode(digits(secret)).ok().filter(|bytes| (24..=64).contains(&bytes.len()));
    let odd = || {
        let message = "the secret is not `whsec_` and 24 to 64 bytes in base64: make one with \
                       `printf 'whsec_%s\\n' \"$(openssl rand -base64 32)\"`";
        Fault::new(FaultKind::Credentials, message)
    };
    let bytes = bytes.ok_or_else(odd)?;
    Hmac::new_from_slice(&bytes).map_err(|_| odd())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn it_signs_as_the_standard_says() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let (client, url) = http::open("http://localhost/", None).unwrap();
        let line = Line { client, url, key };
        let signature = line.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_not_used() {
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", "not base64 at all, but long enough to be", &"A".repeat(100)] {
            assert!(key(bad).is_err(), "{bad}");
        }
        assert!(key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
    }
}
