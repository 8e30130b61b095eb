use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Profile, decode, parse};
use crate::model::Name;

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Thing {
    /// What it is called. More words.
    name: Name,
    /// Where it lies.
    path: String,
    #[serde(default)]
    count: Option<u32>,
    #[serde(default)]
    mood: Option<Mood>,
    #[serde(default)]
    doings: Vec<Doing>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    on: bool,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Mood {
    /// With a word on it.
    Glad,
    Sad,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Doing {
    Reload { unit: String },
    Run(Vec<String>),
}

fn read(text: &str) -> Result<Thing, Vec<String>> {
    let nodes = parse("x.yaml", text.as_bytes(), Profile::Config).unwrap();
    decode::<Thing>("x.yaml", &nodes[0])
        .map_err(|mistakes| mistakes.iter().map(|mistake| format!("{} {mistake}", mistake.code)).collect())
}

#[test]
fn what_is_right_is_read() {
    let text = "name: a\npath: /x\ncount: 3\nmood: sad\ndoings:\n- reload: {unit: u}\n- run: [ls]\nlabels: {a: b}\n";
    let thing = read(text).unwrap();
    assert_eq!((thing.count, thing.mood, thing.on), (Some(3), Some(Mood::Sad), false));
    assert_eq!(thing.doings, [Doing::Reload { unit: "u".into() }, Doing::Run(vec!["ls".into()])]);
    assert_eq!(read("name: a\npath: x\ncount:\nmood: ~\n").unwrap().mood, None);
}

#[test]
fn every_mistake_is_told_at_once_with_its_place_and_a_hint() {
    let text = "name: A_b\ncuont: 3\nmood: sda\ndoings:\n- {reload: {unti: u}}\n- run: ls\nlabels: {a: 1}\non: yes\n";
    assert_eq!(
        read(text).unwrap_err(),
        [
            "schema.missing-field x.yaml:1:1: the field 'path' is missing\n  hint: Where it lies",
            "schema.value x.yaml:1:7: expected text like web-1, found 'A_b'\n  hint: it has to match ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
            "schema.unknown-field x.yaml:2:1: the field 'cuont' is not known here\n  hint: did you mean 'count'?",
            "schema.value x.yaml:3:7: expected sad or glad, found 'sda'\n  hint: did you mean 'sad'?",
            "schema.missing-field x.yaml:5:12: the field 'unit' is missing",
            "schema.unknown-field x.yaml:5:13: the field 'unti' is not known here\n  hint: did you mean 'unit'?",
            "schema.type x.yaml:6:8: expected a list, found 'ls'\n  hint: write it as a list: [ … ]",
            "schema.type x.yaml:7:13: expected text, found the number 1\n  hint: put it in quotes: \"1\"",
            "schema.type x.yaml:8:5: expected true or false, found 'yes'\n  hint: did you mean true, without quotes?",
        ]
    );
}

#[test]
fn what_only_serde_sees_has_a_place_too() {
    let told = read("name: a\npath: x\ncount: 4294967296\n").unwrap_err();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("schema.value x.yaml:3:8: "), "{}", told[0]);
}

#[test]
fn a_document_of_another_shape_is_one_mistake() {
    assert_eq!(read("just words").unwrap_err(), ["schema.type x.yaml:1:1: expected a mapping, found text"]);
}

#[test]
fn the_deepest_document_is_decoded_on_a_small_stack() {
    let text = format!("{}{}", "[".repeat(super::MAX_DEPTH), "]".repeat(super::MAX_DEPTH));
    let nodes = parse("x.yaml", text.as_bytes(), Profile::Manifest).unwrap();
    let thread = std::thread::Builder::new().stack_size(1024 * 1024);
    let decoded = thread.spawn(move || decode::<serde_json::Value>("x.yaml", &nodes[0]).unwrap().to_string());
    assert_eq!(decoded.unwrap().join().unwrap(), text);
}

#[test]
fn a_hundred_thousand_mistakes_are_told_in_part_and_in_time() {
    let keys: Vec<_> = (0..100_000).map(|n| format!("k{n}: 1")).collect();
    let text = keys.join("\n");
    let start = std::time::Instant::now();
    assert_eq!(read(&text).unwrap_err().len(), 1_000);
    assert!(start.elapsed() < std::time::Duration::from_secs(20));
}
