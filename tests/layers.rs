//! The one rule: a room may use the rooms declared above it in `src/lib.rs`, never those below.
//!
//! Reads the sources as tokens, the bodies of macros included, and fails on what it cannot read.

// A test says what went wrong by failing.
#![allow(clippy::expect_used)]

#[path = "layers/paths.rs"]
mod paths;
#[path = "layers/rules.rs"]
mod rules;
#[path = "layers/tokens.rs"]
mod tokens;

use std::fs;
use std::path::{Path, PathBuf};

use rules::{File, Rooms};

#[test]
fn a_room_uses_only_the_rooms_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&src);
    let lib = files.iter().find(|file| file.path == Path::new("lib.rs")).expect("src/lib.rs is there");
    let mut mistakes = Vec::new();
    match Rooms::read(&lib.text) {
        Ok(rooms) => {
            mistakes.extend(rooms.compare_with(&files));
            for file in &files {
                mistakes.extend(rules::check(&rooms, file));
            }
        }
        Err(mistake) => mistakes.push(mistake),
    }
    assert!(mistakes.is_empty(), "\n{}\n", mistakes.join("\n"));
}

/// Returns every file below `src`, whatever its name. Panics on a link: what it points to would go unread.
fn sources(src: &Path) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(src.join(&folder)).expect("src can be listed") {
            let entry = entry.expect("src can be listed");
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().expect("the kind of a file is known");
            assert!(!kind.is_symlink(), "src/{} is a link", path.display());
            if kind.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(entry.path()).expect("a source can be read");
                // Migrations and the like are text of another kind, and reach the crate only as strings.
                if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = String::from_utf8(bytes).expect("a source is UTF-8");
                    found.push(File { path, text });
                }
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}
