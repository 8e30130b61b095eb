//! What is declared in Git comes into force whole or not at all, and an application that is declared no more ends once.

use std::fs;

use serde_json::Value;

use crate::faults::Fault;
use crate::place::{PATIENCE, Place};
use crate::world::parts::say;
use crate::world::{App, Snapshot, World, eventually};

/// A state to begin at, and where it goes from there.
struct Prepared {
    world: World,
    /// The last record of the state.
    tip: u64,
    /// Takes the daemon of a place to the end, or to its death.
    go: fn(&Self, &mut Place),
    revision: String,
    /// The application whose records are looked at.
    about: &'static str,
}

impl Prepared {
    fn place(&self) -> Place {
        let (ours, config) = (self.world.path(""), fs::read_to_string(self.world.path("config.yaml")).unwrap());
        let ours = ours.to_str().unwrap().trim_end_matches('/').to_owned();
        Place::new(&self.world.path(""), |own| config.replace(&ours, own.to_str().unwrap()))
    }

    fn kill_at_every_call(&self, what: &str, fault: fn(usize) -> Fault) {
        let mut place = self.place();
        let faults = place.faults(Fault::None);
        place.start(faults.environment());
        (self.go)(self, &mut place);
        let (live, calls) = (place.live(), faults.calls().len());
        self.judge(&place, &live);
        place.end();
        let mut points = 0;
        loop {
            let mut place = self.place();
            place.start(place.faults(fault(points + 1)).environment());
            (self.go)(self, &mut place);
            place.end();
            if place.came_to_its_end() {
                break;
            }
            points += 1;
            place.start(vec![]);
            (self.go)(self, &mut place);
            assert!(!place.is_dead(), "{}", place.story());
            self.judge(&place, &live);
        }
        say(&format!("{what}: {calls} durable calls, {points} kill points until it is stopped"));
        assert!(points >= calls, "{points} of {calls}");
    }

