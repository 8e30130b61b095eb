//! What each room may use, judged file by file.

use std::path::{Component, Path, PathBuf};

use crate::paths::{Named, paths};
use crate::tokens::{Token, What, tokens};

/// Types that read wall time.
const CLOCKS: [&str; 3] = ["SystemTime", "Timestamp", "Zoned"];
/// Macros that print.
const PRINTS: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];
/// What a function that waits is made of.
const WAITING: [&str; 4] = ["async", "await", "async_trait", "tokio"];
/// Parts of `std` that are not the arguments of a function.
const WORLD: [&str; 6] = ["fs", "net", "process", "env", "thread", "io"];

/// A source file; its path counts from `src`.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// The rooms in the order of `src/lib.rs`.
#[derive(Debug)]
pub(crate) struct Rooms(Vec<String>);

impl Rooms {
    /// Returns the rooms that `src/lib.rs` declares.
    ///
    /// # Errors
    /// Where it holds anything but `pub mod NAME;`, uses and attributes, so that a room could hide in it.
    pub(crate) fn read(lib: &str) -> Result<Self, String> {
        let tokens = tokens(lib).map_err(|mistake| format!("src/lib.rs: {mistake}"))?;
        let words: Vec<&What> = tokens.iter().map(|token| &token.what).collect();
        let mut rooms = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            if token.what != What::Word("mod".into()) {
                continue;
            }
            match (at.checked_sub(1).map(|at| words[at]), words.get(at + 1), words.get(at + 2)) {
                (Some(What::Word(public)), Some(What::Word(name)), Some(What::Mark(";"))) if public == "pub" => {
                    rooms.push(name.clone());
                }
                _ => return Err(format!("src/lib.rs:{}: a room is declared as `pub mod NAME;`", token.line)),
            }
        }
        if rooms.is_empty() { Err("src/lib.rs declares no room".into()) } else { Ok(Self(rooms)) }
    }

    /// Returns what is amiss between the rooms declared and the files there are.
    pub(crate) fn compare_with(&self, files: &[File]) -> Vec<String> {
        let mut mistakes = Vec::new();
        let there: Vec<String> = files.iter().filter_map(|file| module(file).into_iter().next()).collect();
        for file in files {
            if let Some(room) = module(file).first().filter(|room| self.place(room).is_none()) {
                mistakes.push(format!("src/{}: the room {room} is not declared in src/lib.rs", file.path.display()));
            }
        }
        mistakes.extend(
            self.0.iter().filter(|room| !there.contains(room)).map(|room| format!("src/lib.rs: {room} has no file")),
        );
        mistakes
    }

    fn place(&self, room: &str) -> Option<usize> {
        self.0.iter().position(|name| name == room)
    }
}

/// Returns every breach of the rules in one file, each with its place.
pub(crate) fn check(rooms: &Rooms, file: &File) -> Vec<String> {
    let module = module(file);
    let read = tokens(&file.text).and_then(|tokens| Ok((paths(&tokens, &module)?, tokens)));
    let breaches = match read {
        Ok((named, tokens)) => {
            let mut breaches = unreadable(&tokens);
            breaches.extend(wrong_rooms(rooms, &module, &named));
            breaches.extend(wall_time(&module, &named, file));
            breaches.extend(printing(&module, &tokens, file));
            breaches.extend(impure(&module, &named, &tokens));
            breaches
        }
        Err(mistake) => vec![mistake],
    };
    breaches.into_iter().map(|breach| format!("src/{}: {breach}", file.path.display())).collect()
}

/// Returns the module that a file is: empty for `lib.rs` and `main.rs`.
fn module(file: &File) -> Vec<String> {
    let mut module: Vec<String> = file
        .path
        .with_extension("")
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    if module.len() == 1 && ["lib", "main"].contains(&module[0].as_str()) || module.last().is_some_and(|l| l == "mod") {
        module.pop();
    }
    module
}

fn is_main(file: &File) -> bool {
    file.path == Path::new("main.rs")
}

