//! Break-glass is what its records say: opened, agreed to, used, reminded of, ended. Nothing else is kept of it, so that an
//! override that was not recorded cannot work.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::leaf::{Leaf, commitment};
use super::tree::leaf_hash;
use super::{Body, BreakGlassBody, EditedBody, Entry, GlassEvent, Kind};
use crate::model::{Actor, Boot, BreakGlass, BreakGlassEnd, BreakGlassId, Name, Time};
use crate::store::{Store, StoreError, StoreErrorKind, Tx, database, undecodable};

const READ: &str = "read the records of break-glass";

/// Those that ended are remembered for so many seconds, for `list`: 30 days.
const REMEMBERED: i64 = 30 * 24 * 60 * 60;

/// One break-glass, as its records tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glass {
    pub opening: BreakGlass,
    /// Further people who said that it is right.
    pub agreed: Vec<Actor>,
    /// How many plans went because of it.
    pub used: u64,
    pub reminded: bool,
    pub ended: Option<(Time, BreakGlassEnd)>,
    /// What was edited by hand under it, once it has ended.
    pub edits: Vec<EditedBody>,
    /// The numbers of its records, oldest first.
    pub records: Vec<u64>,
}

/// Every break-glass that is open or ended lately. A clone is the same.
#[derive(Clone, Default)]
pub struct BreakGlasses(Arc<RwLock<BTreeMap<BreakGlassId, Glass>>>);

impl Glass {
    /// Whether it counts now: as many people agree as it needs, and it has not ended.
    #[must_use]
    pub fn is_in_force(&self, now: Time, boot: &Boot) -> bool {
        self.is_open() && self.agreed.len() >= self.opening.needs && self.opening.ended(now, boot).is_none()
    }

    /// Whether nothing recorded has ended it.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether this person already stands behind it.
    #[must_use]
    pub fn has(&self, actor: &Actor) -> bool {
        // Whoever was declared as a Person meanwhile is who they were.
        let same = |one: &Actor| {
            one.principal() == actor.principal() || (one.kind, &one.subject) == (actor.kind, &actor.subject)
        };
        self.agreed.iter().chain([&self.opening.by]).any(same)
    }
}

impl BreakGlasses {
    /// Reads what the trail says of break-glass.
    ///
    /// # Errors
    /// `store.damaged` where one of its records is not as it was written: it might be the one that ended something.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let rows =
            sqlx::query("SELECT seq, bytes, hash, salt, payload FROM records WHERE kind = 'break-glass' ORDER BY seq")
                .fetch_all(&mut *store.session().await?)
                .await
                .map_err(database(READ))?;
        let mut all = BTreeMap::new();
        for row in &rows {
            match record(row)? {
                Found::Said(leaf, body) => fold(&mut all, leaf.seq, leaf.time, &leaf.actor, &body),
                // It may have been the one that ended something: nothing that was open before it counts any more.
                Found::Erased(leaf) => {
                    for glass in all.values_mut().filter(|glass| glass.is_open()) {
                        glass.ended = Some((leaf.time, BreakGlassEnd::Closed));
                    }
                }
            }
        }
        Ok(Self(Arc::new(RwLock::new(all))))
    }

    /// Follows records that were appended with these numbers, once they are durable.
    pub fn follow(&self, tx: &mut Tx, now: Time, numbers: &[u64], entries: &[Entry]) {
        let body = |(seq, entry): (&u64, &Entry)| match &entry.body {
            Body::BreakGlass(body) => Some((*seq, entry.actor.clone(), body.clone())),
            _ => None,
        };
        let bodies: Vec<_> = numbers.iter().zip(entries).filter_map(body).collect();
        if bodies.is_empty() {
            return;
        }
        let glasses = self.clone();
        tx.once_durable(move || {
            let mut all = glasses.0.write().unwrap_or_else(PoisonError::into_inner);
            for (seq, actor, body) in bodies {
                fold(&mut all, seq, now, &actor, &body);
            }
            all.retain(|_, glass| glass.ended.is_none_or(|(at, _)| at.plus_seconds(REMEMBERED) > now));
        });
    }

    /// Returns those that count now for an application.
    #[must_use]
    pub fn in_force(&self, application: &Name, now: Time, boot: &Boot) -> Vec<BreakGlass> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let counts = |glass: &&Glass| glass.opening.applications.contains(application) && glass.is_in_force(now, boot);
        all.values().filter(counts).map(|glass| glass.opening.clone()).collect()
    }

    /// Returns all that are open, and those that ended within 30 days, by their opening.
    #[must_use]
    pub fn all(&self) -> Vec<Glass> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = all.values().cloned().collect();
        all.sort_by_key(|glass| glass.records.first().copied());
        all
    }

    #[must_use]
    pub fn get(&self, id: &str) -> Option<Glass> {
        self.all().into_iter().find(|glass| &*glass.opening.id.0 == id)
    }

    /// Returns the numbers of all records of those that are open: they never leave the store.
    #[must_use]
    pub fn open_records(&self) -> Vec<u64> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|glass| glass.is_open()).flat_map(|glass| glass.records.iter().copied()).collect()
    }
}

/// What is there of one record.
enum Found {
    Said(Leaf, Box<BreakGlassBody>),
    /// A person erased what it said.
    Erased(Leaf),
}

