//! `KEY=value` lines; the metadata stands in lines whose key begins with `sops_`.

use super::fault::Fault;
use super::identity::Keyring;
use super::metadata::Metadata;
use super::open::{Opened, Opener};
use super::path::Path;
use super::rules::Rules;
use super::value::{Plain, not_text};

const PREFIX: &str = "sops_";

/// Returns the metadata, where these lines have any.
pub(super) fn metadata(text: &str) -> Option<Result<Metadata, Fault>> {
    let fields = || text.lines().filter_map(|line| line.strip_prefix(PREFIX)?.split_once('='));
    fields().any(|(key, _)| key == "mac").then(|| Metadata::read_flat(fields()))
}

pub(super) fn open(text: &str, metadata: &Metadata, keyring: &dyn Keyring) -> Result<Opened, Fault> {
    let rules = Rules::new(metadata)?;
    let mut opener = Opener::new(metadata, keyring)?;
    let mut path = Path::new(&rules);
    let mut out = String::with_capacity(text.len());
    for line in text.split('\n').filter(|line| !line.is_empty() && !line.starts_with(PREFIX)) {
        if let Some(comment) = line.strip_prefix('#') {
            let said = opener.comment(comment, std::iter::once(":"));
            out.extend(["#", said.as_deref().unwrap_or(comment), "\n"]);
            continue;
        }
        let Some((key, written)) = line.split_once('=') else {
            return Err(Fault::invalid("expected lines of KEY=value, found one without `=`"));
        };
        path.enter(key)?;
        let written = written.replace("\\n", "\n");
        let value = match opener.text(&path, &written)? {
            None => written,
            Some(plain) => shown(&plain).ok_or_else(|| not_text(&path.shown()))?,
        };
        path.leave();
        out.extend([key, "=", &value.replace('\n', "\\n"), "\n"]);
    }
    opener.finish(metadata, out.into_bytes())
}

/// Returns a value as a format writes it that knows text alone.
pub(super) fn shown(plain: &Plain) -> Option<String> {
    Some(match plain {
        Plain::Int(int) => int.to_string(),
        Plain::Bool(bool) => bool.to_string(),
        Plain::Float(float) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.1}"),
        Plain::Float(float) => float.to_string(),
        other => other.text()?.to_owned(),
    })
}
