//! The schema → the page that people read.

use std::fmt::Write as _;

use serde_json::Value;

use super::envelope::KINDS;
use super::schema;

const HEAD: &str = "# Configuration

<!-- Generated from the types in src/config; `TRUEUP_BLESS=1 cargo test --test config` writes it anew. -->

What the daemon keeps true is declared in YAML: one file, or a folder of `*.yaml` and `*.yml` read in byte order, named by
`--config` or `TRUEUP_CONFIG`. A file may hold several documents, parted by `---`. Every document has `apiVersion:
trueup.dev/v1alpha1`, a `kind`, `metadata` with a `name`, and a `spec`. Unknown fields are mistakes, and all mistakes are told
at once. `config/quickstart.yaml` is the least that works, `config/reference.yaml` has every field, `config/examples/` a file
for each real-life shape. An editor that reads JSON Schema completes and checks with `config/trueup.schema.json`:

```yaml
# yaml-language-server: $schema=trueup.schema.json
```

Lengths of time are a whole number and one of `ms`, `s`, `m`, `h`, `d`. Booleans are `true` and `false` alone; `yes` and
`on` are text.

";

/// Returns the reference of every field, as Markdown.
#[must_use]
pub fn reference() -> String {
    let schema = schema();
    let page = Page { schema: &schema };
    let mut text = HEAD.to_owned();
    text.push_str("## metadata, of every kind\n\n");
    page.table("metadata", &schema["$defs"]["Metadata"], &mut text);
    for kind in KINDS {
        let document = &schema["$defs"][format!("{kind}Document")];
        // Writing to a String cannot fail.
        let _ = write!(text, "\n## {kind}\n\n{}\n\n", meaning(document));
        page.table("spec", page.resolved(&document["properties"]["spec"]), &mut text);
    }
    text
}

struct Page<'s> {
    schema: &'s Value,
}

impl<'s> Page<'s> {
    fn resolved(&self, field: &'s Value) -> &'s Value {
        let one = field.get("anyOf").and_then(Value::as_array).and_then(|choices| choices.first()).unwrap_or(field);
        let target = one.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        target.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(one)
    }

    fn table(&self, path: &str, schema: &'s Value, text: &mut String) {
        text.push_str("| field | type | default | meaning |\n|---|---|---|---|\n");
        self.rows(path, schema, text);
    }

    fn rows(&self, path: &str, schema: &'s Value, text: &mut String) {
        let required = schema.get("required").and_then(Value::as_array);
        for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let target = self.resolved(field);
            let needed = required.is_some_and(|names| names.iter().any(|one| one == name));
            let path = format!("{path}.{name}");
            let own = meaning(field);
            let means = if own.is_empty() { meaning(target) } else { own };
            let choices = choices(self.resolved(target.get("items").unwrap_or(target)));
            let kind = kind(target);
            let _ = writeln!(text, "| `{path}` | {kind} | {} | {means}{choices} |", default(field, needed));
            self.rows(&path, target, text);
        }
    }
}

fn meaning(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

fn default(field: &Value, needed: bool) -> String {
    match field.get("default") {
        _ if needed => "required".to_owned(),
        None | Some(Value::Null | Value::Object(_)) => String::new(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(Value::Array(items)) if items.is_empty() => String::new(),
        Some(Value::Array(items)) => {
            format!("`[{}]`", items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "))
        }
        Some(other) => format!("`{other}`"),
    }
}

fn kind(schema: &Value) -> &'static str {
    if schema.get("examples") == Some(&serde_json::json!(["30s", "5m"])) {
        return "time";
    }
    let name = match &schema["type"] {
        Value::Array(names) => names.first().and_then(Value::as_str),
        name => name.as_str(),
    };
    match name {
        Some("string") => "text",
        Some("integer") => "whole number",
        Some("boolean") => "boolean",
        Some("array") => "list",
        Some("object") => "mapping",
        _ => "word",
    }
}

/// Returns the words that an enumeration allows, with what each means.
fn choices(schema: &Value) -> String {
    let several = schema.get("oneOf").and_then(Value::as_array).map_or(std::slice::from_ref(schema), Vec::as_slice);
    let mut words = Vec::new();
    for choice in several {
        let listed = choice.get("enum").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for word in listed.iter().chain(choice.get("const")).filter_map(Value::as_str) {
            let means = if several.len() > 1 { meaning(choice) } else { String::new() };
            let means = means.trim_end_matches('.');
            words.push(if means.is_empty() { format!("`{word}`") } else { format!("`{word}` ({means})") });
        }
    }
    if words.is_empty() { String::new() } else { format!(" One of: {}.", words.join(", ")) }
}
