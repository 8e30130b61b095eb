//! How it is shown at the Git host: a status, and one comment.

use super::Planner;
use super::rounds::Rounds;
use crate::forge::{ForgeError, ForgeErrorKind, Proposed, Pull, Status};

impl Planner {
    /// Shows what came of it, where that is another than is shown already. Returns the comment and what it says.
    pub(super) async fn show(
        &self,
        rounds: &mut Rounds,
        pull: &Pull,
        proposed: &Proposed,
        known: Option<(u64, String)>,
    ) -> Result<Option<(u64, String)>, ForgeError> {
        let redactor = self.agent.inner.masks.get();
        let (state, description) = proposed.state();
        let status = Status::new(format!("{}/plan", self.about.context), state, &description, &redactor);
        let head = &pull.head.sha;
        if !self.forge.statuses(head).await?.contains(&status) {
            self.forge.set_status(head, &status).await?;
        }
        // Two daemons of one repository have two names for what they say.
        let marker = format!("<!-- {}/plan -->", self.about.context);
        let text = proposed.comment(&marker, &redactor);
        let there = match known {
            Some(known) => Some(known),
            None => self.comment(rounds, pull.number, &marker).await?,
        };
        match &there {
            Some((_, said)) if *said == text => return Ok(there),
            Some((id, _)) => match self.forge.edit_comment(*id, &text).await {
                Ok(()) => return Ok(Some((*id, text))),
                // Somebody removed it: it is written anew.
                Err(error) if error.kind == ForgeErrorKind::Missing => {}
                Err(error) => return Err(error),
            },
            None if proposed.is_silent() => return Ok(None),
            None => {}
        }
        let comment = self.forge.comment(pull.number, &text).await?;
        Ok(Some((comment.id, text)))
    }

    /// Returns our own comment: by its author, and by the line that it begins with. Either alone could be anybody's.
    async fn comment(&self, rounds: &mut Rounds, pull: u64, marker: &str) -> Result<Option<(u64, String)>, ForgeError> {
        let login = match &rounds.login {
            Some(login) => login.clone(),
            None => rounds.login.insert(self.forge.login().await?).clone(),
        };
        let mut comments = self.forge.comments(pull).await?.into_iter();
        let own = comments.find(|comment| comment.is_by(&login) && comment.body.starts_with(marker));
        Ok(own.map(|comment| (comment.id, comment.body)))
    }
}
