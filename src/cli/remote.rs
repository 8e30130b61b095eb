//! A daemon on another machine: where it is, how it is known, and with what one comes.

use std::error::Error;
use std::path::{Path, PathBuf};

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::args::Global;
use super::login;
use super::show::printable;
use super::trouble::Trouble;
use crate::config::{Endpoint, SecretSource};
use crate::model::{Problem, chain};
use crate::source;

/// One that was named.
pub(super) struct Server {
    pub url: Url,
    token: PathBuf,
}

impl Server {
    /// Returns the one that is named, with a client that comes to it with the token; `None` where none is.
    pub(super) fn of(global: &Global) -> Result<Option<(Self, reqwest::Client)>, Trouble> {
        let Some(server) = &global.server else { return Ok(None) };
        let url = Endpoint::parse(server).map_err(|error| {
            Trouble::new(format!("could not use the server {}: {error}", printable(server)))
                .hint("https://web-1.example.org:9444, as `api.url` of its Daemon document says")
        })?;
        let Some(token) = global.token_file.clone().or_else(|| login::kept(url.url())) else {
            let trouble = Trouble::new("a daemon elsewhere takes a token");
            return Err(trouble.hint(
                "log in with `trueup login`, or name the file that holds one with --token-file or TRUEUP_TOKEN_FILE",
            ));
        };
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, header(&token)?);
        let url = url.url().clone();
        let built = client(global, &url)?.default_headers(headers).build();
        let client = built.map_err(|error| Trouble::chain(&error))?;
        Ok(Some((Self { url, token }, client)))
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> Trouble {
        let server = self.shown();
        if is_of_tls(error) {
            let trouble = Trouble::new(format!("could not trust {server}: {}", printable(&chain(error))));
            return trouble
                .hint("a private authority is named with --ca FILE or TRUEUP_CA; a certificate has to name the host");
        }
        let trouble = Trouble::new(format!("could not talk to the daemon at {server}: {}", printable(&chain(error))));
        trouble.hint("does it have `api: { listen: … }`, and may one reach that address from here?")
    }

    /// Says of a refusal whose token it is about.
    pub(super) fn refused(&self, problem: Problem) -> Trouble {
        let about = problem.status == 401;
        let trouble = Trouble::from(problem);
        if !about {
            return trouble;
        }
        let file = self.token.display().to_string();
        let message =
            format!("the token in {} is not taken at {}: {}", printable(&file), self.shown(), trouble.message);
        Trouble { message, ..trouble }
    }

    fn shown(&self) -> String {
        printable(self.url.as_str().trim_end_matches('/')).into_owned()
    }
}

/// Begins a client that trusts what the command line says.
pub(super) fn client(global: &Global, url: &Url) -> Result<reqwest::ClientBuilder, Trouble> {
    let mut builder = source::outbound(global.ca.as_deref()).map_err(|error| Trouble::chain(&error))?;
    if url.scheme() == "http" && global.ca.is_none() {
        // Nothing goes over TLS: reading the machine's certificates would take longer than the request.
        builder = builder.tls_certs_only([]);
    }
    Ok(builder.user_agent(concat!("trueup/", env!("CARGO_PKG_VERSION"))))
}

fn header(file: &Path) -> Result<HeaderValue, Trouble> {
    let secret = source::secret(&SecretSource { file: Some(file.to_owned()), systemd: None }).map_err(|error| {
        let shown = file.display().to_string();
        Trouble::chain(&error)
            .hint(format!("it holds the one line that `trueup token create` printed: chmod 600 {}", printable(&shown)))
    })?;
    let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.reveal()))
        .map_err(|_| Trouble::new("the token does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_of_tls(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() || error.to_string().contains("invalid peer certificate") {
            return true;
        }
        if let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref)
            && inner.is::<rustls::Error>()
        {
            return true;
        }
        cause = error.source();
    }
    false
}
