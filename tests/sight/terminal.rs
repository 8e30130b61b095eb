//! Class O of the hostile inputs: what a commit, a path or a person says reaches terminals and logs as text, and as nothing else.

use serde_json::Value;

use super::asking::{SOON, world};
use super::world::{World, eventually};

/// Sets the title, clears the screen, fills the clipboard, links, overwrites the line, forges one, turns the writing round.
const HOSTILE: &str = "fix\u{1b}]0;x\u{7}\u{1b}[2J\u{1b}]52;c;eA==\u{7}\u{1b}]8;;https://evil.example\u{7}a\u{9b}2J\rok\u{202e}cod\u{2028}\u{85}end";

/// Returns the first character that a terminal would obey, or that misleads whoever reads it.
fn obeyed(text: &str) -> Option<char> {
    text.chars().find(|char| {
        let turns =
            matches!(*char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        turns || char.is_control() && *char != '\n'
    })
}

/// Returns a world in which everybody says what they should not, once it is all on the trail.
fn begun(format: Option<&str>) -> World {
    let mut world = world();
    if let Some(format) = format {
        world.environment =
            vec![("TRUEUP_LOG_FORMAT".into(), format.into()), ("TRUEUP_LOG".into(), "trueup=debug".into())];
    }
    world.repo.write("web/root/etc/motd", format!("one\n{HOSTILE}\n")).land(HOSTILE);
    world.start();
    world.until_live("/etc/motd", &format!("one\n{HOSTILE}\n"));
    eventually("it is applied", SOON, || {
        world.cli(&["status", "--json"]).json()["applications"][0]["applied"].is_string()
    });
    // A name with a control in it, a document with a mistake in it, and people with reasons.
    world.repo.write(&format!("web/root/etc/{}", HOSTILE.replace('/', "|")), "x\n").land(HOSTILE);
    eventually("it is seen", SOON, || world.cli(&["status", "--json"]).json()["applications"][0]["code"].is_string());
    world.repo.write("web/bad.yaml", format!("kind: \"{}\"\n", HOSTILE.escape_default())).land(HOSTILE);
    let _ = world.cli(&["suspend", "web", "--reason", HOSTILE]);
    world
}

#[test]
fn o1_no_view_of_the_command_line_obeys_what_others_wrote() {
    let world = begun(None);
    let newest = world.cli(&["audit", "list", "--json"]).json()[0]["seq"].as_u64().unwrap();
    let mut views: Vec<Vec<String>> = [
        "status",
        "plan web",
        "diff web",
        "history web",
        "audit list",
        "audit verify",
        "policy list",
        "policy explain web",
        "break-glass list",
        "token list",
    ]
    .iter()
    .map(|view| view.split(' ').map(str::to_owned).collect())
    .collect();
    views.extend((1..=newest).map(|record| vec!["audit".into(), "show".into(), record.to_string()]));
    for said in [HOSTILE, &format!("{HOSTILE}-")] {
        views.push(vec!["plan".into(), said.into()]);
        views.push(vec!["plan".into(), "web".into(), "--revision".into(), said.into()]);
        views.push(vec!["approve".into(), said.into()]);
        views.push(vec!["notify".into(), "test".into(), said.into()]);
    }
    let mut shown = String::new();
    for view in views {
        let arguments: Vec<&str> = view.iter().map(String::as_str).collect();
        let ran = world.cli(&arguments);
        for text in [&ran.stdout, &ran.stderr] {
            assert_eq!(obeyed(text), None, "{view:?}: {text:?}");
        }
        shown += &ran.stdout;
    }
    // It was there to be escaped.
    assert!(shown.contains("\\u{1b}]0;x"), "{shown}");
    assert!(world.stderr().contains("\\u{") && obeyed(&world.stderr()).is_none(), "{:?}", world.stderr());
}

#[test]
fn o2_a_line_of_the_log_is_one_whatever_is_said_in_it() {
    let mut world = begun(Some("json"));
    world.stop();
    let log = world.stderr();
    assert_eq!(obeyed(&log), None, "{log:?}");
    let mut values = String::new();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(line["level"].is_string() && line["fields"].is_object(), "{line}");
        values += &line.to_string();
    }
    // Whoever reads it by its fields has it as it was said.
    assert!(values.contains("\\u001b]0;x") && values.contains('\u{202e}'), "{values}");
}
