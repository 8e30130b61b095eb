//! Files → [`Config`].

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::gather::{Gathered, Written};
use super::{Config, check};
use crate::model::{Mistake, Place};
use crate::yaml::{self, Profile};

/// A configuration, and the files that it was read from: these are what to watch.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    pub files: Vec<PathBuf>,
}

impl Config {
    /// Reads a file, or every `*.yaml` and `*.yml` of a folder in byte order. Credential files are not read.
    ///
    /// # Errors
    /// With every mistake of every file, in the order of the files and their lines.
    pub fn load(path: &Path) -> Result<Loaded, Vec<Mistake>> {
        let files = files(path).map_err(|mistake| vec![mistake])?;
        let mut mistakes = Vec::new();
        let mut written = Vec::new();
        for file in &files {
            match documents(file) {
                Ok(documents) => written.extend(documents),
                Err(found) => mistakes.extend(found),
            }
        }
        let whole = mistakes.is_empty();
        let gathered = Gathered::from(&written, &mut mistakes);
        if whole && !gathered.names_repository() && !gathered.is_daemon_alone() {
            let place = whole_file(files.first().map_or(path, PathBuf::as_path));
            let hint = "declare where the files come from: kind: Repository, spec: { url: … }";
            mistakes.push(mistake("config.no-repository", place, "no Repository is declared", Some(hint.to_owned())));
        }
        check::check(&gathered, whole, &mut mistakes);
        in_order(&mut mistakes);
        if mistakes.is_empty() { Ok(Loaded { config: gathered.into_config(), files }) } else { Err(mistakes) }
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, Mistake> {
    let unreadable = |error: &io::Error| {
        let hint = "name the file or folder with --config or TRUEUP_CONFIG";
        mistake(
            "config.unreadable",
            whole_file(path),
            format!("could not read the file: {error}"),
            Some(hint.to_owned()),
        )
    };
    if !path.metadata().map_err(|error| unreadable(&error))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(|error| unreadable(&error))? {
        let file = entry.map_err(|error| unreadable(&error))?.path();
        let named = file.extension().is_some_and(|end| end == "yaml" || end == "yml");
        // An editor's `.x.yaml.swp` or `.#x.yaml` is not meant.
        let hidden = file.file_name().map_or(&[][..], OsStr::as_bytes).starts_with(b".");
        if named && !hidden && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    if files.is_empty() {
        return Err(mistake(
            "config.empty",
            whole_file(path),
            "expected *.yaml files in this folder, found none",
            None,
        ));
    }
    Ok(files)
}

fn documents(path: &Path) -> Result<Vec<Written>, Vec<Mistake>> {
    let name: Arc<str> = path.to_string_lossy().into();
    let text = read(path).map_err(|error| {
        vec![mistake("config.unreadable", whole_file(path), format!("could not read the file: {error}"), None)]
    })?;
    // Relative paths count from the file; without a current folder they would stay relative, which `check` tells.
    let folder = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    written(&name, folder.parent().unwrap_or(Path::new("/")), &text)
}

/// Returns the documents of one file; `folder` is where its relative paths count from.
pub(super) fn written(name: &Arc<str>, folder: &Path, text: &[u8]) -> Result<Vec<Written>, Vec<Mistake>> {
    let folder: Arc<Path> = folder.into();
    let nodes = yaml::parse(name, text, Profile::Config)?;
    Ok(nodes.into_iter().map(|node| Written { file: Arc::clone(name), folder: Arc::clone(&folder), node }).collect())
}

/// Puts mistakes into the order of the files and their lines.
pub(super) fn in_order(mistakes: &mut [Mistake]) {
    mistakes.sort_by_key(|mistake| (Arc::clone(&mistake.place.file), mistake.place.line, mistake.place.column));
}

/// Reads a regular file, and no more of it than may be parsed: a pipe or device would have no end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(yaml::MAX_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn whole_file(path: &Path) -> Place {
    Place { file: path.to_string_lossy().into(), line: 0, column: 0 }
}

pub(super) fn mistake(code: &str, place: Place, message: impl Into<String>, hint: Option<String>) -> Mistake {
    Mistake { code: code.into(), place, message: message.into(), hint }
}
