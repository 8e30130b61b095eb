use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use super::notice::shortened;
use super::words;
use crate::audit::Redactor;
use crate::config::{Notification, Wording};
use crate::model::Name;
use crate::model::notice::Notice;
use crate::template::Template;

const LONGEST_TITLE: usize = 250;

/// A notification as it goes out: without secrets, and without anything that could deceive whoever reads it.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) event: &'static str,
    /// The notice, for programs.
    pub(super) notice: Value,
    /// One line for people.
    pub(super) title: String,
    pub(super) text: String,
}

/// How values are written where they stand among words, so that they stay words.
pub(super) type Escape = fn(&str) -> Cow<'_, str>;

/// Nothing but what nobody could see is harmful where text is text: in mail, and in JSON.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// Nobody is called by what stands in a value: `@everyone`, `@room`.
pub(super) fn chat(text: &str) -> Cow<'_, str> {
    if text.contains('@') { Cow::Owned(text.replace('@', "\u{ff20}")) } else { Cow::Borrowed(text) }
}

/// Slack's control sequences (`<!channel>`, `<https://…|text>`) begin with one of three characters, which it takes as entities; chats
/// that are compatible with it read Markdown instead. What marks up text is shown by a character that looks like it.
pub(super) fn mrkdwn(text: &str) -> Cow<'_, str> {
    const SHOWN: [(char, &str); 11] = [
        ('&', "&amp;"),
        ('<', "&lt;"),
        ('>', "&gt;"),
        ('@', "\u{ff20}"),
        ('`', "\u{2cb}"),
        ('*', "\u{2217}"),
        ('~', "\u{223c}"),
        ('[', "\u{ff3b}"),
        (']', "\u{ff3d}"),
        ('|', "\u{ff5c}"),
        ('#', "\u{ff03}"),
    ];
    let shown = |char: char| SHOWN.iter().find(|(marks, _)| *marks == char).map(|(_, shown)| *shown);
    if !text.contains(|char| shown(char).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match shown(char) {
            Some(shown) => escaped.push_str(shown),
            None => escaped.push(char),
        }
    }
    Cow::Owned(escaped)
}

impl Message {
    /// Puts a notice into words. A template that fails, which `check` could not foresee, is replaced by the usual words: better
    /// these than none.
    pub(super) fn new(notice: &Notice, declared: &Notification, sink: &Name, redactor: &Redactor) -> Self {
        let escape = match declared.kind() {
            "slack" => mrkdwn,
            "matrix" => chat,
            _ => plain,
        };
        // It is made of text and numbers alone, which always can be written as JSON.
        let mut value = serde_json::to_value(notice).unwrap_or_default();
        redactor.clean(&mut value);
        let Wording { title, text } = &declared.template;
        let put = |written: Option<&str>, usual: &str| {
            let own = written.map(|written| rendered(written, &value, escape));
            let own = own.and_then(|own| {
                own.inspect_err(|error| tracing::warn!(notification = %sink, %error, "a template failed")).ok()
            });
            own.or_else(|| rendered(usual, &value, escape).ok()).unwrap_or_default()
        };
        let title = put(title.as_deref(), words::TITLE).split_whitespace().collect::<Vec<_>>().join(" ");
        let text = put(text.as_deref(), words::TEXT).trim().to_owned();
        let event = notice.event;
        Self { id: notice.id.clone(), event, notice: value, title: shortened(title, LONGEST_TITLE), text }
    }
}

fn rendered(template: &str, value: &Value, escape: Escape) -> Result<String, crate::template::TemplateFault> {
    let labels = value.get("labels").and_then(Value::as_object).into_iter().flatten();
    let labels = labels.map(|(name, label)| (name.clone(), label.as_str().unwrap_or_default().to_owned()));
    let labels: BTreeMap<_, _> = labels.collect();
    Template::compile(template, escape)?.render(value, &[("labels", &labels)])
}
