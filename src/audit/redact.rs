use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use crate::model::{Actor, Digest, deceives};

const MASK: &str = "[redacted]";

/// A secret shorter than this is not looked for: it would be found everywhere, and the masks would give it away.
const SHORTEST: usize = 4;

/// Masks the secrets that are known here, in every form in which they turn up in messages, and makes characters visible that
/// would move a terminal's cursor or turn text around.
#[derive(Clone, Default)]
pub struct Redactor {
    /// Longest first, so that no part of a form is left over.
    forms: Vec<String>,
    /// What was learnt since. Whoever follows this one in office knows it too.
    learnt: Arc<RwLock<Learnt>>,
}

/// Values that were decrypted: the oldest goes where there are too many, for each costs a search of every text.
#[derive(Default)]
struct Learnt {
    values: VecDeque<Digest>,
    forms: VecDeque<Vec<String>>,
    bytes: usize,
    /// All forms, longest first.
    sorted: Vec<String>,
}

const MOST_LEARNT: usize = 2000;
const MOST_LEARNT_BYTES: usize = 4 * 1024 * 1024;

impl Redactor {
    /// Takes note of secret values: passwords, tokens, keys. Each line of one with several is a secret too.
    #[must_use]
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut forms = vec![];
        for secret in secrets {
            let secret = secret.as_ref().trim_ascii();
            add(secret, &mut forms);
            for line in secret.split(|c| *c == b'\n').map(<[u8]>::trim_ascii).filter(|line| line.len() >= 8) {
                add(line, &mut forms);
            }
        }
        sort(&mut forms);
        Self { forms, learnt: Arc::default() }
    }

    /// Returns one for other secrets that knows what this one learnt, and goes on to learn with it.
    #[must_use]
    pub fn renewed<S: AsRef<[u8]>>(&self, secrets: impl IntoIterator<Item = S>) -> Self {
        Self { learnt: self.learnt.clone(), ..Self::new(secrets) }
    }

    /// Takes note of further secret values, from now on and in every clone.
    pub fn learn<S: AsRef<[u8]>>(&self, secrets: impl IntoIterator<Item = S>) {
        let mut learnt = self.learnt.write().unwrap_or_else(PoisonError::into_inner);
        let mut news = false;
        for secret in secrets {
            let value = Digest::of(secret.as_ref());
            if learnt.values.contains(&value) {
                continue;
            }
            let forms = Self::new([secret]).forms;
            learnt.bytes += forms.iter().map(String::len).sum::<usize>();
            learnt.values.push_back(value);
            learnt.forms.push_back(forms);
            while learnt.values.len() > MOST_LEARNT || learnt.bytes > MOST_LEARNT_BYTES {
                learnt.values.pop_front();
                let gone = learnt.forms.pop_front().unwrap_or_default();
                learnt.bytes -= gone.iter().map(String::len).sum::<usize>();
            }
            news = true;
        }
        if news {
            let mut sorted = learnt.forms.iter().flatten().cloned().collect();
            sort(&mut sorted);
            learnt.sorted = sorted;
        }
    }

    /// Returns text without secrets.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let learnt = self.learnt.read().unwrap_or_else(PoisonError::into_inner);
        let forms = self.forms.iter().chain(&learnt.sorted);
        forms.filter(|form| form.len() <= text.len()).fold(Cow::Borrowed(text), |text, form| {
            if text.contains(form.as_str()) { Cow::Owned(text.replace(form.as_str(), MASK)) } else { text }
        })
    }

    /// Returns whether nothing needs cleaning in a value that is this as JSON. Without a backslash every string stands there
    /// as it is, so that what is not found in the whole is in none of them.
    pub(super) fn finds_nothing(&self, json: &str) -> bool {
        let plain = !json.contains('\\') && (json.is_ascii() || !json.contains(deceives));
        plain && !json.contains('\u{7f}') && matches!(self.mask(json), Cow::Borrowed(_))
    }

    /// Cleans every string of a value, keys included. Line breaks and tabs stay: command output has them.
    pub fn clean(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.text(text, &['\n', '\t']) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean(item)),
            Value::Object(fields) => {
                fields.values_mut().for_each(|item| self.clean(item));
                if fields.keys().any(|key| matches!(self.text(key, &[]), Cow::Owned(_))) {
                    let cleaned = std::mem::take(fields).into_iter();
                    *fields = cleaned.map(|(key, item)| (self.text(&key, &[]).into_owned(), item)).collect();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    pub(super) fn actor(&self, actor: &Actor) -> Actor {
        Actor {
            kind: actor.kind,
            subject: self.text(&actor.subject, &[]).into_owned(),
            display: self.text(&actor.display, &[]).into_owned(),
            person: actor.person.clone(),
        }
    }

    /// Returns text without secrets, in which every character but `kept` that deceives its reader is made visible.
    #[must_use]
    pub fn text<'t>(&self, text: &'t str, kept: &[char]) -> Cow<'t, str> {
        let masked = self.mask(text);
        let bad = |c: char| deceives(c) && !kept.contains(&c);
        if !masked.contains(bad) {
            return masked;
        }
        let show = |c: char| if bad(c) { c.escape_unicode().to_string() } else { c.to_string() };
        Cow::Owned(masked.chars().map(show).collect())
    }
}

