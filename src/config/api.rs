//! Where the API answers beside the socket.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hooks::address;
use super::{Endpoint, Login, ServerTls};

/// Where the API answers over TCP, to whoever comes with a token.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Api {
    /// The IP address and port to listen at: `0.0.0.0:9444`. In the clear only at a loopback address. A change takes a restart.
    pub listen: String,
    /// The certificate to show. Needed anywhere but at a loopback address.
    #[serde(default)]
    pub tls: Option<ServerTls>,
    /// The address as people reach it: `https://web-1.example.org:9444`. Links lead there, and pages of no other address may act.
    #[serde(default)]
    pub url: Option<String>,
    /// How people log in; without it, they come with tokens that were made for them.
    #[serde(default)]
    pub login: Option<Login>,
}

impl Api {
    /// Returns where to listen. In a loaded configuration there always is a place.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        address(&self.listen)
    }

    /// Returns scheme, host and port of the address as people reach it, as browsers write them in `Origin`.
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        let url = Endpoint::parse(self.url.as_deref()?).ok()?;
        Some(url.url().origin().ascii_serialization())
    }
}
