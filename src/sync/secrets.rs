use std::collections::BTreeSet;

use super::subject::Subject;
use crate::model::{Complete, Desired, Digest, Spec};

/// A larger content is known by its lines.
const WHOLE: usize = 4096;
/// Shorter ones are found everywhere.
const SHORTEST: usize = 8;

impl Subject {
    /// Takes note of what is secret in a Desired that comes from the store: after a restart nothing was rendered yet that would
    /// have told, and checks and validators run already. Its form is not known any more, so each value of each line counts.
    pub(super) async fn learn(&self, desired: &Desired) {
        let Desired::Objects(Complete { objects, .. }) = desired else { return };
        let secret = |spec: &&Spec| spec.body().get("secret").is_some();
        let digests: BTreeSet<Digest> =
            objects.values().filter(secret).flat_map(|spec| spec.contents().iter().copied()).collect();
        for digest in digests {
            // What cannot be read cannot be written either.
            if let Ok(Some(content)) = self.store.content(&digest).await {
                self.redactor.learn(parts(&content));
            }
        }
    }
}

/// Returns what could be a value: the whole, each line, and what stands behind the first `:` or `=` of it.
fn parts(content: &[u8]) -> BTreeSet<&[u8]> {
    let lines = content.split(|byte| *byte == b'\n');
    let behind = lines.clone().filter_map(|line| {
        let at = line.iter().position(|byte| matches!(byte, b':' | b'='))?;
        let quote = |byte: &u8| matches!(byte, b'"' | b'\'' | b',');
        let value = line[at + 1..].trim_ascii();
        let start = value.iter().position(|byte| !quote(byte))?;
        let end = value.iter().rposition(|byte| !quote(byte))?;
        Some(&value[start..=end])
    });
    let whole = std::iter::once(content).filter(|content| content.len() <= WHOLE);
    whole.chain(lines).chain(behind).map(<[u8]>::trim_ascii).filter(|part| part.len() >= SHORTEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_of_each_line_is_known() {
        let found = parts(b"user: me\npassword: \"hunter2hunter2\"\ntoken=abcdefghij\n");
        for value in [&b"hunter2hunter2"[..], b"abcdefghij", b"token=abcdefghij"] {
            assert!(found.contains(value));
        }
        assert!(!found.contains(&b"me"[..]));
    }
}
