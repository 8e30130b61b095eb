//! What people see, character by character.

use anstream::adapter::strip_str;
use trueup::audit::{Body, BreakGlassBody, GlassEvent, TrailBody};
use trueup::cli::show;
use trueup::model::view::{ApplicationStatus, OrphanStatus, Status};
use trueup::model::{Finding, Guard, Mistake, Outcome, Place, Time};

use crate::samples::{self, NOW};

fn plain(text: &str) -> String {
    strip_str(text).to_string()
}

#[test]
fn a_plan_reads_group_by_group_and_sums_up() {
    let id = samples::plan().plan.id.short();
    let expected = format!(
        r"nginx at aaaaaaaaaa on web-1  Ada: raise\u{{7}} the limit

to create
  + path /etc/nginx/conf.d/site.conf  (roles/web/site.yaml:3:1)
        mode   0644
        owner  root
      @@ -0,0 +1,2 @@
      +server {{
      +	listen 80;\u{{1b}}[2J

to change
  ~ path /etc/token  (drifted)
        mode  0644 → 0600
        changed, content hidden

to replace
  ± path /etc/was-a-folder  (high risk)

to delete
  - path /etc/old\u{{202e}}cod

to run
  > handler /usr/sbin/nginx -s reload

findings
  held: replace: 1 object is replaced by one of another sort
  passed: delete-limit: 1 of 2 objects would be deleted
  left out: claim: another application holds it
      path /etc/other

Plan {id}: 1 to create, 1 to change, 1 to replace, 1 to delete, 1 to run; 3 found as Git says; held: replace
"
    );
    assert_eq!(plain(&show::plan(&samples::plan())), expected);
}

#[test]
fn an_empty_plan_says_so() {
    let id = samples::empty_plan().plan.id.short();
    assert_eq!(plain(&show::plan(&samples::empty_plan())), format!("nginx on web-1\n\nPlan {id}: nothing to do\n"));
    assert_eq!(show::diff(&samples::empty_plan()), "");
}

#[test]
fn a_diff_leaves_out_what_is_run_and_what_was_found() {
    let text = plain(&show::diff(&samples::plan()));
    assert!(text.starts_with("  + path /etc/nginx/conf.d/site.conf"), "{text}");
    assert!(text.ends_with("  - path /etc/old\\u{202e}cod\n"), "{text}");
}

#[test]
fn status_lines_up() {
    let id = samples::plan().plan.id.short();
    let expected = format!(
        r"trueup 0.1.0, up 3d

REPOSITORY  HEAD        FOLLOWS          ANSWERED  STATE               MESSAGE
platform    bbbbbbbbbb  refs/heads/main  12s ago   source.unreachable  could not reach git.example.org

APPLICATION  STATE    SINCE   APPLIED     OBJECTS  WAITING FOR
nginx        applied  2m ago  aaaaaaaaaa  12
motd         held     2h ago  -           14       approval of plan {id}; 12 of 14 objects\r would be deleted

NOTIFICATION  KIND   DELIVERED  WAITING  GIVEN UP             STATE          MESSAGE
ops-chat      slack  1h ago     3        1 (last: record 41)  notify.denied  it answered 403 Forbidden: no\u{{1b}}[2J_service
"
    );
    assert_eq!(show::status(&samples::status(), NOW), expected);
}

#[test]
fn a_report_ends_with_its_outcome() {
    let id = samples::plan().plan.id.short();
    let text = plain(&show::report(&samples::report("nginx", Outcome::RolledBack, "step 2\u{1b}c")));
    let expected = format!(
        "  update  path /etc/motd\n\
         nginx: rolled-back at aaaaaaaaaa by plan {id}, 1 step (1 put right what drifted), 42 ms\n  \
         step 2\\u{{1b}}c (sample.code)\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn a_person_is_asked_to_approve_only_what_that_lets_through() {
    let plan = samples::plan().plan.id;
    let found = |guard| Finding::new(guard, "", vec![]);
    let of_policy = |guard| Finding::of_policy(&samples::name("freeze"), guard, "", vec![]);
    let until = |finding: Finding| Finding { changes_at: Some(Time(0)), ..finding };
    let way = |findings: &[Finding]| show::way_on(&samples::name("nginx"), plan, findings);
    let explains = "`trueup policy explain nginx` says what holds it".to_owned();
    let approve = format!("`trueup approve {}` lets exactly this plan through", plan.short());
    let waits = "it waits until 1970-01-01T00:00:00.000Z";
    assert_eq!(way(&[found(Guard::DeleteLimit), of_policy(Guard::Approve)]), Some(approve));
    assert_eq!(way(&[found(Guard::Manual), of_policy(Guard::Deny)]), Some(explains.clone()));
    assert_eq!(way(&[until(of_policy(Guard::Window))]), Some(format!("{waits}, and {explains}")));
    assert_eq!(way(&[found(Guard::Destroy), until(of_policy(Guard::Window))]), Some(waits.into()));
    assert_eq!(way(&[found(Guard::Rejected)]), None);
    assert_eq!(way(&[]), None);

    let [_, held] = &samples::applications()[..] else { panic!("there are two") };
    let shown =
        |finding: Finding| show::application(&ApplicationStatus { findings: vec![finding], ..held.clone() }, NOW);
    assert!(shown(found(Guard::Manual)).contains("approval of plan"));
    assert!(shown(until(of_policy(Guard::Window))).contains("14       1970-01-01T00:00:00.000Z; 12 of 14"));
    assert!(!shown(of_policy(Guard::Deny)).contains("approval of plan"));
}

#[test]
fn the_trail_tells_of_break_glass_and_of_itself() {
    let opening = samples::break_glass().remove(0).opening;
    let used = BreakGlassBody::new(&opening.id, GlassEvent::Used);
    let opened =
        BreakGlassBody { opening: Some(opening.clone()), ..BreakGlassBody::new(&opening.id, GlassEvent::Opened) };
    let erased = TrailBody::Erased { record: 7, reason: "a pass\u{7}word".into() };
    let bodies = [Body::BreakGlass(opened), Body::BreakGlass(used), Body::Trail(erased)];
    let records = (1..).zip(bodies).map(|(seq, body)| {
        serde_json::json!({ "seq": seq, "time": 0, "kind": body.kind(), "body": body, "actor": opening.by })
    });
    let records: Vec<_> = records.collect();
    let told: Vec<_> = records.iter().map(show::is_told).collect();
    assert_eq!(told, [true, true, false]);
    let expected = r"     1  1970-01-01T00:00:00.000Z  break-glass  opened  0123456789abcdef  the site is down  by root
     2  1970-01-01T00:00:00.000Z  break-glass  used  0123456789abcdef  by root
     3  1970-01-01T00:00:00.000Z  trail      erased  a pass\u{7}word  by root
";
    assert_eq!(show::records(&records), expected);
}

#[test]
fn a_status_is_well_where_nothing_differs_waits_or_fails() {
    let failing = samples::status();
    let ok = |mut status: Status| {
        status.repositories[0].state = "ok".into();
        status.notifications[0].state = "ok".into();
        status.applications.truncate(1);
        status
    };
    let well = ok(failing.clone());
    assert!(well.is_well() && !failing.is_well());
    let orphan = |plan| OrphanStatus { name: samples::name("old"), target: samples::name("web-1"), objects: 1, plan };
    assert!(Status { orphans: vec![orphan(None)], ..well.clone() }.is_well());
    for ill in [
        Status { repositories: failing.repositories.clone(), ..well.clone() },
        Status { applications: failing.applications.clone(), ..well.clone() },
        Status { notifications: failing.notifications.clone(), ..well.clone() },
        Status { orphans: vec![orphan(Some(samples::plan().plan.id))], ..well.clone() },
    ] {
        assert!(!ill.is_well(), "{ill:?}");
    }
    let alone = Status { repositories: vec![], applications: vec![], ..failing };
    let text = show::status(&alone, NOW);
    assert!(text.contains("notify.denied") && !text.contains("REPOSITORY") && !text.contains("nothing"), "{text}");
    let empty = Status { notifications: vec![], ..alone };
    assert!(show::status(&empty, NOW).ends_with("\nnothing is declared yet\n"));
}

#[test]
fn policies_and_break_glass_line_up() {
    let list = "POLICY  RULES            BINDS  BREAK-GLASS\n\
                freeze  window, approve  nginx  oncall, and 1 more to agree\n";
    assert_eq!(show::policies(&[samples::policy()]), list);
    let explained = "freeze: break-glass: nobody\n  \
                     window: holds: changes wait until Mon\\u{7}day\n  \
                     deny: lets go: no\n  \
                     overridden by break-glass 0123456789abcdef\n\
                     other: does not bind: its match.labels name other applications\n";
    assert_eq!(show::explained(&samples::explained()), explained);
    let glass = r"
ID                STATE             BY    APPLICATIONS  OVER          USED  REASON
0123456789abcdef  open, 59m left    root  nginx         freeze        2     the site is down (OPS-1)
0123456789abcdef  closed            root  nginx         /etc/nginx/*  2     the site is down
0123456789abcdef  waits for 1 more  root  nginx         freeze        2     the site is down (OPS-1)
";
    assert_eq!(show::break_glass(&samples::break_glass(), NOW), glass.trim_start());
    let asked = r"
REQUEST  APPLICATIONS  OVER          FOR  REASON
mend     nginx         /etc/nginx/*  1h   the site is down (OPS-1)
";
    assert_eq!(show::requests(&samples::requests()), asked.trim_start());
    let text = plain(&show::edits(&[samples::edits()]));
    assert!(text.starts_with("nginx: put right by plan ") && text.contains("+server {"), "{text}");
}

#[test]
fn mistakes_read_as_compilers_write_them() {
    let mistake = Mistake {
        code: "schema.unknown-field".into(),
        place: Place { file: "a.yaml".into(), line: 3, column: 5 },
        message: "unknown field 'brnach'".into(),
        hint: Some("did you mean 'branch'?".into()),
    };
    assert_eq!(show::mistakes(&[mistake]), "a.yaml:3:5: unknown field 'brnach'\n  hint: did you mean 'branch'?\n");
}
