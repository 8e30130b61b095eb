//! What goes wrong in real life: a broken commit, a mass deletion, a power cut.

use std::thread::sleep;
use std::time::Duration;

use super::stage::Stage;
use super::story::SITE;
use super::words::{first_line, sequence, short};
use super::{Told, expect, untrue};

/// So many pages that deleting them all is more than a commit may do by itself.
const PAGES: usize = 12;

pub(super) fn broken_commit(stage: &mut Stage) -> Told<()> {
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

pub(super) fn mass_deletion(stage: &mut Stage) -> Told<()> {
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

pub(super) fn kill(stage: &mut Stage) -> Told<()> {
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
