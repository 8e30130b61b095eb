//! Another version of trueup was here before: what this one would change that the other left alone waits for a person.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trueup::config::Config;
use trueup::model::{Actor, Complete, Desired, Inventory, Left, Live, ObjectId, Revision, Spec, SyncId};
use trueup::store::{ApplicationState, Store, encode_desired};
use trueup::target::Call;

use super::others::{data_at_rest, observed, rounds, settled};
use super::telling::{all_is_well, applied, file, held, records, status, unchanged_at, until, word, world, world_of};
use super::world::{App, Snapshot, World};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Makes the store what another version left, while no daemon runs: `rendered` is what that one made of the applied tree, and
/// the host is as it stands now.
fn left_by(world: &World, version: &str, rendered: impl FnOnce(&mut BTreeMap<ObjectId, Spec>)) -> ApplicationState {
    let loaded = Config::load(&world.path("config.yaml")).expect("no mistakes").config;
    let (web, host) = ("web".parse().unwrap(), "host".parse().unwrap());
    runtime().block_on(async {
        let store = Store::open(&world.path("data")).await.unwrap();
        let mut state = store.application(&web).await.unwrap();
        let applied = state.applied.as_mut().unwrap();
        let mut objects = store.desired(&applied.desired).await.unwrap().unwrap().objects;
        rendered(&mut objects);
        let mut tx = store.write().await.unwrap();
        let bytes = encode_desired(&objects);
        applied.desired = tx.put_content(&bytes).await.unwrap();
        applied.version = version.into();
        state.good.as_mut().unwrap().desired = applied.desired;
        tx.put_application(&web, &state).await.unwrap();
        tx.commit().await.unwrap();

        let target = trueup::target::adapter(&loaded.targets[&host], store.key()).unwrap();
        let call = Call {
            deadline: Instant::now() + std::time::Duration::from_secs(30),
            cancel: CancellationToken::new(),
            fence: store.fence(),
            sync: SyncId("test".into()),
            actor: Actor::daemon("test"),
        };
        let desired = Desired::Objects(Complete { objects: objects.clone(), contents: store.contents() });
        let looked = target.preview(&call, &desired, &Inventory::default()).await.unwrap();
        let inventory = store.inventory(&host, &web).await.unwrap();
        let mut tx = store.write().await.unwrap();
        for item in looked.items {
            let (Live::Known(live), Some(owned)) = (item.live, inventory.objects.get(&item.id)) else { continue };
            let spec = objects[&item.id].digest();
            let left = Left { spec, state: live.digest, fingerprint: live.fingerprint };
            tx.put_owned(&host, &web, &item.id, &trueup::model::Owned { left, ..owned.clone() }).await.unwrap();
        }
        tx.commit().await.unwrap();
        store.close().await.unwrap();
        state
    })
}

fn remembered(world: &World) -> ApplicationState {
    runtime().block_on(async {
        let store = Store::open(&world.path("data")).await.unwrap();
        let state = store.application(&"web".parse().unwrap()).await.unwrap();
        store.close().await.unwrap();
        state
    })
}

fn mode(world: &World, path: &str) -> u32 {
    fs::metadata(world.live(path)).unwrap().permissions().mode() & 0o7777
}

/// A host on which a version was that did not know of `mode`.
fn without_modes(world: &mut World) -> String {
    world.repo.write("web/conf.yaml", file("/etc/conf", "key = value\n", ", mode: \"0640\""));
    let first = settled(world);
    world.stop();
    fs::set_permissions(world.live("/etc/conf"), fs::Permissions::from_mode(0o644)).unwrap();
    left_by(world, "0.0.9", |objects| {
        let conf = objects.get_mut(&ObjectId::new("path", "/etc/conf")).unwrap();
        let mut body = conf.body().clone();
        body.as_object_mut().unwrap().remove("mode").unwrap();
        *conf = Spec::new(body, conf.contents().to_vec(), conf.place().clone());
    });
    first
}

