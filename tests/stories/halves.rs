//! The daemon as the front half of a host, with its root half beside it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::Duration;

use super::telling::{SOON, all_is_well, applied, ended, file, world};
use super::world::{World, eventually};

/// A root half, until it is dropped.
pub(super) struct RootHalf(Child);

impl RootHalf {
    /// Starts one that may do what the world declares, and has the daemon go by way of it.
    pub(super) fn start(world: &mut World) -> Self {
        let (config, socket) = (world.path("host.yaml"), world.path("home/host.sock"));
        fs::write(&config, world.declared.host_access(&world.path(""))).unwrap();
        let _ = fs::remove_file(&socket);
        fs::create_dir_all(world.path("half")).unwrap();
        fs::set_permissions(world.path("half"), fs::Permissions::from_mode(0o700)).unwrap();
        let log = File::options().create(true).append(true).open(world.path("half/stderr")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
        command.args(["host", "--config"]).arg(config).arg("--socket").arg(&socket);
        let child = command.env_remove("NOTIFY_SOCKET").stderr(log).spawn().unwrap();
        eventually("the root half listens", SOON, || socket.exists());
        world.declared.via = Some(socket);
        Self(child)
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for RootHalf {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_host_is_kept_true_by_way_of_its_root_half() {
    let mut world = world();
    world.declared.commands = vec!["/bin/sh".into()];
    let checked = r#", mode: "0600", validate: [/bin/sh, -c, 'grep -q good "$0"', '{}']"#;
    let document = |text: &str| file("/etc/app.conf", text, checked);
    world.repo.write("web/app.yaml", document("good 1\n")).write("web/root/etc/other", "other\n");
    let first = world.repo.land("first");
    let half = RootHalf::start(&mut world);
    world.start();
    applied(&world, "web", &first);
    assert_eq!(world.read("/etc/app.conf").as_deref(), Some("good 1\n"));
    all_is_well(&world, &["web"]);

    // Someone edits a file that not everyone may read: it is put right, and neither content is told.
    fs::write(world.live("/etc/app.conf"), "canary by hand\n").unwrap();
    world.until_live("/etc/app.conf", "good 1\n");
    eventually("it is told", SOON, || super::telling::closed(&world, "web", "applied") == 2);
    assert!(!world.stderr().contains("canary"));

    // What its validator refuses changes nothing; what follows does.
    world.repo.write("web/app.yaml", document("bad\n")).land("bad");
    ended(&world, "web", "rolled-back", "host.validate-failed");
    assert_eq!(world.read("/etc/app.conf").as_deref(), Some("good 1\n"));
    drop(half);
    let _half = RootHalf::start(&mut world);
    world.repo.write("web/app.yaml", document("good 2\n")).remove("web/root/etc/other");
    let last = world.repo.land("last");
    applied(&world, "web", &last);
    assert_eq!(world.read("/etc/app.conf").as_deref(), Some("good 2\n"));
    assert_eq!(world.read("/etc/other"), None);
    all_is_well(&world, &["web"]);
}

/// A root half that is away for long leaves a step of which nobody can tell whether it happened: that says nothing against the
/// revision.
#[test]
fn a_step_in_doubt_is_settled_when_the_root_half_is_back() {
    let mut world = world();
    world.declared.commands = vec!["/bin/sh".into()];
    let first = world.repo.write("web/root/etc/other", "other\n").land("first");
    let half = RootHalf::start(&mut world);
    world.start();
    applied(&world, "web", &first);
    let begun = world.path("home/begun");
    let handler = format!(", onChange: [{{ run: [/bin/sh, -c, \"echo x >> {}; sleep 3\"] }}]", begun.display());
    let slow = world.repo.write("web/app.yaml", file("/etc/app.conf", "new\n", &handler)).land("slow");
    eventually("the handler runs", SOON, || begun.exists());
    drop(half);
    eventually("the daemon gives up waiting", Duration::from_mins(3), || {
        world.cli(&["status", "--json"]).json()["applications"][0]["code"] == "target.in-doubt"
    });
    let _half = RootHalf::start(&mut world);
    applied(&world, "web", &slow);
    assert_eq!(super::telling::closed(&world, "web", "rolled-back"), 0);
    assert_eq!(fs::read_to_string(&begun).unwrap(), "x\nx\n", "a run without an outcome runs again");
    all_is_well(&world, &["web"]);
}
