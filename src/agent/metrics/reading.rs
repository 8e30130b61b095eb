use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::counts::{Counted, Counts};
use super::process::Process;
use super::table::{self, Kind, Metric};
use crate::model::view::{ApplicationStatus, PlaceStatus, RepositoryStatus, Status};
use crate::model::{Outcome, Time};

/// All that the metrics are made of, at one moment.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) status: Status,
    pub(super) records: u64,
    pub(super) open_glass: usize,
    pub(super) deliveries: Vec<(&'static str, u64)>,
    pub(super) process: Process,
    pub(super) counted: Counted,
    pub(super) counts: Arc<Counts>,
}

impl Collector for Reading {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.daemon(&mut page)?;
        self.applications(&mut page)?;
        self.times(&mut page)?;
        self.repositories(&mut page)?;
        self.people(&mut page)
    }
}

impl Reading {
    fn daemon(&self, page: &mut Page<'_>) -> fmt::Result {
        let Status { version, started, rejected_configuration, left_out, orphans, .. } = &self.status;
        page.info(&table::BUILD, [[version.as_str()]])?;
        page.numbers(&table::STARTED, [([], seconds(*started))])?;
        page.numbers(&table::MEMORY, self.process.resident.map(|bytes| ([], whole(bytes))))?;
        page.numbers(&table::FILES, self.process.files.map(|files| ([], whole(files))))?;
        page.numbers(&table::CONFIGURATION, [([], whole(rejected_configuration.len() + left_out.len()))])?;
        page.numbers(&table::ORPHANS, [([], whole(orphans.len()))])?;
        page.numbers(&table::GLASS, [([], whole(self.open_glass))])
    }

    fn applications(&self, page: &mut Page<'_>) -> fmt::Result {
        let all = &self.status.applications;
        page.info(
            &table::APPLICATION,
            all.iter().map(|one| [one.name.as_str(), one.target.as_str(), one.repository.as_str()]),
        )?;
        page.numbers(&table::STATE, all.iter().map(|one| ([one.name.as_str(), one.state()], 1)))?;
        page.numbers(
            &table::SYNCED,
            all.iter().filter_map(|one| Some(([one.name.as_str()], i64::from(one.outcome?.is_good())))),
        )?;
        let since = |one: &ApplicationStatus| one.since.map(seconds);
        page.numbers(&table::SINCE, all.iter().filter_map(|one| Some(([one.name.as_str()], since(one)?))))?;
        page.numbers(&table::OBJECTS, all.iter().map(|one| ([one.name.as_str()], whole(one.objects))))?;
        let held = all.iter().filter(|one| one.plan.is_some() && one.outcome == Some(Outcome::Held));
        page.numbers(&table::PLAN, held.filter_map(|one| Some(([one.name.as_str()], since(one)?))))?;
        let syncs = self.counted.syncs.iter().filter(|((name, _), _)| all.iter().any(|one| one.name == *name));
        page.numbers(&table::SYNCS, syncs.map(|((name, outcome), count)| ([name.as_str(), *outcome], whole(*count))))?;
        let Counted { steps_done, steps_failed, .. } = self.counted;
        page.numbers(&table::STEPS, [(["done"], whole(steps_done)), (["failed"], whole(steps_failed))])
    }

    fn times(&self, page: &mut Page<'_>) -> fmt::Result {
        self.counts.sync_time.encode(page.open(&table::SYNC_TIME)?)?;
        let mut family = page.open(&table::ROOM_TIME)?;
        for (room, time) in &self.counts.room_time {
            time.encode(family.encode_family(&[("room", room.as_str())])?)?;
        }
        Ok(())
    }

    fn repositories(&self, page: &mut Page<'_>) -> fmt::Result {
        let all = &self.status.repositories;
        let looked = |one: &&RepositoryStatus| one.state != "waiting";
        let up = all.iter().filter(looked).map(|one| ([one.name.as_str()], i64::from(one.state == "ok")));
        page.numbers(&table::REPOSITORY, up)?;
        page.numbers(&table::POLLED, all.iter().filter_map(|one| Some(([one.name.as_str()], seconds(one.polled?)))))?;
        let polls = self.counted.polls.iter().filter(|(name, _)| all.iter().any(|one| one.name == **name));
        let each = |(name, (ok, failed)): (&'_ crate::model::Name, &(u64, u64))| {
            [(name.to_string(), "ok", *ok), (name.to_string(), "failed", *failed)]
        };
        let polls: Vec<_> = polls.flat_map(each).collect();
        page.numbers(&table::POLLS, polls.iter().map(|(name, result, count)| ([name.as_str(), result], whole(*count))))
    }

    /// What people look at, and what tells them.
    fn people(&self, page: &mut Page<'_>) -> fmt::Result {
        page.numbers(&table::RECORDS, [([], whole(self.records))])?;
        let places = &self.status.trail.places;
        let published = |one: &PlaceStatus| Some(([sort(one)], whole(one.published?)));
        page.numbers(&table::PUBLISHED, places.iter().filter_map(published))?;
        page.numbers(&table::PUBLISHED_AT, places.iter().filter_map(|one| Some(([sort(one)], seconds(one.at?)))))?;
        page.numbers(&table::PLACE_UP, places.iter().map(|one| ([sort(one)], i64::from(one.code.is_none()))))?;
        let sinks = &self.status.notifications;
        page.numbers(&table::SINK, sinks.iter().map(|one| ([one.name.as_str()], i64::from(one.state == "ok"))))?;
        page.numbers(&table::WAITING, sinks.iter().map(|one| ([one.name.as_str()], whole(one.waiting))))?;
        page.numbers(&table::DROPPED, sinks.iter().map(|one| ([one.name.as_str()], whole(one.dropped))))?;
        page.numbers(&table::DELIVERIES, self.deliveries.iter().map(|(answer, count)| ([*answer], whole(*count))))
    }
}

/// There is at most one of each sort.
fn sort(place: &PlaceStatus) -> &'static str {
    if place.place.starts_with('/') { "file" } else { "git" }
}

/// What is written out. A family without a series is left out.
struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn open(&mut self, metric: &Metric) -> Result<prometheus_client::encoding::MetricEncoder<'_>, fmt::Error> {
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        self.0.encode_descriptor(metric.family(), metric.meaning, None, kind)
    }

    fn numbers<'v, const N: usize>(
        &mut self,
        metric: &Metric,
        series: impl IntoIterator<Item = ([&'v str; N], i64)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut family = self.open(metric)?;
        for (values, number) in series {
            let labels = labels(metric, values);
            if labels.is_empty() {
                return ConstGauge::new(number).encode(family);
            }
            let one = family.encode_family(&labels)?;
            match metric.kind {
                Kind::Counter => ConstCounter::new(u64::try_from(number).unwrap_or(0)).encode(one)?,
                _ => ConstGauge::new(number).encode(one)?,
            }
        }
        Ok(())
    }

    fn info<'v, const N: usize>(
        &mut self,
        metric: &Metric,
        series: impl IntoIterator<Item = [&'v str; N]>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut family = self.open(metric)?;
        for values in series {
            family.encode_info(&labels(metric, values))?;
        }
        Ok(())
    }
}

fn labels<'v, const N: usize>(metric: &Metric, values: [&'v str; N]) -> Vec<(&'static str, &'v str)> {
    metric.labels.iter().copied().zip(values).collect()
}

fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

fn seconds(time: Time) -> i64 {
    time.0 / 1_000_000
}
