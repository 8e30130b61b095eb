//! A daemon that answers from fixed structs, behind the real API on a real socket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use trueup::api::{
    self, Auditing, Daemon, NoToken, Observing, RecordQuery, Socket, Standing, TokenAsked, TokenMade, Tokens,
};
use trueup::audit::{self, Given, Item, Line, Mark, Proof, Report, Segment};
use trueup::config::Span;
use trueup::model::view::{
    ApplicationStatus, BreakGlassAsked, BreakGlassView, Edits, NotifyReport, PlanView, PolicyListed, PolicyView,
    PreimagesView, Status, SyncReport,
};
use trueup::model::{Actor, Digest, Name, Outcome, Problem, Time};
use trueup::policy::{Labels, Rights};
use trueup::store::{Bearer, Token};

use crate::samples;

#[derive(Default)]
pub(crate) struct Fake {
    /// Acts that ran to their end.
    pub(crate) acts: AtomicUsize,
    /// How long a sync takes.
    pub(crate) pause: Duration,
}

#[async_trait]
impl Daemon for Fake {
    fn status(&self) -> Status {
        samples::status()
    }

    async fn plan(&self, application: &str, revision: Option<&str>) -> Result<PlanView, Problem> {
        if application != "nginx" {
            let hint = "applications here: nginx";
            return Err(
                Problem::new(404, "application.unknown", format!("there is no application {application}")).hint(hint)
            );
        }
        Ok(PlanView { commit: revision.map(str::to_owned), ..samples::plan() })
    }

    async fn sync(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem> {
        tokio::time::sleep(self.pause).await;
        self.acts.fetch_add(1, Ordering::SeqCst);
        assert_ne!(application, "panics");
        Ok(samples::report(application, Outcome::Applied, &format!("by {}/{}", actor.subject, actor.display)))
    }

    async fn approve(&self, plan: &str, _: Actor) -> Result<SyncReport, Problem> {
        Err(Problem::new(409, "plan.stale", format!("the plan {plan} is no longer what a sync would do")))
    }

    async fn go_back(&self, application: &str, actor: Actor) -> Result<SyncReport, Problem> {
        self.sync(application, actor).await
    }

    async fn destroy(&self, application: &str, _: Actor) -> Result<SyncReport, Problem> {
        Ok(samples::report(application, Outcome::Held, "its end"))
    }

    async fn reject(&self, plan: &str, reason: Option<String>, _: Actor) -> Result<SyncReport, Problem> {
        Ok(samples::report("nginx", Outcome::Held, &format!("{plan}: {}", reason.unwrap_or_default())))
    }

    async fn policies(&self) -> Vec<PolicyListed> {
        vec![samples::policy()]
    }

    async fn explain(&self, _: &str) -> Result<Vec<PolicyView>, Problem> {
        Ok(samples::explained())
    }

    fn person(&self, unix: &[&str]) -> Option<Name> {
        unix.contains(&"root").then(|| "root".parse().unwrap())
    }

    fn break_glass(&self) -> Vec<BreakGlassView> {
        samples::break_glass()
    }

    async fn break_glass_requests(&self) -> Vec<BreakGlassAsked> {
        samples::requests()
    }

    async fn break_glass_asked(&self, asked: BreakGlassAsked) -> Result<BreakGlassAsked, Problem> {
        Ok(asked)
    }

    async fn open_break_glass(&self, asked: BreakGlassAsked, actor: Actor) -> Result<BreakGlassView, Problem> {
        let BreakGlassAsked { request, applications, policies, live_edit, reason, ticket, seconds } = asked;
        let mut view = samples::break_glass().remove(0);
        let opening = &mut view.opening;
        (opening.applications, opening.policies, opening.live_edit) = (applications, policies, live_edit);
        (opening.reason, opening.ticket, opening.lasts, opening.by) = (reason, ticket, seconds, actor);
        opening.request = request;
        Ok(view)
    }

    async fn agree_break_glass(&self, _: &str, _: Actor) -> Result<BreakGlassView, Problem> {
        Err(Problem::new(409, "break-glass.same-person", "you stand behind this break-glass already"))
    }

    async fn close_break_glass(&self, _: &str, _: Actor) -> Result<BreakGlassView, Problem> {
        Ok(samples::break_glass().remove(1))
    }

    async fn edits(&self, _: &str, _: Actor) -> Result<Vec<Edits>, Problem> {
        Ok(vec![samples::edits()])
    }

    async fn adopt(&self, application: &str, _: Actor) -> Result<SyncReport, Problem> {
        Ok(samples::report(application, Outcome::Held, "first contact"))
    }

    async fn preimages(&self, plan: &str) -> Result<PreimagesView, Problem> {
        Err(Problem::new(404, "plan.unknown", format!("no plan that was carried out begins with {plan}")))
    }

    async fn preimage(&self, _: &str, _: usize, _: Actor) -> Result<Vec<u8>, Problem> {
        Err(Problem::new(404, "preimage.unknown", "there is no such pre-image"))
    }

    async fn suspend(&self, _: &str, reason: &str, _: Actor) -> Result<ApplicationStatus, Problem> {
        Ok(ApplicationStatus { suspended: Some(reason.into()), ..samples::applications().remove(0) })
    }

    async fn resume(&self, _: &str, _: Actor) -> Result<ApplicationStatus, Problem> {
        Ok(samples::applications().remove(0))
    }

    async fn test_notification(&self, name: &str, actor: Actor) -> Result<NotifyReport, Problem> {
        let answer = format!("200 OK: thanks, {}\u{7}", actor.display);
        Ok(NotifyReport { name: samples::name(name), kind: "slack".into(), id: "msg_1".into(), answer })
    }
}

/// Every application there could be is there.
#[async_trait]
impl Standing for Fake {
    fn rights(&self, _: &Name) -> Option<Rights> {
        None
    }

