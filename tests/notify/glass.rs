//! Break-glass is announced at once: opened, used, about to end, ended.

use super::receiver::{Receiver, body, declare, start, told, verifies, webhook, world};

#[test]
fn everybody_is_told_of_break_glass_at_once_and_of_its_end() {
    let (mut world, receiver) = (world(), Receiver::new());
    declare(&mut world, "ops", &webhook(&receiver));
    world.declared.more.push_str(
        "---\napiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: { name: freeze }\nspec: { match: { actions: [update] }, window: { deny: \"* * * * *\", for: 1h } }\n",
    );
    start(&mut world);
    receiver.until(1);
    world.repo.write("web/root/etc/motd", "two\n").land("two");
    assert_eq!(body(&receiver.until(2)[1])["code"], "policy.window");
    let open = ["break-glass", "open", "web", "--policy", "freeze", "--reason", "the site is down", "--for", "10s"];
    let _ = world.cli(&open).code(0);
    world.until_live("/etc/motd", "two\n");
    let taken = receiver.until(7);
    assert!(taken.iter().all(verifies));
    let glass: Vec<_> = taken.iter().map(body).filter(|told| told["event"] == "break-glass").collect();
    let said: Vec<_> = glass.iter().map(|told| told["summary"].as_str().unwrap().to_owned()).collect();
    for (line, word) in
        said.iter().zip([" opened by root over freeze on web until ", " used by ", " reminded by ", " expired by "])
    {
        assert!(line.starts_with("break-glass ") && line.contains(word), "{said:#?}");
    }
    assert!(said[0].ends_with(": the site is down"), "{said:#?}");
    assert_eq!(said.len(), 4, "{:?}", told(&taken));
    assert!(glass.iter().all(|told| told["severity"] == "warning" && told["application"] == "web"));
}
