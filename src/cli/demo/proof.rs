//! The trail: intact, exported, and changed by one byte.

use super::stage::Stage;
use super::words::sequence;
use super::{Told, expect, tamper, untrue};

pub(super) fn trail(stage: &mut Stage) -> Told<()> {
    stage.chapter("The trail tells all of it, and shows when it was changed")?;
    let answer = stage.daemon.ask(&["audit", "verify"])?;
    expect(answer.code == 0, || format!("an intact trail, found {} {}", answer.json, answer.error))?;
    let (size, root) = (&answer.json["size"], answer.json["root"].as_str().unwrap_or_default());
    stage.say("`trueup audit verify`: intact", &format!("{size} records, root {}…", root.get(..16).unwrap_or(root)))?;
    let export = stage.folder.join("trail.jsonl");
    stage.daemon.print(&["audit", "export"], &export)?;
    let file = export.display().to_string();
    let answer = stage.daemon.ask(&["audit", "verify", "--from", &file])?;
    expect(answer.code == 0, || format!("an intact export, found {} {}", answer.json, answer.error))?;
    let evidence = format!("{} records, none changed", answer.json["size"]);
    stage.say("an export of it is verified by itself, without the daemon", &evidence)
}

pub(super) fn tampering(stage: &mut Stage) -> Told<()> {
    let Some(record) = stage.trail()?.into_iter().find(|one| one["kind"] == "outcome") else {
        return untrue("expected a record of an outcome");
    };
    let victim = sequence(&record);
    stage.daemon.stop()?;
    let changed = tamper::change(&stage.folder.join("data"), victim)?;
    stage.daemon.start()?;
    let verified = |stage: &Stage| {
        Ok(Some(stage.daemon.ask(&["audit", "verify"])?).filter(|answer| answer.json["problems"].is_array()))
    };
    let (answer, _) = stage.wait("the trail to be verified", verified)?;
    let named = answer.json["problems"].as_array().is_some_and(|all| all.iter().any(|one| one["seq"] == victim));
    expect(answer.code == 1 && named, || format!("a problem at record {victim}, found {}", answer.json))?;
    let what = answer.json["problems"][0]["what"].as_str().unwrap_or_default();
    stage.say(&format!("{} is changed: caught", changed.place()), &format!("record {victim}: {what}"))?;
    stage.daemon.stop()?;
    changed.put_back()?;
    stage.daemon.start()?;
    let (answer, _) = stage.wait("the trail to be verified", verified)?;
    expect(answer.code == 0, || format!("an intact trail, found {}", answer.json))?;
    stage.say("the byte is put back", "intact")
}
