//! The documents as they are written.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use crate::config::Span;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "the fields are read one by one before; here they are known, so that others are not")]
pub(super) struct Envelope {
    /// `host.trueup.dev/v1alpha1`.
    api_version: String,
    kind: String,
    pub(super) metadata: Metadata,
    #[serde(default)]
    spec: Option<serde_json::Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Metadata {
    /// The absolute path on the host; for a Unit, its name with its type; for a Check, a name.
    pub(super) name: String,
}

/// A file with this content: exactly one of `source` and `content`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct File {
    /// A file of the same layer, by its path relative to this document.
    #[serde(default)]
    pub(super) source: Option<String>,
    /// The content itself.
    #[serde(default)]
    pub(super) content: Option<String>,
    #[serde(default)]
    pub(super) mode: Option<Mode>,
    #[serde(default)]
    pub(super) owner: Option<Account>,
    #[serde(default)]
    pub(super) group: Option<Account>,
    /// A command that is run on the new content before it is put into place; `{}` stands for its path.
    #[serde(default)]
    pub(super) validate: Vec<String>,
    #[serde(default)]
    pub(super) on_change: Vec<OnChange>,
    /// Show the content in diffs even where not everyone may read the file.
    #[serde(default)]
    pub(super) show: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Directory {
    #[serde(default)]
    pub(super) mode: Option<Mode>,
    #[serde(default)]
    pub(super) owner: Option<Account>,
    #[serde(default)]
    pub(super) group: Option<Account>,
    #[serde(default)]
    pub(super) on_change: Vec<OnChange>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Symlink {
    /// Where the link points, as it is to be written.
    pub(super) to: String,
    #[serde(default)]
    pub(super) on_change: Vec<OnChange>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Check {
    /// The program and its arguments.
    pub(super) command: Vec<String>,
    /// How long it may take.
    #[serde(default)]
    pub(super) timeout: Option<Span>,
}

/// What runs once, after everything is written, because this object changed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OnChange {
    /// The program and its arguments.
    #[serde(default)]
    pub(super) run: Option<Vec<String>>,
    /// A systemd unit to reload.
    #[serde(default)]
    pub(super) reload: Option<String>,
    /// A systemd unit to restart.
    #[serde(default)]
    pub(super) restart: Option<String>,
}

/// A systemd unit: at least one of `enabled`, `state` and `masked`. What is not said is left as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Unit {
    /// Starts at boot, or with whatever its `[Install]` section names.
    #[serde(default)]
    pub(super) enabled: Option<bool>,
    #[serde(default)]
    pub(super) state: Option<UnitState>,
    /// Cannot be started at all.
    #[serde(default)]
    pub(super) masked: Option<bool>,
    #[serde(default)]
    pub(super) probe: Option<Probe>,
    /// How long it must stay up without a restart before it counts as healthy.
    #[serde(default)]
    pub(super) settle: Option<Span>,
    /// How long it may take to get there.
    #[serde(default)]
    pub(super) timeout: Option<Span>,
    #[serde(default)]
    pub(super) on_change: Vec<OnChange>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum UnitState {
    Running,
    Stopped,
}

/// Asks a service itself whether it is well: exactly one of the three.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Probe {
    /// A URL that answers with a status from 200 to 399.
    #[serde(default)]
    pub(super) http: Option<String>,
    /// `HOST:PORT` that accepts a connection.
    #[serde(default)]
    pub(super) tcp: Option<String>,
    /// A program and its arguments, that exits with status 0.
    #[serde(default)]
    pub(super) command: Option<Vec<String>>,
}

/// A user or group, by name or number.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Account(pub(super) String);

impl JsonSchema for Account {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Account".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_.-]*$", "maxLength": 64, "examples": ["www-data", "0"]
        })
    }
}

/// Permissions in octal.
pub(super) struct Mode(pub(super) u32);

impl<'de> Deserialize<'de> for Mode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str>>::deserialize(deserializer)?;
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode <= 0o7777 && !text.starts_with('+') => Ok(Self(mode)),
            _ => Err(serde::de::Error::custom("a mode is three or four octal digits, such as \"0644\"")),
        }
    }
}

impl JsonSchema for Mode {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-7]{3,4}$", "examples": ["0644", "0750"] })
    }
}
