//! Who may do what, as words: roles, and the one table of what each act takes.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What somebody may do with the applications that they have it for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "RoleWord")]
pub enum Role {
    /// Sees them: status, plans, history.
    Viewer,
    /// And syncs, suspends and resumes them.
    Operator,
    /// Sees them, and says yes or no to their plans.
    Approver,
    /// Sees them, and breaks the glass over what holds them.
    BreakGlass,
    /// Does everything.
    Admin,
}

/// Something that is done or seen, and that takes a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    See,
    SeeContents,
    Sync,
    Suspend,
    GoBack,
    Adopt,
    Approve,
    OpenBreakGlass,
    AgreeBreakGlass,
    CloseBreakGlass,
    Destroy,
    SeeEverything,
    TestNotification,
    KeepTrail,
    KeepTokens,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct DeedRow {
    /// What is done, so that `you may not …` can be said of it.
    pub words: &'static str,
    /// Roles of which one is enough; [`Role::Admin`] always is.
    pub by: &'static [Role],
    /// The role has to be for all applications, not only for those that are concerned.
    pub everywhere: bool,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Viewer, Self::Operator, Self::Approver, Self::BreakGlass, Self::Admin];

    /// Whether who has this may do all that who has the other may.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self == other || self == Self::Admin || other == Self::Viewer
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::BreakGlass => "break-glass",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Deed {
    /// Every row of the table, in the order in which people read it.
    pub const ALL: [Self; 15] = [
        Self::See,
        Self::SeeContents,
        Self::Sync,
        Self::Suspend,
        Self::GoBack,
        Self::Adopt,
        Self::Approve,
        Self::OpenBreakGlass,
        Self::AgreeBreakGlass,
        Self::CloseBreakGlass,
        Self::Destroy,
        Self::SeeEverything,
        Self::TestNotification,
        Self::KeepTrail,
        Self::KeepTokens,
    ];

    /// Returns what it takes: the one table, which `docs/api.md` shows and a test holds it against.
    #[must_use]
    pub const fn row(self) -> DeedRow {
        use Role::{Admin, Approver, BreakGlass, Operator, Viewer};
        const fn on(words: &'static str, by: &'static [Role]) -> DeedRow {
            DeedRow { words, by, everywhere: false }
        }
        const fn everywhere(words: &'static str, by: &'static [Role]) -> DeedRow {
            DeedRow { words, by, everywhere: true }
        }
        match self {
            Self::See => on("see it", &[Viewer]),
            Self::SeeContents => on("see what was overwritten, deleted or edited by hand", &[Operator, BreakGlass]),
            Self::Sync => on("sync it", &[Operator]),
            Self::Suspend => on("suspend or resume it", &[Operator]),
            Self::GoBack => on("let it go back while its Git host is down", &[Operator]),
            Self::Adopt => on("adopt what was found there", &[Approver]),
            Self::Approve => on("approve or reject its plans", &[Approver]),
            Self::OpenBreakGlass => on("break the glass for it", &[BreakGlass]),
            Self::AgreeBreakGlass => on("agree to a break-glass for it", &[BreakGlass]),
            Self::CloseBreakGlass => on("end a break-glass for it", &[BreakGlass]),
            Self::Destroy => on("destroy it", &[Admin]),
            Self::SeeEverything => {
                everywhere("verify or export the trail, or see what concerns no application", &[Viewer])
            }
            Self::TestNotification => everywhere("send a test message", &[Operator]),
            Self::KeepTrail => everywhere("replace the key of the trail, archive or erase records", &[Admin]),
            Self::KeepTokens => everywhere("take care of other people's tokens", &[Admin]),
        }
    }

    /// Whether a role is enough for it.
    #[must_use]
    pub fn takes(self, role: Role) -> bool {
        self.row().by.iter().any(|one| role.includes(*one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_sees_and_none_but_admin_has_another_ones_acts() {
        for role in Role::ALL {
            assert!(Deed::See.takes(role) && Role::Admin.includes(role) && role.includes(Role::Viewer));
        }
        assert!(!Deed::Approve.takes(Role::Operator) && !Deed::Adopt.takes(Role::Operator));
        assert!(!Deed::Sync.takes(Role::Approver) && !Deed::OpenBreakGlass.takes(Role::Approver));
        assert!(!Deed::SeeContents.takes(Role::Viewer) && Deed::SeeContents.takes(Role::BreakGlass));
        for deed in [Deed::Destroy, Deed::KeepTrail, Deed::KeepTokens] {
            assert!(Role::ALL.into_iter().filter(|role| deed.takes(*role)).eq([Role::Admin]), "{deed:?}");
        }
    }

    #[test]
    fn the_documentation_has_the_same_table() {
        let page = include_str!("../../docs/api.md");
        for deed in Deed::ALL {
            let row = deed.row();
            let by: Vec<_> = row.by.iter().map(|role| format!("`{role}`")).collect();
            let of = if row.everywhere { "all" } else { "its own" };
            let line = format!("| {} | {} | {of} |", row.words, by.join(", "));
            assert_eq!(page.matches(&line).count(), 1, "{line}");
        }
        assert_eq!(page.matches(" | its own |\n").count() + page.matches(" | all |\n").count(), Deed::ALL.len());
    }
}
