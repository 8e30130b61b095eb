//! Which records tell whom what: a real store, and sinks as they are declared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::message::{Escape, Message, chat, mrkdwn, plain};
use super::notice::notice;
use super::queue::{Queue, chosen};
use super::sink::Sink;
use super::surroundings::{Known, Surroundings};
use crate::audit::{
    self, Act, ActBody, Body, ClosedBody, Counts, DaemonBody, Entry, Filter, Masks, ObservedBody, PlannedBody,
    Redactor, RevertBody, RevertEvent, TrailBody,
};
use crate::config::Notification;
use crate::model::notice::{Notice, Severity};
use crate::model::{
    Actor, Clock, Decision, Digest, Finding, Guard, Name, ObjectId, Outcome, PlanId, Revision, SyncId, Time, Verdict,
};
use crate::store::{SinkState, Store};
use crate::template::Template;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Time {
        Time(1_700_000_000_000_000)
    }

    fn boot(&self) -> crate::model::Boot {
        crate::model::Boot { id: "a test".into(), elapsed: 0 }
    }
}

struct Trail {
    around: Surroundings,
    _folder: tempfile::TempDir,
}

impl Trail {
    async fn of(entries: &[Entry]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data")).await.unwrap();
        let around = Surroundings::new(store, Arc::new(Fixed), Masks::default());
        let labels = BTreeMap::from([("team".to_owned(), "edge".to_owned())]);
        let known = Known { labels, target: "host".parse().ok() };
        around.declare(BTreeMap::from([("web".parse().unwrap(), known)]), BTreeMap::new());
        let trail = Self { around, _folder: folder };
        trail.append(entries).await;
        trail
    }

    async fn append(&self, entries: &[Entry]) {
        self.append_at(0, entries).await;
    }

    /// Appends records so many seconds before now.
    async fn append_at(&self, before: i64, entries: &[Entry]) {
        let mut tx = self.around.store.write().await.unwrap();
        let time = Fixed.now().plus_seconds(-before);
        audit::append(&mut tx, time, &Redactor::default(), entries).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Returns what a sink is told of each record that tells it anything: `1 held`.
    async fn tells(&self, declared: &Notification) -> Vec<String> {
        let records = audit::list(&self.around.store, &Filter::default()).await.unwrap();
        let mut told = vec![];
        for record in records {
            if let Some(chosen) = chosen(&self.around, declared, &record).await.unwrap() {
                told.push(format!("{} {}", record.seq, chosen.event));
            }
        }
        told
    }

    async fn notice(&self, declared: &Notification, seq: u64) -> Notice {
        let record = audit::show(&self.around.store, seq).await.unwrap().unwrap();
        let chosen = chosen(&self.around, declared, &record).await.unwrap().unwrap();
        let told = (chosen.event, chosen.severity);
        notice(&self.around, &"chat".parse().unwrap(), &record, told, chosen.known).await.unwrap()
    }
}

fn sink(more: &str) -> Notification {
    let text = format!("{{\"webhook\": {{\"url\": \"https://example.org\", \"secret\": {{\"file\": \"s\"}}}}{more}}}");
    serde_json::from_str(&text).unwrap()
}

const ALL: &str = r#", "events": ["changed", "held", "failed", "degraded", "recovered", "rolled-back", "revert", "drift",
    "act", "break-glass", "daemon", "trail"]"#;

fn revision(digit: char) -> Option<Revision> {
    String::from(digit).repeat(40).parse().ok()
}

fn entry(body: Body) -> Entry {
    Entry {
        application: "web".parse().ok(),
        revision: None,
        plan: None,
        sync: None,
        actor: Actor::daemon("poll"),
        body,
    }
}

fn ended(outcome: Outcome, code: &str, digit: char) -> Entry {
    let done = usize::from(matches!(outcome, Outcome::Applied));
    let counts = Counts { done, ..Counts::default() };
    let code = Some(code.to_owned()).filter(|code| !code.is_empty());
    let message = code.clone().map(|code| format!("because of {code}"));
    let body = Body::Closed(ClosedBody { outcome, code, message, counts, duration_ms: None, quiet: None });
    Entry { revision: revision(digit), ..entry(body) }
}

