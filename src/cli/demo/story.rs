//! The story, chapter by chapter: an act, and then what shows that it had its effect.

use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::stage::{APPLICATION, Stage};
use super::{Told, expect, tamper, untrue};

const MOTD: &str = "etc/motd";
const SITE: &str = "etc/nginx/conf.d/site.conf";
/// So many pages that deleting them all is more than a commit may do by itself.
const PAGES: usize = 12;

pub(super) fn tell(stage: &mut Stage) -> Told<()> {
    let folder = stage.folder.display().to_string();
    stage.chapter(&format!("Everything happens in {folder}, served by {}", stage.git.url))?;
    push(stage)?;
    hand_edit(stage)?;
    broken_commit(stage)?;
    mass_deletion(stage)?;
    kill(stage)?;
    nothing_left(stage)?;
    trail(stage)?;
    tampering(stage)?;
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

fn broken_commit(stage: &mut Stage) -> Told<()> {
    stage.chapter("A broken commit is refused, and what was good stays")?;
    let good = stage.content(SITE).unwrap_or_default();
    let before = stage.application()?["applied"].clone();
    stage.git.write("hosts/web-1/site.conf", "server { listen 80; }\n")?;
    let broken = stage.git.commit("site: forget the server name")?;
    let refused = |stage: &Stage| {
        let status = stage.application()?;
        let word = status["outcome"].as_str().unwrap_or_default();
        let ended = status["syncing"] == false && matches!(word, "failed" | "rolled-back" | "refused");
        Ok((ended && status["bad"] == broken.as_str()).then_some(status))
    };
    let (status, _) = stage.wait("the broken commit to be refused", refused)?;
    let (word, message) =
        (status["outcome"].as_str().unwrap_or_default(), status["message"].as_str().unwrap_or_default());
    stage.say(
        "a commit without a server name fails the file's own check",
        &format!("{word}: {}", first_line(message)),
    )?;
    let site = stage.content(SITE).unwrap_or_default();
    expect(site == good, || format!("{SITE} to be as it was, found {site:?}"))?;
    expect(status["applied"] == before, || format!("{before} to stay applied, found {status}"))?;
    stage.say("the site is as it was", &format!("{SITE} unchanged; applied is still {}", short(&before)))?;
    let mended = stage.git.revert()?;
    stage.applied(&mended)?;
    stage.say("`git revert` mends it", &format!("applied at {}", &mended[..10]))
}

fn mass_deletion(stage: &mut Stage) -> Told<()> {
    stage.chapter("A mass deletion is held until a person approves it, and `git revert` undoes it")?;
    let page = |number: usize| format!("var/www/site/page-{number}.html");
    let in_git = |number: usize| format!("roles/web/root/{}", page(number));
    for number in 0..PAGES {
        stage.git.write(&in_git(number), &format!("<p>page {number}</p>\n"))?;
    }
    let all = stage.git.commit("site: more pages")?;
    stage.applied(&all)?;
    let pages = |stage: &Stage| (0..PAGES).filter(|number| stage.content(&page(*number)).is_some()).count();
    expect(pages(stage) == PAGES, || format!("{PAGES} pages, found {}", pages(stage)))?;
    stage.git.run(&["rm", "-q", "-r", "roles/web/root/var/www/site"])?;
    stage.git.commit("site: away with it")?;
    let held = |stage: &Stage| {
        let status = stage.application()?;
        Ok((status["outcome"] == "held" && status["plan"].is_string()).then_some(status))
    };
    let (status, _) = stage.wait("the deletion to be held", held)?;
    expect(pages(stage) == PAGES, || format!("all {PAGES} pages still there, found {}", pages(stage)))?;
    let message = status["findings"][0]["message"].as_str().unwrap_or_default().to_owned();
    stage.say("a commit deletes the site: held", &format!("{message}; all {PAGES} pages are still there"))?;
    let plan = status["plan"].as_str().unwrap_or_default()[..12].to_owned();
    let answer = stage.daemon.ask(&["approve", &plan])?;
    expect(answer.code == 0, || format!("the approval to be carried out, found {} {}", answer.json, answer.error))?;
    expect(pages(stage) == 0, || format!("no page, found {}", pages(stage)))?;
    stage.say(&format!("`trueup approve {plan}` lets exactly that plan through"), "all pages are gone")?;
    let back = stage.git.revert()?;
    stage.applied(&back)?;
    expect(pages(stage) == PAGES, || format!("{PAGES} pages again, found {}", pages(stage)))?;
    stage.say("`git revert` brings it back", &format!("{PAGES} pages again, at {}", &back[..10]))
}

fn kill(stage: &mut Stage) -> Told<()> {
    stage.chapter("`kill -9` in the middle of a sync: the same plan is resumed")?;
    let document = "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: { name: /etc/site/slow.conf }\n\
                    spec: { content: \"slow\\n\", onChange: [{ run: [sleep, \"2\"] }] }\n";
    stage.git.write("hosts/web-1/slow.yaml", document)?;
    let commit = stage.git.commit("a file whose handler takes two seconds")?;
    let running = |stage: &Stage| {
        let there = stage.content("etc/site/slow.conf").is_some();
        let syncing = stage.application()?["syncing"] == true;
        Ok(if there && syncing { stage.trail()?.into_iter().find(|one| one["kind"] == "intent") } else { None })
    };
    let (intent, _) = stage.wait("the sync to be in its handler", running)?;
    sleep(Duration::from_millis(200));
    let (plan, sync) = (intent["plan"].clone(), intent["sync"].clone());
    let process = stage.daemon.kill_9()?;
    stage.say(
        "the file is written, its handler runs, and the daemon is killed",
        &format!("kill -9 {process}, in plan {}", short(&plan)),
    )?;
    stage.daemon.start()?;
    stage.applied(&commit)?;
    let trail = stage.trail()?;
    let resumed = trail.iter().find(|one| one["kind"] == "resumed" && sequence(one) > sequence(&intent));
    let closed = trail.iter().find(|one| one["kind"] == "closed" && one["sync"] == sync);
    let (Some(resumed), Some(closed)) = (resumed, closed) else {
        return untrue(format!("expected records of the resumed and the closed sync {sync}"));
    };
    for record in [resumed, closed] {
        expect(record["plan"] == plan && record["sync"] == sync, || {
            format!("plan {plan} and sync {sync}, found {record}")
        })?;
    }
    let evidence =
        format!("plan {}, sync {}, before and after; {}", short(&plan), short(&sync), closed["body"]["outcome"]);
    stage.say("the restarted daemon takes up the same plan under the same sync id", &evidence)
}

fn nothing_left(stage: &mut Stage) -> Told<()> {
    stage.chapter("Then there is nothing left to do")?;
    let answer = stage.daemon.ask(&["plan", APPLICATION])?;
    let steps = answer.json["plan"]["steps"].as_array().map(Vec::len);
    expect(answer.code == 0 && steps == Some(0), || format!("an empty plan, found {} {}", answer.json, answer.error))?;
    stage.say("`trueup plan` is empty", "0 steps, exit status 0")
}

fn trail(stage: &mut Stage) -> Told<()> {
    stage.chapter("The trail tells all of it, and shows when it was changed")?;
    let answer = stage.daemon.ask(&["audit", "verify"])?;
    expect(answer.code == 0, || format!("an intact trail, found {} {}", answer.json, answer.error))?;
    let (size, root) = (&answer.json["size"], answer.json["root"].as_str().unwrap_or_default());
    stage.say("`trueup audit verify`: intact", &format!("{size} records, root {}…", root.get(..16).unwrap_or(root)))?;
    let export = stage.folder.join("trail.jsonl");
    stage.daemon.print(&["audit", "export"], &export)?;
    let file = export.display().to_string();
    let answer = stage.daemon.ask(&["audit", "verify", "--export", &file])?;
    expect(answer.code == 0, || format!("an intact export, found {} {}", answer.json, answer.error))?;
    stage.say(
        "an export of it is verified by itself, without the daemon",
        &format!(
            "{} records, {}",
            answer.json["size"],
            if answer.json["root"].as_str() == Some(&root) { "the same root" } else { "a later root" }
        ),
    )
}

fn tampering(stage: &mut Stage) -> Told<()> {
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

fn reads(stage: &Stage, text: &str) -> Option<()> {
    (stage.content(MOTD).as_deref() == Some(text)).then_some(())
}

fn newest(stage: &Stage) -> Told<u64> {
    Ok(stage.trail()?.first().map(sequence).unwrap_or_default())
}

fn sequence(record: &Value) -> u64 {
    record["seq"].as_u64().unwrap_or_default()
}

fn short(value: &Value) -> &str {
    let text = value.as_str().unwrap_or_default();
    text.get(..12).unwrap_or(text)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn told(length: Duration) -> String {
    if length < Duration::from_secs(1) {
        format!("{} ms", length.as_millis())
    } else {
        format!("{:.1} s", length.as_secs_f64())
    }
}
