//! The table that all benches print: each figure beside its goal.

// Each bench uses a part of this.
#![allow(dead_code, unreachable_pub, clippy::print_stdout, clippy::expect_used)]

use std::time::Duration;

/// Prints one row of the table. `met`: whether the goal is met; `None` for a figure that only stands there to be compared
/// with.
pub fn row(figure: &str, measured: &str, goal: &str, met: Option<bool>) {
    let verdict = match met {
        Some(true) => "met",
        Some(false) => "MISSED",
        None => "",
    };
    println!("{figure:<58} {measured:>16}   {goal:<28} {verdict}");
}

/// Returns the value that `share` (0 to 1) of all are not above.
///
/// # Panics
/// Without any value.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
pub fn quantile<T: Copy + PartialOrd>(values: &[T], share: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|one, other| one.partial_cmp(other).expect("numbers compare"));
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Returns a time as people read it.
pub fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}
