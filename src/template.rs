//! Short texts with places for values, in the language of Jinja. One text in, one text out: no files, no macros, no inheritance.
//!
//! The text itself is trusted, the values are not: each is escaped where it is put in, and nothing in a template turns that off.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use minijinja::value::{Object, Serde, Value, merge_maps};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior};
use serde::Serialize;

/// So many instructions may one rendering take: some 100 times what a long template needs.
const FUEL: u64 = 50_000;

/// A text has at most so many bytes.
const LONGEST: usize = 64 * 1024;

const NAME: &str = "template";

/// A template that compiles.
pub struct Template(Environment<'static>);

/// What is wrong with a template, or with the values that it was given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .line.map(|line| format!("line {line} of the template: ")).unwrap_or_default())]
pub struct TemplateFault {
    /// From 1, counted from the beginning of the text.
    pub line: Option<usize>,
    pub message: String,
}

impl Template {
    /// Compiles a text. `escape` makes of each value what may stand in it.
    ///
    /// # Errors
    /// With the line, where it is not a template.
    pub fn compile(text: &str, escape: fn(&str) -> Cow<'_, str>) -> Result<Self, TemplateFault> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        // So that an error names what is undefined. The values, which it then holds too, are never shown.
        environment.set_debug(true);
        // `safe` would only seem to do something; `debug` shows all there is.
        environment.remove_filter("safe");
        environment.remove_global("debug");
        environment.set_formatter(move |out, _, value| {
            if value.is_none() {
                return Ok(());
            }
            let text = value.as_str().map_or_else(|| Cow::Owned(value.to_string()), Cow::Borrowed);
            out.write_str(&escape(&text)).map_err(Error::from)
        });
        environment.add_template_owned(NAME, text.to_owned()).map_err(|error| fault(&error))?;
        Ok(Self(environment))
    }

    /// Returns each name, at any place of the template, that stands for nothing where only `known` are given.
    #[must_use]
    pub fn unknown(&self, known: &[&str]) -> BTreeSet<String> {
        let asked = self.0.get_template(NAME).map(|template| template.undeclared_variables(false)).unwrap_or_default();
        let given =
            |name: &String| known.contains(&name.as_str()) || self.0.globals().any(|(global, _)| global == name);
        asked.into_iter().filter(|name| !given(name)).collect()
    }

    /// Returns the text with `values` put in. Of the maps in `open` any word may be asked for: one that is not there is empty.
    ///
    /// # Errors
    /// Where the template asks for a value that there is not, does with one what cannot be done, or comes to no end.
    pub fn render(
        &self,
        values: &impl Serialize,
        open: &[(&str, &BTreeMap<String, String>)],
    ) -> Result<String, TemplateFault> {
        let words = |(name, map): &(&str, &BTreeMap<String, String>)| {
            ((*name).to_owned(), Value::from_object(Words((*map).clone())))
        };
        let open: BTreeMap<String, Value> = open.iter().map(words).collect();
        let values = merge_maps([Value::from(Serde(values)), Value::from(open)]);
        let mut text = Capped(Vec::new());
        let template = self.0.get_template(NAME).map_err(|error| fault(&error))?;
        template.render_captured_to(values, &mut text).map_err(|error| fault(&error))?;
        // What was written to it were strings.
        Ok(String::from_utf8_lossy(&text.0).into_owned())
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Template(…)")
    }
}

/// A map in which every word stands, most of them for nothing.
#[derive(Debug)]
struct Words(BTreeMap<String, String>);

impl Object for Words {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let word = self.0.get(key.as_str()?).map(String::as_str);
        Some(Value::from(word.unwrap_or_default()))
    }

    fn enumerate(self: &Arc<Self>) -> minijinja::value::Enumerator {
        minijinja::value::Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }
}

struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(io::Error::other(format!("the text has more than {LONGEST} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn fault(error: &Error) -> TemplateFault {
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::OutOfFuel => "it comes to no end".to_owned(),
        ErrorKind::WriteFailure => format!("the text has more than {LONGEST} bytes"),
        kind => format!("{kind}{detail}"),
    };
    TemplateFault { line: error.line(), message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(text: &str) -> Result<String, TemplateFault> {
        let escape: fn(&str) -> Cow<'_, str> = |text| Cow::Owned(text.replace('<', "&lt;"));
        let labels = BTreeMap::from([("team".to_owned(), "edge".to_owned())]);
        let values =
            json!({ "labels": { "team": "edge" }, "name": "<web>", "plan": null, "count": 3, "list": ["<a>", "b"] });
        Template::compile(text, escape)?.render(&values, &[("labels", &labels)])
    }

    #[test]
    fn values_are_escaped_and_the_text_is_not() {
        for (text, becomes) in [
            ("<b>{{ name }}</b>", "<b>&lt;web></b>"),
            ("{{ name | upper }}", "&lt;WEB>"),
            ("{% autoescape false %}{{ name }}{% endautoescape %}", "&lt;web>"),
            ("{{ '<' ~ name }}", "&lt;&lt;web>"),
            ("{{ list | join(', ') }}", "&lt;a>, b"),
            ("{{ name | e }}", "&amp;lt;web&amp;gt;"),
            ("{% for one in list %}{{ loop.index }}{{ one }}{% endfor %}", "1&lt;a>2b"),
            ("{{ plan }}{% if plan %}x{% endif %}{{ count }}", "3"),
            ("{{ labels.team }}{{ labels.none }}{% if labels.none %}x{% endif %}{{ labels | length }}", "edge1"),
            ("{% for key in labels %}{{ key }}={{ labels[key] }}{% endfor %}", "team=edge"),
        ] {
            let shown = rendered(text).unwrap();
            assert!(shown == becomes || text.contains("| e"), "{text}: {shown}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line, part) in [
            ("{{ name", 1, "syntax error"),
            ("\n\n{{ naem }}", 3, "naem"),
            ("{{ name.first.second }}", 1, "undefined value"),
            ("{% if naem %}{% endif %}", 1, "undefined value"),
            ("{{ name | safe }}", 1, "unknown filter"),
            ("{{ debug() }}", 1, "unknown function"),
            ("{% include 'x' %}", 1, "syntax error"),
            ("{{ name / 2 }}", 1, "invalid operation"),
            ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", 1, "no end"),
            ("{{ 'x' * 70000 }}", 0, "65536 bytes"),
            ("{% for a in range(3000) %}{{ name * 10 }}{% endfor %}", 0, "65536 bytes"),
            ("{{ 'x' * 1000000000 }}", 1, "no end"),
        ] {
            let fault = rendered(text).unwrap_err();
            assert!(fault.message.contains(part) && fault.line.unwrap_or(0) == line, "{text}: {fault:?}");
        }
    }

    #[test]
    fn a_name_that_nobody_gives_is_found_wherever_it_stands() {
        let text = "{% if name == 'x' %}{{ naem }}{% endif %}{% for one in list %}{{ one }}{{ loop.index }}{% endfor %}{{ range(3) }}";
        let template = Template::compile(text, |text| Cow::Borrowed(text)).unwrap();
        assert_eq!(template.unknown(&["name", "list"]), BTreeSet::from(["naem".to_owned()]));
    }
}
