//! The client-server API of Matrix (<https://spec.matrix.org>, version 1.11): the id of a notification is the id of the transaction, so
//! that the homeserver takes the same one once.

use reqwest::{Client, Url};
use serde_json::json;

use super::fault::Fault;
use super::http;
use super::message::Message;
use super::notice::shortened;
use crate::config::{Matrix, Notification};
use crate::source::{self, Secret};

/// An event has 64 KiB at most.
const LONGEST: usize = 16 * 1024;

pub(super) struct Line {
    client: Client,
    server: Url,
    room: String,
    token: Secret,
}

impl Line {
    pub(super) fn open(declared: &Notification, matrix: &Matrix) -> Result<Self, Fault> {
        let (client, server) = http::open(&matrix.server, declared.tls.ca.as_deref())?;
        Ok(Self { client, server, room: matrix.room.clone(), token: source::secret(&matrix.token)? })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<String, Fault> {
        let text = shortened(format!("{}\n{}", message.title, message.text), LONGEST);
        // Nobody is mentioned: without the field, old rules look for names in the text.
        let body = json!({ "msgtype": "m.text", "body": text, "m.mentions": {} });
        let request = self.client.put(self.url(&message.id)).bearer_auth(self.token.reveal());
        http::send(request.json(&body)).await
    }

    fn url(&self, id: &str) -> Url {
        let mut url = self.server.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["_matrix", "client", "v3", "rooms", &self.room, "send", "m.room.message", id]);
        }
        url
    }
}
