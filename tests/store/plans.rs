//! Plans, approvals and contents.

use std::collections::HashSet;

use trueup::model::{Actor, Digest, Place, Spec, Time};
use trueup::store::{Approval, Found, Held, Open, new_sync_id};

use super::{folder, name, open, prepared, tamper};

#[tokio::test]
async fn an_approval_is_used_once_and_not_after_it_expired() {
    let folder = folder();
    let store = open(&folder).await;
    let held = Held { created: Time(1), prepared: prepared("nginx", "1") };
    let plan = held.prepared.plan.id;
    let approval = Approval { plan, actor: Actor::daemon("x"), time: Time(1), expires: Time(100) };
    let mut tx = store.write().await.unwrap();
    tx.hold_plan(&held).await.unwrap();
    tx.approve(&approval).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.approvals(&plan, Time(99)).await.unwrap(), std::slice::from_ref(&approval));
    assert_eq!(store.approvals(&plan, Time(100)).await.unwrap(), []);

    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.take_approvals(&plan, Time(50)).await.unwrap(), std::slice::from_ref(&approval));
    drop(tx);
    let mut tx = store.write().await.unwrap();
    assert_eq!(
        tx.take_approvals(&plan, Time(50)).await.unwrap(),
        std::slice::from_ref(&approval),
        "it was rolled back"
    );
    assert_eq!(tx.take_approvals(&plan, Time(50)).await.unwrap(), []);
    tx.approve(&approval).await.unwrap();
    assert_eq!(tx.take_approvals(&plan, Time(100)).await.unwrap(), []);
    tx.commit().await.unwrap();
}

/// A secret that can be guessed is as good as told by its plain digest.
#[tokio::test]
async fn the_digests_of_contents_do_not_lie_in_the_database() {
    let folder = folder();
    let store = open(&folder).await;
    let secret = Digest::of(b"1234");
    let mut prepared = prepared("nginx", "1");
    let body = serde_json::json!({ "sort": "file", "content": secret });
    let place = Place { file: "a.yaml".into(), line: 1, column: 1 };
    prepared.specs.insert(0, Spec::new(body, vec![secret], place));
    let open_one = Open {
        sync: new_sync_id().unwrap(),
        actor: Actor::daemon("poll"),
        started: Time(1),
        prepared: prepared.clone(),
    };
    let mut tx = store.write().await.unwrap();
    tx.open_sync(&open_one).await.unwrap();
    tx.hold_plan(&Held { created: Time(1), prepared }).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.open_syncs().await.unwrap(), vec![open_one]);
    store.close().await.unwrap();
    for entry in std::fs::read_dir(folder.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { vec![] };
        let told = secret.to_string();
        assert!(!bytes.windows(told.len()).any(|part| part == told.as_bytes()), "{}", path.display());
    }
}

#[tokio::test]
async fn the_latest_held_plan_and_the_approved_ones_are_kept() {
    let folder = folder();
    let store = open(&folder).await;
    let plans: Vec<_> =
        (1..=3).map(|n| Held { created: Time(n), prepared: prepared("nginx", &n.to_string()) }).collect();
    let ids: Vec<_> = plans.iter().map(|held| held.prepared.plan.id).collect();
    let mut tx = store.write().await.unwrap();
    tx.hold_plan(&plans[0]).await.unwrap();
    let approval = Approval { plan: ids[0], actor: Actor::daemon("x"), time: Time(1), expires: Time(100) };
    tx.approve(&approval).await.unwrap();
    tx.hold_plan(&plans[1]).await.unwrap();
    tx.hold_plan(&plans[2]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.held_plan(&name("nginx")).await.unwrap(), Some(plans[2].clone()));
    assert_eq!(store.held_plans().await.unwrap(), vec![plans[0].clone(), plans[2].clone()]);
    let found = store.find_plan(&ids[2].short()).await.unwrap();
    assert_eq!(found, Found::One(Box::new(plans[2].clone())));
    assert_eq!(store.find_plan(&ids[1].to_string()).await.unwrap(), Found::None);
    for hostile in ["", "%", "' OR 1=1 --", "G", "_"] {
        assert_eq!(store.find_plan(hostile).await.unwrap(), Found::None, "{hostile}");
    }
    let mut tx = store.write().await.unwrap();
    tx.forget_application(&name("nginx")).await.unwrap();
    tx.commit().await.unwrap();
    assert!(store.held_plans().await.unwrap().is_empty());
    assert_eq!(store.approvals(&ids[0], Time(5)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_are_encrypted_verified_and_swept() {
    let folder = folder();
    let store = open(&folder).await;
    let secret = b"correct horse battery staple".repeat(10);
    let mut tx = store.write().await.unwrap();
    let kept = tx.put_content(&secret).await.unwrap();
    assert_eq!(tx.put_content(&secret).await.unwrap(), kept);
    let gone = tx.put_content(b"gone").await.unwrap();
    tx.commit().await.unwrap();

    let contents = store.contents();
    let read = tokio::task::spawn_blocking(move || contents.read(&kept)).await.unwrap().unwrap();
    assert_eq!(&*read, &*secret);
    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.sweep(&HashSet::from([kept])).await.unwrap(), 1);
    tx.commit().await.unwrap();
    assert!(store.content(&gone).await.unwrap().is_none());
    let contents = store.contents();
    assert!(tokio::task::spawn_blocking(move || contents.read(&gone)).await.unwrap().is_err());
    store.close().await.unwrap();

    let bytes = std::fs::read(folder.path().join("data/trueup.db")).unwrap();
    assert!(!bytes.windows(13).any(|window| window == b"correct horse"));
    assert!(!String::from_utf8_lossy(&bytes).contains(&kept.to_string()), "the table leaks the plain digest");

    tamper(&folder, "UPDATE contents SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || x'00' AS BLOB)").await;
    let store = open(&folder).await;
    assert_eq!(store.content(&kept).await.unwrap_err().code(), "store.damaged");
}
