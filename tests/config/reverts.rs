//! How the daemon may write into a branch: what is read, and what is told of each mistake.

use super::mistakes::{TARGET, document, load, told, told_of};

fn repository(more: &str) -> String {
    format!("{{ url: \"https://h/x\", {more} }}")
}

#[test]
fn a_revert_has_a_key_an_author_and_a_branch_that_can_be_pushed_to() {
    let right = "revert: { key: { file: keys/revert }, push: { username: robot, file: token } }";
    assert_eq!(told_of("Repository", &repository(right)), [""; 0]);
    for (wrong, expected) in [
        ("revert: { name: x }", "the field 'key' is missing"),
        ("revert: { key: {} }", "config.secrets: expected file or systemd"),
        ("revert: { key: { file: k, systemd: k } }", "found both"),
        ("revert: { key: { file: k }, name: 'a <b>' }", "config.revert: expected the name of the author of a commit"),
        ("revert: { key: { file: k }, email: ' ' }", "config.revert: expected the email of the author of a commit"),
        ("revert: { key: { file: k }, push: {} }", "config.credentials: expected file or systemd"),
        ("tag: v1, revert: { key: { file: k } }", "config.revert: only a branch can be written into"),
    ] {
        let found = told_of("Repository", &repository(wrong));
        assert!(found.len() == 1 && found[0].contains(expected), "{wrong}: {found:?}");
    }
    let daemon = document("Daemon", "d", "{ transports: [git, http] }");
    let over = |url: &str, more: &str| {
        let spec = format!("{{ url: \"{url}\", revert: {{ key: {{ file: k }}{more} }} }}");
        let all = daemon.clone() + &document("Repository", "r", &spec) + &document("Target", "t", TARGET);
        if load(&all).is_ok() { vec![] } else { told(&all) }
    };
    assert!(over("git://h/x", "")[0].contains("config.revert: nothing can be pushed over git://"));
    assert!(over("http://h/x", ", push: { file: t }")[0].contains("config.credentials: credentials are never sent"));
    assert_eq!(over("http://h/x", ""), [""; 0]);
}

#[test]
fn who_asks_for_it_follows_a_repository_that_says_how() {
    let asks = "{ source: { repository: r, path: x }, target: t, sync: { onFailure: revert } }";
    let found = told_of("Application", asks);
    assert!(found.len() == 1 && found[0].contains("config.revert: the Repository 'r' does not say how"), "{found:?}");
    let text = document("Repository", "r", &repository("revert: { key: { file: keys/revert } }"))
        + &document("Target", "t", TARGET)
        + &document("Application", "a", asks);
    let loaded = load(&text).unwrap();
    let key = loaded.config.repositories["r"].revert.as_ref().unwrap().key.file.clone().unwrap();
    assert!(key.is_absolute() && key.ends_with("keys/revert"), "{}", key.display());
    assert!(loaded.config.repositories["r"].files().any(|file| file == key), "it is watched and checked as others are");
}
