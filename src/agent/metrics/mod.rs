//! The daemon in numbers, as Prometheus and whoever reads OpenMetrics collects them.
//!
//! # Guarantees
//! A label is a name that is declared now, or one of a few fixed words. What a sender, a commit or a target says becomes none, and what
//! is declared no more has no series any more: so there are at most as many as the configuration has documents, times a constant.

mod counts;
mod process;
mod reading;
mod table;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::Agent;
use super::daemon::Daemon as _;
use super::problems::{internal, store_problem};
use crate::audit;
use crate::model::Problem;

pub(super) use counts::Counts;
use process::Process;
use reading::Reading;

impl Agent {
    /// Returns all metrics in the text format of OpenMetrics 1.0.
    pub(super) async fn numbers(&self) -> Result<String, Problem> {
        let head = audit::head(&self.inner.store).await.map_err(|error| store_problem(&error))?;
        let open = self.inner.glasses.all().iter().filter(|glass| glass.is_open()).count();
        let reading = Reading {
            status: self.status(),
            records: head.size,
            open_glass: open,
            deliveries: self.inner.hooks.answered(),
            process: Process::read(),
            counted: self.inner.counts.counted(),
            counts: self.inner.counts.clone(),
        };
        text(reading).map_err(|error| internal(&error))
    }
}

fn text(reading: Reading) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(reading));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
