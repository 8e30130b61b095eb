//! Whom the daemon tells about itself, beside those who ask.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretSource;

/// Whom the daemon tells how its work goes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Telemetry {
    /// Where traces of syncs go; without it, nowhere.
    pub traces: Option<Traces>,
}

/// One trace for each sync, one span for each room that it passed, by OTLP over HTTP. A change takes a restart.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Traces {
    /// The collector, to whose address `/v1/traces` is added: `https://host:4318`; `http://` only for a loopback address. Redirects are
    /// not followed.
    pub endpoint: String,
    /// PEM file with the authorities to trust instead of the system's. Relative to the file that names it.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// What goes into the header `Authorization`: `Bearer …` or `Basic …`.
    #[serde(default)]
    pub authorization: Option<SecretSource>,
    /// Tell of syncs that found nothing to do, too: one for each application at each of its intervals.
    #[serde(default)]
    pub unchanged: bool,
}

impl Telemetry {
    pub(super) fn files_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        self.traces.iter_mut().flat_map(|traces| {
            let secret = traces.authorization.iter_mut().filter_map(|secret| secret.file.as_mut());
            traces.ca.iter_mut().chain(secret)
        })
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.traces.iter().flat_map(|traces| {
            let secret = traces.authorization.iter().filter_map(|secret| secret.file.as_deref());
            traces.ca.as_deref().into_iter().chain(secret)
        })
    }
}