/// Reads a record for what it says, having held it against its hash. One that was moved into the archive is not found by its kind any
/// more: where the bytes of one that is found are gone, somebody else took them.
fn record(row: &AnyRow) -> Result<Found, StoreError> {
    let text = |column: usize| row.try_get::<Option<String>, _>(column).map_err(database(READ));
    let seq: i64 = row.try_get(0).map_err(database(READ))?;
    let damaged =
        || StoreError::new(StoreErrorKind::Damaged, format!("the trail is damaged: record {seq} is not as written"));
    let bytes = text(1)?.unwrap_or_default();
    if bytes.is_empty() {
        return Err(damaged());
    }
    let leaf: Leaf = serde_json::from_str(&bytes).map_err(undecodable("decode a record"))?;
    let whole = text(2)? == Some(leaf_hash(bytes.as_bytes()).to_string()) && leaf.kind == Kind::BreakGlass;
    if !whole || i64::try_from(leaf.seq) != Ok(seq) {
        return Err(damaged());
    }
    let (Some(salt), Some(payload)) = (text(3)?, text(4)?) else { return Ok(Found::Erased(leaf)) };
    if commitment(&salt, &payload) != leaf.payload {
        return Err(damaged());
    }
    match serde_json::from_str(&payload).map_err(undecodable("decode a record"))? {
        Body::BreakGlass(body) => Ok(Found::Said(leaf, Box::new(body))),
        _ => Err(damaged()),
    }
}

fn fold(all: &mut BTreeMap<BreakGlassId, Glass>, seq: u64, time: Time, actor: &Actor, body: &BreakGlassBody) {
    if let (GlassEvent::Opened, Some(opening)) = (body.event, &body.opening) {
        let glass = Glass {
            opening: opening.clone(),
            agreed: vec![],
            used: 0,
            reminded: false,
            ended: None,
            edits: vec![],
            records: vec![seq],
        };
        // An id that was used up is not opened again by a record that says so.
        all.entry(body.id.clone()).or_insert(glass);
        return;
    }
    let Some(glass) = all.get_mut(&body.id) else { return };
    glass.records.push(seq);
    match body.event {
        GlassEvent::Agreed if !glass.has(actor) => glass.agreed.push(actor.clone()),
        GlassEvent::Used => glass.used += 1,
        GlassEvent::Reminded => glass.reminded = true,
        GlassEvent::Closed | GlassEvent::Expired if glass.is_open() => {
            glass.ended = Some((time, body.end.unwrap_or(BreakGlassEnd::Closed)));
            glass.edits.clone_from(&body.edits);
        }
        GlassEvent::Opened | GlassEvent::Agreed | GlassEvent::Closed | GlassEvent::Expired => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> BreakGlass {
        BreakGlass {
            id: BreakGlassId("0123456789abcdef".into()),
            applications: vec!["web".parse().unwrap()],
            policies: vec!["freeze".parse().unwrap()],
            live_edit: vec![],
            reason: "the site is down".into(),
            ticket: None,
            request: None,
            by: actor(1),
            opened: Time(0),
            boot: boot(5_000_000),
            lasts: 3600,
            needs: 0,
        }
    }

    fn actor(uid: u32) -> Actor {
        Actor::unix_user(uid, format!("uid {uid}"))
    }

    fn boot(elapsed: i64) -> Boot {
        Boot { id: "one".into(), elapsed }
    }

    fn told(opening: &BreakGlass, events: &[(GlassEvent, u32)]) -> Glass {
        let mut all = BTreeMap::new();
        for (seq, (event, uid)) in (0_u32..).zip(events) {
            let opens = (*event == GlassEvent::Opened).then(|| opening.clone());
            let body = BreakGlassBody { opening: opens, ..BreakGlassBody::new(&opening.id, *event) };
            fold(&mut all, seq.into(), Time(seq.into()), &actor(*uid), &body);
        }
        all.remove(&opening.id).unwrap()
    }

    #[test]
    fn it_counts_until_its_end_by_whichever_clock_comes_first() {
        let glass = told(&opening(), &[(GlassEvent::Opened, 1)]);
        let hour = 3_600_000_000;
        assert!(glass.is_in_force(Time(0), &boot(5_000_000)));
        assert!(glass.is_in_force(Time(hour - 1), &boot(hour)));
        // The wall clock was set back: the machine's uptime ends it.
        assert!(!glass.is_in_force(Time(1), &boot(5_000_000 + hour)));
        // The machine was started again: the wall clock ends it.
        let anew = Boot { id: "two".into(), elapsed: 10 };
        assert!(glass.is_in_force(Time(hour - 1), &anew));
        assert!(!glass.is_in_force(Time(hour), &anew));
        assert_eq!(glass.opening.ended(Time(hour), &anew), Some(BreakGlassEnd::Expired));
    }

    #[test]
    fn it_waits_for_as_many_other_people_as_it_needs() {
        let opening = BreakGlass { needs: 1, ..opening() };
        let by = |events: &[(GlassEvent, u32)]| told(&opening, events).is_in_force(Time(0), &boot(5_000_000));
        assert!(!by(&[(GlassEvent::Opened, 1)]));
        assert!(!by(&[(GlassEvent::Opened, 1), (GlassEvent::Agreed, 1)]), "nobody agrees with themselves");
        assert!(by(&[(GlassEvent::Opened, 1), (GlassEvent::Agreed, 2)]));
    }

    #[test]
    fn what_has_ended_is_not_opened_again_by_a_record_that_comes_twice() {
        let ended = [(GlassEvent::Opened, 1), (GlassEvent::Closed, 1), (GlassEvent::Opened, 1)];
        assert!(!told(&opening(), &ended).is_in_force(Time(0), &boot(5_000_000)));
    }
}