/// An execution of a plan.
fn ran(outcome: Outcome, code: &str, digit: char, plan: &str) -> Entry {
    let sync = Some(SyncId("s".into()));
    Entry { plan: Some(PlanId(Digest::of(plan.as_bytes()))), sync, ..ended(outcome, code, digit) }
}

/// An execution that keeps the application true to what was last applied.
fn kept(outcome: Outcome, code: &str) -> Entry {
    Entry { revision: None, ..ran(outcome, code, 'a', "keep") }
}

fn act(act: Act) -> Entry {
    let actor = Actor::unix_user(1000, "ada".into());
    Entry { actor, ..entry(Body::Act(ActBody { act, reason: Some("it must".into()), expires: None })) }
}

fn observed() -> Entry {
    entry(Body::Observed(ObservedBody {
        message: "1 differs".into(),
        objects: vec![ObjectId::new("path", "/etc/motd")],
        changes: vec![],
    }))
}

#[tokio::test]
async fn by_default_only_changes_and_what_wants_people_is_told() {
    let daemon = DaemonBody { version: "0".into() };
    let trail = Trail::of(&[
        Entry { application: None, ..entry(Body::Started(daemon.clone())) },
        ran(Outcome::Applied, "", 'a', "1"),
        observed(),
        ended(Outcome::Degraded, "drift.reported", 'a'),
        ended(Outcome::Unchanged, "", 'a'),
        act(Act::Sync),
        ended(Outcome::Refused, "verify.unsigned", 'b'),
        ended(Outcome::Unchanged, "", 'a'),
        Entry { application: None, ..ended(Outcome::Refused, "config.invalid", 'a') },
        Entry { application: None, ..entry(Body::Stopped(daemon)) },
    ])
    .await;
    assert_eq!(trail.tells(&sink("")).await, ["2 changed", "7 failed", "8 recovered"]);
    let all = trail.tells(&sink(ALL)).await;
    let wanted = [
        "1 daemon",
        "2 changed",
        "3 drift",
        "5 recovered",
        "6 act",
        "7 failed",
        "8 recovered",
        "9 daemon",
        "10 daemon",
    ];
    assert_eq!(all, wanted);
    assert_eq!(trail.tells(&sink(r#", "events": ["degraded", "changed"]"#)).await, ["2 changed", "4 degraded"]);
}

#[tokio::test]
async fn what_is_well_again_is_told_to_whom_the_trouble_was_told() {
    let trail = Trail::of(&[
        ended(Outcome::Held, "guard.manual", 'a'),
        ran(Outcome::Failed, "host.check-failed", 'a', "1"),
        Entry { revision: None, ..ran(Outcome::RolledBack, "sync.rolled-back", 'a', "2") },
        ended(Outcome::Refused, "sync.bad-inputs", 'a'),
        // Drift is healed meanwhile: that makes nothing well.
        kept(Outcome::Applied, ""),
        ran(Outcome::Applied, "", 'b', "3"),
        ran(Outcome::Applied, "", 'c', "4"),
    ])
    .await;
    let quiet = ["1 held", "2 failed", "3 rolled-back", "5 changed", "6 recovered", "7 changed"];
    assert_eq!(trail.tells(&sink("")).await, quiet);
    let of = |events: &str| sink(&format!(", \"events\": [{events}]"));
    assert_eq!(trail.tells(&of(r#""held", "recovered""#)).await, ["1 held", "6 recovered"]);
    assert_eq!(
        trail.tells(&of(r#""degraded", "recovered", "changed""#)).await,
        ["5 changed", "6 changed", "7 changed"]
    );
    let loud = sink(r#", "severity": "critical""#);
    assert_eq!(trail.tells(&loud).await, ["2 failed", "6 recovered"], "a recovery is as loud as what it ends");
    assert_eq!(trail.notice(&loud, 6).await.severity, Severity::Notice);
}

fn reverted(what: RevertEvent, message: &str) -> Entry {
    let message = Some(message.to_owned()).filter(|message| !message.is_empty());
    let (branch, code) = ("main".into(), message.as_ref().map(|_| "revert.shared".to_owned()));
    let (commit, failed) = (revision('c'), SyncId("s".into()));
    let body = RevertBody { what, branch, commit, tip: None, good: None, failed, code, message, link: None };
    Entry { revision: revision('b'), ..entry(Body::Revert(body)) }
}

#[tokio::test]
async fn what_takes_a_failure_out_of_git_is_told_once_it_is_there_and_so_is_what_comes_back() {
    let trail = Trail::of(&[
        ran(Outcome::Failed, "host.check-failed", 'b', "1"),
        ended(Outcome::Refused, "sync.bad-inputs", 'b'),
        reverted(RevertEvent::Made, ""),
        reverted(RevertEvent::Pushed, ""),
        ran(Outcome::Applied, "", 'c', "2"),
        // Somebody reverts that.
        ended(Outcome::Refused, "sync.bad-inputs", 'd'),
        reverted(RevertEvent::Refused, "db has it too"),
    ])
    .await;
    assert_eq!(trail.tells(&sink("")).await, ["1 failed", "4 revert", "5 recovered", "6 failed", "7 revert"]);
    let loud = sink(r#", "severity": "warning""#);
    assert_eq!(trail.tells(&loud).await, ["1 failed", "5 recovered", "6 failed", "7 revert"]);
    let pushed = trail.notice(&sink(""), 4).await;
    assert_eq!((pushed.event, pushed.summary.as_str()), ("revert", "web: main is set back by commit cccccccccc"));
    let refused = trail.notice(&loud, 7).await;
    assert_eq!(refused.summary, "web: main is not set back: db has it too");
    assert_eq!((refused.severity, refused.code.as_deref()), (Severity::Warning, Some("revert.shared")));
}

#[tokio::test]
async fn the_same_failure_of_another_try_is_told_once() {
    let full = || ran(Outcome::Failed, "target.unavailable", 'a', "1");
    let again = |message: &str| {
        let mut again = full();
        if let Body::Closed(closed) = &mut again.body {
            closed.message = Some(message.into());
        }
        again
    };
    let trail = Trail::of(&[
        full(),
        again("after 3 ms"),
        again("after 4 ms"),
        ran(Outcome::Failed, "target.unavailable", 'b', "2"),
        ended(Outcome::Refused, "render.invalid", 'c'),
        kept(Outcome::Failed, "target.locked"),
        kept(Outcome::Failed, "target.locked"),
        kept(Outcome::Applied, ""),
        kept(Outcome::Failed, "target.locked"),
    ])
    .await;
    let told = ["1 failed", "4 failed", "5 failed", "6 failed", "8 changed", "9 failed"];
    assert_eq!(trail.tells(&sink("")).await, told);
}

#[tokio::test]
async fn a_target_that_moves_under_each_plan_is_told_when_it_has_done_so_three_times() {
    let stale = || ran(Outcome::Stale, "host.stale", 'a', "1");
    let trail = Trail::of(&[
        stale(),
        stale(),
        ran(Outcome::Applied, "", 'a', "1"),
        stale(),
        stale(),
        stale(),
        stale(),
        ran(Outcome::Applied, "", 'a', "1"),
    ])
    .await;
    assert_eq!(trail.tells(&sink("")).await, ["3 changed", "6 failed", "8 recovered"]);
    assert!(trail.notice(&sink(""), 6).await.summary.contains("finds no rest"));
}

#[tokio::test]
async fn the_past_is_read_as_far_back_as_it_matters() {
    let mut entries = vec![ended(Outcome::Held, "guard.manual", 'a')];
    entries.extend((0..40).map(|_| kept(Outcome::Applied, "")));
    entries.push(ran(Outcome::Applied, "", 'a', "1"));
    let trail = Trail::of(&entries).await;
    assert_eq!(trail.tells(&sink(r#", "events": ["held", "recovered"]"#)).await, ["1 held", "42 recovered"]);
}

#[tokio::test]
async fn what_is_done_to_the_trail_itself_is_told_to_whom_asks_for_it() {
    let key = |forgone: &[&str]| {
        let forgone = forgone.iter().map(|&note| note.to_owned()).collect();
        TrailBody::Key { statement: "a note".into(), reason: Some("it was lost".into()), forgone }
    };
    let bodies = [
        key(&[]),
        TrailBody::Archived { first: 1, last: 9, file: "trail-1.jsonl".into() },
        key(&["a checkpoint"]),
        TrailBody::Erased { record: 7, reason: "a password".into() },
    ];
    let entries = bodies.map(|body| Entry { application: None, ..entry(Body::Trail(body)) });
    let trail = Trail::of(&entries).await;
    assert!(trail.tells(&sink("")).await.is_empty(), "it is quiet by default");
    assert_eq!(trail.tells(&sink(ALL)).await, ["1 trail", "2 trail", "3 trail", "4 trail"]);
    let of = |severity: &str| sink(&format!(r#", "events": ["trail"], "severity": "{severity}""#));
    assert_eq!(trail.tells(&of("notice")).await, ["1 trail", "3 trail", "4 trail"]);
    assert_eq!(trail.tells(&of("critical")).await, ["3 trail", "4 trail"]);
    let erased = trail.notice(&sink(ALL), 4).await;
    assert_eq!(erased.summary, "trueup: the payload of record 7 is erased: a password");
    assert_eq!(erased.message.as_deref(), Some("a password"));
    assert!(trail.notice(&sink(ALL), 3).await.summary.contains("beside what was published before: it was lost"));
}

#[tokio::test]
async fn a_damaged_record_is_given_up_and_hides_no_other() {
    let plan = Some(PlanId(Digest::of(b"1")));
    let verdict = Verdict { decision: Decision::Go, findings: vec![], forced_by: vec![], changes_at: None };
    let planned = Body::Planned(PlannedBody { verdict, signer: None, steps: vec![] });
    let trail = Trail::of(&[
        ended(Outcome::Held, "guard.manual", 'a'),
        ended(Outcome::Refused, "verify.unsigned", 'b'),
        ended(Outcome::Refused, "render.invalid", 'c'),
        Entry { plan, ..entry(planned) },
        ran(Outcome::Applied, "", 'a', "1"),
    ])
    .await;
    let (around, name) = (&trail.around, "chat".parse::<Name>().unwrap());
    for damage in [
        "UPDATE records SET payload = '{' WHERE seq = 1",
        "UPDATE records SET bytes = CAST(x'ff' AS TEXT) WHERE seq = 3",
        "UPDATE records SET payload = '{}' WHERE seq = 4",
    ] {
        let mut tx = around.store.write().await.unwrap();
        sqlx::query(damage).execute(tx.connection()).await.unwrap();
        tx.commit().await.unwrap();
    }
    around.store.declare_sinks(&[name.to_string()].into(), 0, Fixed.now()).await.unwrap();
    // Where it goes cannot be read, so that it tries for as long as it takes.
    let sink = Arc::new(Sink::new("chat".parse().unwrap(), sink(""), around.clone()));
    let stop = CancellationToken::new();
    let task = tokio::spawn(sink.clone().run(stop.clone()));
    let comes = async |state: &str| {
        for _ in 0..500 {
            if sink.status().state == state {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {state}: {:?}", sink.status());
    };
    comes("notify.credentials").await;
    let status = sink.status();
    assert_eq!((status.dropped, status.last_dropped, status.waiting), (1, Some(1), 3));
    let chosen = audit::each(&around.store, &Filter::default()).await.unwrap();
    let read: Vec<_> = chosen.iter().map(|(seq, record)| (*seq, record.is_ok())).collect();
    assert_eq!(read, [(1, false), (2, true), (3, false), (4, false), (5, true)]);
    let recovered = trail.notice(&sink.declared, 5).await;
    assert_eq!((recovered.event, &*recovered.summary), ("recovered", "web is well again at aaaaaaaaaa: 1 step"));
    // What keeps all of it from being told is shown, too.
    around.store.clone().close().await.unwrap();
    sink.again.notify_one();
    comes("notify.store").await;
    assert!(sink.status().message.unwrap().contains("closed"));
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn applications_labels_and_severity_choose() {
    let other = |mut one: Entry| {
        one.application = "mail".parse().ok();
        one
    };
    let trail = Trail::of(&[
        ran(Outcome::Applied, "", 'a', "1"),
        other(ran(Outcome::Applied, "", 'a', "1")),
        ended(Outcome::Refused, "verify.unsigned", 'b'),
        Entry { application: None, ..entry(Body::Started(DaemonBody { version: "0".into() })) },
    ])
    .await;
    let told = async |more: &str| trail.tells(&sink(&format!("{ALL}{more}"))).await;
    assert_eq!(told(r#", "match": {"applications": ["we*"]}"#).await, ["1 changed", "3 failed"]);
    assert_eq!(told(r#", "match": {"applications": ["mail", "ftp"]}"#).await, ["2 changed"]);
    assert_eq!(told(r#", "match": {"labels": {"team": "edge"}}"#).await, ["1 changed", "3 failed"]);
    assert!(told(r#", "match": {"labels": {"team": "edge", "tier": "1"}}"#).await.is_empty());
    assert!(told(r#", "match": {"applications": ["mail"], "labels": {"team": "edge"}}"#).await.is_empty());
    assert_eq!(told(r#", "severity": "warning""#).await, ["3 failed"]);
    assert!(told(r#", "severity": "critical""#).await.is_empty());
}

#[tokio::test]
async fn a_notice_says_what_was_found_and_who_it_is_about() {
    let finding = |message: &str, objects: usize| {
        let objects = (0..objects).map(|n| ObjectId::new("path", &format!("/etc/{n}"))).collect();
        Finding::new(Guard::DeleteLimit, message, objects)
    };
    let findings = vec![finding("too many", 30)];
    let verdict = Verdict { decision: Decision::Hold, findings, forced_by: vec![], changes_at: None };
    let plan = Some(PlanId(Digest::of(b"1")));
    let planned = Body::Planned(PlannedBody { verdict, signer: None, steps: vec![] });
    let trail = Trail::of(&[
        Entry { plan, ..entry(planned) },
        Entry { plan, ..ended(Outcome::Held, "guard.delete-limit", 'a') },
        act(Act::Approve),
    ])
    .await;
    let notice = trail.notice(&sink(""), 2).await;
    assert_eq!(notice.summary, "web is held at aaaaaaaaaa: because of guard.delete-limit");
    assert_eq!((notice.findings.len(), notice.findings[0].objects.len(), notice.findings[0].more), (1, 20, 10));
    assert_eq!((notice.target, notice.labels.len()), ("host".parse().ok(), 1));
    assert_eq!(notice.time, "2023-11-14T22:13:20.000Z");
    assert!(notice.approvable && notice.until.is_none());
    let again = trail.notice(&sink(""), 2).await;
    assert_eq!(notice.id, again.id, "told again, it is the same");
    let acted = trail.notice(&sink(ALL), 3).await;
    assert_eq!(acted.summary, "ada: approve for web: it must");
    assert_ne!(notice.id, acted.id);
}

#[test]
fn nobody_is_told_to_approve_what_no_approval_passes() {
    let [most, _] = Notice::samples();
    let text = |approvable: bool, until: Option<&str>, code: &str| {
        let until = until.map(str::to_owned);
        let notice = Notice { approvable, until, code: Some(code.into()), ..most.clone() };
        let declared = serde_json::from_str(&format!("{{{WEBHOOK}}}")).unwrap();
        let text = Message::new(&notice, &declared, &"chat".parse().unwrap(), &Redactor::default()).text;
        text.lines().find(|line| line.starts_with("look")).unwrap().to_owned()
    };
    let look = "look at it with `trueup plan web`";
    let approve = format!("{look}, let it through with `trueup approve {}`", most.plan.unwrap().short());
    assert_eq!(text(true, None, "policy.approve"), approve);
    let until = format!("{look}; it waits until 2027-01-02T08:00:00.000Z");
    assert_eq!(text(false, Some("2027-01-02T08:00:00.000Z"), "policy.window"), until);
    assert_eq!(text(false, None, "policy.deny"), format!("{look}; `trueup policy explain web` says what holds it"));
    assert_eq!(text(false, None, "guard.rejected"), look);
}

#[tokio::test]
async fn a_window_that_holds_is_told_with_its_end() {
    let window = Finding { changes_at: Some(Time(0)), ..Finding::new(Guard::Window, "not now", vec![]) };
    let findings = vec![Finding::new(Guard::DeleteLimit, "too many", vec![]), window];
    let verdict = Verdict { decision: Decision::Hold, findings, forced_by: vec![], changes_at: None };
    let plan = Some(PlanId(Digest::of(b"1")));
    let planned = Body::Planned(PlannedBody { verdict, signer: None, steps: vec![] });
    let closed = Entry { plan, ..ended(Outcome::Held, "guard.delete-limit", 'a') };
    let trail = Trail::of(&[Entry { plan, ..entry(planned) }, closed]).await;
    let notice = trail.notice(&sink(""), 2).await;
    assert_eq!((notice.approvable, notice.until.as_deref()), (false, Some("1970-01-01T00:00:00.000Z")));
}

#[tokio::test]
async fn a_queue_begins_where_it_was_left_and_passes_over_what_nobody_wants() {
    let trail = Trail::of(&[observed(), ran(Outcome::Applied, "", 'a', "1"), observed(), observed()]).await;
    let (around, name, declared) = (&trail.around, "chat".parse::<Name>().unwrap(), sink(""));
    let mut queue = Queue::load(around, &name).await.unwrap();
    queue.look(around, &declared).await.unwrap();
    assert_eq!((queue.first(Instant::now()), queue.state.seq), (None, 4), "a new one begins at the end");
    trail
        .append(&[ran(Outcome::Applied, "", 'b', "1"), observed(), ran(Outcome::Applied, "", 'c', "1"), observed()])
        .await;
    queue.look(around, &declared).await.unwrap();
    assert_eq!((queue.first(Instant::now()), queue.len(), queue.state.seq), (Some(5), 2, 4));
    queue.done(5);
    assert_eq!((queue.first(Instant::now()), queue.state.seq), (Some(7), 6));
    queue.save(around, &name).await.unwrap();
    assert_eq!(around.store.sink(name.as_str()).await.unwrap(), Some(SinkState { seq: 6, ..SinkState::default() }));
    let mut queue = Queue::load(around, &name).await.unwrap();
    queue.look(around, &declared).await.unwrap();
    assert_eq!(queue.first(Instant::now()), Some(7));
    queue.done(7);
    assert_eq!((queue.len(), queue.state.seq), (0, 8), "nothing waits, so that all is done with");
}

#[tokio::test]
async fn a_remote_that_was_out_of_reach_for_a_moment_is_nobody_s_news() {
    let away = |code: &str| ended(Outcome::Refused, code, 'a');
    let trail = Trail::of(&[]).await;
    for (before, entry) in [
        (5000, ran(Outcome::Applied, "", 'a', "1")),
        (4000, away("source.unreachable")),
        (3990, away("source.timed-out")),
        (3980, ended(Outcome::Unchanged, "", 'a')),
        (3000, away("source.unreachable")),
        (2900, away("source.timed-out")),
        (2699, ended(Outcome::Unchanged, "", 'a')),
        (2000, away("source.unreachable")),
        (1990, ended(Outcome::Refused, "verify.unsigned", 'b')),
        (1980, ran(Outcome::Applied, "", 'b', "2")),
    ] {
        trail.append_at(before, &[entry]).await;
    }
    let (around, name, declared) = (&trail.around, "chat".parse::<Name>().unwrap(), sink(""));
    around.store.declare_sinks(&[name.to_string()].into(), 0, Fixed.now()).await.unwrap();
    let name = "chat".parse().unwrap();
    let mut queue = Queue::load(around, &name).await.unwrap();
    queue.look(around, &declared).await.unwrap();
    let mut told = vec![];
    while let Some(seq) = queue.first(Instant::now()) {
        let record = audit::show(&around.store, seq).await.unwrap().unwrap();
        told.push(format!("{seq} {}", chosen(around, &declared, &record).await.unwrap().unwrap().event));
        queue.done(seq);
    }
    assert_eq!(told, ["1 changed", "5 failed", "7 recovered", "9 failed", "10 recovered"]);
    assert_eq!(queue.state.seq, 10);
}

#[tokio::test]
async fn a_remote_that_stays_out_of_reach_is_told_after_five_minutes_and_holds_up_nothing() {
    let trail = Trail::of(&[]).await;
    let (around, name, declared) = (&trail.around, "chat".parse::<Name>().unwrap(), sink(""));
    let mut queue = Queue::load(around, &name).await.unwrap();
    trail.append_at(60, &[ended(Outcome::Refused, "source.unreachable", 'a')]).await;
    let mut other = ran(Outcome::Applied, "", 'a', "1");
    other.application = "mail".parse().ok();
    trail.append(&[other]).await;
    queue.look(around, &declared).await.unwrap();
    assert_eq!((queue.first(Instant::now()), queue.len()), (Some(2), 2));
    queue.done(2);
    assert_eq!((queue.first(Instant::now()), queue.state.seq), (None, 0), "it still waits");
    let after = |seconds| queue.first(Instant::now() + Duration::from_secs(seconds));
    assert_eq!((after(235), after(240)), (None, Some(1)));
    queue.done(1);
    assert_eq!(queue.state.seq, 2);
}

const HOSTILE: &str =
    "@everyone <!channel> <https://evil.example.org|click> [x](https://evil) `*~ #|\u{1b}[2J\u{202e}\r\nsecond";

fn hostile() -> Notice {
    let [most, _] = Notice::samples();
    Notice { message: Some(HOSTILE.into()), summary: HOSTILE.into(), ..most }
}

fn message(kind: &str, more: &str, redactor: &Redactor) -> Message {
    let text = format!("{{{kind}{more}}}");
    Message::new(&hostile(), &serde_json::from_str(&text).unwrap(), &"chat".parse().unwrap(), redactor)
}

const SLACK: &str = r#""slack": {"url": {"file": "s"}}"#;
const MATRIX: &str = r#""matrix": {"server": "https://m", "room": "!r", "token": {"file": "s"}}"#;
const WEBHOOK: &str = r#""webhook": {"url": "https://m", "secret": {"file": "s"}}"#;

#[test]
fn nothing_that_stands_in_a_value_is_obeyed() {
    for kind in [SLACK, MATRIX, WEBHOOK] {
        let message = message(kind, "", &Redactor::default());
        let deceives = |char: char| crate::model::deceives(char) && char != '\n';
        assert!(!message.title.contains(crate::model::deceives) && !message.text.contains(deceives), "{kind}");
        assert!(!message.notice.to_string().contains(['\u{202e}', '\u{1b}']), "{kind}");
    }
    let slack = message(SLACK, "", &Redactor::default());
    let said = format!("{}\n{}", slack.title, slack.text);
    assert!(!said.contains(['<', '@', '[', '*', '~', '|', '#']), "{said}");
    assert!(said.contains("&lt;!channel&gt;") && said.contains("\u{ff20}everyone"), "{said}");
    assert!(!message(MATRIX, "", &Redactor::default()).text.contains('@'));
}

#[test]
fn what_the_template_itself_says_stays_and_one_that_fails_is_replaced() {
    let own = r#", "template": {"title": "*{{ event }}*  of\n{{ application }}", "text": "<b> {{ message }}"}"#;
    let slack = message(SLACK, own, &Redactor::default());
    assert_eq!(slack.title, "*held* of web");
    assert!(slack.text.starts_with("<b> \u{ff20}everyone &lt;!channel&gt;"), "{}", slack.text);
    let failing = r#", "template": {"text": "{{ findings[7].message }}"}"#;
    assert!(message(WEBHOOK, failing, &Redactor::default()).text.contains("application web on web-1"));
}

#[test]
fn a_secret_is_masked_in_words_and_in_json() {
    let redactor = Redactor::new(["evil.example.org"]);
    let message = message(WEBHOOK, "", &redactor);
    for said in [&message.title, &message.text, &message.notice.to_string()] {
        assert!(!said.contains("evil.example.org") && said.contains("[redacted]"), "{said}");
    }
}

#[test]
fn the_usual_words_fit_every_notice() {
    for sample in Notice::samples() {
        for text in [super::words::TITLE, super::words::TEXT] {
            for escape in [plain as Escape, mrkdwn, chat] {
                let template = Template::compile(text, escape).unwrap();
                assert!(template.unknown(&Notice::NAMES).is_empty());
                assert!(!template.render(&sample, &[("labels", &sample.labels)]).unwrap().is_empty());
            }
        }
    }
}
