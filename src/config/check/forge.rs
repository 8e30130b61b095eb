use std::collections::HashMap;

use super::Scope;
use super::hooks::{base, full_name};
use super::repository::secret;
use crate::config::gather::Gathered;
use crate::config::{Forge, Repository};
use crate::model::Mistake;
use crate::yaml::quoted;

/// A Git host gives 255 characters to the name of a status, of which that of an application may take 63.
const LONGEST_CONTEXT: usize = 100;

pub(super) fn check(repository: &Repository, forge: &Forge, scope: &mut Scope) {
    if let Err(error) = base(&forge.url) {
        let hint = "where people open it in a browser: https://git.example.org";
        scope.hint("config.url", "/spec/forge/url", error.to_string(), hint);
    }
    if !full_name(&forge.repository) || forge.repository.split('/').count() != 2 {
        let message = format!("expected the full name of a repository, found {}", quoted(&forge.repository));
        scope.hint("config.names", "/spec/forge/repository", message, "as the Git host writes it: ops/platform");
    }
    secret("/spec/forge/token", &forge.token, scope);
    let fits = |char: char| char.is_ascii_alphanumeric() || "-_./".contains(char);
    if forge.context.is_empty() || forge.context.len() > LONGEST_CONTEXT || !forge.context.chars().all(fits) {
        let message = format!(
            "expected 1 to {LONGEST_CONTEXT} letters, digits, '-', '_', '.' and '/', found {}",
            quoted(&forge.context)
        );
        scope.hint("config.context", "/spec/forge/context", message, "trueup, or trueup/web-1");
    }
    if forge.plans && (repository.tag.is_some() || repository.commit.is_some()) {
        let hint = "plans: false, or follow a branch";
        scope.hint("config.plans", "/spec/forge", "pull requests go to a branch, and none is followed", hint);
    }
}

/// Two Repositories of one repository at a Git host would write over each other's statuses and comments, if they had one name for
/// them.
pub(super) fn told_apart(gathered: &Gathered, mistakes: &mut Vec<Mistake>) {
    let mut seen = HashMap::new();
    for typed in &gathered.repositories {
        let Some(forge) = &typed.spec.forge else { continue };
        let url = forge.url.trim_end_matches('/').to_ascii_lowercase();
        let named = (url, forge.repository.to_ascii_lowercase(), forge.context.clone());
        let Some(first) = seen.insert(named.clone(), typed.written) else { continue };
        seen.insert(named, first);
        let message = format!(
            "the repository at {} has this repository at the Git host, and the context {}, too",
            first.place("/spec/forge"),
            quoted(&forge.context)
        );
        let hint = "give each a context of its own, as for each branch: trueup/main, trueup/staging";
        let mut scope = Scope { written: typed.written, partial: typed.partial, mistakes };
        scope.hint("config.context", "/spec/forge", message, hint);
    }
}
