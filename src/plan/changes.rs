use serde_json::Value;
use similar::TextDiff;

use crate::model::view::Change;
use crate::model::{After, Complete, Contents, Live, Plan, Preview, Previews, State, Step};

/// Contents beyond this many bytes are not diffed.
const LARGEST_DIFF: usize = 256 * 1024;
/// Lines around each difference.
const CONTEXT: usize = 3;
/// Said by the content's diff, or by the document that it is part of, not by an attribute.
const NOT_ATTRIBUTES: [&str; 7] = ["content", "size", "calls", "validate", "show", "default_mode", "command"];

/// Returns what each step of the plan changes, for people to read. Hidden contents stay hidden.
#[must_use]
pub fn changes(plan: &Plan, previews: &Previews, desired: &Complete) -> Vec<Change> {
    told(plan, previews, desired, Direction::Forth)
}

/// Returns what others changed that each step of the plan would put right: from what is desired to what was found.
#[must_use]
pub fn edits(plan: &Plan, previews: &Previews, desired: &Complete) -> Vec<Change> {
    told(plan, previews, desired, Direction::Back)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forth,
    Back,
}

fn told(plan: &Plan, previews: &Previews, desired: &Complete, direction: Direction) -> Vec<Change> {
    let find = |step: &Step| previews.items.iter().find(|preview| preview.id == step.id);
    let place = |step: &Step| desired.objects.get(&step.id).map(|spec| spec.place().to_string());
    let one = |step: &Step| {
        let change = change(step, find(step), place(step), desired.contents.as_ref(), direction);
        match direction {
            Direction::Forth => change,
            Direction::Back => {
                let back = change.attributes.into_iter().map(|(name, before, after)| (name, after, before)).collect();
                Change { attributes: back, ..change }
            }
        }
    };
    plan.steps.iter().map(one).collect()
}

fn change(
    step: &Step,
    preview: Option<&Preview>,
    place: Option<String>,
    contents: &dyn Contents,
    direction: Direction,
) -> Change {
    let before = preview.and_then(|preview| match &preview.live {
        Live::Known(state) => Some(&**state),
        Live::Absent | Live::Unknown(_) => None,
    });
    let after = preview.and_then(|preview| match &preview.after {
        After::Is(state) => Some(&**state),
        After::Same | After::Absent | After::Released | After::Run(_) => None,
    });
    let (diff, note) = content(before, after, contents, direction);
    Change { step: step.clone(), attributes: attributes(before, after), diff, note, place }
}

fn attributes(before: Option<&State>, after: Option<&State>) -> Vec<(String, Option<String>, Option<String>)> {
    let Some(after) = after else { return vec![] };
    let (old, new) = (body(before), body(Some(after)));
    let mut names: Vec<&String> = old.iter().chain(&new).flat_map(|body| body.keys()).collect();
    names.sort();
    names.dedup();
    let value = |body: Option<&serde_json::Map<String, Value>>, name: &str| body?.get(name).map(|v| shown(name, v));
    names
        .into_iter()
        .filter(|name| !NOT_ATTRIBUTES.contains(&name.as_str()))
        .map(|name| (name.clone(), value(old, name), value(new, name)))
        // What is not declared is kept as it is, unless another sort of thing takes its place.
        .filter(|(_, old, new)| old != new && (new.is_some() || before.is_none_or(|before| before.sort != after.sort)))
        .collect()
}

fn body(state: Option<&State>) -> Option<&serde_json::Map<String, Value>> {
    state?.spec.as_ref()?.body().as_object()
}

fn shown(name: &str, value: &Value) -> String {
    match (name, value) {
        ("mode", Value::Number(mode)) => format!("{:04o}", mode.as_u64().unwrap_or_default()),
        (_, Value::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    }
}

/// Returns the diff of the content, or what to say instead of one.
fn content(
    before: Option<&State>,
    after: Option<&State>,
    contents: &dyn Contents,
    direction: Direction,
) -> (Option<String>, Option<String>) {
    let named = |state: Option<&State>| state?.spec.as_ref()?.contents().first().copied();
    let (was, comes) = (named(before), named(after));
    if was == comes {
        return (None, None);
    }
    if [before, after].into_iter().flatten().any(|state| state.hidden) {
        return (None, Some("content hidden".into()));
    }
    let Ok(new) = comes.map(|digest| contents.read(&digest)).transpose() else {
        return (None, Some("content cannot be read".into()));
    };
    let old = before.and_then(|before| before.content.as_deref()).unwrap_or_default();
    let new = new.as_deref().unwrap_or_default();
    let (Ok(old_text), Ok(new_text)) = (std::str::from_utf8(old), std::str::from_utf8(new)) else {
        return (None, Some(format!("binary content, {} bytes", new.len())));
    };
    if old.len().max(new.len()) > LARGEST_DIFF {
        return (None, Some(format!("content of {} bytes, too large to compare", new.len())));
    }
    let diff = match direction {
        Direction::Forth => TextDiff::from_lines(old_text, new_text),
        Direction::Back => TextDiff::from_lines(new_text, old_text),
    };
    (Some(diff.unified_diff().context_radius(CONTEXT).to_string()), None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Digest, Fingerprint, Place, Spec};

    fn state(sort: &'static str, body: Value) -> State {
        let sort = sort.into();
        let place = Place { file: "x.yaml".into(), line: 1, column: 1 };
        let spec = Some(Spec::new(body, vec![], place));
        let (digest, fingerprint) = (Digest::ABSENT, Fingerprint("".into()));
        State { digest, fingerprint, sort, spec, content: None, hidden: false }
    }

    #[test]
    fn what_is_not_declared_is_kept_and_so_is_no_change() {
        let before = state("file", json!({ "mode": 0o644, "owner": "0" }));
        let after = state("file", json!({ "mode": 0o600 }));
        let expected = [("mode".to_owned(), Some("0644".to_owned()), Some("0600".to_owned()))];
        assert_eq!(attributes(Some(&before), Some(&after)), expected);

        let link = state("symlink", json!({ "to": "a" }));
        let gone = [("to".to_owned(), Some("a".to_owned()), None)];
        assert_eq!(attributes(Some(&link), Some(&state("file", json!({})))), gone);
    }
}
