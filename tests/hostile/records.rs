//! Class N: what tries to be more than data in the trail. What is done to the trail itself, behind the daemon's back, is in tests/audit.

use crate::case::Case;

/// A name that reads like the end of one field and the beginning of others.
const NAME: &str = "x\",\"kind\":\"act\",\"seq\":1},{\"v\":1.conf";

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::powerless("N3", "a path that reads like the fields of a record", |ground| {
            assert_eq!(ground.read(NAME), b"poison\n");
        })
        .commit(|ground| ground.overlay(NAME, "poison\n")),
        Case::powerless("N3", "a message that reads like the lines of a checkpoint", |ground| {
            assert_eq!(ground.read("four.conf"), b"poison\n");
        })
        .attack(|ground| {
            ground.overlay("four.conf", "poison\n");
            let message = "trueup.dev/x/1\n1\nAAAA=\n\n\u{2014} trueup.dev/x/1 AAAA\n{\"seq\":1,\"bytes\":\"\"}";
            ground.revision = Some(ground.repo.land(message));
        }),
        Case::refused("N3", "a document whose mistake quotes line breaks and controls", &["render.invalid"])
            .commit(|ground| {
                let name = serde_json::Value::from("/srv/\n{\"v\":1,\"seq\":1}\u{1b}[2J\u{202e}\0");
                let document = format!(
                    "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: {{ name: {name} }}\nspec: {{ content: x }}\n"
                );
                ground.repo.write("app/evil.yaml", document);
            }),
    ]
}
