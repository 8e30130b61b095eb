//! Every metric that there is. `docs/metrics.md` has the same table.

/// One metric, which may be many series.
#[derive(Debug)]
pub(super) struct Metric {
    /// As it is asked for: with `_total` or `_info`, without `_bucket`, `_sum` and `_count`.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) meaning: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Info,
}

impl Kind {
    #[cfg(test)]
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

impl Metric {
    /// Returns the name of its family, to which OpenMetrics adds an ending.
    pub(super) fn family(&self) -> &'static str {
        let ending = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.strip_suffix(ending).unwrap_or(self.name)
    }
}

macro_rules! metrics {
    ($($constant:ident $name:literal $kind:ident [$($label:literal),*] $meaning:literal)*) => {
        $(pub(super) const $constant: Metric =
            Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], meaning: $meaning };)*
        #[cfg(test)]
        pub(super) const ALL: &[&Metric] = &[$(&$constant),*];
    };
}

metrics! {
    BUILD "trueup_build_info" Info ["version"] "always 1"
    STARTED "process_start_time_seconds" Gauge [] "when the daemon started, since 1970"
    MEMORY "process_resident_memory_bytes" Gauge [] "what it holds in memory"
    FILES "process_open_fds" Gauge [] "files and connections that it has open"
    CONFIGURATION "trueup_configuration_refused" Gauge [] "mistakes of a newer configuration, or of documents in Git, that is not in force"
    APPLICATION "trueup_application_info" Info ["application", "target", "repository"] "always 1: what is declared"
    STATE "trueup_application_state" Gauge ["application", "state"] "1 for the word that trueup status shows: new, syncing, suspended, or how the last sync ended"
    SYNCED "trueup_application_synced" Gauge ["application"] "1 where the last sync ended applied or unchanged, 0 else; none before the first"
    SINCE "trueup_application_state_since_seconds" Gauge ["application"] "since when its syncs end so, since 1970"
    OBJECTS "trueup_application_objects" Gauge ["application"] "objects that are kept true"
    PLAN "trueup_plan_held_since_seconds" Gauge ["application"] "where a plan waits for a person: since when, since 1970"
    ORPHANS "trueup_orphans" Gauge [] "applications that are declared no more and left objects"
    SYNCS "trueup_syncs_total" Counter ["application", "outcome"] "syncs since the start, by how they ended"
    STEPS "trueup_steps_total" Counter ["result"] "steps that were carried out since the start: done, or failed"
    SYNC_TIME "trueup_sync_duration_seconds" Histogram [] "how long a sync takes"
    ROOM_TIME "trueup_room_duration_seconds" Histogram ["room"] "how long it is in a room: source, render, preview, plan, policy, execute, health, audit"
    REPOSITORY "trueup_repository_up" Gauge ["repository"] "1 where the last look at it succeeded, 0 else; none before the first"
    POLLED "trueup_repository_polled_seconds" Gauge ["repository"] "when it last answered, since 1970"
    POLLS "trueup_repository_polls_total" Counter ["repository", "result"] "looks at it since the start: ok, or failed"
    GLASS "trueup_break_glass_open" Gauge [] "break-glass that is open"
    RECORDS "trueup_trail_records" Gauge [] "records of the audit trail"
    PUBLISHED "trueup_trail_published_records" Gauge ["place"] "records that the last checkpoint covers that was published since the start, by place: file, git"
    PUBLISHED_AT "trueup_trail_published_seconds" Gauge ["place"] "when that was, since 1970"
    PLACE_UP "trueup_trail_place_up" Gauge ["place"] "1 where the newest checkpoint could be published, 0 else"
    SINK "trueup_notification_up" Gauge ["notification"] "0 where something keeps the next one from being delivered, 1 else"
    WAITING "trueup_notifications_waiting" Gauge ["notification"] "notifications that wait to be delivered"
    DROPPED "trueup_notifications_dropped_total" Counter ["notification"] "notifications that were given up, ever"
    DELIVERIES "trueup_webhook_deliveries_total" Counter ["answer"] "deliveries of webhooks since the start, by answer: look, seen, pong, ignored, or the code of a refusal"
}
