use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Place;

/// One thing wrong in what a person wrote: where, what, what was expected, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mistake {
    /// Stable, for machines: `yaml.depth`, `config.unknown-field`.
    pub code: String,
    pub place: Place,
    /// A lower-case phrase that says what is wrong and what was expected, without a full stop.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}
