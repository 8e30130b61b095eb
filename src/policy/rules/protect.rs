use super::Case;
use crate::config::Protect;
use crate::model::{Finding, Guard, ObjectId, Step, host};

impl Case<'_> {
    /// Holds what does to an object what must not be done to it. What a failed sync created itself may go again.
    pub(super) fn protect(&self) -> Option<Finding> {
        let protect = self.bound.policy.protect.as_ref()?;
        let touched = |step: &&&Step| {
            protect.actions.contains(&step.action)
                && !self.facts.uncounted.contains(&step.id)
                && covers(protect, &step.id)
        };
        let objects: Vec<_> = self.steps.iter().filter(touched).map(|step| step.id.clone()).collect();
        let first = objects.first()?;
        let more = if objects.len() > 1 { format!(" and {} more", objects.len() - 1) } else { String::new() };
        let message = format!("{first}{more} is protected");
        Some(Finding { objects, ..self.finding(Guard::Protect, message) })
    }
}

fn covers(protect: &Protect, id: &ObjectId) -> bool {
    let below = |path: &std::path::PathBuf| id.kind == host::PATH && std::path::Path::new(&*id.name).starts_with(path);
    (protect.kinds.is_empty() || protect.kinds.iter().any(|kind| *kind == id.kind))
        && (protect.names.is_empty() || protect.names.iter().any(|glob| glob.matches(&id.name)))
        && (protect.paths.is_empty() || protect.paths.iter().any(below))
}
