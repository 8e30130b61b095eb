//! Whether a delivery was signed with the secret of its repository.
//!
//! | header | what it holds | who sends it |
//! |---|---|---|
//! | `X-Forgejo-Signature` | HMAC-SHA-256 of the body, hexadecimal | Forgejo |
//! | `X-Gitea-Signature` | the same | Gitea, Forgejo |
//! | `X-Gogs-Signature` | the same | Gogs, Gitea, Forgejo |
//! | `X-Hub-Signature-256` | the same, after `sha256=` | GitHub, Gitea, Forgejo |
//! | `X-Gitlab-Token` | the secret itself | GitLab |
//! | `webhook-signature` | `v1,` and base64 of HMAC-SHA-256 over id, time and body | GitLab with a signing token |
//!
//! **Which one counts: every one that is there.** At least one must be, each at most once, and all must be right, so that two
//! that disagree are refused, and a good one rescues no bad one. `X-Hub-Signature` (SHA-1) is not looked at.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::agent::Hook;
use crate::model::Time;

const HEXADECIMAL: [HeaderName; 3] = [
    HeaderName::from_static("x-forgejo-signature"),
    HeaderName::from_static("x-gitea-signature"),
    HeaderName::from_static("x-gogs-signature"),
];
const HUB: HeaderName = HeaderName::from_static("x-hub-signature-256");
const TOKEN: HeaderName = HeaderName::from_static("x-gitlab-token");
const STANDARD_WEBHOOKS: HeaderName = HeaderName::from_static("webhook-signature");

/// The specification leaves it to the receiver: a delivery older or newer than this is not believed.
const TOLERANCE_S: i64 = 5 * 60;
/// Room for a key that is being rotated.
const MOST_SIGNATURES: usize = 4;

/// Whether every signature of a delivery is right, and there is one. Compares in constant time, and does the same work for any
/// hook.
pub(super) fn holds(headers: &HeaderMap, body: &[u8], hook: &Hook, now: Time) -> bool {
    let of_body = mac(hook.secret(), &[body]);
    let mut found = false;
    let mut all = true;
    let mut judge = |name: &HeaderName, right: &dyn Fn(&HeaderValue) -> bool| {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { return };
        found = true;
        all &= right(value) & values.next().is_none();
    };
    for name in &HEXADECIMAL {
        judge(name, &|value| is_hexadecimal(value.as_bytes(), of_body.as_ref()));
    }
    judge(&HUB, &|value| {
        value.as_bytes().strip_prefix(b"sha256=").is_some_and(|digits| is_hexadecimal(digits, of_body.as_ref()))
    });
    judge(&TOKEN, &|value| is_secret(value.as_bytes(), hook.secret()));
    judge(&STANDARD_WEBHOOKS, &|value| is_standard(value, headers, body, hook, now));
    found && all
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

fn is(mac: Option<&Hmac<Sha256>>, given: &[u8]) -> bool {
    mac.is_some_and(|mac| mac.clone().verify_slice(given).is_ok())
}

/// 64 digits in lower case, as every one of them writes it.
fn is_hexadecimal(digits: &[u8], mac: Option<&Hmac<Sha256>>) -> bool {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let byte = |pair: &[u8]| Some(value(pair[0])? << 4 | value(*pair.get(1)?)?);
    let given: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    given.is_some_and(|given| is(mac, &given))
}

/// Compares what has any length in constant time, by what both are hashed to.
fn is_secret(given: &[u8], secret: &[u8]) -> bool {
    let wanted = mac(secret, &[secret]).map(|mac| mac.finalize().into_bytes());
    wanted.is_some_and(|wanted| is(mac(secret, &[given]).as_ref(), &wanted))
}

/// <https://www.standardwebhooks.com>: any one of several signatures is enough.
fn is_standard(value: &HeaderValue, headers: &HeaderMap, body: &[u8], hook: &Hook, now: Time) -> bool {
    let alone = |name: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
    };
    let (Some(id), Some(time)) = (alone("webhook-id"), alone("webhook-timestamp")) else { return false };
    // Whoever has no such key is asked all the same, so that it costs no less.
    let key = hook.standard();
    let seconds = time.parse::<i64>().ok();
    let age = seconds.and_then(|seconds| now.0.div_euclid(1_000_000).checked_sub(seconds));
    let fresh = age.is_some_and(|age| (-TOLERANCE_S..=TOLERANCE_S).contains(&age));
    let mac = mac(key.unwrap_or_default(), &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
    let right = |one: &str| {
        let given = one.strip_prefix("v1,").and_then(|digits| STANDARD.decode(digits).ok());
        given.is_some_and(|given| is(mac.as_ref(), &given))
    };
    let right = value.to_str().is_ok_and(|value| value.split(' ').take(MOST_SIGNATURES).any(right));
    key.is_some() & fresh & right
}

#[cfg(test)]
mod tests;
