//! A node beside the JSON Schema of what it should be: every difference is a mistake.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value as Schema;

use super::text::{nearest, quoted};
use super::words::{
    by_pattern, description, either, expected, fits, found, list, nearest_bool, only_null, tag_fits, wants, words_of,
};
use super::{Key, Node, Value, mistake, pattern};
use crate::model::Mistake;

/// One document shows this many mistakes; who sees more has the wrong file.
const MOST: usize = 1_000;

/// Returns every mistake in `node`, in the order of the text.
pub(super) fn check(file: &Arc<str>, root: &Schema, node: &Node) -> Vec<Mistake> {
    let mut walk = Walk { file, root, found: Vec::new() };
    walk.value(root, node);
    walk.found.truncate(MOST);
    walk.found.sort_by_key(|mistake| (mistake.place.line, mistake.place.column));
    walk.found
}

struct Walk<'a> {
    file: &'a Arc<str>,
    root: &'a Schema,
    found: Vec<Mistake>,
}

impl<'a> Walk<'a> {
    fn say(&mut self, code: &str, node: &Node, message: String, hint: Option<String>) {
        self.found.push(mistake(code, node.place(self.file), message, hint));
    }

    fn resolved(&self, mut schema: &'a Schema) -> &'a Schema {
        while let Some(target) = schema.get("$ref").and_then(Schema::as_str) {
            match target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                Some(next) => schema = next,
                None => return &Schema::Null,
            }
        }
        schema
    }

