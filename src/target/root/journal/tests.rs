#![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.

use super::super::ledger::{Change, Intent, Offer};
use super::*;
use crate::model::{Action, ObjectId, SyncId};
use crate::target::protocol::message::Finished;

fn key() -> DigestKey {
    DigestKey::new([3; 32])
}

fn offer(name: &str) -> Offer {
    let (before, after) = (Digest::of(b"before"), Digest::of(b"after"));
    let object = ObjectId::new("path", name);
    Offer { object, change: Change::Update, before, after, spec: Some(Digest::of(b"spec")) }
}

fn sync(number: u32) -> SyncId {
    SyncId(format!("{number:032x}").into())
}

fn act(number: u32) -> [Entry; 3] {
    let offer = offer(&format!("/etc/app/{number}"));
    let (content, plan) = (Digest::of(b"content"), Digest::of(b"plan"));
    let (action, actor, time) = (Action::Update, "test".into(), 0);
    let sync = sync(number);
    let intent = Intent { sync: sync.clone(), number: 0, content, plan, action, actor, time, offer: offer.clone() };
    let done = Some(Finished::default());
    [
        Entry::Offered { offers: vec![offer] },
        Entry::Intent(intent),
        Entry::Outcome { sync, number: 0, done, error: None },
    ]
}

#[test]
fn what_was_written_is_known_again_and_a_torn_line_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut journal = Journal::open(folder.path(), key());
    journal.append(&act(1)).unwrap();
    journal.append(&act(2)[..2]).unwrap();
    journal.append(&[Entry::Fence { fence: 7 }]).unwrap();
    drop(journal);
    let whole = std::fs::read(&path).unwrap();
    for torn in [&b""[..], b"0", &whole[..whole.len() / 9], &[0; 300]] {
        std::fs::write(&path, [&whole[..], torn].concat()).unwrap();
        let journal = Journal::open(folder.path(), key());
        journal.sound().unwrap();
        assert_eq!(journal.ledger.fence, 7);
        assert!(journal.ledger.pair(&sync(1), 0).unwrap().outcome.is_some());
        assert!(journal.ledger.pair(&sync(2), 0).unwrap().outcome.is_none());
        assert!(journal.ledger.offered(&offer("/etc/app/2").object, |_| true).is_none(), "used up");
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_journal_that_was_changed_is_not_acted_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    Journal::open(folder.path(), key()).append(&act(1)).unwrap();
    let whole = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    let without_first = lines[1..].join("\n") + "\n";
    let without_second = [lines[0], lines[2], ""].join("\n");
    for changed in [whole.replacen("before", "befora", 1), whole.replace("test", "tess"), without_first, without_second]
    {
        if changed == whole {
            continue;
        }
        std::fs::write(&path, &changed).unwrap();
        let mut journal = Journal::open(folder.path(), key());
        assert!(journal.sound().is_err() && journal.append(&act(2)).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), changed, "it is left as evidence");
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(Journal::open(folder.path(), DigestKey::new([4; 32])).sound().is_err(), "one of another host");
}

#[test]
fn it_is_written_anew_also_where_no_process_lives_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), key());
    let mut number = 0;
    while journal.length < SMALL - SMALL / 10 {
        number += 1;
        journal.append(&(0..100).flat_map(|_| act(number % 300)).collect::<Vec<_>>()).unwrap();
    }
    drop(journal);
    let mut journal = Journal::open(folder.path(), key());
    journal.append(&(0..600).flat_map(act).collect::<Vec<_>>()).unwrap();
    assert!(journal.length < SMALL, "{}", journal.length);
}

#[test]
fn a_spent_sync_outlives_compaction() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), key());
    for number in 0..400 {
        journal.append(&act(number)).unwrap();
    }
    journal.append(&[Entry::Offered { offers: vec![offer("/etc/app/waiting")] }]).unwrap();
    let before = journal.length;
    journal.compact().unwrap();
    assert!(journal.length < before);
    journal.append(&act(1000)).unwrap();
    drop(journal);
    let journal = Journal::open(folder.path(), key());
    journal.sound().unwrap();
    assert!(journal.ledger.is_spent(&sync(0)) && journal.ledger.pair(&sync(0), 0).is_none());
    assert!(journal.ledger.pair(&sync(399), 0).unwrap().outcome.is_some());
    assert!(journal.ledger.pair(&sync(1000), 0).is_some());
    assert!(journal.ledger.offered(&offer("/etc/app/waiting").object, |_| true).is_some());
}
