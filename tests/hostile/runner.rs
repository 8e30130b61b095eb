//! The one runner: the same questions for every case.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::case::{Case, Expect, Faults, Ground, Spec};
use crate::governed::OTHERS;
use crate::probe::{Held, forget_peak, peak_kib};
use crate::trail::{Told, escaped, harmless};
use crate::world::{App, Fault, Repo, Snapshot, World, eventually};

/// I3: what one case may cost in memory.
const GROWTH_KIB: u64 = 256 * 1024;
/// No sync of the healthy application may take longer, whatever goes on beside it.
const CANARY: Duration = Duration::from_secs(15);

/// How one case went.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// The code that was seen.
    pub(crate) code: String,
    pub(crate) took: Duration,
    pub(crate) grew_kib: u64,
    pub(crate) wrong: Vec<String>,
}

/// A daemon with one application for each case, and a healthy one.
struct Bench {
    world: World,
    grounds: Vec<Ground>,
    canary: u32,
}

/// Runs cases in one daemon: each by itself, then all once more after a restart with every poison still there.
pub(crate) fn run(name: &str, cases: &[Case]) -> Vec<Row> {
    let start = Instant::now();
    let mut bench = Bench::start(cases);
    println!("{name}: {} cases set up in {:.1} s", cases.len(), start.elapsed().as_secs_f64());
    let quiet = Held::of(bench.world.pid());
    let mut rows: Vec<Row> = cases.iter().enumerate().map(|(at, case)| bench.first(at, case)).collect();
    let held = caught(|| bench.threads_end(quiet));
    rows.last_mut().expect("a group has cases").wrong.extend(held.err());
    println!("{name}: attacked after {:.1} s", start.elapsed().as_secs_f64());
    if let Err(wrong) = caught(|| bench.again()) {
        for row in &mut rows {
            row.wrong.push(wrong.clone());
        }
        return rows;
    }
    for (at, case) in cases.iter().enumerate() {
        let again = caught(|| bench.second(at, case, &rows[at].code));
        rows[at].wrong.extend(again.err());
    }
    let first = bench.grounds[0].name.clone();
    let healthy = caught(|| drop(bench.sync_beside_canary(&first)));
    rows.last_mut().expect("a group has cases").wrong.extend(healthy.err());
    let verified = caught(|| drop(bench.world.cli(&["audit", "verify"]).code(0)));
    rows.last_mut().expect("a group has cases").wrong.extend(verified.err());
    println!("{name}: ended after {:.1} s", start.elapsed().as_secs_f64());
    rows
}

fn caught<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

