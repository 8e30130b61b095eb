use super::Scope;
use super::repository::secret;
use crate::config::{Application, OnFailure, Repository, RepositoryRevert, Transport};
use crate::yaml::quoted;

/// A name in a commit ends where an address begins.
const BARRED: [char; 3] = ['<', '>', '\n'];

pub(super) fn check(repository: &Repository, revert: &RepositoryRevert, scope: &mut Scope) {
    secret("/spec/revert/key", &revert.key, scope);
    for (field, value) in [("name", &revert.name), ("email", &revert.email)] {
        if value.trim().is_empty() || value.contains(BARRED) || value.chars().any(char::is_control) {
            let message = format!("expected the {field} of the author of a commit, found {}", quoted(value));
            scope.hint("config.revert", &format!("/spec/revert/{field}"), message, "one line, without < and >");
        }
    }
    if let Some(push) = &revert.push {
        super::repository::credentials_in("/spec/revert/push", push, scope);
    }
    if repository.tag.is_some() || repository.commit.is_some() {
        let hint = "follow a branch, or leave out `revert`";
        scope.hint("config.revert", "/spec/revert", "only a branch can be written into", hint);
    }
    let transport = repository.address().map(|url| url.transport()).ok();
    if let Some(open) = transport.filter(|one| matches!(one, Transport::Git)) {
        let message = format!("nothing can be pushed over {}://", open.scheme());
        scope.hint("config.revert", "/spec/revert", message, "use https or ssh");
    }
    if revert.push.is_some() && matches!(transport, Some(Transport::Http)) {
        let message = "credentials are never sent over http://";
        scope.hint("config.credentials", "/spec/revert/push", message, "use https or ssh");
    }
}

/// Sees that the repository of an application that asks for it can be written into. `repository`: where it is known.
pub(super) fn asked(application: &Application, repository: Option<&Repository>, scope: &mut Scope) {
    let Some(repository) = repository else { return };
    if application.sync.on_failure == OnFailure::Revert && repository.revert.is_none() {
        let name = application.source.repository.as_str();
        let message = format!("the Repository {} does not say how a revert is written into it", quoted(name));
        let hint = "on the machine, in its document: revert: { key: { file: revert-key } }";
        scope.hint("config.revert", "/spec/sync/onFailure", message, hint);
    }
}