/// Returns what would bring in code, or names, that this test does not see.
fn unreadable(tokens: &[Token]) -> Vec<String> {
    let mut breaches = Vec::new();
    let word = |at: usize, text: &str| matches!(tokens.get(at), Some(Token { what: What::Word(w), .. }) if w == text);
    let mark = |at: usize, text: &str| matches!(tokens.get(at), Some(Token { what: What::Mark(m), .. }) if *m == text);
    for (at, token) in tokens.iter().enumerate() {
        let before = |text: &str| at > 0 && mark(at - 1, text);
        let what = match &token.what {
            What::Word(name) if name == "include" && (mark(at + 1, "!") || before("::")) => "include! brings in a file",
            What::Word(name) if name == "extern" && word(at + 1, "crate") => "extern crate renames a crate",
            What::Word(name) if name == "macro_use" => "macro_use passes names by order of text",
            What::Word(name) if name == "path" && mark(at + 1, "=") && (before("[") || before(",")) => {
                "#[path] moves a module"
            }
            _ => continue,
        };
        breaches.push(format!("line {}: {what}, which hides rooms from this test", token.line));
    }
    breaches
}

fn wrong_rooms(rooms: &Rooms, module: &[String], named: &[Named]) -> Vec<String> {
    // `lib.rs` and `main.rs` stand below all rooms, and give them nothing: `crate::X` must be a room.
    let Some(own) = module.first() else { return vec![] };
    // Told once, by `compare_with`.
    let Some(own_place) = rooms.place(own) else { return vec![] };
    let mut breaches = Vec::new();
    for path in named.iter().filter(|path| path.inside) {
        let Some(used) = path.segments.first() else { continue };
        let line = path.line;
        match rooms.place(used) {
            Some(used_place) if used_place <= own_place => {}
            Some(_) => breaches.push(format!("line {line}: {own} uses {used}, which stands below it")),
            None => breaches.push(format!("line {line}: crate::{used} is not a room of src/lib.rs")),
        }
    }
    breaches
}

/// Only `main` makes a clock.
fn wall_time(module: &[String], named: &[Named], file: &File) -> Vec<String> {
    if module.is_empty() && is_main(file) {
        return vec![];
    }
    let reads = |path: &&Named| {
        let clock = path.segments.iter().rposition(|segment| CLOCKS.contains(&segment.as_str()));
        clock.is_some_and(|at| path.renamed || path.segments.get(at + 1).is_some_and(|next| next == "now"))
            || path.segments.last().is_some_and(|last| last == "UNIX_EPOCH" && path.renamed)
            || path.segments.last().is_some_and(|last| last == "clock_gettime")
    };
    let told =
        |path: &Named| format!("line {}: wall time is read outside of main ({})", path.line, path.segments.join("::"));
    named.iter().filter(reads).map(told).collect()
}

/// Only the command line prints.
fn printing(module: &[String], tokens: &[Token], file: &File) -> Vec<String> {
    if is_main(file) || module.first().is_some_and(|room| room == "cli") {
        return vec![];
    }
    tokens
        .windows(2)
        .filter_map(|pair| match (&pair[0].what, &pair[1].what) {
            (What::Word(word), What::Mark("!")) if PRINTS.contains(&word.as_str()) => {
                Some(format!("line {}: {word}! outside of cli", pair[0].line))
            }
            _ => None,
        })
        .collect()
}

/// `plan` and `policy` are synchronous functions of their arguments.
fn impure(module: &[String], named: &[Named], tokens: &[Token]) -> Vec<String> {
    let Some(room) = module.first().filter(|room| ["plan", "policy"].contains(&room.as_str())) else { return vec![] };
    let words = tokens.iter().filter_map(|token| match &token.what {
        What::Word(word) if WAITING.contains(&word.as_str()) => Some((token.line, word.clone())),
        _ => None,
    });
    let outside = named.iter().filter_map(|path| match path.segments.as_slice() {
        [first, second, ..] if first == "std" && (WORLD.contains(&second.as_str()) || second == "*") => {
            Some((path.line, path.segments.join("::")))
        }
        // `use std as s` would hide the rest.
        [only] if only == "std" => Some((path.line, "std by another name".to_owned())),
        _ => None,
    });
    words.chain(outside).map(|(line, what)| format!("line {line}: {room} is pure, and this is not: {what}")).collect()
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod rules_tests;
