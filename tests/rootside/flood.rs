//! What a hostile front half sends cannot fill the memory of the root half, and ends its connection at most.

use std::fs;
use std::io::Write;

use serde_json::json;
use trueup::model::Digest;

use crate::front::{Front, chunk, failure, file, sync};
use crate::rootside::{RootSide, declared};

fn front(side: &RootSide) -> Front {
    Front::connect(&side.socket(), &serde_json::to_value(declared(&side.host)).unwrap())
}

/// The memory of this process, in MiB: the root half runs in it.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn called(kind: &str, id: u64) -> serde_json::Value {
    let actor = json!({ "kind": "daemon", "subject": "x", "display": "x" });
    json!({ "type": kind, "id": id, "plan": Digest::of(b"plan").to_string(),
        "call": { "deadline": 20_000, "fence": 1, "sync": sync(1), "actor": actor } })
}

/// Sends until the other side has enough of it, and returns its last word.
fn until_refused(front: &mut Front, mut next: impl FnMut(u64) -> Vec<u8>) -> String {
    for number in 0.. {
        if front.raw(&next(number)).is_err() {
            break;
        }
        assert!(number < 2_000_000, "nobody minds");
    }
    let mut last = String::new();
    while let Some(said) = front.hear() {
        if said["type"] == "error" && said.get("id").is_none() {
            last = failure(&said);
        }
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_end_the_connection_and_cost_little() {
    let side = RootSide::new();
    let before = resident();
    let told = |what: &str, code: &str, expected: &[&str]| {
        assert!(expected.contains(&code), "{what}: {code:?}");
        let cost = resident().saturating_sub(before);
        println!("{what}: {code:?}, {cost} MiB more");
        assert!(cost < 400, "{what}: {cost} MiB");
        // It still serves others.
        assert_eq!(front(&side).preview(&[file("/etc/app/x", b"x")])[0]["type"], "preview");
    };
    // The last word of a connection may be lost when it is ended while there is more to read.
    let mut hostile = front(&side);
    let code = until_refused(&mut hostile, |_| vec![b' '; 65536]);
    told("a line without an end", &code, &["protocol.line-too-long", ""]);

    let mut hostile = front(&side);
    hostile.say(&called("preview", 1));
    let code = until_refused(&mut hostile, |number| {
        let mut object = file(&format!("/etc/app/{number}"), b"x");
        object["id"] = 1.into();
        object["spec"]["body"]["x"] = json!([0, 0, 0, 0, 0, 0, 0, 0]);
        format!("{object}\n").into_bytes()
    });
    told("endless items", &code, &["protocol.too-much", ""]);

    let mut hostile = front(&side);
    hostile.say(&called("preview", 1));
    let zeros = "0,".repeat(500_000);
    let code = until_refused(&mut hostile, |number| {
        format!("{{\"type\":\"object\",\"id\":1,\"object\":{{\"kind\":\"path\",\"name\":\"/{number}\"}},\"spec\":{{\"body\":[{zeros}0],\"place\":{{\"file\":\"\",\"line\":0,\"column\":0}}}}}}\n").into_bytes()
    });
    told("large items", &code, &["protocol.too-much", ""]);

    let mut hostile = front(&side);
    hostile.say(&called("apply", 1));
    let code = until_refused(&mut hostile, |_| format!("{}\n", chunk(1, &vec![7; 500_000])).into_bytes());
    told("chunks that nobody asked for", &code, &["protocol.unexpected", ""]);

    for garbage in [
        "\0\0\0\n",
        "{}\n",
        "[1]\n",
        "{\"type\":\"preview\"}\n",
        "{\"type\":\"nonsense\"}\n",
        &("[".repeat(500_000) + "\n"),
    ] {
        let mut hostile = front(&side);
        hostile.raw(garbage.as_bytes()).unwrap();
        let code = failure(&hostile.hear().unwrap());
        told("garbage", &code, &["protocol.no-message"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_are_answered_or_refused() {
    let side = RootSide::new();
    let mut hostile = front(&side);
    let mut writer = hostile.clone_writer();
    let sending = std::thread::spawn(move || {
        for id in 1..=1000 {
            writer.write_all(format!("{}\n", called("health", id)).as_bytes()).unwrap();
        }
        for id in 1..=1000 {
            writer.write_all(format!("{}\n", json!({ "type": "end", "id": id, "items": 0 })).as_bytes()).unwrap();
        }
    });
    let (mut answered, mut refused) = (0, 0);
    while answered + refused < 1000 {
        let said = hostile.hear().unwrap();
        match (said["type"].as_str(), failure(&said).as_str()) {
            (Some("end"), _) => answered += 1,
            (Some("error"), "unavailable") => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    sending.join().unwrap();
    println!("{answered} answered, {refused} refused");
    assert!(answered >= 64 && refused > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_that_is_not_its_digest_changes_nothing() {
    let side = RootSide::new();
    let mut hostile = front(&side);
    let object = file("/etc/app/a", b"one");
    let previewed = hostile.preview(std::slice::from_ref(&object)).remove(0);
    let mut apply = called("apply", 100);
    hostile.say(&apply);
    apply = crate::front::step(&object, &previewed, "create");
    (apply["type"], apply["id"], apply["key"]) = ("step".into(), 100.into(), format!("{}/0", sync(1)).into());
    hostile.say(&apply);
    hostile.say(&json!({ "type": "end", "id": 100, "items": 1 }));
    assert_eq!(hostile.hear().unwrap()["type"], "need");
    let mut lie = chunk(100, b"two");
    lie["digest"] = Digest::of(b"one").to_string().into();
    hostile.say(&lie);
    assert_eq!(failure(&hostile.hear().unwrap()), "protocol.unexpected");
    assert!(!side.host.real("/etc/app/a").exists());
}
