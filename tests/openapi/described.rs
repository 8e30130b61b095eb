//! The description itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_description_is_not_stale() {
    let now = format!("{}\n", serde_json::to_string_pretty(&trueup::api::document()).unwrap());
    let path = top().join("docs/openapi.json");
    if std::env::var_os("TRUEUP_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&path, &now).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/openapi.json is stale: TRUEUP_BLESS=1 cargo test --test openapi");
}

/// Returns the words in quotes that begin so, in all sources of the API.
fn quoted(begin: &str) -> Vec<String> {
    fn files(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, all);
            } else {
                all.push(path);
            }
        }
    }
    let mut all = vec![];
    files(&top().join("src/api"), &mut all);
    let texts = all.iter().map(|path| std::fs::read_to_string(path).unwrap());
    let words = |text: String| {
        text.split("#[cfg(test)]")
            .next()
            .unwrap_or_default()
            .split('"')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    texts.flat_map(words).filter(|word| word.starts_with(begin)).collect()
}

#[test]
fn every_route_is_described() {
    let document = trueup::api::document();
    let described: BTreeSet<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
    // A login goes by way of a browser, and is between this program and itself.
    let others = |path: &String| !path.starts_with("/v1/login");
    let routed: BTreeSet<_> = quoted("/v1/").into_iter().filter(others).collect();
    assert!(routed.len() > 20, "{routed:?}");
    assert_eq!(described, routed);
}

#[test]
fn every_operation_says_what_it_is_and_how_it_refuses() {
    let document = trueup::api::document();
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let what = format!("{method} {path}");
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{what} has no id"));
            assert!(ids.insert(id.to_owned()), "{id} twice");
            assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{what}");
            let responses = operation["responses"].as_object().unwrap();
            assert!(responses["200"]["content"].is_object(), "{what} gives nothing");
            for parameter in operation["parameters"].as_array().unwrap() {
                assert!(parameter["description"].is_string(), "{what}: {parameter}");
            }
            for (status, response) in responses.iter().filter(|(status, _)| *status >= &"400".to_owned()) {
                let problem = &response["content"]["application/problem+json"]["schema"];
                assert!(problem.is_object(), "{what} {status}: {response}");
                assert!(response["description"].as_str().unwrap().contains('`'), "{what} {status} names no code");
            }
            assert!(responses.contains_key("503"), "{what}");
            let named: BTreeSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
            let parameters = operation["parameters"].as_array().unwrap();
            let of = |place: &str| parameters.iter().filter(|one| one["in"] == place).cloned().collect::<Vec<Value>>();
            let told: Vec<_> = of("path");
            assert_eq!(told.iter().map(|one| one["name"].as_str().unwrap()).collect::<BTreeSet<_>>(), named, "{what}");
            assert_eq!(operation["requestBody"]["required"] == true, method == "post", "{what}: each act takes a body");
            let streams = responses["200"]["content"]["text/event-stream"].is_object();
            let header = match method.as_str() {
                "get" if streams => "Last-Event-ID",
                "get" => "If-None-Match",
                _ => "Idempotency-Key",
            };
            assert!(of("header").iter().any(|one| one["name"] == header), "{what} takes no {header}");
        }
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_field_has_plain_words() {
    fn walk(value: &Value, seen: &mut impl FnMut(&str, &Value)) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                seen(name, value);
                walk(value, seen);
            }),
            Value::Array(values) => values.iter().for_each(|value| walk(value, seen)),
            _ => {}
        }
    }
    let document = trueup::api::document();
    walk(&document, &mut |name, value| {
        if name == "$ref" {
            let reference = value.as_str().unwrap();
            assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
        }
        if let (true, Some(text)) = (name == "description", value.as_str()) {
            assert!(!text.contains("[`") && !text.contains("::"), "a link of the sources: {text}");
        }
    });
}
