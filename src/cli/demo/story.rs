//! The story, chapter by chapter: an act, and then what shows that it had its effect.

use serde_json::Value;

use super::stage::{APPLICATION, Stage};
use super::words::{sequence, told};
use super::{Told, expect, freeze, mishaps, proof, untrue};

const MOTD: &str = "etc/motd";
pub(super) const SITE: &str = "etc/nginx/conf.d/site.conf";

pub(super) fn tell(stage: &mut Stage) -> Told<()> {
    let folder = stage.folder.display().to_string();
    stage.chapter(&format!("Everything happens in {folder}, served by {}", stage.git.url))?;
    push(stage)?;
    hand_edit(stage)?;
    mishaps::broken_commit(stage)?;
    mishaps::mass_deletion(stage)?;
    mishaps::kill(stage)?;
    freeze::freeze(stage)?;
    nothing_left(stage)?;
    proof::trail(stage)?;
    proof::tampering(stage)?;
    stage.chapter("Every line above was checked, and is true.")
}

fn push(stage: &mut Stage) -> Told<()> {
    stage.chapter("A push goes live")?;
    stage.daemon.start()?;
    let first = stage.git.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let took = stage.applied(&first)?;
    let site = stage.content(SITE).unwrap_or_default();
    expect(site == stage.git.read("hosts/web-1/site.conf")?, || format!("{SITE} to be as in Git, found {site:?}"))?;
    let objects = stage.application()?["objects"].as_u64().unwrap_or_default();
    stage.say(
        "the daemon starts, and a host with nothing on it becomes what Git says",
        &format!("{objects} objects kept true {} after the start; status: applied at {}", told(took), &first[..10]),
    )?;
    let text = "web-1: deployed by a push.\n";
    stage.git.write("hosts/web-1/root/etc/motd", text)?;
    let commit = stage.git.commit("motd: say how it came here")?;
    let ((), took) = stage.wait("the pushed motd", |stage| Ok(reads(stage, text)))?;
    stage.applied(&commit)?;
    stage.say("a commit is pushed, and is live", &format!("{MOTD} reads {text:?}, {} after the push", told(took)))
}

fn hand_edit(stage: &mut Stage) -> Told<()> {
    stage.chapter("A change by hand is found, named and healed")?;
    let good = stage.content(MOTD).unwrap_or_default();
    let before = newest(stage)?;
    if let Err(error) = std::fs::write(stage.host(MOTD), "changed by hand\n") {
        return untrue(format!("could not change {MOTD}: {error}"));
    }
    let ((), took) = stage.wait("motd to be healed", |stage| Ok(reads(stage, &good)))?;
    stage.say("someone edits /etc/motd, and it is put right", &format!("as in Git again {} later", told(took)))?;
    let named = |stage: &Stage| {
        let corrective = |record: &Value| record["body"]["steps"].to_string().contains("\"corrective\"");
        let found = stage
            .trail()?
            .into_iter()
            .find(|one| sequence(one) > before && one["kind"] == "planned" && corrective(one));
        Ok(found)
    };
    let (record, _) = stage.wait("a corrective plan in the trail", named)?;
    let object = record["body"]["steps"][0]["object"]["name"].as_str().unwrap_or_default().to_owned();
    expect(object == "/etc/motd", || format!("the record to name /etc/motd, found {record}"))?;
    stage.say("the trail names it", &format!("record {}: corrective update of {object}", sequence(&record)))
}

fn nothing_left(stage: &mut Stage) -> Told<()> {
    stage.chapter("Then there is nothing left to do")?;
    let answer = stage.daemon.ask(&["plan", APPLICATION])?;
    let steps = answer.json["plan"]["steps"].as_array().map(Vec::len);
    expect(answer.code == 0 && steps == Some(0), || format!("an empty plan, found {} {}", answer.json, answer.error))?;
    stage.say("`trueup plan` is empty", "0 steps, exit status 0")
}

fn reads(stage: &Stage, text: &str) -> Option<()> {
    (stage.content(MOTD).as_deref() == Some(text)).then_some(())
}

fn newest(stage: &Stage) -> Told<u64> {
    Ok(stage.trail()?.first().map(sequence).unwrap_or_default())
}
