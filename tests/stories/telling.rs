//! The turns of phrase of the stories.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::world::{App, World, eventually};

/// Whatever a story waits for comes within this.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// Returns a world with one application, `web`, that lays the folder `web` of the repository over the host.
pub(super) fn world() -> World {
    world_of(&[App::new("web", &["web"])])
}

pub(super) fn world_of(apps: &[App]) -> World {
    let mut world = World::new();
    world.declared.apps = apps.to_vec();
    world
}

/// Returns what `status` says of an application; null where it is not declared.
pub(super) fn status(world: &World, app: &str) -> Value {
    let status = world.cli(&["status", "--json"]).json();
    let applications = status["applications"].as_array().expect("status lists applications");
    applications.iter().find(|one| one["name"] == app).cloned().unwrap_or_default()
}

/// Waits until `status` says so of an application that is not in the middle of a sync.
pub(super) fn until(world: &World, app: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    let start = std::time::Instant::now();
    loop {
        let now = status(world, app);
        if now["syncing"] == false && holds(&now) {
            return now;
        }
        assert!(start.elapsed() < SOON, "waited in vain: {what}\n{last:#}");
        last = now;
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Waits until a revision is applied, and all is well.
pub(super) fn applied(world: &World, app: &str, revision: &str) -> Value {
    until(world, app, &format!("{app} applied at {revision}"), |status| {
        status["applied"] == revision && matches!(word(status, "outcome"), "applied" | "unchanged")
    })
}

/// Waits until an application is in this state for this reason, and returns what `status` says.
pub(super) fn ended(world: &World, app: &str, outcome: &str, code: &str) -> Value {
    until(world, app, &format!("{app} {outcome} by {code}"), |status| {
        status["outcome"] == outcome && status["code"] == code
    })
}

/// Waits until a plan of the application is held by this guard, and returns the plan's id.
pub(super) fn held(world: &World, app: &str, guard: &str) -> String {
    let held = |status: &Value| {
        let found =
            status["findings"].as_array().is_some_and(|all| all.iter().any(|finding| finding["guard"] == guard));
        status["outcome"] == "held" && found && status["plan"].is_string()
    };
    let status = until(world, app, &format!("a plan of {app} held by {guard}"), held);
    word(&status, "plan").to_owned()
}

/// Waits until this very plan is what the application waits with.
pub(super) fn waits_with(world: &World, app: &str, plan: &str) {
    until(world, app, "the plan waits", |status| status["outcome"] == "held" && status["plan"] == plan);
}

/// Waits until a revision is seen, and found to change nothing of the application.
pub(super) fn unchanged_at(world: &World, app: &str, revision: &str) {
    eventually("the revision is seen", SOON, || {
        world.cli(&["status", "--json"]).json()["repositories"][0]["head"] == revision
    });
    until(world, app, "nothing is to be done", |status| status["outcome"] == "unchanged");
}

/// Waits for the repository's state.
pub(super) fn repository(world: &World, state: &str) {
    eventually(&format!("the repository is {state}"), SOON, || {
        world.cli(&["status", "--json"]).json()["repositories"][0]["state"] == state
    });
}

pub(super) fn word<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// Ends a story: nothing is left to do, and nobody touched the trail.
pub(super) fn all_is_well(world: &World, apps: &[&str]) {
    for app in apps {
        let plan = world.cli(&["plan", app, "--json"]).code(0).json();
        assert_eq!(plan["plan"]["steps"].as_array().map(Vec::len), Some(0), "{plan:#}");
    }
    intact(world);
}

pub(super) fn intact(world: &World) {
    let verified = world.cli(&["audit", "verify", "--json"]).code(0).json();
    assert!(verified["size"].as_u64().is_some_and(|size| size > 0), "{verified}");
}

/// Returns the records of an application, newest first.
pub(super) fn records(world: &World, app: &str) -> Vec<Value> {
    let records = world.cli(&["audit", "list", app, "-n", "1000", "--json"]).code(0).json();
    records.as_array().expect("a list of records").clone()
}

/// Returns how many closed records of an application tell of this outcome.
pub(super) fn closed(world: &World, app: &str, outcome: &str) -> usize {
    let told = |record: &&Value| record["kind"] == "closed" && record["body"]["outcome"] == outcome;
    records(world, app).iter().filter(told).count()
}

/// Returns how often a command that adds a line to a file each time has run.
pub(super) fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

/// Returns a File document whose handler adds a line to `log`.
pub(super) fn file_with_handler(path: &str, content: &str, log: &Path) -> String {
    file(path, content, &format!(", onChange: [{{ run: [/bin/sh, -c, \"echo ran >> {}\"] }}]", log.display()))
}

/// Returns a File document; `more` are further fields of its spec, each after a comma.
pub(super) fn file(path: &str, content: &str, more: &str) -> String {
    let content = Value::from(content);
    format!(
        "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: {{ name: {path} }}\nspec: {{ content: {content}{more} }}\n"
    )
}

/// Returns a Check document of a shell command.
pub(super) fn check(name: &str, command: &str) -> String {
    let command = Value::from(command);
    format!(
        "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: {{ name: {name} }}\nspec: {{ command: [/bin/sh, -c, {command}] }}\n"
    )
}
