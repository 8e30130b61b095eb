use crate::config::{Glob, Match};
use crate::model::{Name, Plan, Step};
use crate::policy::Facts;

/// Whether a policy binds an application; else which part of its `match` does not fit.
pub(in crate::policy) fn binds(matches: &Match, facts: &Facts) -> Result<(), &'static str> {
    let named = |globs: &[Glob], name: &Name| is_any(globs, name.as_str());
    let labelled = matches.labels.iter().all(|(key, value)| facts.labels.get(key) == Some(value));
    match () {
        () if !named(&matches.applications, &facts.application) => Err("applications"),
        () if !labelled => Err("labels"),
        () if !named(&matches.targets, &facts.target) => Err("targets"),
        () if !named(&matches.repositories, &facts.repository) => Err("repositories"),
        () if !is_any(&matches.branches, branch(&facts.reference)) => Err("branches"),
        () => Ok(()),
    }
}

/// Returns the steps that a policy chooses.
pub(in crate::policy) fn steps<'p>(matches: &Match, plan: &'p Plan) -> Vec<&'p Step> {
    let chosen = |step: &&Step| {
        (matches.kinds.is_empty() || matches.kinds.iter().any(|kind| *kind == step.id.kind))
            && is_any(&matches.names, &step.id.name)
            && (matches.actions.is_empty() || matches.actions.contains(&step.action))
            && (matches.causes.is_empty() || matches.causes.contains(&step.cause))
    };
    plan.steps.iter().filter(chosen).collect()
}

/// Returns the name of the branch that a ref is; a tag or commit is no branch, and has none that a pattern could name but its own.
pub(super) fn branch(reference: &str) -> &str {
    reference.strip_prefix("refs/heads/").unwrap_or(reference)
}

fn is_any(globs: &[Glob], name: &str) -> bool {
    globs.is_empty() || globs.iter().any(|glob| glob.matches(name))
}
