use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::model::host::{Attributes, CommandSpec, HostSpec, Probe, UnitSpec};
use crate::model::{Complete, ObjectId, Spec};

use super::escape::escape;
use crate::model::deceives;

/// Words that some reader of YAML takes for something else than text.
const NOT_TEXT: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

/// Returns what was rendered as YAML documents in the order of identities, contents by their digest, each under a comment
/// that says where it is written.
#[must_use]
pub fn to_yaml(complete: &Complete) -> String {
    let mut text = String::new();
    for (id, spec) in &complete.objects {
        let (kind, body) = document(complete, spec);
        let separator = if text.is_empty() { "" } else { "---\n" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{separator}# {}", escape(&spec.place().to_string()));
        let name = json!({ "name": &*id.name });
        let document =
            json!({ "apiVersion": "host.trueup.dev/v1alpha1", "kind": kind, "metadata": name, "spec": body });
        block(&mut text, &document, 0);
    }
    text
}

fn document(complete: &Complete, spec: &Spec) -> (&'static str, Value) {
    let mut body = Map::new();
    let kind = match HostSpec::from_spec(spec) {
        Ok(HostSpec::File(file)) => {
            if file.secret.is_some() {
                // A digest that anyone can make would tell a guess from the truth.
                body.insert("secret".into(), json!(true));
            } else {
                body.insert("digest".into(), json!(format!("sha256:{}", file.content)));
                body.insert("size".into(), json!(file.size));
            }
            attributes(&mut body, &file.attributes, complete);
            if let Some(validate) = file.validate {
                body.insert("validate".into(), json!(validate.command));
            }
            if file.show {
                body.insert("show".into(), json!(true));
            }
            "File"
        }
        Ok(HostSpec::Directory(directory)) => {
            attributes(&mut body, &directory, complete);
            "Directory"
        }
        Ok(HostSpec::Symlink { to, calls }) => {
            body.insert("to".into(), json!(to));
            on_change(&mut body, &calls, complete);
            "Symlink"
        }
        Ok(HostSpec::Check(command)) => {
            run(&mut body, &command);
            "Check"
        }
        Ok(HostSpec::Handler(command)) => {
            run(&mut body, &command);
            "Handler"
        }
        Ok(HostSpec::Unit(unit)) => {
            self::unit(&mut body, &unit);
            on_change(&mut body, &unit.calls, complete);
            "Unit"
        }
        Ok(HostSpec::Signal(signal)) => {
            body.insert(signal.verb.as_str().into(), json!(signal.unit));
            "Handler"
        }
        // An adapter adds these: no render makes one.
        Ok(HostSpec::DaemonReload | HostSpec::VerifyUnits { .. }) => return ("Handler", spec.body().clone()),
        // No render makes one; what another hand made is shown as it is.
        Err(_) => return ("Unknown", spec.body().clone()),
    };
    (kind, Value::Object(body))
}

fn unit(body: &mut Map<String, Value>, unit: &UnitSpec) {
    if let Some(enabled) = unit.enabled {
        body.insert("enabled".into(), json!(enabled));
    }
    if let Some(running) = unit.running {
        body.insert("state".into(), json!(if running { "running" } else { "stopped" }));
    }
    if let Some(masked) = unit.masked {
        body.insert("masked".into(), json!(masked));
    }
    let probe = unit.health.probe.as_ref().map(|probe| match probe {
        Probe::Http(url) => json!({ "http": url }),
        Probe::Tcp(address) => json!({ "tcp": address }),
        Probe::Command(command) => json!({ "command": command.command }),
    });
    if let Some(probe) = probe {
        body.insert("probe".into(), probe);
    }
    let settle = unit.health.settle;
    let settle = if settle.is_multiple_of(1000) { format!("{}s", settle / 1000) } else { format!("{settle}ms") };
    body.insert("settle".into(), json!(settle));
    body.insert("timeout".into(), json!(format!("{}s", unit.health.timeout)));
}

fn attributes(body: &mut Map<String, Value>, attributes: &Attributes, complete: &Complete) {
    let (field, mode) = match attributes.mode {
        Some(mode) => ("mode", mode),
        None => ("defaultMode", attributes.default_mode),
    };
    body.insert(field.into(), json!(format!("{mode:04o}")));
    for (field, account) in [("owner", &attributes.owner), ("group", &attributes.group)] {
        if let Some(account) = account {
            body.insert(field.into(), json!(account));
        }
    }
    on_change(body, &attributes.calls, complete);
}

fn on_change(body: &mut Map<String, Value>, calls: &[ObjectId], complete: &Complete) {
    let command = |id| match complete.objects.get(id).map(HostSpec::from_spec) {
        Some(Ok(HostSpec::Handler(handler))) => Some(json!({ "run": handler.command })),
        Some(Ok(HostSpec::Signal(signal))) => Some(json!({ signal.verb.as_str(): signal.unit })),
        _ => None,
    };
    let calls: Vec<_> = calls.iter().filter_map(command).collect();
    if !calls.is_empty() {
        body.insert("onChange".into(), Value::Array(calls));
    }
}

fn run(body: &mut Map<String, Value>, command: &CommandSpec) {
    body.insert("command".into(), json!(command.command));
    body.insert("timeout".into(), json!(format!("{}s", command.timeout)));
}

/// Writes a mapping a line per field; what is a list stands on its line.
pub(super) fn block(text: &mut String, value: &Value, indent: usize) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let _ = write!(text, "{:indent$}{}:", "", scalar(key));
        if value.as_object().is_some_and(|fields| !fields.is_empty()) {
            text.push('\n');
            block(text, value, indent + 2);
        } else {
            let _ = writeln!(text, " {}", flow(value));
        }
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "{}".into(),
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("{}: {}", scalar(key), flow(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::String(string) => scalar(string),
        other => other.to_string(),
    }
}

/// Returns text as a scalar that every reader of YAML takes for that text, and no terminal for anything else.
fn scalar(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "/_.-".contains(c);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    if begins && text.chars().all(safe) && !NOT_TEXT.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if deceives(character) => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Profile, parse};

    #[test]
    fn every_scalar_is_read_back_as_the_text_that_it_was() {
        let nasty = [
            "",
            "yes",
            "Null",
            "0644",
            "1e3",
            "a: b",
            "- x",
            "#",
            "a #b",
            "it's \"x\"\\",
            "\u{1b}[2J\n\t",
            "\u{202e}",
            "ü",
            "~",
            ".inf",
            "{}",
            "&a",
            "!t",
            "/etc/motd",
            "-f",
            "NaN",
        ];
        for text in nasty {
            let written = format!("{}: [{}]", scalar("k"), scalar(text));
            assert!(!written.chars().any(deceives), "{written:?}");
            for profile in [Profile::Config, Profile::Manifest] {
                let nodes = parse("x", written.as_bytes(), profile).unwrap();
                assert_eq!(nodes[0].at("/k/0").and_then(|node| node.as_str()), Some(text), "{written}");
            }
        }
    }
}
