//! Whose each object is, and what is still open.

use std::collections::{BTreeMap, BTreeSet};

use trueup::model::{Actor, Name, ObjectId, Time};
use trueup::store::{Open, Owed, Prepared, Purpose, new_sync_id};

use super::{folder, name, open, owned, path, prepared, spec};

#[tokio::test]
async fn an_object_has_one_claimant() {
    let folder = folder();
    let store = open(&folder).await;
    let (web, a, b) = (name("web"), name("a"), name("b"));
    let ids: Vec<_> = (0..450).map(|n| path(&format!("/etc/{n}"))).collect();
    let mut tx = store.write().await.unwrap();
    assert!(tx.claim(&web, &a, &ids[..250]).await.unwrap().is_empty());
    let held = tx.claim(&web, &b, &ids[200..]).await.unwrap();
    assert_eq!(held, ids[200..250].iter().map(|id| (id.clone(), a.clone())).collect());
    assert!(tx.claim(&web, &a, &ids[..250]).await.unwrap().is_empty(), "claiming again is the same");
    let error = tx.put_owned(&web, &b, &ids[0], &owned()).await.unwrap_err();
    assert_eq!(error.code(), "store.conflict");
    tx.put_owned(&web, &a, &ids[0], &owned()).await.unwrap();
    tx.commit().await.unwrap();

    assert_eq!(store.claims(&web, &b).await.unwrap(), ids[250..].iter().cloned().collect::<BTreeSet<_>>());
    assert_eq!(store.inventory(&web, &a).await.unwrap().objects, BTreeMap::from([(ids[0].clone(), owned())]));
    assert_eq!(store.holders(&web, &ids).await.unwrap().len(), 450);
    assert!(store.holders(&name("other"), &ids).await.unwrap().is_empty());

    let mut tx = store.write().await.unwrap();
    assert_eq!(tx.move_objects(&web, &a, &b, &ids).await.unwrap(), 250);
    tx.remove_objects(&web, &a, &ids).await.unwrap();
    tx.remove_objects(&web, &b, &ids[1..]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.inventory(&web, &b).await.unwrap().objects, BTreeMap::from([(ids[0].clone(), owned())]));
    assert_eq!(store.owned_on(&web).await.unwrap(), vec![ids[0].clone()]);
}

#[tokio::test]
async fn what_is_declared_no_more_is_counted_by_what_it_owns_and_forgotten_whole() {
    let folder = folder();
    let store = open(&folder).await;
    let (web, mail, target) = (name("web"), name("mail"), name("host"));
    let mut tx = store.write().await.unwrap();
    for (application, object) in [(&web, "/a"), (&web, "/b"), (&mail, "/c")] {
        tx.put_owned(&target, application, &path(object), &owned()).await.unwrap();
    }
    tx.put_owned(&name("other"), &web, &path("/a"), &owned()).await.unwrap();
    tx.claim(&target, &mail, &[path("/claimed")]).await.unwrap();
    tx.commit().await.unwrap();
    let left = |declared: &[&Name]| {
        let declared = declared.iter().map(|name| (*name).clone()).collect();
        let store = store.clone();
        async move { store.orphans(&declared).await.unwrap() }
    };
    let all =
        [((mail.clone(), target.clone()), 1), ((web.clone(), name("other")), 1), ((web.clone(), target.clone()), 2)];
    assert_eq!(left(&[]).await, BTreeMap::from(all));
    assert_eq!(left(&[&web]).await, BTreeMap::from([((mail.clone(), target.clone()), 1)]), "a claim owns nothing");
    assert_eq!(left(&[&web, &mail]).await, BTreeMap::new());

    let mut tx = store.write().await.unwrap();
    assert!(!tx.is_destroyed(&web).await.unwrap());
    tx.open_sync(&Open {
        sync: new_sync_id().unwrap(),
        actor: Actor::daemon("test"),
        started: Time(0),
        prepared: Prepared { purpose: Purpose::Destroy, ..prepared("web", "i") },
    })
    .await
    .unwrap();
    assert!(tx.is_destroyed(&web).await.unwrap() && !tx.is_destroyed(&mail).await.unwrap());
    tx.remove_objects(&target, &web, &[path("/a"), path("/b")]).await.unwrap();
    assert!(tx.holds_any(&web).await.unwrap(), "on the other target");
    tx.remove_objects(&name("other"), &web, &[path("/a")]).await.unwrap();
    assert!(!tx.holds_any(&web).await.unwrap());
    tx.forget_application(&web).await.unwrap();
    tx.commit().await.unwrap();
    assert!(store.open_syncs().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_open_sync_and_owed_handlers_outlive_a_restart() {
    let folder = folder();
    let store = open(&folder).await;
    let one = Open {
        sync: new_sync_id().unwrap(),
        actor: Actor::daemon("poll"),
        started: Time(1),
        prepared: prepared("nginx", "1"),
    };
    let handler = Owed { id: ObjectId::new("handler", "reload"), spec: spec("handler") };
    let mut tx = store.write().await.unwrap();
    tx.open_sync(&one).await.unwrap();
    tx.put_owed(&name("nginx"), &handler).await.unwrap();
    tx.put_owed(&name("nginx"), &handler).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await.unwrap();

    let store = open(&folder).await;
    assert_eq!(store.open_syncs().await.unwrap(), vec![one.clone()]);
    assert_eq!(store.owed(&name("nginx")).await.unwrap(), vec![handler.clone()]);
    let mut tx = store.write().await.unwrap();
    let second = Open { sync: new_sync_id().unwrap(), ..one.clone() };
    assert!(tx.open_sync(&second).await.is_err(), "one open sync for each application");
    assert!(tx.close_sync(&one.sync).await.unwrap());
    assert!(!tx.close_sync(&one.sync).await.unwrap());
    tx.open_sync(&second).await.unwrap();
    tx.remove_owed(&name("nginx"), &handler.id).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.open_syncs().await.unwrap(), vec![second]);
    assert!(store.owed(&name("nginx")).await.unwrap().is_empty());
}
