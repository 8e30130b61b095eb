use super::Scope;
use super::notification::endpoint;
use super::repository::secret;
use crate::config::Telemetry;

pub(super) fn check(telemetry: &Telemetry, scope: &mut Scope) {
    let Some(traces) = &telemetry.traces else { return };
    endpoint("/spec/telemetry/traces/endpoint", &traces.endpoint, scope);
    if traces.endpoint.contains('?') {
        let message = "expected an address without a question mark, since /v1/traces is added to it".to_owned();
        scope.say("config.url", "/spec/telemetry/traces/endpoint", message, None);
    }
    if let Some(authorization) = &traces.authorization {
        secret("/spec/telemetry/traces/authorization", authorization, scope);
    }
}
