//! What somebody may do: the roles that they have, each with some applications, within what bounds them.

use std::collections::BTreeMap;

use crate::config::{Grant, Matching, Person, RoleGiven};
use crate::model::{Deed, Name, Role};

/// The labels of an application.
pub type Labels = BTreeMap<String, String>;

/// What somebody may do. Made anew for each request, so that what is taken away stops counting at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights {
    grants: Vec<Grant>,
    /// And no more than this.
    within: Option<Box<Rights>>,
}

/// The roles that are declared, by person.
#[derive(Clone, Debug, Default)]
pub struct Roles(BTreeMap<Name, Rights>);

impl Roles {
    /// Gives each person of the machine what is declared for them and for their groups. Others have nothing: who may do what is not
    /// for Git to say.
    #[must_use]
    pub fn new(declared: &BTreeMap<Name, RoleGiven>, people: &BTreeMap<Name, Person>) -> Self {
        let of = |(name, person): (&Name, &Person)| {
            let theirs = declared.values().filter(|given| {
                given.people.contains(name) || person.groups.iter().any(|one| given.groups.contains(one))
            });
            let grants = theirs.map(|given| Grant { role: given.role, matches: given.matches.clone() }).collect();
            (name.clone(), Rights { grants, within: None })
        };
        Self(people.iter().map(of).collect())
    }

    /// Returns what a person may do; `None` where this machine declares nobody of that name.
    #[must_use]
    pub fn of(&self, person: &Name) -> Option<Rights> {
        self.0.get(person).cloned()
    }
}

impl Rights {
    /// Returns one role, everywhere.
    #[must_use]
    pub fn everywhere(role: Role) -> Self {
        Self::from(vec![Grant { role, matches: Matching::default() }])
    }

    /// Returns these rights and those.
    #[must_use]
    pub fn and(mut self, more: Self) -> Self {
        self.grants.extend(more.grants);
        self
    }

    /// Returns what both allow.
    #[must_use]
    pub fn within(self, bound: Self) -> Self {
        let bound = match self.within {
            Some(before) => before.within(bound),
            None => bound,
        };
        Self { within: Some(Box::new(bound)), ..self }
    }

    /// Whether something may be done with an application.
    #[must_use]
    pub fn may(&self, deed: Deed, application: &Name, labels: &Labels) -> bool {
        self.allow(deed, |matches| matches.fits(application, labels))
    }

    /// Whether something may be done with every application there is or will be, and with what concerns none.
    #[must_use]
    pub fn may_everywhere(&self, deed: Deed) -> bool {
        self.allow(deed, Matching::is_everything)
    }

    /// Whether a role with some applications is no more than this, as far as words tell. One that names none goes as far as this does:
    /// it has to be there at all.
    #[must_use]
    pub fn cover(&self, wanted: &Grant) -> bool {
        let whole = |grant: &Grant| grant.role.includes(wanted.role) && grant.matches.covers(&wanted.matches);
        let one = |name: &String| {
            let matches = Matching { applications: vec![name.clone()], labels: wanted.matches.labels.clone() };
            let wanted = Grant { role: wanted.role, matches };
            self.grants.iter().any(|grant| grant.role.includes(wanted.role) && grant.matches.covers(&wanted.matches))
        };
        let names = &wanted.matches.applications;
        if wanted.matches == Matching::default() {
            let there = self.grants.iter().any(|grant| grant.role.includes(wanted.role));
            return there && self.within.as_ref().is_none_or(|bound| bound.cover(wanted));
        }
        let here = self.grants.iter().any(whole) || !names.is_empty() && names.iter().all(one);
        here && self.within.as_ref().is_none_or(|bound| bound.cover(wanted))
    }

    /// The same, to the letter: one that names no application is no more than one that names none either.
    #[must_use]
    pub fn cover_literally(&self, wanted: &Grant) -> bool {
        let none = Matching::default();
        let whole = |grant: &Grant| grant.role.includes(wanted.role) && grant.matches == none;
        self.cover(wanted) && (wanted.matches != none || self.grants.iter().any(whole))
    }

    fn allow(&self, deed: Deed, fits: impl Fn(&Matching) -> bool + Copy) -> bool {
        self.grants.iter().any(|grant| deed.takes(grant.role) && fits(&grant.matches))
            && self.within.as_ref().is_none_or(|bound| bound.allow(deed, fits))
    }
}

