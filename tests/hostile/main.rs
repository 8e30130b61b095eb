//! Classes A, B, C, J, M, N and P of the hostile inputs as one table: each case against the real daemon, beside a healthy application,
//! with the same invariants asked of every one.
//!
//! I1 it lives, answers, and lives after a restart with the poison still there; I3 memory, files, threads, children and time
//! are bounded; I4 what is live stays, and nothing is deleted; I7 exactly one record explains the refusal; I8 the second
//! attempt ends with the same code.
//!
//! `cargo test --test hostile -- B4` runs the cases of one id or class.

// A test says what went wrong by failing; the table is what this one is for.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, clippy::print_stdout)]

mod case;
mod content;
mod declared;
mod governed;
mod history;
mod host;
mod lies;
mod policies;
mod probe;
mod raw;
mod records;
mod runner;
mod signed;
mod trail;
mod transport;
mod units;
#[path = "../world/mod.rs"]
mod world;
mod yaml;

use std::process::ExitCode;
use std::time::Instant;

use runner::Row;

/// Cases that ask for parts of the product that later issues build.
const LATER: [(&str, &str); 7] = [
    (
        "A11",
        "no document holds an allow-list of URLs yet; a repository's one URL is taken apart and compared by its parts",
    ),
    ("B21", "there is no bucket, OCI or tar source yet"),
    ("C9", "kind: List is Kubernetes', whose adapter comes with a later issue"),
    ("C10", "names that become URLs are Kubernetes', whose adapter comes with a later issue"),
    ("N9", "there is no PostgreSQL yet"),
    ("C12", "kind: Secret is Kubernetes', whose adapter comes with a later issue"),
    ("P6", "there are no attestations yet; a commit or tag with two signatures is B14"),
];

/// Cases that need more than a daemon, and where they are.
const ELSEWHERE: [(&str, &str); 20] = [
    (
        "J7",
        "jobs that never end, flapping units and start limits need systemd as PID 1: tests/host/units.rs and units_faults.rs; \
         one daemon-reload for many files: tests/host/units_kinds.rs",
    ),
    (
        "M6",
        "break-glass that is over, played again, of another clock, or one's own second word: tests/stories/glass.rs, four_eyes.rs, \
         tests/approvals.rs, src/audit/break_glass.rs; what people are called: src/config/identity.rs",
    ),
    ("K1–K7, K9", "deliveries of webhooks, to a daemon that hears them: tests/hooks"),
    ("K8, L1, L2", "a provider that lies, and tokens that are none: tests/sight/login.rs, tests/api/hostile.rs"),
    ("L3–L5, L7", "strangers, counters, what is there and what is not, pages of others: tests/api"),
    ("L8, L9", "where a login leads, and who is told no more: tests/sight/login.rs and events.rs"),
    ("L10–L17", "but L11 and L16, which are of pages: tests/api/hostile.rs, tests/sight/events.rs"),
    (
        "O1",
        "what others wrote, in every view of the command line and in the log: tests/sight/terminal.rs, src/cli/show/escape.rs",
    ),
    (
        "O2",
        "a line of the log is one, as text and as JSON: tests/sight/terminal.rs; fields of the journal: src/cli/journal.rs",
    ),
    ("O3", "labels of metrics: src/agent/metrics/tests.rs, tests/sight/metrics.rs"),
    (
        "O4",
        "what stands in notifications and comments calls nobody and becomes no header, link or section: tests/notify, tests/forge",
    ),
    ("N1", "records cut, removed, swapped, edited, with every hash made to fit: tests/audit/main.rs and property.rs"),
    ("N2", "forks and restored backups: tests/stories/checkpoints.rs, tests/audit/faults.rs and property.rs"),
    ("N3", "leaves that look like nodes: src/audit/tree.rs; notes that look like statements: src/audit/statement.rs"),
    ("N4", "proofs of another size, with a wrong index, empty, doubled, too long: src/audit/proof/tests.rs"),
    ("N5", "a clock that jumps: tests/audit/main.rs and archive.rs"),
    (
        "N6",
        "a record twice after a crash: tests/kill ends the daemon at each durable call, and each closing is there once",
    ),
    ("N7", "no form of a secret: tests/audit/main.rs, tests/stories/secrets.rs"),
    ("N8", "what SQLite can be made to suffer: tests/store, tests/audit/faults.rs"),
    ("N10", "a full disk: tests/stories/full.rs, tests/audit/main.rs"),
];

type Group = (&'static str, fn() -> Vec<case::Case>);

const GROUPS: [Group; 10] = [
    ("A", transport::cases),
    ("A, declared", declared::cases),
    ("B, trees", content::cases),
    ("B, histories", history::cases),
    ("C", yaml::cases),
    ("J", host::cases),
    ("J, units", units::cases),
    ("M", policies::cases),
    ("N", records::cases),
    ("P", signed::cases),
];

fn main() -> ExitCode {
    let filter: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if std::env::args().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    let start = Instant::now();
    let next = std::sync::Mutex::new(GROUPS.iter().chain(&governed::GROUPS));
    let rows = std::sync::Mutex::new(Vec::new());
    // Two daemons side by side: what one waits for, the other computes.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some((name, cases)) = next.lock().expect("no thread panics").next() else { return };
                    let wanted = |id: &str| filter.is_empty() || filter.iter().any(|one| id.starts_with(one.as_str()));
                    let cases: Vec<_> = cases().into_iter().filter(|case| wanted(case.id)).collect();
                    if !cases.is_empty() {
                        let of_group = runner::run(name, &cases);
                        rows.lock().expect("no thread panics").extend(of_group);
                    }
                }
            });
        }
    });
    told(rows.into_inner().expect("no thread panicked"), start)
}

/// Prints the table, and returns whether all of it holds.
fn told(mut rows: Vec<Row>, start: Instant) -> ExitCode {
    rows.sort_by_key(|row| (row.id.as_bytes()[0], row.id[1..].parse::<u32>().unwrap_or_default()));
    for row in &rows {
        let word = if row.wrong.is_empty() { "ok" } else { "FAILED" };
        println!(
            "{:<4} {:<58} {:<24} {:>6} ms {:>7} KiB  {word}",
            row.id,
            row.title,
            row.code,
            row.took.as_millis(),
            row.grew_kib
        );
        for wrong in &row.wrong {
            println!("       {wrong}");
        }
    }
    for (id, reason) in LATER {
        println!("{id:<4} not yet: {reason}");
    }
    for (id, place) in ELSEWHERE {
        println!("{id:<4} elsewhere: {place}");
    }
    let failed = rows.iter().filter(|row| !row.wrong.is_empty()).count();
    println!(
        "hostile inputs: {} passed, {failed} failed, {} with a reason; {:.0} s",
        rows.len() - failed,
        LATER.len(),
        start.elapsed().as_secs_f64()
    );
    if failed == 0 && !rows.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