    fn who_logs_in(&self, _: &str) -> Option<Name> {
        None
    }

    fn application(&self, name: &str) -> Option<(Name, Labels)> {
        Some((name.parse().ok()?, Labels::new()))
    }

    fn applications(&self) -> BTreeMap<Name, Labels> {
        BTreeMap::new()
    }

    async fn held(&self, plan: &str) -> Result<(String, Name), Problem> {
        Ok((plan.to_owned(), samples::name("nginx")))
    }
}

#[async_trait]
impl Observing for Fake {
    fn is_alive(&self) -> bool {
        self.acts.load(Ordering::SeqCst) < 100
    }

    fn is_ready(&self) -> bool {
        self.acts.load(Ordering::SeqCst) < 10
    }

    async fn metrics(&self) -> Result<String, Problem> {
        Ok("# EOF\n".into())
    }

    fn changes(&self) -> BoxStream<'static, ()> {
        futures_util::stream::pending().boxed()
    }
}

#[async_trait]
impl Tokens for Fake {
    fn token(&self, _: &str) -> Result<Token, NoToken> {
        Err(NoToken::Unknown)
    }

    fn tokens(&self) -> Vec<Token> {
        vec![]
    }

    fn holds(&self, _: &Token) -> bool {
        false
    }

    async fn create_token(
        &self,
        bearer: Bearer,
        _: TokenAsked,
        _: Option<Time>,
        by: Actor,
    ) -> Result<TokenMade, Problem> {
        let (created, expires) = (Time(0), Time(1));
        let token = Token { id: "0123456789abcdef".into(), bearer, grants: vec![], by, created, expires };
        Ok(TokenMade { secret: "trueup_0123456789abcdef_00".into(), token })
    }

    async fn revoke_token(&self, _: &str, _: Actor) -> Result<Token, Problem> {
        Err(Problem::new(404, "token.unknown", "there is no such token"))
    }
}

#[async_trait]
impl Auditing for Fake {
    async fn records(&self, query: RecordQuery) -> Result<Vec<Value>, Problem> {
        let all = samples::records();
        let wanted = |record: &Value| {
            let sequence = record["seq"].as_u64().unwrap();
            let application =
                query.application.as_ref().is_none_or(|name: &Name| record["application"] == name.as_str());
            application && query.before.is_none_or(|before| sequence < before)
        };
        Ok(all.into_iter().rev().filter(wanted).take(query.limit as usize).collect())
    }

