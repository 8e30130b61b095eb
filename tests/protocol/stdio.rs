//! An adapter in Python, over stdin and stdout.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use trueup::model::{Desired, Digest, HealthState, Live, ObjectId, Place, Spec};
use trueup::target::protocol::{Program, Remote};
use trueup::target::{Asked, Target, TargetError};

use crate::bed::{self, Bytes, acts, call};

fn python() -> Option<PathBuf> {
    let found =
        ["/usr/bin/python3", "/usr/local/bin/python3"].map(PathBuf::from).into_iter().find(|path| path.exists());
    if found.is_none() {
        crate::parts::skip("there is no python3 on this machine");
    }
    found
}

fn things(folder: &Path, python: PathBuf) -> Remote {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protocol/adapter.py").to_owned();
    let program = Program { program: python, arguments: vec![script] };
    Remote::new(Box::new(program), json!({ "folder": folder }))
}

fn id(name: &str) -> ObjectId {
    ObjectId::new("thing", name)
}

fn desired(things: &[(&str, &[u8])]) -> Desired {
    let (mut specs, mut contents) = (BTreeMap::new(), Bytes::default());
    for (name, content) in things {
        let digest = Digest::of(content);
        contents.0.insert(digest, (*content).into());
        let place = Place { file: "things.yaml".into(), line: 1, column: 1 };
        specs.insert(id(name), Spec::new(json!({ "content": digest }), vec![digest], place));
    }
    bed::objects(specs, contents)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_in_another_language_keeps_things_true() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let target = things(folder.path(), python);
    let large = vec![b'x'; 1_500_000];
    let first = desired(&[("greeting", b"hello\n"), ("large", &large), ("empty", b"")]);
    let owned = bed::sync_target(&target, &first, &bed::owned()).await;
    assert_eq!(fs::read(folder.path().join("greeting")).unwrap(), b"hello\n");
    assert_eq!(fs::read(folder.path().join("large")).unwrap(), large);
    let previews = target.preview(&call(), &first, &owned).await.unwrap();
    assert_eq!(acts(&previews), Vec::<String>::new());
    let Live::Known(state) = &previews.items[2].live else { panic!() };
    assert_eq!(state.content.as_deref(), Some(&large[..]));

    fs::write(folder.path().join("greeting"), "by hand").unwrap();
    let asked = [id("greeting"), id("nothing")];
    let asked: Vec<_> = asked.iter().map(|id| Asked { id, spec: None }).collect();
    let health = target.health(&call(), &asked).await.unwrap();
    assert_eq!(health.iter().map(|one| one.state).collect::<Vec<_>>(), [HealthState::Healthy, HealthState::Missing]);
    let owned = bed::sync_target(&target, &desired(&[("greeting", b"hello again\n")]), &owned).await;
    assert_eq!(owned.objects.len(), 1);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["greeting"]);

    let (_interest, followed) = tokio::sync::watch::channel(Arc::new(vec![id("greeting")]));
    let (bell, _rings) = tokio::sync::mpsc::channel(1);
    let watched = target.watch(&call(), followed, bell).await.unwrap_err();
    assert!(matches!(watched, TargetError::Unavailable { .. }), "{watched:?}");
    target.recover(&call(), &[id("greeting")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_breaks_off_says_nothing() {
    let cases = [
        ("exit 0", "it ends at once"),
        ("head -c 1 >/dev/null; echo nonsense", "no message"),
        (
            "read l; echo '{\"type\":\"welcome\",\"protocol\":1,\"adapter\":\"x\"}'; cat >/dev/null",
            "it says nothing more",
        ),
        (
            "read l; echo '{\"type\":\"welcome\",\"protocol\":1,\"adapter\":\"x\"}'; read l; read l; read l; \
             echo '{\"type\":\"end\",\"id\":1,\"items\":0}'; sleep 5",
            "it leaves an object out",
        ),
        ("read l; echo '{\"type\":\"welcome\",\"protocol\":7,\"adapter\":\"x\"}'; sleep 5", "another version"),
    ];
    for (script, what) in cases {
        let program = Program { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()] };
        let target = Remote::new(Box::new(program), json!({}));
        let mut call = call();
        call.deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(3);
        let started = std::time::Instant::now();
        let said = target.preview(&call, &desired(&[("a", b"a")]), &bed::owned()).await.unwrap_err();
        println!("{what}: {said}");
        assert!(matches!(said, TargetError::Unavailable { .. } | TargetError::Invalid { .. }), "{what}: {said:?}");
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{what}");
    }
}
