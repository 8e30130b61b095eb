//! Two who write one thing: how often it was put right in a row, and when that is a fight.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Action, After, Cause, Finding, Guard, Live, ObjectId, Previews, Step, Time};
use crate::policy::Fight;
use crate::store::Heals;

/// Put right so often in a row, it is left as it is.
const ROUNDS: u32 = 5;
/// What is put right within this of the time before is put right in a row.
const LATELY: Duration = Duration::from_mins(10);

/// How often which objects were put right.
pub(super) type Counted = BTreeMap<ObjectId, Heals>;

/// Counts the steps that were carried out. A person's yes, in `passed`, and another content in Git begin anew.
pub(super) fn count<'a>(heals: &mut Counted, done: impl Iterator<Item = &'a Step>, passed: &[Finding], now: Time) {
    let by_word = |id: &ObjectId| {
        passed.iter().any(|finding| finding.guard == Guard::Fight && finding.passed && finding.objects.contains(id))
    };
    for step in done.filter(|step| step.action != Action::Run) {
        let before = heals.remove(&step.id);
        if step.cause == Cause::Intentional {
            continue;
        }
        let in_a_row = before.filter(|heals| now.since(heals.last) < LATELY && !by_word(&step.id));
        let count = in_a_row.map_or(0, |heals| heals.count).saturating_add(1);
        heals.insert(step.id.clone(), Heals { count, last: now });
    }
    heals.retain(|_, heals| is_fight(*heals) || now.since(heals.last) < LATELY);
}

/// Returns the objects that are fought over, with who is known to be at it.
pub(super) fn fights(heals: &Counted, previews: &Previews) -> BTreeMap<ObjectId, Fight> {
    let fought = heals.iter().filter(|(_, heals)| is_fight(**heals));
    let by = |id: &ObjectId| {
        let preview = previews.items.iter().find(|preview| preview.id == *id)?;
        preview.touched.as_ref()?.by.clone()
    };
    fought.map(|(id, heals)| (id.clone(), Fight { rounds: heals.count, by: by(id) })).collect()
}

/// Returns the fights that are over: the object is as it should be, and was not put right lately.
pub(super) fn over(heals: &Counted, previews: &Previews, now: Time) -> Vec<ObjectId> {
    let quiet = heals.iter().filter(|(_, heals)| is_fight(**heals) && now.since(heals.last) >= LATELY);
    let right = |id: &ObjectId| {
        let preview = previews.items.iter().find(|preview| preview.id == *id);
        preview.is_none_or(|preview| matches!(preview.after, After::Same) && !matches!(preview.live, Live::Unknown(_)))
    };
    quiet.filter(|(id, _)| right(id)).map(|(id, _)| id.clone()).collect()
}

fn is_fight(heals: Heals) -> bool {
    heals.count >= ROUNDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Digest, Preview, Risk};

    fn step(cause: Cause) -> Step {
        Step {
            id: ObjectId::new("path", "/etc/motd"),
            action: Action::Update,
            cause,
            before: Digest::of(b"before"),
            after: Digest::of(b"after"),
            fingerprint: None,
            risk: Risk::Low,
            wave: 0,
        }
    }

    /// Puts it right at these minutes.
    fn healed(minutes: &[i64]) -> Counted {
        let mut heals = Counted::new();
        for minute in minutes {
            count(&mut heals, [&step(Cause::Corrective)].into_iter(), &[], at(*minute));
        }
        heals
    }

    fn at(minute: i64) -> Time {
        Time(0).plus_seconds(60 * minute)
    }

    fn fought(heals: &Counted) -> bool {
        !fights(heals, &Previews::default()).is_empty()
    }

    #[test]
    fn five_rounds_in_a_row_are_a_fight_and_a_pause_begins_anew() {
        assert!(!fought(&healed(&[0, 9, 18, 27])));
        assert!(fought(&healed(&[0, 9, 18, 27, 36])));
        assert!(!fought(&healed(&[0, 9, 18, 28, 37])));
    }

    #[test]
    fn a_yes_and_another_content_begin_anew() {
        let five = healed(&[0, 1, 2, 3, 4]);
        let yes = Finding { passed: true, ..Finding::new(Guard::Fight, "fight", vec![step(Cause::Corrective).id]) };
        for (cause, passed, left) in [
            (Cause::Corrective, vec![yes.clone()], Some(1)),
            (Cause::Corrective, vec![Finding { passed: false, ..yes }], Some(6)),
            (Cause::Intentional, vec![], None),
        ] {
            let mut heals = five.clone();
            count(&mut heals, [&step(cause)].into_iter(), &passed, at(5));
            assert_eq!(heals.values().next().map(|heals| heals.count), left);
        }
    }

    #[test]
    fn a_fight_is_over_where_all_is_right_for_a_while_and_not_before() {
        let five = healed(&[0, 1, 2, 3, 4]);
        let id = step(Cause::Corrective).id;
        let preview = |live| Preview {
            id: id.clone(),
            live,
            after: After::Same,
            calls: vec![],
            rank: 0,
            wave: 0,
            protected: None,
            touched: None,
        };
        let look = |live, minute| {
            over(&five, &Previews { items: vec![preview(live)], ..Previews::default() }, at(minute)).len()
        };
        assert_eq!((look(Live::Absent, 13), look(Live::Absent, 14)), (0, 1));
        assert_eq!(look(Live::Unknown("denied".into()), 60), 0);
        // What was put right less often is forgotten with the next that is.
        let mut heals = healed(&[0, 1]);
        count(&mut heals, [].into_iter(), &[], at(30));
        assert!(heals.is_empty());
    }
}
