//! A rule of one's own, and the person who may override it.

use serde_json::Value;

use super::stage::{APPLICATION, Stage};
use super::words::{sequence, short};
use super::{Told, expect, failed};

const POLICY: &str = "---\napiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: { name: freeze }\n\
                      spec: { window: { deny: \"0 0 * * *\", for: 24h } }\n";
const MOTD: &str = "etc/motd";

pub(super) fn freeze(stage: &mut Stage) -> Told<()> {
    stage.chapter("A freeze holds a push, and a person may break the glass")?;
    let config = &stage.daemon.config;
    let text = std::fs::read_to_string(config).map_err(failed("read the configuration"))?;
    std::fs::write(config, text + POLICY).map_err(failed("write the configuration"))?;
    stage.wait("the policy to be in force", |stage| {
        let policies = stage.daemon.ask(&["policy", "list"])?.json;
        Ok((policies[0]["name"] == "freeze").then_some(()))
    })?;
    let good = stage.content(MOTD).unwrap_or_default();
    let mended = "web-1: mended in the night.\n";
    stage.git.write("hosts/web-1/root/etc/motd", mended)?;
    let commit = stage.git.commit("motd: mended")?;
    let held = |stage: &Stage| {
        let status = stage.application()?;
        Ok((status["code"] == "policy.window").then_some(status))
    };
    let (status, _) = stage.wait("the commit to be held", held)?;
    expect(stage.content(MOTD).as_deref() == Some(&*good), || format!("{MOTD} to be as it was"))?;
    stage.say("a commit comes while changes are frozen: held", status["message"].as_str().unwrap_or_default())?;
    let open =
        ["break-glass", "open", APPLICATION, "--policy", "freeze", "--reason", "the site is down", "--for", "10m"];
    let opened = stage.daemon.ask(&open)?;
    expect(opened.code == 0, || format!("break-glass to be open, found {} {}", opened.json, opened.error))?;
    let took = stage.applied(&commit)?;
    expect(stage.content(MOTD).as_deref() == Some(mended), || format!("{MOTD} to read {mended:?}"))?;
    let id = opened.json["id"].as_str().unwrap_or_default();
    let closed = stage.daemon.ask(&["break-glass", "close", id])?;
    expect(closed.code == 0, || format!("break-glass to be closed, found {} {}", closed.json, closed.error))?;
    stage.say(
        "`trueup break-glass open` lets this application through, for ten minutes at most",
        &format!("live {} later, at {}", super::words::told(took), &commit[..10]),
    )?;
    stage.say("who did that, why, and what it was used for is on the record", &on_record(stage, id)?)
}

/// Returns the records of a break-glass, as they must be there.
fn on_record(stage: &Stage, id: &str) -> Told<String> {
    let mut records = stage.trail()?;
    records.retain(|record| record["body"]["id"] == id);
    records.sort_by_key(sequence);
    let events: Vec<_> = records.iter().map(|record| record["body"]["event"].as_str().unwrap_or_default()).collect();
    expect(events == ["opened", "used", "closed"], || format!("opened, used and closed, found {events:?}"))?;
    let told =
        |record: &Value| format!("{} {}", sequence(record), record["body"]["event"].as_str().unwrap_or_default());
    let told: Vec<_> = records.iter().map(told).collect();
    Ok(format!(
        "records {}; by {}; plan {}",
        told.join(", "),
        records[0]["actor"]["display"],
        short(&records[1]["plan"])
    ))
}