/// What the log masks: shared by whoever writes it and by who learns of new secrets. A clone is the same.
#[derive(Clone, Default)]
pub struct Masks(Arc<RwLock<Arc<Redactor>>>);

impl Masks {
    pub fn set(&self, redactor: Arc<Redactor>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = redactor;
    }

    #[must_use]
    pub fn get(&self) -> Arc<Redactor> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor(…)")
    }
}

fn sort(forms: &mut Vec<String>) {
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
}

fn add(secret: &[u8], forms: &mut Vec<String>) {
    if secret.len() < SHORTEST {
        return;
    }
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]));
    let hexadecimal: String = secret.iter().flat_map(digits).collect();
    forms.push(hexadecimal.to_uppercase());
    forms.push(hexadecimal);
    for alphabet in [STANDARD, URL_SAFE] {
        forms.extend((0..3).map(|lead| base64_core(secret, lead, alphabet)).filter(|form| form.len() >= SHORTEST));
    }
    forms.push(url_encoded(secret, false));
    forms.push(url_encoded(secret, true));
    forms.push(url_encoded(secret, false).replace("%20", "+"));
    let text = String::from_utf8_lossy(secret).into_owned();
    let once = quoted(&text);
    // A message in a body in a message: JSON is found within JSON.
    forms.push(quoted(&once));
    forms.push(once);
    forms.push(text);
}

/// Returns what stands between the quotation marks in JSON.
fn quoted(text: &str) -> String {
    let json = Value::String(text.to_owned()).to_string();
    json[1..json.len() - 1].to_owned()
}

fn url_encoded(secret: &[u8], lower: bool) -> String {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"-_.~".contains(&c);
    let one = |c: &u8| match *c {
        c if plain(c) => char::from(c).to_string(),
        c if lower => format!("%{c:02x}"),
        c => format!("%{c:02X}"),
    };
    secret.iter().map(one).collect()
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Returns the base64 digits that depend on `secret` alone when `lead` other bytes (modulo 3) come before it, as in the
/// `user:token` of an Authorization header. What stands around it fills the digits at either edge.
fn base64_core(secret: &[u8], lead: usize, alphabet: &[u8; 64]) -> String {
    let bits =
        |n: usize| (n..n + 6).fold(0, |value, bit| value << 1 | usize::from(secret[bit / 8] >> (7 - bit % 8) & 1));
    // The first digit that begins inside the secret, in bits counted from its start.
    let first = (6 - lead * 8 % 6) % 6;
    (first..).step_by(6).take_while(|n| n + 6 <= secret.len() * 8).map(|n| char::from(alphabet[bits(n)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learnt_is_masked_in_every_clone_and_by_the_successor_and_never_grows_without_end() {
        let first = Redactor::default();
        let (clone, successor) = (first.clone(), first.renewed(["a password"]));
        first.learn(["learnt-later"]);
        for redactor in [&first, &clone, &successor] {
            assert_eq!(redactor.mask("x learnt-later x"), "x [redacted] x");
            assert_eq!(redactor.mask("6c6561726e742d6c61746572"), MASK);
        }
        assert_eq!((successor.mask("a password"), first.mask("a password")), (MASK.into(), "a password".into()));
        first.learn((0..MOST_LEARNT).map(|number| format!("secret number {number:06}")));
        assert_eq!(first.learnt.read().unwrap().values.len(), MOST_LEARNT);
        assert_eq!(
            (first.mask("learnt-later"), first.mask("secret number 000000")),
            ("learnt-later".into(), MASK.into())
        );
        first.learn([vec![b'x'; MOST_LEARNT_BYTES / 16]]);
        assert!(first.learnt.read().unwrap().bytes <= MOST_LEARNT_BYTES);
    }
}
