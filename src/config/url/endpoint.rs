use reqwest::Url;

use super::names_loopback;

/// Where something is sent to by https, or by http to this very machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a URL is refused. The text of the URL, which may hold a secret, is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEndpoint {
    #[error("expected https://host/path")]
    Form,
    #[error("expected https:// (http:// goes to a loopback address only)")]
    Scheme,
    #[error("a URL holds neither a user name nor a password")]
    Credentials,
    #[error("expected a URL without '#'")]
    Fragment,
}

impl Endpoint {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// When it is not one, or would send in the clear what others could read on the way.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        if text.len() > 2048 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidEndpoint::Form);
        }
        let url = Url::parse(text).map_err(|_| InvalidEndpoint::Form)?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        match url.scheme() {
            _ if host.is_empty() => Err(InvalidEndpoint::Form),
            "https" | "http" if !url.username().is_empty() || url.password().is_some() => {
                Err(InvalidEndpoint::Credentials)
            }
            "https" | "http" if url.fragment().is_some() => Err(InvalidEndpoint::Fragment),
            "https" => Ok(Self(url)),
            "http" if names_loopback(host) => Ok(Self(url)),
            _ => Err(InvalidEndpoint::Scheme),
        }
    }

    /// Returns it as its parts say, a path of at least `/` included.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_reads_on_the_way_is_sent_to() {
        for good in [
            "https://hooks.example.org/a/b?c=d",
            "https://hooks.example.org:8443",
            "http://127.0.0.1:8080/x",
            "http://[::1]/",
            "http://localhost/x",
        ] {
            assert!(Endpoint::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://hooks.example.org/", InvalidEndpoint::Scheme),
            ("http://127.0.0.1.example.org/", InvalidEndpoint::Scheme),
            ("http://localhost.example.org/", InvalidEndpoint::Scheme),
            ("http://10.0.0.1/", InvalidEndpoint::Scheme),
            ("ftp://hooks.example.org/", InvalidEndpoint::Scheme),
            ("https://ada:s3cret@hooks.example.org/", InvalidEndpoint::Credentials),
            ("http://127.0.0.1@evil.example.org/", InvalidEndpoint::Credentials),
            ("https://hooks.example.org/#x", InvalidEndpoint::Fragment),
            ("hooks.example.org/x", InvalidEndpoint::Form),
            ("https://hooks.example.org/a b", InvalidEndpoint::Form),
            ("https://hooks.example.org/\r\nX: y", InvalidEndpoint::Form),
            ("https:///x y", InvalidEndpoint::Form),
            ("", InvalidEndpoint::Form),
        ] {
            assert_eq!(Endpoint::parse(bad), Err(why), "{bad}");
        }
    }
}