#[test]
fn what_this_version_makes_of_the_same_tree_waits_and_nothing_newer_goes_before_it() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s")]);
    let first = without_modes(&mut world);
    world.repo.write("web/root/etc/new", "newer\n");
    let second = world.repo.land("second");
    // Somebody edited another file meanwhile: that is none of this version's doing.
    world.edit("/etc/other", "by hand\n");
    world.start();
    let _ = held(&world, "web", "upgrade");
    let told = status(&world, "web");
    assert_eq!((word(&told, "code"), word(&told, "applied")), ("guard.upgrade", first.as_str()));
    assert!(word(&told, "message").contains("trueup 0.0.9 would not have changed this"), "{told}");
    let named: Vec<_> =
        told["findings"].as_array().unwrap().iter().map(|finding| word(&finding["objects"][0], "name")).collect();
    assert_eq!(named, ["/etc/conf"]);
    world.until_live("/etc/other", "other\n");
    assert_eq!(observed(&world, "/etc/conf").len(), 0, "nobody else did that");

    // Shown like any held plan, and looking at it changes nothing.
    rounds(&world, 2);
    // That of the first round put the other file right as well.
    let plan = held(&world, "web", "upgrade");
    let data = data_at_rest(&world);
    let shown = world.cli(&["plan", "web", "--json"]).code(1).json();
    assert_eq!((word(&shown["plan"], "id"), word(&shown, "revision")), (plan.as_str(), first.as_str()));
    rounds(&world, 3);
    data.assert_same(&Snapshot::of(&world.path("data")), "told once, nothing is written");
    assert_eq!((mode(&world, "/etc/conf"), world.read("/etc/new")), (0o644, None));

    // The state of before is kept true as that version saw it.
    world.edit("/etc/conf", "by hand\n");
    world.until_live("/etc/conf", "key = value\n");
    world.restart();
    assert_eq!(held(&world, "web", "upgrade"), plan);
    assert_eq!((mode(&world, "/etc/conf"), world.read("/etc/new")), (0o644, None));

    let _ = world.cli(&["approve", &plan]).code(0);
    assert_eq!(mode(&world, "/etc/conf"), 0o640);
    applied(&world, "web", &second);
    assert_eq!(world.read("/etc/new").as_deref(), Some("newer\n"));
    all_is_well(&world, &["web"]);
    world.stop();
    assert_eq!(remembered(&world).applied.unwrap().version, VERSION);
}

#[test]
fn a_version_that_sees_all_as_the_one_before_goes_on_at_once_and_heals_what_others_did() {
    let mut world = world_of(&[App::new("web", &["web"]).sync("interval: 1s")]);
    settled(&mut world);
    world.stop();
    // As a version left it that wrote no version down yet.
    left_by(&world, "", |_| {});
    world.edit("/etc/motd", "by hand\n");
    fs::remove_file(world.live("/etc/other")).unwrap();
    world.repo.write("web/root/etc/new", "newer\n");
    let second = world.repo.land("second");
    world.start();
    applied(&world, "web", &second);
    let read = |path: &str| world.read(path).unwrap_or_default();
    assert_eq!([read("/etc/motd"), read("/etc/other"), read("/etc/new")], ["from git\n", "other\n", "newer\n"]);
    let held = records(&world, "web").iter().filter(|record| record["body"]["outcome"] == "held").count();
    assert_eq!(held, 0, "{:#?}", records(&world, "web"));
    all_is_well(&world, &["web"]);
    world.stop();
    assert_eq!(remembered(&world).applied.unwrap().version, VERSION);

    // With nothing to do it is written down as well: once.
    left_by(&world, "0.0.9", |_| {});
    world.start();
    unchanged_at(&world, "web", &second);
    rounds(&world, 1);
    let data = data_at_rest(&world);
    rounds(&world, 3);
    data.assert_same(&Snapshot::of(&world.path("data")), "written down once");
    world.stop();
    assert_eq!(remembered(&world).applied.unwrap().version, VERSION);
}

#[test]
fn where_what_was_applied_cannot_be_planned_again_the_newest_waits_with_the_reason() {
    let mut world = world();
    world.repo.write("web/bad.yaml", "kind: [\n").write("web/root/etc/motd", "from git\n");
    let unreadable = world.repo.land("what another version may have understood");
    world.repo.remove("web/bad.yaml");
    settled(&mut world);
    let applied_by_another = |world: &World| {
        left_by(world, "0.0.9", |_| {});
        runtime().block_on(async {
            let (store, web) = (Store::open(&world.path("data")).await.unwrap(), "web".parse().unwrap());
            let mut state = store.application(&web).await.unwrap();
            state.applied.as_mut().unwrap().revision = unreadable.parse::<Revision>().unwrap();
            let mut tx = store.write().await.unwrap();
            tx.put_application(&web, &state).await.unwrap();
            tx.commit().await.unwrap();
            store.close().await.unwrap();
        });
    };
    world.stop();
    applied_by_another(&world);
    world.repo.write("web/root/etc/motd", "newer\n");
    let third = world.repo.land("third");
    world.start();
    let plan = held(&world, "web", "upgrade");
    let message = word(&status(&world, "web"), "message").to_owned();
    assert!(message.contains(&unreadable[..10]) && message.contains("cannot be planned again"), "{message}");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("from git\n"));
    let _ = world.cli(&["approve", &plan]).code(0);
    applied(&world, "web", &third);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("newer\n"));
    all_is_well(&world, &["web"]);

    // A plan that does nothing waits for nobody.
    world.stop();
    applied_by_another(&world);
    world.start();
    until(&world, "web", "nothing waits", |status| status["outcome"] == "unchanged");
    world.stop();
    assert_eq!(remembered(&world).applied.unwrap().version, VERSION);
}
