//! INI as `gopkg.in/ini.v1` writes it: the metadata stands in the last section, `[sops]`.

use super::dotenv::shown;
use super::fault::Fault;
use super::identity::Keyring;
use super::metadata::Metadata;
use super::open::{Opened, Opener};
use super::path::Path;
use super::rules::Rules;
use super::value::not_text;

const METADATA: &str = "[sops]";
/// The section of what stands before the first header.
const DEFAULT: &str = "DEFAULT";

/// Returns the metadata, where the file ends in a section of it.
pub(super) fn metadata(text: &str) -> Option<Result<Metadata, Fault>> {
    let (_, section) = split(text)?;
    let fields =
        || section.lines().filter_map(|line| line.split_once('=')).map(|(key, value)| (key.trim(), value.trim()));
    fields().any(|(key, _)| key == "mac").then(|| Metadata::read_flat(fields()))
}

/// Returns what stands before the metadata, and the metadata.
fn split(text: &str) -> Option<(&str, &str)> {
    let at = if text.starts_with(METADATA) { 0 } else { text.rfind("\n[sops]\n")? + 1 };
    Some((&text[..at], &text[at + METADATA.len()..]))
}

pub(super) fn open(text: &str, metadata: &Metadata, keyring: &dyn Keyring) -> Result<Opened, Fault> {
    let (body, section) = split(text).unwrap_or((text, ""));
    if section.lines().any(|line| line.starts_with('[')) {
        return Err(Fault::invalid("its SOPS metadata is not its last section"));
    }
    let rules = Rules::new(metadata)?;
    let mut opener = Opener::new(metadata, keyring)?;
    let mut path = Path::new(&rules);
    path.enter(DEFAULT)?;
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if line.trim().is_empty() {
            out.push_str(line);
        } else if let Some(comment) = line.strip_prefix("; ").or_else(|| line.strip_prefix("# ")) {
            let here = path.aad().to_owned();
            let next = after.lines().find_map(header).map(|name| format!("{name}:"));
            let said = opener.comment(comment, std::iter::once(here.as_str()).chain(next.as_deref()));
            match said {
                Some(said) if said.starts_with(['#', ';']) => out.extend([&said[..1], " ", said[1..].trim()]),
                Some(said) => out.extend(["; ", &said]),
                None => out.push_str(line),
            }
        } else if let Some(name) = header(line) {
            path.leave();
            path.enter(name)?;
            out.push_str(line);
        } else {
            let (key, value, behind) = field(rest)?;
            path.enter(key.trim().trim_matches(['`', '"']))?;
            match opener.text(&path, unquoted(value))? {
                None => out.extend([key, "= ", value]),
                Some(plain) => {
                    let shown = shown(&plain).ok_or_else(|| not_text(&path.shown()))?;
                    out.extend([key, "= ", &quoted(&shown)]);
                }
            }
            path.leave();
            rest = behind;
            out.push('\n');
            continue;
        }
        rest = after;
        out.push('\n');
    }
    // The empty line stood between the last section and the metadata.
    if out.ends_with("\n\n") {
        out.pop();
    }
    opener.finish(metadata, out.into_bytes())
}

fn header(line: &str) -> Option<&str> {
    line.strip_prefix('[')?.strip_suffix(']')
}

/// Returns key, value as written, and what follows its line; text between three quotation marks may have several lines.
fn field(rest: &str) -> Result<(&str, &str, &str), Fault> {
    const QUOTES: &str = "\"\"\"";
    let wrong = || Fault::invalid("expected sections, comments and lines of `key = value`");
    let (key, behind) = rest.split_once('=').filter(|(key, _)| !key.contains('\n')).ok_or_else(wrong)?;
    let behind = behind.strip_prefix(' ').unwrap_or(behind);
    if let Some(inside) = behind.strip_prefix(QUOTES) {
        let length = inside.find(QUOTES).ok_or_else(wrong)? + 2 * QUOTES.len();
        let (value, after) = behind.split_at(length);
        return Ok((key, value, after.strip_prefix('\n').unwrap_or(after)));
    }
    let (value, after) = behind.split_once('\n').unwrap_or((behind, ""));
    Ok((key, value, after))
}

fn unquoted(value: &str) -> &str {
    let inside = |mark: &str| value.strip_prefix(mark)?.strip_suffix(mark);
    inside("\"\"\"").or_else(|| inside("`")).or_else(|| inside("\"")).or_else(|| inside("'")).unwrap_or(value)
}

fn quoted(value: &str) -> String {
    if value.contains(['\n', '`']) {
        format!("\"\"\"{value}\"\"\"")
    } else if value.contains(['#', ';']) {
        format!("`{value}`")
    } else if value.trim().len() != value.len() {
        format!("\"{value}\"")
    } else {
        value.to_owned()
    }
}
