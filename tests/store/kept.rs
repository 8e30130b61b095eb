//! How long what is kept is kept.

use std::collections::{BTreeMap, BTreeSet};

use trueup::model::{Action, Digest, PlanId, Spec, Time};
use trueup::store::{Good, Preimage, Preimages, SinkState, Tally, encode_desired, new_sync_id};

use super::{DAY, folder, name, open, path, spec};

#[tokio::test]
async fn a_sweep_keeps_what_applied_good_and_open_plans_need_and_drops_the_rest() {
    let folder = folder();
    let store = open(&folder).await;
    let content = b"server {}".to_vec();
    let needed = Spec::new(serde_json::json!({}), vec![Digest::of(&content)], spec("x").place().clone());
    let desired = encode_desired(&BTreeMap::from([(path("/etc/site"), needed)]));
    let mut state = store.application(&name("nginx")).await.unwrap();
    let good = Good { revision: None, inputs: Digest::of(b"i"), desired: Digest::of(&desired) };
    state.good = Some(good.clone());
    let mut tx = store.write().await.unwrap();
    for bytes in [&content[..], &desired, b"nobody asks for this"] {
        tx.put_content(bytes).await.unwrap();
    }
    tx.put_application(&name("nginx"), &state).await.unwrap();
    assert_eq!(tx.sweep_unneeded(Time(0)).await.unwrap(), 1);
    tx.commit().await.unwrap();
    let complete = store.desired(&good.desired).await.unwrap().unwrap();
    assert_eq!(complete.objects.len(), 1);
    assert_eq!(store.content(&Digest::of(&content)).await.unwrap().as_deref(), Some(&content[..]));
}

#[tokio::test]
async fn preimages_are_kept_for_thirty_days_with_their_contents_and_then_go() {
    let folder = folder();
    let store = open(&folder).await;
    let kept = b"by hand".to_vec();
    let one = |content: &[u8], lost: Option<&str>| Preimage {
        id: path("/etc/motd"),
        action: Action::Update,
        spec: Some(Spec::new(serde_json::json!({}), vec![Digest::of(content)], spec("x").place().clone())),
        place: None,
        hidden: false,
        lost: lost.map(str::to_owned),
        withheld: false,
        gone: false,
        edited: None,
    };
    let preimages = Preimages {
        plan: PlanId(Digest::of(b"plan")),
        sync: new_sync_id().unwrap(),
        application: name("nginx"),
        time: Time(0),
        revision: None,
        url: "https://example.org/platform.git".into(),
        layers: vec!["web".into()],
        objects: vec![one(&kept, None), one(b"too large", Some("too large"))],
    };
    let mut tx = store.write().await.unwrap();
    tx.put_content(&kept).await.unwrap();
    tx.keep_preimages(&preimages).await.unwrap();
    assert_eq!(tx.sweep_unneeded(Time(0).plus_seconds(30 * DAY - 1)).await.unwrap(), 0);
    tx.commit().await.unwrap();
    let id = preimages.plan.to_string();
    assert_eq!(store.preimages(&id[..8]).await.unwrap(), [preimages]);
    assert!(store.content(&Digest::of(&kept)).await.unwrap().is_some());
    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.sweep_unneeded(Time(0).plus_seconds(30 * DAY)).await.unwrap(), 2, "the list and the content");
    tx.commit().await.unwrap();
    assert!(store.preimages(&id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_sink_begins_at_the_end_and_keeps_its_place_for_30_days_when_it_goes() {
    let folder = folder();
    let store = open(&folder).await;
    let (now, ops, chat) = (Time(0), "ops".to_owned(), "forge/chat".to_owned());
    assert_eq!(store.told_everywhere().await.unwrap(), None, "nobody is told anything");
    store.declare_sinks(&BTreeSet::from([ops.clone()]), 7, now).await.unwrap();
    store.declare_sinks(&BTreeSet::from([ops.clone(), chat.clone()]), 9, now).await.unwrap();
    assert_eq!(store.sink(&ops).await.unwrap().unwrap().seq, 7, "what was declared before stays where it was");
    assert_eq!((store.sink(&chat).await.unwrap().unwrap().seq, store.told_everywhere().await.unwrap()), (9, Some(7)));
    let tally = Tally { delivered: Some(Time(5)), dropped: 2, last_dropped: Some(8) };
    let mut tx = store.write().await.unwrap();
    tx.put_sink(&ops, &SinkState { seq: 20, tally }).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.sink(&ops).await.unwrap(), Some(SinkState { seq: 20, tally }));
    store.declare_sinks(&BTreeSet::from([chat.clone()]), 30, now).await.unwrap();
    let sweep = async |day: i64| {
        let mut tx = store.write().await.unwrap();
        tx.sweep_unneeded(now.plus_seconds(day * DAY)).await.unwrap();
        tx.commit().await.unwrap();
    };
    sweep(29).await;
    store.declare_sinks(&BTreeSet::from([chat.clone(), ops.clone()]), 40, now).await.unwrap();
    assert_eq!(store.sink(&ops).await.unwrap().unwrap().seq, 20, "it goes on where it was");
    sweep(31).await;
    assert!(store.sink(&ops).await.unwrap().is_some(), "it is declared");
    store.declare_sinks(&BTreeSet::from([chat]), 50, now).await.unwrap();
    assert_eq!(store.told_everywhere().await.unwrap(), Some(9));
    sweep(30).await;
    assert_eq!(store.sink(&ops).await.unwrap(), None);
}
