//! Class C of the hostile inputs, as far as it concerns the parser.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use trueup::model::Mistake;
use trueup::yaml::{Node, Profile, Value, parse};

struct Case {
    id: &'static str,
    text: Vec<u8>,
    code: &'static str,
}

fn case(id: &'static str, text: impl Into<Vec<u8>>, code: &'static str) -> Case {
    Case { id, text: text.into(), code }
}

fn billion_laughs() -> String {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
    }
    text
}

fn deep_by_aliases() -> String {
    let mut text = format!("a0: &a0 {}x{}\n", "[".repeat(100), "]".repeat(100));
    for level in 1..40 {
        writeln!(text, "a{level}: &a{level} {}*a{}{}", "[".repeat(100), level - 1, "]".repeat(100)).unwrap();
    }
    text
}

fn deep_by_merges() -> String {
    let mut text = format!("a0: &a0 {{x: {}1{}}}\n", "[".repeat(100), "]".repeat(100));
    for level in 1..40 {
        let (open, close) = ("{k: ".repeat(100), "}".repeat(100));
        writeln!(text, "a{level}: &a{level} {open}{{<<: *a{}}}{close}", level - 1).unwrap();
    }
    text
}

fn refused() -> Vec<Case> {
    let quadratic = format!("a: &a [{}]\nb: [{}]", "x,".repeat(20_000), "*a,".repeat(1_900));
    let long_text = format!("a: &a {}\nb: [{}]", "x".repeat(5_000_000), "*a,".repeat(1_900));
    vec![
        case("C1 billion laughs", billion_laughs(), "yaml.alias-budget"),
        case("C1 quadratic", quadratic, "yaml.alias-budget"),
        case("C1 one anchor, 20,000 aliases", format!("a: &a x\nb: [{}]", "*a,".repeat(20_000)), "yaml.alias-budget"),
        case("C1 long text repeated", long_text, "yaml.alias-budget"),
        case("C1 depth by aliases", deep_by_aliases(), "yaml.depth"),
        case("C1 depth by merges", deep_by_merges(), "yaml.depth"),
        case("C2 lists", "[".repeat(100_000), "yaml.depth"),
        case("C2 mappings", "{b: ".repeat(50_000), "yaml.depth"),
        case("C2 JSON", "{\"a\":".repeat(100_000), "yaml.depth"),
        case("C2 dashes", "- ".repeat(200_000), "yaml.depth"),
        case("C2 keys", "? ".repeat(100_000), "yaml.depth"),
        case("C2 keys in braces", "{? ".repeat(50_000), "yaml.depth"),
        case("C2 lists as keys", format!("{}{}: x", "[".repeat(128), "]".repeat(128)), "yaml.depth"),
        case("C2 lists as keys, not too deep", format!("{}{}: x", "[".repeat(120), "]".repeat(120)), "yaml.key"),
        case("C2 one too deep", format!("{}{}", "[".repeat(129), "]".repeat(129)), "yaml.depth"),
        case("C3 too large", vec![b'x'; 10 * 1024 * 1024 + 1], "yaml.too-large"),
        case("C3 100,000 documents", "--- a\n".repeat(100_000), "yaml.too-large"),
        case("C3 too many values", format!("[{}]", "1,".repeat(600_000)), "yaml.too-large"),
        case("C4 alias in itself", "&a [*a]", "yaml.alias-cycle"),
        case("C4 merge of itself", "self: &self\n  <<: *self\n", "yaml.alias-cycle"),
        case("C4 unknown anchor", "a: *b", "yaml.anchor"),
        case("C4 merge of text", "<<: text\n", "yaml.merge"),
        case("C5 twice", "data: 1\ndata: 2\n", "yaml.duplicate-key"),
        case("C5 twice in JSON", r#"{"a":1,"a":2}"#, "yaml.duplicate-key"),
        case("C5 twice, told apart by type", "1: a\n\"1\": b\n", "yaml.duplicate-key"),
        case("C6 python", "!!python/object/apply:os.system [id]", "yaml.tag"),
        case("C6 include", "a: !include /etc/passwd", "yaml.tag"),
        case("C6 own tag", "a: !thing x", "yaml.tag"),
        case("C6 binary that is none", "a: !!binary '%%%'", "yaml.tag"),
        case("C7 infinite", "a: .inf", "yaml.number"),
        case("C7 overflow", "a: 1e999", "yaml.number"),
        case("C7 not a number", "a: .nan", "yaml.number"),
        case("C8 UTF-16", b"\xff\xfea\x00".to_vec(), "yaml.encoding"),
        case("C8 not UTF-8", b"a: \xc3\x28".to_vec(), "yaml.encoding"),
        case("C8 NUL", "a: b\0c", "yaml.control"),
        case("C8 C1", "a: b\u{9b}2J", "yaml.control"),
        case("C8 escape", "a: b\u{1b}[2J", "yaml.control"),
        case("C8 mark inside", "a: b\u{feff}c", "yaml.control"),
        case("C8 tab as indent", "a:\n\tb: c\n", "yaml.syntax"),
        case("open list", "a: [1, 2", "yaml.syntax"),
        case("key is a list", "? [a, b]\n: c\n", "yaml.key"),
        case("key is nothing", "~: c\n", "yaml.key"),
    ]
}

fn refusal(case: &Case, profile: Profile) -> Mistake {
    match parse("x.yaml", &case.text, profile) {
        Err(mistakes) => mistakes.into_iter().next().unwrap(),
        Ok(nodes) => panic!("{}: read {} documents", case.id, nodes.len()),
    }
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn hostile_text_is_refused_with_its_own_code_in_time_and_space() {
    let mut wrong = String::new();
    for case in refused() {
        let before = peak_kib();
        let start = Instant::now();
        let mistake = refusal(&case, Profile::Manifest);
        let (took, grew) = (start.elapsed(), peak_kib() - before);
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
