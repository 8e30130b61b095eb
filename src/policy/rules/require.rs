use super::Case;
use crate::config::Require;
use crate::model::{Finding, Guard, Time};
use crate::policy::Commits;
use crate::source::{Commit, Relation};

impl Case<'_> {
    /// Holds what does not come from commits as they have to be. What goes back to what was applied comes from none.
    pub(super) fn require(&self) -> Vec<Finding> {
        let Some(require) = &self.bound.policy.require else { return vec![] };
        if self.deliberate().next().is_none() {
            return vec![];
        }
        let found = [self.signed(require), self.ticket(), self.old_enough(require), self.descends(require)];
        found.into_iter().flatten().collect()
    }

    fn signed(&self, require: &Require) -> Option<Finding> {
        if require.signed_by.is_empty() {
            return None;
        }
        let signed = |commit: &Commit| {
            let person = commit.signer.as_ref().and_then(|signed| self.people.signer(signed));
            person.is_some_and(|person| self.people.is_in(person, &require.signed_by))
        };
        self.each(signed, "is not signed by anybody whom the policy names")
    }

    fn ticket(&self) -> Option<Finding> {
        let pattern = self.bound.ticket.as_ref()?;
        let long = self.each(|commit| !commit.cut, "has a message that is too long to be read whole");
        long.or_else(|| self.each(|commit| pattern.matches(&commit.message), "names no ticket as the policy wants it"))
    }

    /// Finds the first commit for which something does not hold.
    fn each(&self, holds: impl Fn(&Commit) -> bool, what: &str) -> Option<Finding> {
        match &self.facts.commits {
            Commits::None => None,
            Commits::Unknown => Some(self.finding(Guard::Require, "which commits are new cannot be told".into())),
            Commits::New(commits) => {
                let commit = commits.iter().find(|commit| !holds(commit))?;
                Some(self.finding(Guard::Require, format!("commit {} {what}", commit.revision.short())))
            }
        }
    }

    /// A commit dates itself as it likes: what counts is when this daemon first saw it.
    fn old_enough(&self, require: &Require) -> Option<Finding> {
        let age = i64::try_from(require.age?.0.as_micros()).unwrap_or(i64::MAX);
        if !self.facts.forward {
            return None;
        }
        let ripe = Time(self.facts.first_seen.unwrap_or(self.facts.now).0.saturating_add(age));
        let message = format!("the revision has to be known for {}, which it is at {ripe}", require.age?);
        (self.facts.now < ripe).then(|| Finding { changes_at: Some(ripe), ..self.finding(Guard::Require, message) })
    }

    fn descends(&self, require: &Require) -> Option<Finding> {
        let descends = matches!(self.facts.relation, None | Some(Relation::Same | Relation::Descends));
        if !require.descendant || descends {
            return None;
        }
        Some(self.finding(Guard::Require, "the revision does not descend from what was last applied".into()))
    }
}