    fn value(&mut self, schema: &'a Schema, node: &Node) {
        if self.found.len() >= MOST {
            return;
        }
        let schema = self.resolved(schema);
        for part in list(schema, "allOf") {
            self.value(part, node);
        }
        let choices: Vec<_> =
            list(schema, "oneOf").chain(list(schema, "anyOf")).map(|one| self.resolved(one)).collect();
        if !choices.is_empty() {
            self.choice(&choices, node);
        }
        if let Some(words) = words_of(schema) {
            return self.one_of(&words, node);
        }
        if !fits(schema, node) {
            return self.wrong_type(schema, node);
        }
        match &node.value {
            Value::Mapping(entries) => self.mapping(schema, entries, node),
            Value::Sequence(items) => self.sequence(schema, items, node),
            Value::String(text) => self.text(schema, text, node),
            Value::Integer(_) | Value::Float(_) => self.number(schema, node),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn mapping(&mut self, schema: &'a Schema, entries: &[(Key, Node)], node: &Node) {
        let fields = schema.get("properties").and_then(Schema::as_object);
        let present: HashSet<_> = entries.iter().map(|(key, _)| key.text.as_str()).collect();
        for (key, value) in entries {
            let known = fields.and_then(|fields| fields.get(&key.text)).or_else(|| by_pattern(schema, &key.text));
            match (known, schema.get("additionalProperties")) {
                (Some(field), _) | (None, Some(field @ Schema::Object(_))) => self.value(field, value),
                (None, Some(Schema::Bool(false))) => {
                    let names: Vec<_> = fields.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                    self.unknown(key, &names, &present);
                }
                _ => {}
            }
        }
        for name in list(schema, "required").filter_map(Schema::as_str) {
            if !present.contains(name) {
                let field = fields.and_then(|fields| fields.get(name));
                let meaning = field.and_then(|field| description(field).or_else(|| description(self.resolved(field))));
                self.say("schema.missing-field", node, format!("the field {} is missing", quoted(name)), meaning);
            }
        }
    }

    fn unknown(&mut self, key: &Key, known: &[&str], present: &HashSet<&str>) {
        if self.found.len() >= MOST {
            return;
        }
        // What is there already cannot be what was meant.
        let free = known.iter().copied().filter(|name| !present.contains(name));
        let hint = match nearest(&key.text, free) {
            Some(name) => format!("did you mean {}?", quoted(name)),
            None if known.is_empty() => "no field is expected here".to_owned(),
            None => format!("expected one of {}", known.join(", ")),
        };
        let message = format!("the field {} is not known here", quoted(&key.text));
        self.found.push(mistake("schema.unknown-field", key.place(self.file), message, Some(hint)));
    }

    fn sequence(&mut self, schema: &'a Schema, items: &[Node], node: &Node) {
        if let Some(item) = schema.get("items").filter(|items| items.is_object()) {
            for node in items {
                self.value(item, node);
            }
        }
        let count = items.len();
        if let Some(least) = schema.get("minItems").and_then(Schema::as_u64).filter(|least| (count as u64) < *least) {
            self.say("schema.value", node, format!("expected at least {least} items, found {count}"), None);
        }
        if let Some(most) = schema.get("maxItems").and_then(Schema::as_u64).filter(|most| (count as u64) > *most) {
            self.say("schema.value", node, format!("expected at most {most} items, found {count}"), None);
        }
        if schema.get("uniqueItems") == Some(&Schema::Bool(true)) {
            let mut seen = HashSet::new();
            for item in items {
                if !seen.insert(item.to_json().to_string()) {
                    self.say("schema.value", item, format!("{} occurs twice in the list", found(item)), None);
                }
            }
        }
    }

    fn text(&mut self, schema: &'a Schema, text: &str, node: &Node) {
        let count = text.chars().count() as u64;
        if let Some(least) = schema.get("minLength").and_then(Schema::as_u64).filter(|least| count < *least) {
            return self.say(
                "schema.value",
                node,
                format!("expected at least {least} characters, found {count}"),
                None,
            );
        }
        if let Some(most) = schema.get("maxLength").and_then(Schema::as_u64).filter(|most| count > *most) {
            return self.say("schema.value", node, format!("expected at most {most} characters, found {count}"), None);
        }
        let Some(wanted) = schema.get("pattern").and_then(Schema::as_str) else { return };
        if pattern::matches(wanted, text) == Some(false) {
            let examples: Vec<_> = list(schema, "examples").filter_map(Schema::as_str).collect();
            let (expected, hint) = match examples.as_slice() {
                [] => (format!("text that matches {wanted}"), None),
                some => (format!("text like {}", some.join(" or ")), Some(format!("it has to match {wanted}"))),
            };
            self.say("schema.value", node, format!("expected {expected}, found {}", quoted(text)), hint);
        }
    }

    fn number(&mut self, schema: &'a Schema, node: &Node) {
        #[expect(clippy::cast_precision_loss, reason = "bounds in schemas are small")]
        let number = match node.value {
            Value::Integer(integer) => integer as f64,
            Value::Float(float) => float,
            _ => return,
        };
        let bound = |name| schema.get(name).and_then(Schema::as_f64);
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            self.say("schema.value", node, format!("expected at least {least}, found {number}"), None);
        }
        if let Some(most) = bound("maximum").filter(|most| number > *most) {
            self.say("schema.value", node, format!("expected at most {most}, found {number}"), None);
        }
    }

    fn one_of(&mut self, words: &[&str], node: &Node) {
        let given = match &node.value {
            Value::String(text) => text.as_str(),
            _ => "",
        };
        if words.contains(&given) {
            return;
        }
        let hint = nearest(given, words.iter().copied()).map(|word| format!("did you mean {}?", quoted(word)));
        self.say("schema.value", node, format!("expected {}, found {}", either(words), found(node)), hint);
    }

    /// Reports against the choice that comes closest: the one whose constant field fits, else the one with fewest mistakes.
    fn choice(&mut self, choices: &[&'a Schema], node: &Node) {
        if node.value == Value::Null && choices.iter().any(|choice| fits(choice, node) && words_of(choice).is_none()) {
            return;
        }
        let words: Option<Vec<_>> =
            choices.iter().filter(|choice| !only_null(choice)).map(|choice| words_of(choice)).collect();
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            return self.one_of(&words.concat(), node);
        }
        let fitting: Vec<_> = choices.iter().filter(|choice| fits(choice, node) && tag_fits(choice, node)).collect();
        let tried =
            if fitting.is_empty() { choices.iter().filter(|choice| !only_null(choice)).collect() } else { fitting };
        let attempts = tried.into_iter().map(|choice| {
            let mut attempt = Walk { file: self.file, root: self.root, found: Vec::new() };
            attempt.value(choice, node);
            attempt.found
        });
        self.found.extend(attempts.min_by_key(Vec::len).unwrap_or_default());
    }

    fn wrong_type(&mut self, schema: &Schema, node: &Node) {
        let hint = match &node.value {
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) if wants(schema, "string") => {
                Some(format!("put it in quotes: \"{}\"", node.to_json()))
            }
            Value::String(text) if wants(schema, "boolean") => nearest_bool(text),
            Value::String(text) if wants(schema, "integer") && text.parse::<i64>().is_ok() => {
                Some(format!("leave out the quotes: {text}"))
            }
            Value::String(_) if wants(schema, "array") => Some("write it as a list: [ … ]".to_owned()),
            _ => description(schema),
        };
        let found = match &node.value {
            // Where a mapping says from where a secret comes, it may be the secret itself that was written.
            Value::String(_) if wants(schema, "object") => "text".to_owned(),
            Value::Integer(_) | Value::Float(_) if wants(schema, "object") => "a number".to_owned(),
            _ => found(node),
        };
        self.say("schema.type", node, format!("expected {}, found {found}", expected(schema)), hint);
    }
}
