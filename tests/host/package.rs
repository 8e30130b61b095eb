//! The package of this source, and the same under other versions.

#![allow(unreachable_pub)]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::world::must;
use crate::world::parts::program;

/// What goes into the package beside the program.
const PACKED: [&str; 3] = ["systemd", "systemd/debian", "Cargo.toml"];

/// Returns the package of this source, with the program that is under test in it. Made once, and again when a part changed.
pub fn deb() -> Option<PathBuf> {
    program("dpkg-deb")?;
    let (source, program) = (Path::new(env!("CARGO_MANIFEST_DIR")), Path::new(env!("CARGO_BIN_EXE_trueup")));
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("trueup.deb");
    let lock = File::create(made.with_extension("lock")).expect("a lock can be made");
    lock.lock().expect("a lock can be waited for");
    let newest = PACKED.iter().map(|path| newest(&source.join(path))).chain([changed(program)]).max();
    if !made.exists() || Some(changed(&made)) < newest {
        let profile = match program.parent().and_then(Path::file_name).and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let mut package = Command::new(source.join("systemd/package"));
        let told = must(package.args(["--no-build", "--profile", profile]).current_dir(source)).stdout;
        let told = String::from_utf8(told).expect("a path of letters");
        fs::copy(source.join(told.trim()), &made).expect("a package can be copied");
    }
    Some(made)
}

/// Returns the same package under another version.
pub fn of_version(version: &str) -> Option<PathBuf> {
    let (deb, folder) = (deb()?, tempfile::tempdir().expect("a folder can be made"));
    let (parts, control) = (folder.path().join("parts"), folder.path().join("parts/DEBIAN/control"));
    must(Command::new("dpkg-deb").arg("--raw-extract").arg(deb).arg(&parts));
    let text = fs::read_to_string(&control).expect("a package says what it is");
    let other = |line: &str| if line.starts_with("Version: ") { format!("Version: {version}\n") } else { line.into() };
    fs::write(&control, text.split_inclusive('\n').map(other).collect::<String>()).expect("a file can be written");
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("trueup-{version}.deb"));
    must(Command::new("dpkg-deb").args(["-Znone", "--root-owner-group", "--build"]).arg(&parts).arg(&made));
    Some(made)
}

fn newest(path: &Path) -> SystemTime {
    let within = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| changed(&entry.path()));
    within.chain([changed(path)]).max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn changed(path: &Path) -> SystemTime {
    path.metadata().and_then(|about| about.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