impl Bench {
    fn start(cases: &[Case]) -> Self {
        let mut world = World::new();
        let git = world.path("git");
        world.repo.write("app/root/canary", "0\n").land("0");
        world.declared.allow = vec!["/canary".into()];
        world.declared.transports = ["https", "ssh", "http", "git"].map(str::to_owned).to_vec();
        world.declared.apps = vec![App::new("canary", &["app"])];
        let faults = Faults::default();
        let known = faults.clone();
        world.server.answer_with(move |request| {
            let name = request.path.trim_start_matches('/').split('.').next().unwrap_or_default();
            known.lock().expect("no case holds it while it panics").get(name).cloned().unwrap_or(Fault::None)
        });
        let mut grounds = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let name = format!("{}-{number}", case.id.to_lowercase());
            let repo = Repo::new(&git, &name);
            let spec = Spec::new(world.server.url(&name));
            let (world, faults) = (world.path(""), faults.clone());
            let mut ground = Ground { name, repo, world, spec, revision: None, faults, keep: Vec::new() };
            std::fs::create_dir_all(ground.live("")).expect("a live folder can be made");
            ground.good();
            (case.before)(&mut ground);
            grounds.push(ground);
        }
        // An allowed root that is a file would be odd: the healthy one gets a folder as well.
        world.declared.allow = vec!["/srv".into()];
        world.repo.remove("app/root/canary").write("app/root/srv/canary", "0\n").land("0 in its place");
        let mut bench = Self { world, grounds, canary: 0 };
        bench.declare();
        bench.world.start();
        let declaring = bench.grounds.iter().filter(|ground| ground.spec.declares.is_some()).count();
        // With the one that declares, and the healthy one.
        let all = bench.grounds.len() + declaring * (OTHERS.len() + 1) + 1;
        eventually("every application is live", Duration::from_secs(90), || {
            let status = bench.status();
            let good = |one: &&Value| matches!(one["outcome"].as_str(), Some("applied" | "unchanged"));
            let applications = status["applications"].as_array().expect("a list");
            std::thread::sleep(Duration::from_millis(100));
            if let Some(bad) = applications.iter().find(|one| one["outcome"].is_string() && !good(one)) {
                panic!("the good revision of {bad} is not live");
            }
            applications.iter().filter(good).count() >= all
        });
        bench
    }

    fn declare(&mut self) {
        self.world.declared.more = self.grounds.iter().map(Ground::documents).collect();
        self.world.declared.daemon = self.grounds.iter().find_map(Ground::daemon).unwrap_or_default();
    }

    fn status(&self) -> Value {
        let ran = self.world.cli(&["status", "--json"]);
        assert!((0..=1).contains(&ran.code), "I1: status does not answer: {}{}", ran.stdout, self.world.stderr());
        ran.json()
    }

    /// Attacks, and asks everything that must hold.
    fn first(&mut self, at: usize, case: &Case) -> Row {
        let (mut code, mut took, mut grew_kib) = (String::new(), Duration::ZERO, 0);
        let pid = self.world.pid();
        let mut wrong = Vec::new();
        let before = Held::of(pid);
        forget_peak(pid);
        let done = caught(|| match &case.expect {
            Expect::Config(expected) => {
                let start = Instant::now();
                self.refused_configuration(at, case, expected);
                (took, code) = (start.elapsed(), (*expected).to_owned());
            }
            _ => self.attacked(at, case, &mut code, &mut took),
        });
        wrong.extend(done.err());
        let after = caught(|| {
            grew_kib = peak_kib(pid).saturating_sub(before.resident_kib);
            assert!(grew_kib <= GROWTH_KIB, "I3: it grew by {grew_kib} KiB");
            assert!(took <= case.deadline, "I3: it took {took:?}");
            before.settles(pid, Duration::from_secs(5)).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(self.world.pid(), pid, "I1: another daemon");
            self.status();
        });
        wrong.extend(after.err());
        Row { id: case.id, title: case.title.clone(), code, took, grew_kib, wrong }
    }

    fn attacked(&mut self, at: usize, case: &Case, code: &mut String, took: &mut Duration) {
        let before = case.snapshot(&self.grounds[at]);
        let about = case.about(&self.grounds[at]);
        let sequence = Told::of(&self.world, &about).sequence();
        let spec = self.grounds[at].spec.clone();
        (case.attack)(&mut self.grounds[at]);
        if self.grounds[at].spec != spec {
            self.reload();
        }
        let ground = &self.grounds[at];
        let before = if case.on_host { case.snapshot(ground) } else { before };
        let name = about;
        let start = Instant::now();
        let seen = self.sync_beside_canary(&name);
        *took = start.elapsed();
        *code = seen["code"].as_str().or(seen["outcome"].as_str()).map(str::to_owned).unwrap_or_default();
        escaped(&seen);
        let ground = &self.grounds[at];
        match &case.expect {
            Expect::Code(codes) => {
                assert!(codes.contains(&code.as_str()), "I8: expected {codes:?}, seen {seen}");
                before.assert_same(&case.snapshot(ground), "I4: what is live changed");
                let told = Told::of(&self.world, &name);
                told.explains(code, sequence, ground.revision.as_deref(), &name);
                // What happens on the host may be told first, as drift; nothing else is told but the refusal itself.
                let others = told.codes(sequence);
                assert!(case.on_host || others == [code.as_str()], "I7: told {others:?}");
                assert!(case.taken_back || told.deletes() == 0, "I4: something was deleted");
            }
            Expect::Powerless(look) => {
                assert!(ended_well(&seen), "expected a good end, seen {seen}");
                look(ground);
            }
            Expect::Mended(expected) => {
                assert_eq!(code, expected, "{seen}");
                before.assert_same(&case.snapshot(ground), "I4: what is live changed");
                Told::of(&self.world, &name).explains(code, sequence, ground.revision.as_deref(), &name);
                let mended = self.sync(&name);
                assert!(ended_well(&mended), "expected to be mended, seen {mended}");
            }
            Expect::Config(_) => unreachable!("it is refused before"),
        }
    }

    /// Syncs the application, and the healthy one at the same time.
    fn sync_beside_canary(&mut self, name: &str) -> Value {
        self.canary += 1;
        let content = format!("{}\n", self.canary);
        self.world.repo.write("app/root/srv/canary", &content).land("news for the healthy one");
        let world = &self.world;
        std::thread::scope(|scope| {
            let attacked = scope.spawn(move || synced(world, name));
            let start = Instant::now();
            let healthy = synced(world, "canary");
            assert!(start.elapsed() < CANARY, "I2: the healthy application took {:?}", start.elapsed());
            assert!(ended_well(&healthy), "I2: the healthy application: {healthy}");
            assert_eq!(world.read("/srv/canary").as_deref(), Some(content.as_str()), "I2: the healthy application");
            attacked.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))
        })
    }

    fn sync(&self, name: &str) -> Value {
        synced(&self.world, name)
    }

    /// Gives the daemon its configuration as it is declared now, and waits until it is taken.
    fn reload(&mut self) {
        let taken = |world: &World| world.stderr().matches("the new configuration is taken").count();
        let before = taken(&self.world);
        self.declare();
        self.world.configure();
        self.world.signal(Signal::HUP);
        eventually("the new configuration is taken", Duration::from_secs(20), || taken(&self.world) > before);
    }

    /// A configuration that is refused leaves the old one running.
    fn refused_configuration(&mut self, at: usize, case: &Case, expected: &str) {
        let before = Snapshot::of(&self.world.path("root/srv"));
        let good = self.grounds[at].spec.clone();
        (case.attack)(&mut self.grounds[at]);
        self.declare();
        self.world.configure();
        let check = |world: &World| {
            let ran = world.cli(&["check", "--json"]).code(2);
            harmless(&ran.stdout);
            harmless(&ran.stderr);
            let mistakes = ran.json();
            escaped(&mistakes);
            let codes: Vec<_> = mistakes.as_array().expect("a list").iter().map(|one| one["code"].clone()).collect();
            assert_eq!(codes, [Value::from(expected)], "{mistakes}");
            assert!(mistakes[0]["place"]["line"].as_u64() > Some(0), "no place: {mistakes}");
            ran.stdout
        };
        let told = check(&self.world);
        let rejected = |bench: &Self| bench.status()["rejected_configuration"].clone();
        // Twice, to be refused alike.
        for _ in 0..2 {
            self.world.signal(Signal::HUP);
            eventually("the configuration is refused", Duration::from_secs(10), || {
                rejected(self)[0]["code"] == expected
            });
        }
        assert_eq!(check(&self.world), told, "I8: checked again");
        self.refusal_is_told_once(expected);
        let name = self.grounds[at].name.clone();
        let seen = self.sync_beside_canary(&name);
        assert!(ended_well(&seen), "the old configuration runs: {seen}");
        assert!(!self.world.stderr().contains("S3CRET"), "the secret is in the log");
        self.grounds[at].spec = good;
        self.declare();
        self.world.configure();
        self.world.signal(Signal::HUP);
        eventually("the good one is taken back", Duration::from_secs(10), || rejected(self).is_null());
        let after = Snapshot::of(&self.world.path("root/srv"));
        let changed = before.differences(&after);
        assert!(changed.iter().all(|line| line.starts_with("canary ")), "I4: {name}: {changed:?}");
    }

    /// I7: one record of the trail says that this configuration was refused.
    fn refusal_is_told_once(&self, expected: &str) {
        let records = self.world.cli(&["audit", "list", "--json", "-n", "30"]).code(0).json();
        let refused = |record: &&Value| record["kind"] == "closed" && record["application"].is_null();
        let newest: Vec<_> = records.as_array().expect("a list").iter().filter(refused).collect();
        let last = newest.first().unwrap_or_else(|| panic!("I7: no record of a refused configuration"));
        assert_eq!(last["body"]["code"], expected, "I7: {last}");
        assert_eq!(last["body"]["outcome"], "refused");
        escaped(last);
        let same = newest.iter().filter(|one| one["body"]["message"] == last["body"]["message"]).count();
        assert_eq!(same, 1, "I7: told {same} times");
    }

    /// Waits until no more threads run than before everything.
    fn threads_end(&self, quiet: Held) {
        let (pid, limit) = (self.world.pid(), quiet.threads.max(16));
        eventually("I3: threads end", Duration::from_secs(30), || Held::of(pid).threads <= limit);
    }

    /// Restarts with every poison in place, and waits until each application was synced.
    fn again(&mut self) {
        self.world.restart();
        let pid = self.world.pid();
        eventually("every application was tried after the restart", Duration::from_mins(2), || {
            std::thread::sleep(Duration::from_millis(100));
            let status = self.status();
            let applications = status["applications"].as_array().expect("a list");
            applications.iter().all(|one| one["syncs"].as_u64() > Some(0))
        });
        assert_eq!(self.world.pid(), pid, "I1: a crash loop");
    }

    /// The second attempt, after the restart.
    fn second(&self, at: usize, case: &Case, code: &str) {
        if matches!(case.expect, Expect::Config(_)) {
            return;
        }
        let before = case.snapshot(&self.grounds[at]);
        let ground = &self.grounds[at];
        let about = case.about(ground);
        let seen = self.sync(&about);
        if let Expect::Code(_) = case.expect {
            assert_eq!(seen["code"], code, "I8: the second attempt: {seen}");
            let told = Told::of(&self.world, &about);
            told.explains(code, 0, None, &about);
            assert!(case.taken_back || told.deletes() == 0, "I4: something was deleted");
            before.assert_same(&case.snapshot(ground), "I4: the second attempt");
        } else {
            assert!(ended_well(&seen), "I8: the second attempt: {seen}");
        }
    }
}

/// Syncs, and returns the report; what went wrong with asking, where it did.
fn synced(world: &World, name: &str) -> Value {
    let ran = world.cli(&["sync", name, "--json"]);
    harmless(&ran.stdout);
    harmless(&ran.stderr);
    ran.json()
}

fn ended_well(report: &Value) -> bool {
    matches!(report["outcome"].as_str(), Some("applied" | "unchanged"))
}