    fn judge(&self, place: &Place, live: &Snapshot) {
        live.assert_same(&place.live(), &format!("what is live\n{}", place.story()));
        let records = place.records(self.tip);
        let ours = |record: &&Value| record["application"] == self.about && !record["sync"].is_null();
        let records: Vec<&Value> = records.iter().filter(ours).collect();
        let of = |kind: &str| records.iter().filter(|record| record["kind"] == kind).copied().collect::<Vec<_>>();
        let (intents, closed) = (of("intent"), of("closed"));
        assert_eq!((intents.len(), closed.len()), (1, 1), "{}", place.story());
        assert_eq!(closed[0]["body"]["outcome"], "applied", "{}", closed[0]);
        assert!(records.iter().all(|record| record["sync"] == closed[0]["sync"]), "{}", place.story());
        let report = place.post("/v1/audit/verify");
        assert_eq!(report["problems"], Value::Array(vec![]), "{report}");
    }
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("apiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

fn good(status: &Value, revision: &str) -> bool {
    matches!(status["outcome"].as_str(), Some("applied" | "unchanged")) && status["applied"] == revision
}

/// Returns what is said of an application.
fn said(status: &Value, name: &str) -> Option<Value> {
    status["applications"].as_array()?.iter().find(|one| one["name"] == name).cloned()
}

fn settled(world: &World, names: &[&str], revision: &str) -> u64 {
    eventually("the first revision is live", PATIENCE, || {
        let status = world.cli(&["status", "--json"]).json();
        names.iter().all(|name| said(&status, name).is_some_and(|one| good(&one, revision)))
    });
    world.cli(&["audit", "list", "-n", "1", "--json"]).json()[0]["seq"].as_u64().unwrap()
}

/// A commit with a policy, which a person accepts, and an application beside it.
fn acceptance() -> Prepared {
    let mut world = World::new();
    world.declared.daemon = "declarations:\n  repository: platform\n  path: trueup\n  \
                             allow: { targets: [host], paths: [/etc] }\n  accept: { people: [me] }"
        .into();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let uid = rustix::process::geteuid().as_raw().to_string();
    let user =
        passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[2] == uid).unwrap()[0];
    world.declared.more = format!("---\n{}", document("Person", "me", &format!("{{ unix: [{user}] }}")));
    let app = |name: &str| {
        let spec =
            format!("{{ source: {{ repository: platform, path: {name} }}, target: host, sync: {{ interval: 1h }} }}");
        world.repo.write(&format!("trueup/{name}.yaml"), document("Application", name, &spec));
        world.repo.write(&format!("{name}/root/etc/{name}"), format!("{name}\n"));
    };
    app("one");
    let first = world.repo.land("as it was");
    app("two");
    world.repo.write("trueup/house.yaml", document("Policy", "house", "{ limit: { deletes: 1 } }"));
    let revision = world.repo.commit("as it shall be");
    world.start();
    let tip = settled(&world, &["declarations", "one"], &first);
    assert!(world.stop().success(), "{}", world.stderr());
    world.repo.push();
    Prepared { world, tip, go: accept, revision, about: "declarations" }
}

fn accept(prepared: &Prepared, place: &mut Place) {
    place.until("what is declared is in force", |place| {
        if place.is_dead() {
            return Some(());
        }
        let status = place.ask("GET", "/v1/status")?.body;
        let declarations = said(&status, "declarations").filter(|one| one["syncing"] == false)?;
        if let (Some("held"), Some(plan)) = (declarations["outcome"].as_str(), declarations["plan"].as_str()) {
            assert!(said(&status, "two").is_none(), "it is in force before it is accepted\n{}", place.story());
            // No answer where the daemon dies of it.
            let _ = place.ask("POST", &format!("/v1/plans/{plan}/approve"));
            return None;
        }
        let two = said(&status, "two").filter(|two| good(two, &prepared.revision));
        (good(&declarations, &prepared.revision) && two.is_some()).then_some(())
    });
}

/// An application that is declared no more.
fn destruction() -> Prepared {
    let mut world = World::new();
    world.declared.apps = vec![App::new("app", &["app"])];
    world
        .repo
        .write("app/root/etc/one", "1\n")
        .write("app/root/etc/deep/two", "2\n")
        .write("app/root/etc/three", "3\n");
    let revision = world.repo.land("as it was");
    world.start();
    settled(&world, &["app"], &revision);
    world.declared.apps.clear();
    world.configure();
    let left = || world.cli(&["status", "--json"]).json()["orphans"][0]["objects"] == 3;
    eventually("it is declared no more", PATIENCE, left);
    world.edit("/etc/three", "by hand\n");
    let tip = world.cli(&["audit", "list", "-n", "1", "--json"]).json()[0]["seq"].as_u64().unwrap();
    assert!(world.stop().success(), "{}", world.stderr());
    Prepared { world, tip, go: destroy, revision, about: "app" }
}

fn destroy(_: &Prepared, place: &mut Place) {
    place.until("nothing is left of it", |place| {
        if place.is_dead() {
            return Some(());
        }
        let status = place.ask("GET", "/v1/status")?.body;
        let Some(left) = status["orphans"].get(0) else { return Some(()) };
        // No answer where the daemon dies of it.
        let _ = match left["plan"].as_str() {
            Some(plan) => place.ask("POST", &format!("/v1/plans/{plan}/approve")),
            None => place.ask("POST", "/v1/applications/app/destroy"),
        };
        None
    });
}

#[test]
fn what_is_declared_is_accepted_once_though_it_is_killed_before_any_durable_call() {
    acceptance().kill_at_every_call("an acceptance, killed before", Fault::KillBefore);
}

#[test]
fn an_application_that_is_declared_no_more_ends_once_though_it_is_killed_before_any_durable_call() {
    let prepared = destruction();
    prepared.kill_at_every_call("a destruction, killed before", Fault::KillBefore);
    // What was not as it was left is somebody's.
    let mut place = prepared.place();
    place.start(vec![]);
    destroy(&prepared, &mut place);
    assert_eq!(fs::read_to_string(place.path("root/etc/three")).unwrap(), "by hand\n");
    assert!(!place.path("root/etc/one").exists() && !place.path("root/etc/deep/two").exists());
}

#[test]
fn an_application_that_is_declared_no_more_ends_once_though_it_is_killed_after_any_durable_call() {
    destruction().kill_at_every_call("a destruction, killed after", Fault::KillAfter);
}
