//! States from which an application goes one step further, each prepared once by the daemon itself and then copied.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::faults::Faults;
use crate::place::{PATIENCE, Place, Seen};
use crate::world::{App, World, eventually};

/// Notes that it ran, in the working folder of the daemon that called it: the same program and the same plan in every copy.
const NOTE: &str = "#!/bin/sh\n\
    place=$(readlink /proc/$PPID/cwd) || exit 1\n\
    if [ -e \"$place/slow-$1\" ]; then echo \"$1\" >>\"$place/begun\"; sleep 3; fi\n\
    echo ran >>\"$place/runs/$1\"\n";

/// The folder of the program that every copy runs.
struct Programs(TempDir);

impl Programs {
    fn note(&self) -> String {
        self.0.path().join("note").display().to_string()
    }
}

/// A prepared state, what Git says beyond it, and what is to come out.
pub struct Scenario {
    /// Keeps the Git server, and the state.
    world: World,
    _programs: Programs,
    pub revision: String,
    /// The last record before the daemon of the state was stopped.
    tip: u64,
    /// The held plan that a person approves.
    pub plan: Option<String>,
    /// Commands that must run on the way.
    pub owed: &'static [&'static str],
    pub end: End,
}

/// What the revision comes to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Live,
    /// It fails half-way, and is taken back.
    TakenBack,
}

impl Scenario {
    /// An update with everything that a host application can hold.
    pub fn update() -> Self {
        let (mut world, programs) = Self::world();
        let note = programs.note();
        let handler = |name: &str| format!("onChange: [{{ run: [{note}, {name}] }}]");
        let site = |text: &str| {
            format!(
                "{{ content: \"server {text}\\n\", mode: \"0640\", validate: [grep, -q, server, \"{{}}\"], {} }}",
                handler("reload")
            )
        };
        let check = format!("{{ command: [{note}, check] }}");
        world.repo.write("app/site.yaml", document("File", "/etc/app/site.conf", &site("one")));
        world.repo.write("app/check.yaml", document("Check", "app", &check));
        world.repo.write("app/old.yaml", document("File", "/etc/app/old.conf", "{ content: \"old\\n\" }"));
        world.repo.write("app/root/etc/app/kept.conf", "kept\n").write("app/root/etc/motd", "one\n");
        world.repo.land("as it was");
        settle(&mut world);
        let tip = stop(&mut world);

        world.repo.write("app/site.yaml", document("File", "/etc/app/site.conf", &site("two"))).remove("app/old.yaml");
        let folder = format!("{{ mode: \"0750\", {} }}", handler("restart"));
        world.repo.write("app/folder.yaml", document("Directory", "/etc/app/conf.d", &folder));
        let inside = format!("{{ content: \"inside\\n\", mode: \"0600\", {} }}", handler("restart"));
        world.repo.write("app/inside.yaml", document("File", "/etc/app/conf.d/inside.conf", &inside));
        world.repo.write("app/link.yaml", document("Symlink", "/etc/app/current", "{ to: conf.d/inside.conf }"));
        world.repo.write("app/root/etc/motd", "two\n").write("app/root/etc/deep/er/file", "deep\n");
        let revision = world.repo.land("as it shall be");
        let owed = &["check", "reload", "restart"];
        Self { world, _programs: programs, revision, tip, plan: None, owed, end: End::Live }
    }

    /// A commit that deletes more than it may without a person's yes.
    pub fn mass_deletion() -> Self {
        let (mut world, programs) = Self::world();
        let note = programs.note();
        let index = |text: &str| format!("{{ content: \"{text}\\n\", onChange: [{{ run: [{note}, reload] }}] }}");
        world.repo.write("app/index.yaml", document("File", "/etc/site/index", &index("twelve pages")));
        for page in 0..12 {
            world.repo.write(&format!("app/root/etc/site/pages/{page}"), format!("page {page}\n"));
        }
        world.repo.land("as it was");
        settle(&mut world);
        stop(&mut world);

        world.repo.write("app/index.yaml", document("File", "/etc/site/index", &index("no page"))).remove("app/root");
        let revision = world.repo.land("away with it");
        world.start();
        let held = || world.cli(&["status", "--json"]).json()["applications"][0]["plan"].as_str().map(str::to_owned);
        eventually("the deletion is held", PATIENCE, || held().is_some());
        let plan = held();
        let tip = stop(&mut world);
        Self { world, _programs: programs, revision, tip, plan, owed: &["reload"], end: End::Live }
    }

