use serde::{Deserialize, Serialize};

use super::ObjectId;

/// How one object is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub id: ObjectId,
    pub state: HealthState,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HealthState {
    Healthy,
    Progressing,
    Degraded,
    Suspended,
    Missing,
    Unknown,
}
