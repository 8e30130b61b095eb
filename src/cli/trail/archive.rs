//! The files of the archive, held against the trail that they come from.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::super::trouble::Trouble;
use super::shown;
use crate::audit::{Given, Problem, Report, Segment, verify_export};
use crate::model::chain;

/// Returns the sizes at which files of the archive end, as their names say: `records-TRAIL-FIRST-LAST.jsonl`.
pub(super) fn sizes(folder: &Path) -> Result<Vec<u64>, Trouble> {
    let unreadable = |error: std::io::Error| Trouble::new(format!("could not read {}: {error}", shown(folder)));
    let mut sizes = vec![];
    for entry in folder.read_dir().map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let last: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.rsplit('-').next()?.parse().ok());
        sizes.extend(last);
    }
    Ok(sizes)
}

/// Adds what is wrong with the files to the report of the trail.
pub(super) async fn verify(folder: &Path, report: &mut Report) {
    for segment in report.segments.clone() {
        if let Err(what) = one(folder, &segment, report).await {
            report.problems.push(Problem { seq: None, what: format!("{}: {what}", segment.file) });
        }
    }
}

async fn one(folder: &Path, segment: &Segment, trail: &Report) -> Result<(), String> {
    // The name comes out of a record: it names a file of this folder, and none elsewhere.
    let plain = Path::new(&segment.file).file_name().is_some_and(|name| name == segment.file.as_str());
    if !plain {
        return Err("that is no name of a file".into());
    }
    let file = File::open(folder.join(&segment.file)).map_err(|error| error.to_string())?;
    let given = Given { erasures: trail.erasures.clone(), ..Given::default() };
    let found = verify_export(BufReader::with_capacity(1 << 20, file), &given).await;
    let found = found.map_err(|error| chain(&error))?;
    if let Some(Problem { seq, what }) = found.problems.first() {
        return Err(seq.map_or_else(|| what.clone(), |seq| format!("record {seq}: {what}")));
    }
    if (found.begin + 1, found.size) != (segment.first, segment.last) {
        return Err(format!("it holds records {} to {}", found.begin + 1, found.size));
    }
    let same = trail.roots.iter().any(|head| (head.size, head.root) == (found.size, found.root));
    if same { Ok(()) } else { Err("its records are not those of the trail".into()) }
}