    async fn record(&self, sequence: u64) -> Result<Value, Problem> {
        let found = samples::records().into_iter().find(|record| record["seq"] == sequence);
        found.ok_or_else(|| Problem::new(404, "audit.unknown", format!("there is no record {sequence}")))
    }

    async fn verify(&self, given: Given) -> Result<Report, Problem> {
        let held = |(place, _): (String, String)| audit::Held { place, size: 3, root: Digest::ABSENT, holds: true };
        Ok(Report {
            begin: 0,
            size: 4,
            root: Digest::ABSENT,
            erased: vec![],
            erasures: vec![],
            archived: 0,
            segments: vec![],
            roots: vec![],
            covered: 3,
            keys: given.keys.iter().map(ToString::to_string).collect(),
            vouched: !given.keys.is_empty(),
            checkpoints: given.checkpoints.into_iter().map(held).collect(),
            problems: vec![audit::Problem { seq: Some(2), what: "its bytes do not hash to its leaf".into() }],
            omitted: 0,
        })
    }

    async fn export(&self, after: u64, _: bool) -> Result<Vec<Item>, Problem> {
        let line = |seq| {
            let (bytes, payload) = (format!("{{\"seq\":{seq}}}"), Some("{}".into()));
            Item::Record(Line { seq, bytes, hash: None, salt: Some("s".into()), payload })
        };
        let page: Vec<_> = (after + 1..=4).map(line).collect();
        let head = audit::Head { size: 4, root: Digest::ABSENT };
        Ok(if page.is_empty() { vec![Item::Mark(Mark::Head(head))] } else { page })
    }

    async fn prove(&self, sequence: u64) -> Result<Proof, Problem> {
        Err(Problem::new(404, "record.unknown", format!("the trail has no record {sequence}")))
    }

    async fn prove_growth(&self, _: &str) -> Result<Proof, Problem> {
        Err(Problem::new(409, "trail.rolled-back", "it covers more"))
    }

    async fn rotate_key(&self, reason: Option<String>, actor: Actor) -> Result<String, Problem> {
        self.acts.fetch_add(1, Ordering::SeqCst);
        Ok(format!("a key of {} because of {}", actor.display, reason.unwrap_or_default()))
    }

    async fn archive(&self, older: Option<Span>, _: Actor) -> Result<Vec<Segment>, Problem> {
        let file = format!("older than {}", older.unwrap());
        Ok(vec![Segment { first: 1, last: 3, file }])
    }

    async fn erase(&self, sequence: u64, reason: &str, _: Actor) -> Result<(), Problem> {
        self.acts.fetch_add(1, Ordering::SeqCst);
        if sequence > 4 {
            Err(Problem::new(404, "record.unknown", format!("no {sequence} for {reason}")))
        } else {
            Ok(())
        }
    }
}

/// The API over a socket in a scratch folder, until dropped.
pub(crate) struct Served {
    pub(crate) daemon: Arc<Fake>,
    pub(crate) socket: PathBuf,
    stop: CancellationToken,
    runtime: Option<tokio::runtime::Runtime>,
    _folder: tempfile::TempDir,
}

impl Served {
    pub(crate) fn new(daemon: Fake, group: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        open_to_all(folder.path(), 0o755);
        let path = folder.path().join("run/trueup.sock");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (daemon, stop) = (Arc::new(daemon), CancellationToken::new());
        let socket = runtime.block_on(async { Socket::bind(&path, group) }).unwrap();
        runtime.spawn(api::serve(socket, Arc::clone(&daemon) as Arc<dyn Daemon>, stop.clone()));
        Self { daemon, socket: path, stop, runtime: Some(runtime), _folder: folder }
    }

    /// Runs the real command against this daemon.
    pub(crate) fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_trueup"));
        command.env_clear().arg("--socket").arg(&self.socket).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
        self.runtime.take().unwrap().shutdown_timeout(Duration::from_secs(1));
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut std::process::Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

pub(crate) fn open_to_all(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
