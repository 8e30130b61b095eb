//! What the commit says, in the style of `git revert`. What strangers wrote is made harmless, and secrets are masked: it is for
//! everybody who may read the repository.

use crate::audit::Redactor;
use crate::model::{Name, Revision};
use crate::source::harmless;
use crate::store::Revert;

/// A subject that is longer is cut, as a reason is.
const SUBJECT: usize = 60;
const REASON: usize = 200;

/// What there is to say.
pub(super) struct Words<'a> {
    pub(super) application: &'a Name,
    pub(super) revert: &'a Revert,
    pub(super) good: &'a Revision,
    /// Of the commit that failed.
    pub(super) subject: &'a str,
    pub(super) paths: &'a [String],
    pub(super) redactor: &'a Redactor,
}

/// Returns the message, without its trailer.
pub(super) fn message(words: &Words<'_>) -> String {
    let Words { application, revert, good, paths, .. } = words;
    let subject = words.plain(words.subject, SUBJECT);
    let line = |path: &String| ["    ".to_owned(), words.plain(path, usize::MAX), "\n".into()];
    let listed: String = paths.iter().flat_map(line).collect();
    let plan = revert.plan.map(|plan| format!(" of plan {}", plan.short())).unwrap_or_default();
    let why = if let Some(actor) = &revert.asked {
        let who = words.plain(&actor.to_string(), SUBJECT);
        format!("{who} asked for it while the Git host could not be reached.\n")
    } else {
        let reason = words.plain(&revert.reason, REASON);
        format!("Sync {}{plan} failed, and what it had changed is taken back:\n{reason}\n", revert.sync)
    };
    format!(
        "Revert \"{subject}\"\n\nThis reverts commit {},\nand what else changed these paths of {application} since commit\n{good}:\n\n{listed}\n{why}",
        revert.bad
    )
}

impl Words<'_> {
    /// Returns the first line of a text, without what is secret or moves a terminal's cursor.
    fn plain(&self, text: &str, longest: usize) -> String {
        let line = text.lines().next().unwrap_or_default();
        let clean = harmless(self.redactor.mask(line).as_bytes());
        let short: String = clean.chars().take(longest).collect();
        if short.len() < clean.len() { short + "…" } else { short }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Actor, Digest, PlanId, SyncId, Time};
    use crate::store::{BadInputs, RevertStage};

    fn revert(reason: &str) -> Revert {
        let bad = BadInputs {
            inputs: Digest::of(b"i"),
            revision: "b".repeat(40).parse().unwrap(),
            reason: reason.into(),
            sync: SyncId("s1".into()),
            created: None,
            plan: Some(PlanId(Digest::of(b"p"))),
            reverted: None,
        };
        Revert::owed(&bad, None, Time(0))
    }

    fn said(revert: &Revert, subject: &str) -> String {
        let (name, good) = ("web".parse().unwrap(), "a".repeat(40).parse().unwrap());
        let (paths, redactor) = (["common".to_owned(), "web".to_owned()], Redactor::new(["hunter2!"]));
        let words = Words { application: &name, revert, good: &good, subject, paths: &paths, redactor: &redactor };
        message(&words)
    }

    #[test]
    fn it_says_what_failed_and_what_is_set_back() {
        let revert = revert("check site: exit status 1\nand more");
        let (plan, bad, good) = (revert.plan.unwrap(), "b".repeat(40), "a".repeat(40));
        let expected = format!(
            "Revert \"new site\"\n\nThis reverts commit {bad},\nand what else changed these paths of web since commit\n{good}:\n\n    \
             common\n    web\n\nSync s1 of plan {} failed, and what it had changed is taken back:\ncheck site: exit status 1\n",
            plan.short()
        );
        assert_eq!(said(&revert, "new site"), expected);
        let asked = Revert { asked: Some(Actor::unix_user(7, "ada".into())), ..revert };
        assert!(said(&asked, "x").ends_with("\nada asked for it while the Git host could not be reached.\n"));
        assert_eq!(asked.stage, RevertStage::Owed);
    }

    #[test]
    fn strangers_say_nothing_that_moves_a_cursor_and_secrets_stay_inside() {
        let text = said(&revert("the token hunter2! was refused\u{1b}[2J"), "\u{1b}]0;x\u{7}hunter2!\u{202e}");
        assert!(!text.contains("hunter2!") && !text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
        assert!(said(&revert("x"), &"y".repeat(500)).lines().next().unwrap().chars().count() < 80);
    }
}
