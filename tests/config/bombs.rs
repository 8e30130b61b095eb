//! Class C of the hostile inputs: texts that the parser must refuse. The table of `tests/hostile` sends them through Git.

use std::fmt::Write as _;

/// One text, and the code with which it is refused.
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) text: Vec<u8>,
    pub(crate) code: &'static str,
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

/// Returns every text that the parser must refuse.
pub(crate) fn refused() -> Vec<Case> {
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
