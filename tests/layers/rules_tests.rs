//! The test that tests the test: each way round the rule is caught, and nothing else is.

use std::path::Path;

use super::{File, Rooms, check};

const LIB: &str = "//! The map.\npub mod model;\npub mod source;\npub mod plan;\npub mod agent;\npub mod cli;\n";

fn breaches(path: &str, text: &str) -> Vec<String> {
    let rooms = Rooms::read(LIB).unwrap();
    check(&rooms, &File { path: Path::new(path).to_path_buf(), text: text.to_owned() })
}

fn caught(path: &str, text: &str, words: &str) {
    let found = breaches(path, text);
    assert!(found.iter().any(|breach| breach.contains(words)), "{text}\nis not caught: {found:?}");
}

fn passes(path: &str, text: &str) {
    let found = breaches(path, text);
    assert!(found.is_empty(), "{text}\nis wrongly caught: {found:?}");
}

#[test]
fn a_room_below_is_seen_in_every_way_to_name_it() {
    let below = "source uses agent, which stands below it";
    for text in [
        "use crate::agent::Bell;",
        "use crate::{model, agent::{Bell, self}};",
        "use crate::{model::Name, plan::{Plan}, agent};",
        "use {std::fmt, crate::agent};",
        "pub use crate::agent as harmless;",
        "use crate::agent as a;",
        "fn f() -> crate::agent::Bell { todo() }",
        "fn f() { let x = Vec::<crate::agent::Bell>::new(); }",
        "macro_rules! m { () => { $crate::agent::ring() } }",
        "fn f() { debug!(\"{}\", crate::agent::NAME) }",
        "#[serde(default = \"crate::agent::value\")] struct S;",
        "#[cfg(test)] mod tests { use crate::agent; }",
        "pub(in crate::agent) struct S;",
        "impl crate :: agent /* here */ :: Bell {}",
        "use r#crate::model; use crate::r#agent::Bell;",
    ] {
        caught("source/git.rs", text, below);
    }
}

#[test]
fn climbing_out_by_super_is_seen() {
    let below = "source uses agent, which stands below it";
    caught("source/mod.rs", "use super::agent::Bell;", below);
    caught("source/git.rs", "use super::super::agent::Bell;", below);
    caught("source/git.rs", "use super::super::{model, agent};", below);
    caught("source/git.rs", "use self::super::super::agent;", below);
    caught("source/git.rs", "use super::{tree, super::agent};", below);
    caught("source/git.rs", "mod tests { use super::super::super::agent; }", below);
    caught("source/deep/er.rs", "use super::super::super::agent::Bell;", below);
    passes("source/deep/er.rs", "use super::super::agent::Bell;");
    passes("source/git.rs", "mod tests { mod more { use super::super::super::agent; } } use super::agent;");
}

#[test]
fn the_rooms_above_and_the_own_room_may_be_used() {
    passes("source/git.rs", "use crate::model::{Name, Revision}; use super::{tree, Mirror}; pub(crate) fn f() {}");
    passes("source/git.rs", "pub(in crate::source) fn f() {} pub(super) fn g() {} pub(in super::super) fn h() {}");
    passes("agent/mod.rs", "use crate::{model, source, plan}; fn f<'a>(c: char) -> bool { c == '\"' || c == '\\'' }");
    passes(
        "source/git.rs",
        "// crate::agent\n/* crate::agent /* nested */ */\n/// [`crate::agent`]\nconst A: &str = r#\"crate::agent\"#;",
    );
    passes("source/git.rs", "use ::agent::x; fn f(a: A) { a.agent::<u8>() }");
    passes("main.rs", "use trueup::cli; fn main() { println!(\"{:?}\", std::time::SystemTime::now()); }");
    passes("cli/mod.rs", "fn f() { println!(\"data\") }");
}

#[test]
fn what_cannot_be_followed_is_refused() {
    for text in [
        "use crate::*;",
        "use crate as root;",
        "use super::super as root; ",
        "use crate::{self as root};",
        "use super::super::*;",
        "macro_rules! m { ($room:ident) => { crate::$room::f() } }",
        "include!(\"other.rs\");",
        "use std::include as bring;",
        "#[path = \"../agent/mod.rs\"] mod a;",
        "#[cfg_attr(unix, path = \"x.rs\")] mod a;",
        "extern crate trueup as t;",
        "#[macro_use] mod macros;",
        "use crate::unheard::X;",
        "const A: &str = \"no end;",
        "/* no end",
        "fn f() { (] }",
        "fn f() {",
        "fn f() { § }",
    ] {
        assert!(!breaches("source/git.rs", text).is_empty(), "{text}\nis not refused");
    }
}

#[test]
fn the_map_names_every_room_and_nothing_else() {
    for lib in ["mod model;", "pub mod model { }", "pub(crate) mod model;", "#[path = \"x\"] pub mod a { }", ""] {
        Rooms::read(lib).expect_err(lib);
    }
    let rooms = Rooms::read("pub mod model;\npub mod plan;").unwrap();
    let file = |path: &str| File { path: path.into(), text: String::new() };
    let mistakes = rooms.compare_with(&[file("lib.rs"), file("model/mod.rs"), file("agent/mod.rs")]);
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes[0].contains("agent is not declared") && mistakes[1].contains("plan has no file"), "{mistakes:?}");
}

#[test]
fn wall_time_is_read_in_main_only() {
    for text in [
        "fn f() { std::time::SystemTime::now(); }",
        "use std::time::SystemTime; fn f() { SystemTime::now(); }",
        "fn f() { jiff::Timestamp::now(); }",
        "fn f() { let now = jiff::Zoned::now; now(); }",
        "use std::time::SystemTime as Calendar;",
        "use jiff::{Timestamp as T, Span};",
    ] {
        caught("agent/mod.rs", text, "wall time is read outside of main");
    }
    passes(
        "agent/mod.rs",
        "use std::time::Instant; fn f() { Instant::now(); clock.now(); jiff::Timestamp::from_second(1); }",
    );
}

#[test]
fn only_the_command_line_prints() {
    for text in ["fn f() { println!(\"x\") }", "fn f() { std::eprint!(\"x\") }", "fn f() { dbg!(1); }"] {
        caught("agent/mod.rs", text, "outside of cli");
    }
    passes("agent/mod.rs", "fn print(x: u8) { if !println { writeln!(f, \"x\"); } }");
}

#[test]
fn plan_is_a_function_of_its_arguments() {
    for text in [
        "async fn f() {}",
        "fn f() { x.await }",
        "use tokio::sync::Mutex;",
        "use std::fs;",
        "use std::{fmt, fs::File};",
        "fn f() { std::env::var(\"HOME\"); }",
        "use std as s;",
        "use std::*;",
    ] {
        caught("plan.rs", text, "plan is pure");
    }
    passes("plan.rs", "use std::collections::BTreeMap; use crate::model::Plan; // async, tokio, std::fs\n");
    passes("agent/mod.rs", "async fn f() { std::fs::read(\"x\"); }");
}
