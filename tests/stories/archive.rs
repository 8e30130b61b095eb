//! Records that are old move out, and what must not be known any more is erased.

use std::fs;

use super::telling::{SOON, all_is_well, applied, world};
use super::world::{World, eventually};

/// A world with an archive, and something applied in it.
fn archiving() -> World {
    let mut world = world();
    let (archive, file) = (world.path("archive"), world.path("checkpoints"));
    world.declared.daemon =
        format!("trail: {{ archive: {}, publish: {{ file: {} }} }}", archive.display(), file.display());
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world
}

#[test]
fn old_records_move_into_the_archive_and_are_verified_with_it() {
    let mut world = archiving();
    let (archive, file) = (world.path("archive"), world.path("checkpoints"));
    let records = || world.cli(&["audit", "list", "-n", "1000", "--json"]).code(0).json().as_array().unwrap().len();
    let before = records();
    eventually("all is published", SOON, || {
        world.cli(&["status", "--json"]).json()["trail"]["places"][0]["published"] == before
    });
    let nothing = world.cli(&["audit", "archive"]).code(0).stdout;
    assert!(nothing.contains("nothing is old enough"), "{nothing}");
    let moved = world.cli(&["audit", "archive", "--older-than", "0s", "--json"]).code(0).json();
    let segment = moved[0].clone();
    assert_eq!((segment["first"].as_u64(), segment["last"].as_u64()), (Some(1), Some(before as u64)));
    assert_eq!(records(), 2, "the record of the key, and the one that says what was moved");
    let gone = world.cli(&["audit", "show", "2"]).code(2).stderr;
    assert!(gone.contains("record 2 lies in the archive, as records-") && gone.contains("-000000000001-"), "{gone}");
    let erased = world.cli(&["audit", "erase", "3", "--reason", "a name slipped in"]).code(0);
    assert!(erased.stderr.contains("record 3 is erased"), "{erased:?}");
    drop(world.cli(&["audit", "erase", "3", "--reason", " "]).code(2));

    let (folder, notes) = (archive.display().to_string(), file.display().to_string());
    let verify = ["audit", "verify", "--archive", &folder, "--checkpoint", &notes];
    let told = world.cli(&verify).code(0).stdout;
    assert!(told.contains("records lie in the archive") && told.contains(": holds ("), "{told}");
    let path = archive.join(segment["file"].as_str().unwrap());
    let whole = fs::read_to_string(&path).unwrap();
    // By itself it cannot say why a payload is gone: the trail says so, after its end.
    let alone = world.cli(&["audit", "verify", "--from", &path.display().to_string()]).code(1).stdout;
    assert!(
        alone.contains("record 3: its payload is gone, and no record of this part") && alone.contains("1 problem"),
        "{alone}"
    );
    for (what, text) in [
        ("edited", whole.replacen("/etc/motd", "/etc/m0td", 1)),
        ("a line less", whole.lines().skip(2).collect::<Vec<_>>().join("\n") + "\n"),
        ("erased without a word", {
            let mut lines: Vec<_> = whole.lines().map(str::to_owned).collect();
            let four = lines.iter().position(|line| line.starts_with("{\"seq\":4,")).unwrap();
            let mut line: serde_json::Value = serde_json::from_str(&lines[four]).unwrap();
            (line["salt"], line["payload"]) = (serde_json::Value::Null, serde_json::Value::Null);
            lines[four] = line.to_string();
            lines.join("\n") + "\n"
        }),
    ] {
        fs::write(&path, text).unwrap();
        let told = world.cli(&verify).code(1).stdout;
        assert!(told.contains("-000000000001-"), "{what}: {told}");
    }
    fs::remove_file(&path).unwrap();
    drop(world.cli(&verify).code(1));
    fs::write(&path, whole).unwrap();
    drop(world.cli(&verify).code(0));
    world.restart();
    drop(world.cli(&verify).code(0));
    all_is_well(&world, &["web"]);
}

#[test]
fn who_archives_and_who_erases_wait_for_each_other() {
    let world = archiving();
    let archive = world.path("archive");
    let act = |reason: &str| {
        drop(world.cli(&["suspend", "web", "--reason", reason]).code(0));
        let acts = world.cli(&["audit", "list", "-n", "5", "--json"]).code(0).json();
        let act = acts.as_array().unwrap().iter().find(|one| one["kind"] == "act").unwrap()["seq"].to_string();
        drop(world.cli(&["resume", "web"]).code(0));
        act
    };
    let acts: Vec<_> = (0..4).map(|number| act(&format!("canary number {number}"))).collect();
    eventually("all is published", SOON, || {
        let newest = world.cli(&["audit", "list", "-n", "1", "--json"]).code(0).json()[0]["seq"].clone();
        world.cli(&["status", "--json"]).json()["trail"]["places"][0]["published"] == newest
    });
    std::thread::scope(|all| {
        let world = &world;
        for act in &acts {
            all.spawn(|| drop(world.cli(&["audit", "archive", "--older-than", "0s"]).code(0)));
            all.spawn(move || drop(world.cli(&["audit", "erase", act, "--reason", "a name slipped in"]).code(0)));
        }
    });
    drop(world.cli(&["audit", "verify", "--archive", &archive.display().to_string()]).code(0));
    for file in fs::read_dir(&archive).unwrap().map(|file| file.unwrap().path()) {
        assert!(!fs::read_to_string(&file).unwrap().contains("canary number"), "{}", file.display());
    }
    all_is_well(&world, &["web"]);
}
