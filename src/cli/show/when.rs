use crate::model::Time;

/// Returns how long ago `time` was, in its largest unit: `12s ago`.
pub(super) fn ago(time: Time, now: Time) -> String {
    format!("{} ago", length(now.since(time).as_secs()))
}

/// Returns a length of time in its largest unit.
pub(super) fn length(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
