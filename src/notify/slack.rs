//! Incoming webhooks as Slack has them: one URL, which is the secret, and `{"text": …}`.

use reqwest::{Client, Url};
use serde_json::json;

use super::fault::Fault;
use super::http;
use super::message::Message;
use super::notice::shortened;
use crate::config::{Endpoint, Notification, Slack};
use crate::source;

/// Slack cuts a text beyond 4,000 characters into several messages.
const LONGEST: usize = 3500;

pub(super) struct Line {
    client: Client,
    url: Url,
}

impl Line {
    pub(super) fn open(declared: &Notification, slack: &Slack) -> Result<Self, Fault> {
        let (client, url) = http::open(source::secret(&slack.url)?.reveal(), declared.tls.ca.as_deref())?;
        Ok(Self { client, url })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<String, Fault> {
        let text = shortened(format!("{}\n{}", message.title, message.text), LONGEST);
        // What a link in a message leads to is nobody's business to fetch.
        let body = json!({ "text": text, "unfurl_links": false, "unfurl_media": false });
        let request = self.client.post(self.url.clone()).header("webhook-id", &message.id);
        http::send(request.json(&body)).await
    }
}

/// Returns the parts of such a URL that give the rest of it away.
pub(super) fn telling_parts(url: &str) -> Vec<String> {
    let Ok(endpoint) = Endpoint::parse(url) else { return vec![] };
    let path = endpoint.url().path().trim_matches('/');
    let last = path.rsplit('/').next().filter(|last| last.len() >= 8 && *last != path);
    let path = Some(path).filter(|path| path.len() >= 8);
    path.into_iter().chain(last).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_end_of_the_url_is_as_secret_as_the_whole() {
        let parts =
            super::telling_parts("https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX");
        assert_eq!(parts, ["services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX", "XXXXXXXXXXXXXXXXXXXXXXXX"]);
        assert!(super::telling_parts("https://chat.example.org/a").is_empty());
    }
}
