use super::values::Values;
use super::{Case, Expression};
use crate::config::Condition;
use crate::expression::EvaluationError;
use crate::model::{Finding, Guard, ObjectId};
use crate::policy::Commits;

/// Objects that are told of in one finding.
const MOST_TOLD: usize = 100;
/// The work that one rule may take over all steps of a plan, in the steps of [`crate::expression::BUDGET`].
const WORK: u64 = 10_000_000;

impl Case<'_> {
    /// Asks the expressions of the policy.
    pub(super) fn conditions(&self) -> Vec<Finding> {
        let policy = &self.bound.policy;
        let deny = self.bound.deny.as_ref().zip(policy.deny.as_ref());
        let warn = self.bound.warn.as_ref().zip(policy.warn.as_ref());
        if deny.is_none() && warn.is_none() {
            return vec![];
        }
        let values = Values::of(self);
        let denied = deny.and_then(|(rule, condition)| self.ask(rule, condition, &values, Guard::Deny));
        let warned = warn.and_then(|(rule, condition)| self.ask(rule, condition, &values, Guard::Warn));
        denied.into_iter().chain(warned).collect()
    }

    fn ask(&self, rule: &Expression, condition: &Condition, values: &Values, guard: Guard) -> Option<Finding> {
        if rule.names("commit") || rule.names("commits") {
            match &self.facts.commits {
                // What heals comes from no commit, so a rule about commits says nothing of it.
                Commits::None => return None,
                Commits::Unknown => {
                    return Some(self.unanswered(guard, "which commits are new cannot be told", vec![]));
                }
                Commits::New(commits) => {
                    if let Some(cut) = commits.iter().find(|commit| commit.cut) {
                        let why =
                            format!("the message of commit {} is too long to be read whole", cut.revision.short());
                        return Some(self.unanswered(guard, &why, vec![]));
                    }
                }
            }
        }
        if !rule.names("step") {
            return match rule.evaluate(values.whole()) {
                Ok(false) => None,
                Ok(true) => Some(self.finding(guard, condition.message.clone())),
                Err(error) => Some(self.unanswered(guard, &error.to_string(), vec![])),
            };
        }
        let (mut objects, mut left) = (vec![], WORK);
        for step in &self.steps {
            match rule.evaluate_within(&values.with(step), &mut left) {
                Ok(false) => {}
                Ok(true) => objects.push(step.id.clone()),
                Err(error @ EvaluationError::TooDear(_)) => {
                    return Some(self.unanswered(guard, &error.to_string(), vec![]));
                }
                Err(error) => return Some(self.unanswered(guard, &error.to_string(), vec![step.id.clone()])),
            }
        }
        if objects.is_empty() {
            return None;
        }
        objects.truncate(MOST_TOLD);
        Some(Finding { objects, ..self.finding(guard, condition.message.clone()) })
    }

    /// A rule without an answer holds, or is told of where it would only have warned.
    fn unanswered(&self, guard: Guard, why: &str, objects: Vec<ObjectId>) -> Finding {
        let guard = if guard == Guard::Warn { Guard::Warn } else { Guard::PolicyError };
        Finding { objects, ..self.finding(guard, format!("its expression has no answer: {why}")) }
    }
}