impl From<Vec<Grant>> for Rights {
    fn from(grants: Vec<Grant>) -> Self {
        Self { grants, within: None }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn grant(role: Role, applications: &[&str], labels: &[(&str, &str)]) -> Grant {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let applications = applications.iter().map(|one| (*one).to_owned()).collect();
        Grant { role, matches: Matching { applications, labels } }
    }

    #[test]
    fn a_role_is_for_what_it_matches_and_for_no_other() {
        let edge = Labels::from([("team".to_owned(), "edge".to_owned())]);
        let rights =
            Rights::from(vec![grant(Role::Operator, &[], &[("team", "edge")]), grant(Role::Approver, &["db-*"], &[])]);
        assert!(rights.may(Deed::Sync, &name("web"), &edge) && rights.may(Deed::See, &name("web"), &edge));
        assert!(
            !rights.may(Deed::Approve, &name("web"), &edge) && !rights.may(Deed::Sync, &name("db-1"), &Labels::new())
        );
        assert!(rights.may(Deed::Approve, &name("db-1"), &Labels::new()));
        assert!(!rights.may(Deed::See, &name("web"), &Labels::new()));
        assert!(!rights.may_everywhere(Deed::SeeEverything));
        assert!(Rights::from(vec![grant(Role::Viewer, &["a", "*"], &[])]).may_everywhere(Deed::SeeEverything));
        assert!(!Rights::everywhere(Role::Viewer).may_everywhere(Deed::KeepTrail));
        assert!(!Rights::default().may(Deed::See, &name("web"), &edge));
    }

    #[test]
    fn what_bounds_rights_takes_away_and_never_adds() {
        let scope = Rights::from(vec![grant(Role::Admin, &["web", "db"], &[])]);
        let person = Rights::from(vec![grant(Role::Operator, &["web"], &[]), grant(Role::Viewer, &["mail"], &[])]);
        let both = scope.clone().within(person.clone());
        let none = Labels::new();
        assert!(both.may(Deed::Sync, &name("web"), &none) && !both.may(Deed::Approve, &name("web"), &none));
        assert!(!both.may(Deed::See, &name("db"), &none) && !both.may(Deed::See, &name("mail"), &none));
        assert!(!both.within(Rights::default()).may(Deed::See, &name("web"), &none));
        assert!(!scope.within(Rights::everywhere(Role::Admin)).within(person).may(Deed::Sync, &name("db"), &none));
    }

    #[test]
    fn a_scope_is_covered_where_each_of_its_applications_is() {
        let rights = Rights::from(vec![grant(Role::Operator, &["web-*"], &[]), grant(Role::Operator, &["db"], &[])]);
        assert!(rights.cover(&grant(Role::Viewer, &["web-1", "db"], &[])));
        assert!(rights.cover(&grant(Role::Operator, &["web-a*"], &[("team", "edge")])));
        assert!(
            rights.cover(&grant(Role::Operator, &[], &[])) && !Rights::default().cover(&grant(Role::Viewer, &[], &[]))
        );
        for wider in [
            grant(Role::Approver, &[], &[]),
            grant(Role::Operator, &["*"], &[]),
            grant(Role::Operator, &["we*"], &[]),
            grant(Role::Approver, &["db"], &[]),
        ] {
            assert!(!rights.cover(&wider), "{wider:?}");
        }
        assert!(!rights.cover_literally(&grant(Role::Operator, &[], &[])));
        assert!(rights.cover_literally(&grant(Role::Operator, &["db"], &[])));
        assert!(Rights::everywhere(Role::Operator).cover_literally(&grant(Role::Viewer, &[], &[])));
        assert!(!Rights::everywhere(Role::Viewer).cover_literally(&grant(Role::Operator, &[], &[])));
        let labelled = Rights::from(vec![grant(Role::Operator, &[], &[("team", "edge")])]);
        assert!(labelled.cover(&grant(Role::Operator, &["web"], &[("team", "edge"), ("tier", "1")])));
        assert!(!labelled.cover(&grant(Role::Operator, &["web"], &[])));
        assert!(Rights::everywhere(Role::Admin).cover(&grant(Role::BreakGlass, &[], &[])));
    }
}
