use std::time::Duration;

use super::Scope;
use super::notification::endpoint;
use super::repository::secret;
use crate::config::Api;

/// A minute to 30 days.
const LASTS: std::ops::RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(30 * 24);

pub(super) fn check(api: &Api, scope: &mut Scope) {
    let Some(login) = &api.login else { return };
    endpoint("/spec/api/login/issuer", &login.issuer, scope);
    if login.client_id.is_empty() || login.client_id.len() > 255 {
        let message = "expected what the provider calls the daemon, of at most 255 characters".to_owned();
        scope.say("config.login", "/spec/api/login/clientId", message, None);
    }
    if let Some(client) = &login.client_secret {
        secret("/spec/api/login/clientSecret", client, scope);
    }
    if !LASTS.contains(&login.lasts.0) {
        let message = format!("expected 1m to 30d, found {}", login.lasts);
        scope.hint("config.login", "/spec/api/login/lasts", message, "the default is 12h");
    }
    if api.url.is_none() {
        let hint = "url: https://HOST:PORT, as browsers reach the daemon; the provider sends people back there";
        scope.hint("config.login", "/spec/api/login", "people can only log in where `url` is given", hint);
    }
}
