use std::collections::{BTreeMap, BTreeSet};

use crate::config::Drift;
use crate::model::{Actor, BreakGlass, Finding, Name, ObjectId, Time};
use crate::source::{Commit, Relation};
use crate::store::{Approval, Rejection, Spent};

/// All that the guards and rules may know.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    pub now: Time,
    pub application: Name,
    pub labels: BTreeMap<String, String>,
    pub target: Name,
    pub repository: Name,
    /// The followed ref, fully qualified, or the commit that is held.
    pub reference: String,
    /// The plan goes to what the followed ref says, not back to what was applied before.
    pub forward: bool,
    /// How the revision stands to the last applied one; `None` where that is no question (first sync, corrective plan, a ref
    /// or URL changed in the configuration).
    pub relation: Option<Relation>,
    /// Who asked to go back to it out of the store: that is a rewind, whatever Git says.
    pub asked: Option<Actor>,
    pub commits: Commits,
    /// When this daemon first saw the revision; `None` where it sees it now.
    pub first_seen: Option<Time>,
    /// How many objects were rendered.
    pub rendered: usize,
    /// How many are in the inventory.
    pub owned: usize,
    /// Layers that the revision does not have.
    pub missing_paths: Vec<String>,
    pub automatic: bool,
    pub drift: Option<Drift>,
    /// Deletes that an adapter wants a person's yes for.
    pub protected: Vec<(ObjectId, String)>,
    /// The plan takes back a failed sync: undoing what was allowed once is not asked about again.
    pub takes_back: bool,
    /// The plan takes away what was made for an application that is declared no more.
    pub destroys: bool,
    /// Created by the failed sync that this plan takes back: deleting them counts against no limit.
    pub uncounted: BTreeSet<ObjectId>,
    /// What planning left out, and why.
    pub left_out: Vec<Finding>,
    /// People who said yes to exactly this plan, and have not been taken at their word yet.
    pub approvals: Vec<Approval>,
    /// Somebody said no to exactly this plan.
    pub rejection: Option<Rejection>,
    /// Break-glass that counts for this application now.
    pub break_glass: Vec<BreakGlass>,
    /// Whose approval accepts a change of policies: people whom the machine's own file names.
    pub acceptors: BTreeSet<Name>,
    /// How the revision stands to the one whose policies and people were accepted last; `None` as for `relation`.
    pub since_accepted: Option<Relation>,
    /// The revision is signed by whom the machine's own file names for changes of policies.
    pub accepted_signer: bool,
    /// What was deleted lately, over the whole daemon.
    pub spent: Vec<Spent>,
    /// Other applications whose plans are being carried out.
    pub running: BTreeSet<Name>,
    /// Objects that somebody else changes again each time that they are put right.
    pub fights: BTreeMap<ObjectId, Fight>,
    /// What another version of trueup applied, and this one has not shown yet that it sees alike.
    pub upgrade: Option<Upgrade>,
}

/// One object that is changed again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fight {
    /// How often it was put right, each time shortly after the time before.
    pub rounds: u32,
    /// Who changes it, as far as the target tells.
    pub by: Option<String>,
}

/// What comes of another version of trueup having been here before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// That version; empty where it was not written down.
    pub before: String,
    /// What this version would change that the other one left alone.
    pub objects: Vec<ObjectId>,
    /// Why it cannot be told what is this version's doing, as a clause.
    pub unclear: Option<String>,
}

/// What is new since the last applied revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Commits {
    /// Nothing of Git's: the plan goes to what was applied before.
    #[default]
    None,
    /// Newest first; the first is the revision itself.
    New(Vec<Commit>),
    /// The history at hand does not tell.
    Unknown,
}

impl Facts {
    /// Returns the facts of a plan about which nothing is known yet but whose it is.
    #[must_use]
    pub fn of(application: Name, target: Name, repository: Name, now: Time) -> Self {
        Self {
            now,
            application,
            target,
            repository,
            labels: BTreeMap::new(),
            reference: String::new(),
            forward: false,
            relation: None,
            asked: None,
            commits: Commits::None,
            first_seen: None,
            rendered: 0,
            owned: 0,
            missing_paths: vec![],
            automatic: true,
            drift: None,
            protected: vec![],
            takes_back: false,
            destroys: false,
            uncounted: BTreeSet::new(),
            left_out: vec![],
            approvals: vec![],
            rejection: None,
            break_glass: vec![],
            acceptors: BTreeSet::new(),
            since_accepted: None,
            accepted_signer: false,
            spent: vec![],
            running: BTreeSet::new(),
            fights: BTreeMap::new(),
            upgrade: None,
        }
    }
}
