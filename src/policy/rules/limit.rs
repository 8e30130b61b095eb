use super::Case;
use crate::config::{Budget, Limit};
use crate::model::{Action, Finding, Guard, ObjectId, Step, Time};

impl Case<'_> {
    /// Holds what changes more than it may.
    pub(super) fn limit(&self) -> Vec<Finding> {
        let Some(limit) = &self.bound.policy.limit else { return vec![] };
        let touches = |step: &&&Step| !matches!(step.action, Action::Run | Action::Release);
        let ids: Vec<_> = self.steps.iter().filter(touches).map(|step| &step.id).collect();
        let mut findings = vec![];
        let mut over = |ids: &[&ObjectId], most: Option<u64>, percent: Option<u32>, what: &str| {
            if let Some(message) = too_many(ids.len(), self.facts.owned, most, percent, what) {
                let objects = ids.iter().map(|id| (*id).clone()).collect();
                findings.push(Finding { objects, ..self.finding(Guard::Limit, message) });
            }
        };
        over(&self.of(Action::Delete), limit.deletes, limit.deletes_percent, "deleted");
        over(&self.of(Action::Replace), limit.replaces, None, "replaced");
        over(&ids, limit.objects, limit.objects_percent, "changed");
        findings.extend(self.at_once(limit));
        findings.extend(limit.budget.as_ref().and_then(|budget| self.budget(budget)));
        findings
    }

    pub(super) fn of(&self, action: Action) -> Vec<&ObjectId> {
        let counted = |step: &&&Step| step.action == action && !self.facts.uncounted.contains(&step.id);
        self.steps.iter().filter(counted).map(|step| &step.id).collect()
    }

    /// The others have to end first; whoever ends rings.
    fn at_once(&self, limit: &Limit) -> Option<Finding> {
        let most = limit.applications?;
        let running = self.facts.running.len() as u64;
        let message = || {
            let names: Vec<_> = self.facts.running.iter().map(ToString::to_string).collect();
            format!("at most {most} at once, and plans of {} are being carried out", names.join(", "))
        };
        (running >= most).then(|| self.finding(Guard::Limit, message()))
    }

    fn budget(&self, budget: &Budget) -> Option<Finding> {
        let more = self.of(Action::Delete).len() as u64;
        let since = since(budget, self.facts.now);
        let spent: Vec<_> = self.facts.spent.iter().filter(|spent| spent.time > since).collect();
        let before: u64 = spent.iter().map(|spent| spent.deletes).sum();
        if more == 0 || before + more <= budget.deletes {
            return None;
        }
        // The oldest go out of sight first.
        let mut left = before;
        let fits = spent.iter().find(|spent| {
            left -= spent.deletes;
            left + more <= budget.deletes
        });
        let changes_at = fits.map(|spent| Time(spent.time.0.saturating_add(self.facts.now.0.saturating_sub(since.0))));
        let (deletes, within) = (budget.deletes, budget.within);
        let message = format!("{} deletes within {within} over the whole daemon, and {deletes} may be", before + more);
        Some(Finding { changes_at, ..self.finding(Guard::Limit, message) })
    }
}

/// Returns since when a budget counts.
pub(super) fn since(budget: &Budget, now: Time) -> Time {
    Time(now.0.saturating_sub(i64::try_from(budget.within.0.as_micros()).unwrap_or(i64::MAX)))
}

fn too_many(count: usize, owned: usize, most: Option<u64>, percent: Option<u32>, what: &str) -> Option<String> {
    let count = count as u64;
    if let Some(most) = most.filter(|most| count > *most) {
        return Some(format!("{count} objects would be {what}, and {most} may be"));
    }
    let percent = percent.filter(|percent| count * 100 > owned as u64 * u64::from(*percent))?;
    (count > 0).then(|| format!("{count} of {owned} objects would be {what}, and {percent} % may be"))
}
