use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::fault::Fault;

/// So many recipients are tried: each costs a key exchange for each identity.
const MOST_RECIPIENTS: usize = 64;

/// What stands under `sops`, as far as it is needed.
#[derive(Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) age: Option<Vec<Recipient>>,
    #[serde(default)]
    key_groups: Option<Vec<Value>>,
    /// As written: it is the associated data of the MAC.
    pub(super) lastmodified: String,
    #[serde(default)]
    pub(super) mac: String,
    #[serde(default)]
    pub(super) unencrypted_suffix: Option<String>,
    #[serde(default)]
    pub(super) encrypted_suffix: Option<String>,
    #[serde(default)]
    pub(super) unencrypted_regex: Option<String>,
    #[serde(default)]
    pub(super) encrypted_regex: Option<String>,
    #[serde(default)]
    pub(super) unencrypted_comment_regex: Option<String>,
    #[serde(default)]
    pub(super) encrypted_comment_regex: Option<String>,
    #[serde(default, deserialize_with = "weak_bool")]
    pub(super) mac_only_encrypted: bool,
}

/// The data key for one age recipient.
#[derive(Deserialize)]
pub(super) struct Recipient {
    pub(super) recipient: String,
    /// Armoured.
    pub(super) enc: String,
}

impl Metadata {
    /// Reads what stands under `sops`.
    pub(super) fn read(value: Value) -> Result<Self, Fault> {
        // serde's own message could quote what stands there.
        let metadata: Self = serde_json::from_value(value).map_err(|_| {
            Fault::invalid("its SOPS metadata lacks a field, or a field is not what it should be")
                .hint("the file may be truncated; encrypt it again with sops 3")
        })?;
        if metadata.key_groups.as_ref().is_some_and(|groups| !groups.is_empty()) {
            let hint = "encrypt it with one key group: `sops rotate` with a rule that names `age:` alone";
            return Err(Fault::encrypted("its data key is split among key groups, which is not supported", hint));
        }
        if metadata.recipients().len() > MOST_RECIPIENTS {
            return Err(Fault::invalid(format!("it has more than {MOST_RECIPIENTS} age recipients")));
        }
        Ok(metadata)
    }

    /// Reads metadata that is spread over single lines: `age__list_0__map_enc`, line breaks written as `\n`.
    pub(super) fn read_flat<'t>(fields: impl Iterator<Item = (&'t str, &'t str)>) -> Result<Self, Fault> {
        let mut plain = Map::new();
        let mut lists: Map<String, Value> = Map::new();
        for (key, value) in fields {
            let value = Value::String(value.replace("\\n", "\n"));
            let Some((list, rest)) = key.split_once("__list_") else {
                plain.insert(key.to_owned(), value);
                continue;
            };
            let place = rest.split_once("__map_").and_then(|(n, field)| Some((n.parse::<usize>().ok()?, field)));
            let Some((number, field)) = place.filter(|(number, _)| *number <= MOST_RECIPIENTS) else { continue };
            let list = lists.entry(list).or_insert_with(|| Value::Array(vec![]));
            let Value::Array(items) = list else { continue };
            items.resize(items.len().max(number + 1), Value::Object(Map::new()));
            items[number][field] = value;
        }
        plain.extend(lists);
        Self::read(Value::Object(plain))
    }

    pub(super) fn recipients(&self) -> &[Recipient] {
        self.age.as_deref().unwrap_or_default()
    }

    /// Returns the recipients for a message, the first few of them.
    pub(super) fn named(&self) -> String {
        const SHOWN: usize = 5;
        let all = self.recipients();
        if all.is_empty() {
            return "no age recipient".into();
        }
        // A recipient has 62 characters; whatever else stands there is cut, and made visible where it is shown.
        let mut named: Vec<_> = all.iter().take(SHOWN).map(|one| one.recipient.chars().take(100).collect()).collect();
        if all.len() > SHOWN {
            named.push(format!("{} more", all.len() - SHOWN));
        }
        named.join(", ")
    }
}

/// Flat formats know only text.
fn weak_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Bool(bool) => bool,
        Value::String(text) => matches!(text.as_str(), "true" | "True" | "1"),
        _ => false,
    })
}
