//! What the daemon says of an application: what it follows, what it is made of, and who else is made of the same.

use crate::cli::show::printable;
use crate::cli::trouble::Trouble;
use crate::model::view::{ApplicationStatus, RepositoryStatus, SharedFiles, Status};
use crate::model::{Name, Revision};

/// An application that can be set back: it follows a branch.
pub(super) struct Followed {
    pub application: Name,
    /// Without credentials.
    pub url: String,
    /// Without `refs/heads/`.
    pub branch: String,
    /// Its folders of the repository; `.` is all of it.
    pub paths: Vec<String>,
    /// Where the daemon last saw the branch.
    pub head: Option<Revision>,
    /// Last good.
    pub good: Option<Revision>,
}

impl Followed {
    pub(super) fn of(status: &Status, name: &Name) -> Result<Self, Trouble> {
        let Some(application) = status.applications.iter().find(|one| one.name == *name) else {
            let names: Vec<_> = status.applications.iter().map(|one| one.name.as_str()).take(20).collect();
            let trouble = Trouble::new(format!("there is no application {name}"));
            return Err(trouble.hint(format!("applications here: {}", names.join(", "))));
        };
        let unsaid = |what: &str| {
            Trouble::new(format!("the daemon does not say {what} of {name}"))
                .hint("is it of another version than this command? `trueup status --json` names it")
        };
        let repository = repository(status, application).ok_or_else(|| unsaid("the repository"))?;
        if application.paths.is_empty() {
            return Err(unsaid("the paths"));
        }
        let Some(branch) = repository.reference.strip_prefix("refs/heads/") else {
            let reference = printable(&repository.reference);
            let message = format!("{name} follows no branch but {reference}, so no push sets it back");
            let hint = format!("change `tag:` or `commit:` in the document of the repository {}", repository.name);
            return Err(Trouble::new(message).hint(hint));
        };
        Ok(Self {
            application: name.clone(),
            url: repository.url.clone(),
            branch: branch.to_owned(),
            paths: application.paths.clone(),
            head: repository.head.clone(),
            good: application.good.clone(),
        })
    }

    /// Returns the other applications that follow the same branch and have one of these files.
    pub(super) fn shared(&self, status: &Status, files: &[String]) -> Vec<SharedFiles> {
        let reference = format!("refs/heads/{}", self.branch);
        let all = (&status.applications[..], &status.repositories[..]);
        SharedFiles::with(&self.application, all, (&self.url, &reference), files)
    }
}

fn repository<'s>(status: &'s Status, application: &ApplicationStatus) -> Option<&'s RepositoryStatus> {
    status.repositories.iter().find(|one| one.name == application.repository)
}
