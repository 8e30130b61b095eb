//! Where people may be sent back to, and what the command line may say on the way.

use std::net::IpAddr;

use reqwest::Url;

/// Returns the address, where it is a command's own on the machine of the browser: a loopback address as such, with a port (RFC 8252,
/// section 7.3). A name is none: who knows where it leads.
pub(super) fn loopback(text: &str) -> Option<Url> {
    if text.len() > 128 || !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).parse::<IpAddr>().ok()?;
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let fits = url.scheme() == "http" && host.is_loopback() && url.port().is_some() && url.path() == "/" && bare;
    // What is parsed and what is written are one: else another parser might see another host in it.
    (fits && url.as_str() == text).then_some(url)
}

/// Whether it is a SHA-256 in the base64 of URLs.
pub(super) fn digest(text: &str) -> bool {
    text.len() == 43 && word(text)
}

/// Whether it is a word that means the same wherever it is put.
pub(super) fn word(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l8_people_are_sent_to_loopback_and_nowhere_else() {
        for good in ["http://127.0.0.1:8123/", "http://[::1]:8123/", "http://127.9.9.9:1/"] {
            assert!(loopback(good).is_some(), "{good}");
        }
        for bad in [
            "//evil.example/",
            "/\\evil.example",
            "https:evil.example",
            "https://127.0.0.1:8123/",
            "http://127.0.0.1/",
            "http://127.0.0.1:80@evil.example/",
            "http://127.0.0.1:8123.evil.example/",
            "http://127.0.0.1.evil.example:1/",
            "http://evil.example:8123/",
            "http://localhost:8123/",
            "http://0x7f.1:8123/",
            "http://2130706433:8123/",
            "http://127.0.0.1:8123",
            "http://127.0.0.1:8123/a",
            "http://127.0.0.1:8123/?next=//evil",
            "http://127.0.0.1:8123/#x",
            "http://user@127.0.0.1:8123/",
            "http://127.0.0.1:8123/\r\nSet-Cookie: a=b",
            "http://127.0.0.1\\@evil.example:1/",
            "http://[::ffff:127.0.0.1]:8123/",
            "http://0.0.0.0:8123/",
            "http://169.254.169.254:80/",
            "javascript:alert(1)",
            "",
            "HTTP://127.0.0.1:8123/",
            "http://127.0.0.1:08123/",
            "http://127.0.0.1:8123/..",
            "http:127.0.0.1:8123/",
        ] {
            assert!(loopback(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn words_are_words() {
        assert!(digest(&"a".repeat(43)) && !digest(&"a".repeat(42)) && !digest(&"=".repeat(43)));
        assert!(word("a-_Z9") && !word("") && !word("a b") && !word("a&b") && !word(&"a".repeat(129)));
    }
}
