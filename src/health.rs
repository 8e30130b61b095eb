//! Waits for changed objects to settle.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::model::{Health, HealthState};
use crate::target::{Asked, Call, Target, TargetError};

/// How often a progressing object is asked about, in the beginning; later less often.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Waits until none of the objects is progressing any more, or `patience` is over, and returns how those are that are not
/// healthy.
///
/// # Errors
/// When the target cannot be asked, or the call is cancelled.
pub async fn settle(
    target: &dyn Target,
    call: &Call,
    asked: &[Asked<'_>],
    patience: Duration,
) -> Result<Vec<Health>, TargetError> {
    let deadline = Instant::now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        let mut health = target.health(call, asked).await?;
        health.retain(|health| !matches!(health.state, HealthState::Healthy | HealthState::Suspended));
        let progressing = health.iter().any(|health| health.state == HealthState::Progressing);
        if !progressing || Instant::now() >= deadline {
            return Ok(health);
        }
        tokio::select! {
            () = sleep_until((Instant::now() + pause).min(deadline)) => {} // a timer holds no data
            () = call.cancel.cancelled() => return Err(TargetError::Cancelled), // level-triggered: nothing is lost
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
