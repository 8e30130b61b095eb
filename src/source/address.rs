use super::error::harmless;
use super::{SourceError, SourceErrorKind};
use crate::config::{Repository, RepositoryUrl};

/// Takes the URL of a repository apart.
///
/// # Errors
/// `Transport`, where it could mean one thing here and another to the program that gets it.
pub(super) fn of(declared: &Repository) -> Result<RepositoryUrl, SourceError> {
    declared.address().map_err(|why| {
        let message = format!("could not use the repository URL {}: {why}", redacted(&declared.url));
        SourceError::new(SourceErrorKind::Transport, message)
    })
}

/// Returns the URL with whatever may be a credential taken out.
pub(super) fn redacted(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    match rest.rfind('@') {
        Some(at) => harmless(format!("{scheme}***{}", &rest[at..]).as_bytes()),
        None => harmless(url.as_bytes()),
    }
}
