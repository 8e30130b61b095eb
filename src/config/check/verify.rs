use std::path::{Path, PathBuf};

use super::Scope;
use crate::config::gather::{Gathered, Typed, normal};
use crate::config::{HostTarget, Repository};
use crate::model::Mistake;
use crate::yaml::quoted;

/// The trust root lies outside of what it judges: an application of the repository must not be able to write it.
pub(super) fn check(gathered: &Gathered, mistakes: &mut Vec<Mistake>) {
    for typed in &gathered.repositories {
        let Some(verify) = &typed.spec.verify else { continue };
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        if verify.files().next().is_none() {
            let hint = "ssh: { allowedSigners: FILE }, or openpgp: { keys: FILE }";
            scope.hint("config.verify", "/spec/verify", "expected ssh or openpgp, found neither", hint);
        }
        for (field, file) in verify.files() {
            let file = normal(&typed.written.folder.join(file));
            if let Some(allowed) = written_by(gathered, typed, &file) {
                let message = format!(
                    "this file lies below {}, which applications of this repository may write: what it judges could change it",
                    quoted(&allowed.to_string_lossy())
                );
                let hint = "put it where no target of the repository's applications allows to write";
                scope.hint("config.verify-trust", &format!("/spec/verify/{field}"), message, hint);
            }
        }
    }
}

/// Returns the allowed path of a target that lets an application of the repository write `file`.
fn written_by(gathered: &Gathered, repository: &Typed<'_, Repository>, file: &Path) -> Option<PathBuf> {
    let applications = gathered.applications.iter();
    let ours = applications.filter(|typed| typed.spec.source.repository == repository.metadata.name);
    let named = |name| gathered.targets.iter().filter(move |typed| typed.metadata.name == name);
    let hosts = ours.flat_map(|typed| named(typed.spec.target.clone())).map(|typed| &typed.spec.host);
    hosts.flat_map(allowed).find(|allowed| file.starts_with(allowed))
}

/// Returns where on this machine a target allows to write.
fn allowed(host: &HostTarget) -> impl Iterator<Item = PathBuf> {
    let below = |allowed: &PathBuf| match &host.root {
        Some(root) => normal(&root.join(allowed.strip_prefix("/").unwrap_or(allowed))),
        None => allowed.clone(),
    };
    host.allow.iter().map(below)
}
