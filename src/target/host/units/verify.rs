//! `systemd-analyze verify` on the unit files that a plan writes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::Units;
use crate::target::command::neutral;
use crate::target::{Call, Done, TargetError};

const ANALYZE: &str = "/usr/bin/systemd-analyze";
const PATIENCE: Duration = Duration::from_secs(60);
/// Characters of what it says that are told.
const MOST: usize = 4000;

impl Units {
    /// Fails where systemd finds anything wrong with these files, warnings included: it exits with 0 on some of them.
    pub(super) async fn verify(&self, call: &Call, paths: &[String]) -> Result<Done, TargetError> {
        let skipped = |why: &str| {
            tracing::info!("unit files are not verified: {why}");
            Ok(Done { output: Some(format!("not verified: {why}")), ..Done::default() })
        };
        if !self.whole {
            return skipped("the target has a root of its own");
        }
        if !Path::new(ANALYZE).exists() {
            return skipped("this host has no systemd-analyze");
        }
        if paths.is_empty() {
            return Ok(Done::default());
        }
        let mut command = Command::new(ANALYZE);
        command.args(["verify", "--man=no", "--recursive-errors=no", "--"]).args(paths);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("SYSTEMD_LOG_TARGET", "console");
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::select! {
            output = command.output() => output,
            () = call.cancel.cancelled() => return Err(TargetError::Cancelled),
            () = tokio::time::sleep_until(call.deadline.min(tokio::time::Instant::now() + PATIENCE)) => {
                return Err(TargetError::Unavailable { doing: "could not verify unit files in time".into(), source: None });
            }
        };
        let output = output.map_err(|error| TargetError::Unavailable {
            doing: format!("could not run {ANALYZE}"),
            source: Some(error.into()),
        })?;
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.push_str(&String::from_utf8_lossy(&output.stdout));
        let said: String = said.trim().chars().take(MOST).collect();
        if output.status.success() && said.is_empty() {
            return Ok(Done::default());
        }
        Err(TargetError::Invalid {
            code: "host.unit-invalid".into(),
            reason: format!("systemd-analyze verify finds fault with the unit files: {}", neutral(&said)),
        })
    }
}
