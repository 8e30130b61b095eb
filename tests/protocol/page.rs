//! Every example of the page is a message as the code reads and writes it.

use std::collections::BTreeSet;

use serde_json::Value;
use trueup::target::protocol::message::{FromAdapter, ToAdapter};

const PAGE: &str = include_str!("../../docs/adapter-protocol.md");

/// Returns the examples of one side.
fn examples(side: &str) -> Vec<Value> {
    let begin = format!("```json {side}\n");
    let blocks = PAGE.split(&begin).skip(1).map(|block| block.split("```").next().unwrap());
    blocks.map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))).collect()
}

/// Sees that everything in an example has a meaning: a field that the code does not know would be lost.
fn kept(example: &Value, read: &Value, at: &str) {
    match (example, read) {
        (Value::Object(fields), Value::Object(known)) => {
            for (name, value) in fields {
                let default = value == &Value::Bool(false);
                match known.get(name) {
                    Some(known) => kept(value, known, &format!("{at}.{name}")),
                    None => assert!(default, "{at}.{name} is not known"),
                }
            }
        }
        (Value::Array(items), Value::Array(known)) => {
            assert_eq!(items.len(), known.len());
            items.iter().zip(known).for_each(|(item, known)| kept(item, known, at));
        }
        _ => assert_eq!(example, read, "{at}"),
    }
}

fn types(examples: &[Value]) -> BTreeSet<&str> {
    examples.iter().map(|example| example["type"].as_str().unwrap()).collect()
}

#[test]
fn what_a_client_says_is_as_the_page_has_it() {
    let examples = examples("client");
    for example in &examples {
        let read: ToAdapter = serde_json::from_value(example.clone()).unwrap_or_else(|e| panic!("{e}: {example}"));
        kept(example, &serde_json::to_value(read).unwrap(), "");
    }
    let all = "apply cancel chunk end health hello lacking object preview recover step watch";
    assert_eq!(types(&examples), all.split(' ').collect());
}

#[test]
fn what_an_adapter_says_is_as_the_page_has_it() {
    let examples = examples("adapter");
    for example in &examples {
        let read: FromAdapter = serde_json::from_value(example.clone()).unwrap_or_else(|e| panic!("{e}: {example}"));
        kept(example, &serde_json::to_value(read).unwrap(), "");
    }
    // A chunk is the same from both sides.
    let all = "end error health need outcome preview ring run welcome";
    assert_eq!(types(&examples), all.split(' ').collect());
}

#[test]
fn no_example_stands_unmarked() {
    assert_eq!(PAGE.matches("```json\n").count(), 0);
    assert_eq!(PAGE.matches("```json ").count(), examples("client").len() + examples("adapter").len());
}
