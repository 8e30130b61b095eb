//! Class C of the hostile inputs, as far as it concerns the parser.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use trueup::model::Mistake;
use trueup::yaml::{Node, Profile, Value, parse};

use super::bombs::{Case, refused};

fn refusal(case: &Case, profile: Profile) -> Mistake {
    match parse("x.yaml", &case.text, profile) {
        Err(mistakes) => mistakes.into_iter().next().unwrap(),
        Ok(nodes) => panic!("{}: read {} documents", case.id, nodes.len()),
    }
}

/// Returns the most memory that this process ever held.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Set for a process of its own, in which nothing else takes memory: what is measured is the parser's.
const ALONE: &str = "TRUEUP_HOSTILE_TEXT_ALONE";
const NAME: &str = "config::hostile::hostile_text_is_refused_with_its_own_code_in_time_and_space";

#[test]
fn hostile_text_is_refused_with_its_own_code_in_time_and_space() {
    if std::env::var_os(ALONE).is_none() {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let output = command.args([NAME, "--exact", "--nocapture"]).env(ALONE, "1").output().unwrap();
        let (told, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && told.contains("1 passed"), "\n{told}{wrong}");
        return;
    }
    let mut wrong = String::new();
    for case in refused() {
        let before = peak_kib();
        let start = Instant::now();
        let mistake = refusal(&case, Profile::Manifest);
        // A peak never falls, but the kernel counts pages in batches: what it says may be a little behind.
        let (took, grew) = (start.elapsed(), peak_kib().saturating_sub(before));
        if mistake.code != case.code {
            writeln!(wrong, "{}: expected {}, got {mistake:?}", case.id, case.code).unwrap();
        }
        println!("{}: {took:?}, {grew} KiB, {mistake}", case.id);
        // Without optimisation, and beside other tests, everything takes several times as long.
        let slow = if cfg!(debug_assertions) { 10 } else { 1 };
        let limit = if case.id.starts_with("C1") { Duration::from_millis(100) } else { Duration::from_secs(3) };
        let space = if case.id.starts_with("C1") { 64 * 1024 } else { 256 * 1024 };
        let limit = limit * slow;
        if took > limit || grew > space {
            writeln!(wrong, "{}: {took:?}, {grew} KiB", case.id).unwrap();
        }
        if mistake.place.line == 0 && !matches!(mistake.code.as_str(), "yaml.too-large" | "yaml.encoding") {
            writeln!(wrong, "{}: no place in {mistake:?}", case.id).unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn one(text: &str, profile: Profile) -> Node {
    let mut nodes = parse("x.yaml", text.as_bytes(), profile).unwrap();
    assert_eq!(nodes.len(), 1, "{text}");
    nodes.remove(0)
}

/// What `sigs.k8s.io/yaml` makes of a value, as JSON.
#[test]
fn c7_a_manifest_reads_as_a_cluster_reads_it() {
    for (text, json) in [
        ("no", "false"),
        ("y", "true"),
        ("On", "true"),
        ("\"no\"", "\"no\""),
        ("0777", "511"),
        ("0o17", "15"),
        ("0x1F", "31"),
        ("22:22", "\"22:22\""),
        ("1_000", "1000"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("-0.5", "-0.5"),
        ("9223372036854775808", "9223372036854775808"),
        ("~", "null"),
        ("", "null"),
        ("2026-11-21", "\"2026-11-21\""),
        ("{8080: a}", "{\"8080\":\"a\"}"),
        ("{true: a}", "{\"true\":\"a\"}"),
        ("{y: a}", "{\"true\":\"a\"}"),
        ("{\"y\": a}", "{\"y\":\"a\"}"),
        ("!!str 1", "\"1\""),
        ("!!binary aGFsbG8=", "\"hallo\""),
    ] {
        let node = one(&format!("v: {text}\n"), Profile::Manifest);
        assert_eq!(node.at("/v").unwrap().to_json().to_string(), json, "{text}");
    }
}

#[test]
fn c7_our_own_documents_know_only_true_and_false() {
    for (text, json) in [("no", "\"no\""), ("true", "true"), ("on", "\"on\""), ("1.0", "1.0"), ("5", "5")] {
        let node = one(&format!("v: {text}\n"), Profile::Config);
        assert_eq!(node.at("/v").unwrap().to_json().to_string(), json, "{text}");
    }
    let mistakes = parse("x.yaml", b"a: 1\n8080: a\n", Profile::Config).unwrap_err();
    assert_eq!((mistakes[0].code.as_str(), mistakes[0].place.line, mistakes[0].place.column), ("yaml.key", 2, 1));
}

#[test]
fn c8_bytes_that_are_let_through_are_kept() {
    let text = "\u{feff}a: \"b\u{202e}c\"\r\nd: |\r\n  e\r\n  ---\r\n  f\ttab\r\ng: \"\\x1b\\0\"\r\n";
    let node = one(text, Profile::Manifest);
    assert_eq!(node.get("a").unwrap().value, Value::String("b\u{202e}c".into()));
    assert_eq!(node.get("d").unwrap().value, Value::String("e\n---\nf\ttab\n".into()));
    assert_eq!(node.get("g").unwrap().value, Value::String("\u{1b}\0".into()));
}

#[test]
fn c13_nothing_is_no_document_and_anything_is_one() {
    for nothing in ["", "# only words\n", "---\n", "---\n---\n# x\n---\n", "\u{feff}", "~\n"] {
        assert_eq!(parse("x.yaml", nothing.as_bytes(), Profile::Manifest).unwrap(), [], "{nothing:?}");
    }
    assert_eq!(one("just words", Profile::Manifest).value, Value::String("just words".into()));
    assert_eq!(parse("x.yaml", b"a: 1\n---\n[]\n---\n3\n", Profile::Manifest).unwrap().len(), 3);
}

#[test]
fn places_are_those_of_the_text() {
    let nodes = parse("x.yaml", "a: 1\n---\nb:\n  - ä: x\n    cc: [1, 22]\n".as_bytes(), Profile::Config).unwrap();
    let inner = nodes[1].at("/b/0").unwrap();
    let (key, value) = inner.entry("cc").unwrap();
    assert_eq!((key.line, key.column, value.line, value.column), (5, 5, 5, 9));
    let last = nodes[1].at("/b/0/cc/1").unwrap();
    assert_eq!((last.line, last.column), (5, 13));
    let value = inner.get("ä").unwrap();
    assert_eq!((value.line, value.column), (4, 8));
    assert_eq!(nodes[1].at("/b/7"), None);
}

#[test]
fn merges_and_aliases_that_people_write_work() {
    let node = one("base: &base {a: 1, b: 2}\nx:\n  <<: *base\n  b: 3\nz: *base\n", Profile::Manifest);
    let mut entries: Vec<_> = node.get("x").unwrap().entries().iter().map(|(key, _)| key.text.as_str()).collect();
    entries.sort_unstable();
    assert_eq!(entries, ["a", "b"]);
    assert_eq!(node.at("/x/b").unwrap().value, Value::Integer(3));
    assert_eq!(node.at("/z/a").unwrap().value, Value::Integer(1));
    let shared = format!("a: &a {{team: edge}}\nb: [{}]\n", "*a, ".repeat(500));
    assert_eq!(one(&shared, Profile::Manifest).at("/b/499/team").unwrap().as_str(), Some("edge"));
}

mod arbitrary {
    use proptest::prelude::*;
    use trueup::yaml::{Profile, parse};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse("x.yaml", &bytes, Profile::Manifest).map_err(|mistakes| assert_ne!(mistakes[0].code, "yaml.reader"));
        }

        #[test]
        fn no_text_like_yaml_makes_it_panic(
            parts in proptest::collection::vec(
                prop::sample::select(vec![
                    "a", "b: ", "- ", "? ", ": ", "\n", "\n  ", "\n\t", "[", "]", "{", "}", ",", "&x ", "*x", "<<: ", "!!int ",
                    "!x ", "|", ">-", "'", "\"", "\\x", "---\n", "...\n", "%YAML 1.2\n", "# c", "~", "1e9", "0777", "é", "\u{feff}",
                ]),
                0..60,
            ),
        ) {
            for profile in [Profile::Manifest, Profile::Config] {
                let _ = parse("x.yaml", parts.concat().as_bytes(), profile).map_err(|mistakes| {
                    assert!(!mistakes.is_empty());
                    assert_ne!(mistakes[0].code, "yaml.reader");
                });
            }
        }
    }
}