    /// A commit that creates more than a commit may delete, and then fails its check.
    pub fn failing() -> Self {
        let (mut world, programs) = Self::world();
        let note = programs.note();
        let index = |text: &str| format!("{{ content: \"{text}\\n\", onChange: [{{ run: [{note}, reload] }}] }}");
        world.repo.write("app/index.yaml", document("File", "/etc/site/index", &index("no page")));
        world.repo.land("as it was");
        settle(&mut world);
        let tip = stop(&mut world);

        world.repo.write("app/index.yaml", document("File", "/etc/site/index", &index("four pages")));
        for page in 0..4 {
            world.repo.write(&format!("app/root/etc/site/pages/{page}"), format!("page {page}\n"));
        }
        // Its handler is owed though the file goes again, and nothing else calls it.
        let new = format!("{{ content: \"new\\n\", onChange: [{{ run: [{note}, restart] }}] }}");
        world.repo.write("app/new.yaml", document("File", "/etc/site/new", &new));
        world.repo.write("app/check.yaml", document("Check", "app", "{ command: [grep, -q, x, /dev/null] }"));
        let revision = world.repo.land("it fails");
        Self {
            world,
            _programs: programs,
            revision,
            tip,
            plan: None,
            owed: &["reload", "restart"],
            end: End::TakenBack,
        }
    }

    fn world() -> (World, Programs) {
        let mut world = World::new();
        let programs = Programs(tempfile::tempdir().unwrap());
        fs::write(programs.note(), NOTE).unwrap();
        fs::set_permissions(programs.note(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(world.path("runs")).unwrap();
        world.declared.commands = vec![programs.note(), "/usr/bin/grep".into(), "/bin/grep".into()];
        world.declared.apps = vec![App::new("app", &["app"]).sync("interval: 1h")];
        (world, programs)
    }

    /// Returns a copy of the prepared state.
    pub fn place(&self) -> Place {
        self.copy_of(&self.world.path(""))
    }

    /// Returns a copy of a state that another copy was left in.
    pub fn copy_of(&self, state: &Path) -> Place {
        let (ours, config) = (self.world.path(""), fs::read_to_string(self.world.path("config.yaml")).unwrap());
        let ours = ours.to_str().unwrap().trim_end_matches('/').to_owned();
        Place::new(state, |own| config.replace(&ours, own.to_str().unwrap()))
    }

    /// Starts the daemon of a place without any fault, and waits until all is well.
    pub fn recover(&self, place: &mut Place) {
        place.start(vec![]);
        let seen = self.go(place);
        assert!(self.is_end(&seen), "{seen:?}\n{}", place.story());
    }

    /// Tells whether this is what an undisturbed run comes to.
    pub fn is_end(&self, seen: &Seen) -> bool {
        match (self.end, seen) {
            (End::Live, seen) => *seen == Seen::Settled,
            (End::TakenBack, Seen::Troubled(how)) => {
                how.starts_with("rolled-back") || how.starts_with("refused \"sync.bad-inputs\"")
            }
            (End::TakenBack, _) => false,
        }
    }

    /// Pushes one more revision, which is then the one to come to.
    pub fn push(&mut self, path: &str, content: &str) {
        self.world.repo.write(path, content);
        self.revision = self.world.repo.land("one more");
    }

    /// Returns the records that came after the prepared state, oldest first.
    pub fn records(&self, place: &Place) -> Vec<Value> {
        let mut records = place.records(self.tip);
        let stopped = records.iter().position(|record| record["kind"] == "stopped").unwrap();
        records.split_off(stopped + 1)
    }

    /// Runs the daemon of a place until it dies of a fault, or came to its end and was told to stop.
    pub fn live(&self, place: &mut Place, faults: &Faults) {
        place.start(faults.environment());
        self.go(place);
        place.end();
    }

    /// Waits for the end, and approves what is held on the way.
    pub fn go(&self, place: &mut Place) -> Seen {
        match (place.until_still(&self.revision), &self.plan) {
            (Seen::Held(held), Some(plan)) => {
                assert_eq!(held, *plan, "the plan that is offered is the one that was");
                // No answer where the daemon dies of it.
                let _ = place.ask("POST", &format!("/v1/plans/{plan}/approve"));
                place.until("the plan is not held any more", |place| match place.until_still(&self.revision) {
                    Seen::Held(_) => None,
                    seen => Some(seen),
                })
            }
            (seen, _) => seen,
        }
    }
}

fn settle(world: &mut World) {
    world.start();
    let good = || {
        let status = world.cli(&["status", "--json"]).json();
        matches!(status["applications"][0]["outcome"].as_str(), Some("applied" | "unchanged"))
    };
    eventually("the first revision is live", PATIENCE, good);
}

/// Stops the daemon, forgets what ran, and returns the last record before the stop.
fn stop(world: &mut World) -> u64 {
    let tip = world.cli(&["audit", "list", "-n", "1", "--json"]).json()[0]["seq"].as_u64().unwrap();
    assert!(world.stop().success(), "{}", world.stderr());
    for ran in fs::read_dir(world.path("runs")).unwrap() {
        fs::remove_file(ran.unwrap().path()).unwrap();
    }
    tip
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: host.trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}
