//! Class M, as far as one daemon decides it: M1, M2, M3 and M5. What is declared in Git is one application of a daemon, so each case
//! has one of its own.

use crate::Group;
use crate::case::{Case, Ground};
use crate::world::parts;
use crate::world::signing::{SshKey, trust};

/// What a ground declares in Git beside its own application.
pub(crate) const OTHERS: [&str; 4] = ["one", "two", "three", "four"];

pub(crate) const GROUPS: [Group; 12] = [
    ("M1, a path", || vec![beside("a path beside those that are allowed", |ground| overlay(ground, "x"))]),
    ("M1, a program", || {
        vec![beside("a program that its target allows, and the machine not to Git", |ground| {
            ground.repo.write(
                "app/check.yaml",
                ground.document("Check", "/x", "{ command: [/usr/bin/env] }").replace("/x", "x"),
            );
        })]
    }),
    ("M1, trueup itself", || {
        vec![beside("a restart of trueup itself", |ground| {
            let restart = "{ content: \"x\\n\", onChange: [{ restart: trueup.service }] }";
            ground.repo.write("app/x.yaml", ground.document("File", "x.conf", restart));
        })]
    }),
    ("M1, a target", || {
        vec![of_declarations("M1", "an application on a target of others", &["declarations.not-allowed"], |ground| {
            let text = "apiVersion: trueup.dev/v1alpha1\nkind: Application\nmetadata: { name: evil }\nspec: { source: { \
                        repository: NAME, path: app }, target: host }\n";
            ground.repo.write("trueup/evil.yaml", text.replace("NAME", &ground.name));
        })]
    }),
    ("M1, trust", || {
        vec![of_declarations("M1", "a Target that allows everything", &["config.trust"], |ground| {
            let text = "apiVersion: trueup.dev/v1alpha1\nkind: Target\nmetadata: { name: all }\nspec: { host: { allow: [/], root: / } }\n";
            ground.repo.write("trueup/all.yaml", text);
        })]
    }),
    ("M2", || {
        vec![of_declarations("M2", "a generator that makes 2,100 applications", &["declarations.too-many"], |ground| {
            for number in 0..2100 {
                ground.declared(&format!("app-{number}"), "app");
            }
        })]
    }),
    ("M3, nothing", || {
        vec![of_declarations("M3", "a generator that makes nothing", &["guard.empty-render"], |ground| {
            ground.repo.remove("trueup").write("trueup/README.md", "nothing came\n");
        })]
    }),
    ("M3, a part", || {
        vec![of_declarations("M3", "a generator that makes a part", &["guard.delete-limit"], |ground| {
            for name in OTHERS {
                ground.repo.remove(&format!("trueup/{name}.yaml"));
            }
        })]
    }),
    ("M3, junk", || {
        vec![of_declarations("M3", "a generator that breaks off", &["yaml.syntax"], |ground| {
            ground.repo.write("trueup/one.yaml", "apiVersion: trueup.dev/v1alpha1\nkind: [Appl");
        })]
    }),
    ("M5, weaker", || {
        signed(
            Case::refused("M5", "a policy that is weakened by whom nobody named", &["guard.acceptance"])
                .on_declarations(),
            weaken,
        )
    }),
    ("M5, broken", || {
        signed(Case::refused("M5", "a policy that is weakened and broken at once", &["policy.limit"]), weaken)
    }),
    ("M5, replayed", || {
        let case = Case::refused("M5", "an older policy, validly signed, by a rewind", &["guard.policy-rewound"])
            .on_declarations();
        signed(case, |ground| {
            let older = ground.repo.git(&["rev-parse", "HEAD~1"]);
            ground.repo.reset(&older).force_push();
            ground.revision = Some(older);
        })
    }),
];

/// Declares the ground's own application in Git, with four others that hold nothing.
fn declares(ground: &mut Ground, more: &str) {
    let name = &ground.name;
    ground.spec.declares =
        Some(format!("allow: {{ targets: [{name}], paths: [/srv/{name}], units: [\"*\"] }}\n{more}"));
    ground.spec.host = "allow: [/srv]\ncommands: [/usr/bin/env]\nunits: [\"*\"]".into();
    ground.declared(name, "app");
    for other in OTHERS {
        ground.declared(other, other);
        ground.repo.write(&format!("{other}/root/srv/{name}/{other}"), "x\n");
    }
    ground.repo.land("declared in Git");
}

fn overlay(ground: &Ground, name: &str) {
    ground.repo.write(&format!("app/root/srv/{name}"), "poison\n");
}

/// An application of Git that reaches further than the machine allows it.
fn beside(title: &'static str, poison: fn(&Ground)) -> Case {
    let case = Case::refused("M1", title, &["declarations.not-allowed"]);
    case.before(|ground| declares(ground, "")).commit(poison)
}

fn of_declarations(id: &'static str, title: &'static str, codes: &'static [&'static str], poison: fn(&Ground)) -> Case {
    Case::refused(id, title, codes).before(|ground| declares(ground, "")).commit(poison).on_declarations()
}

/// The repository takes what two keys signed, of which the machine names the first for changes of policies: it signed two of them.
fn signed(case: Case, attack: fn(&mut Ground)) -> Vec<Case> {
    if parts::program("ssh-keygen").is_none() {
        return vec![];
    }
    let case = case.before(|ground| {
        let (ada, bob) = (key(ground, "ada"), key(ground, "bob"));
        let signers = format!("ada {}\nbob {}\n", ada.public(), bob.public());
        let file = trust(&ground.folder().join("allowed"), &signers);
        ground.spec.repository = format!("verify: {{ ssh: {{ allowedSigners: {file} }} }}");
        ground.repo.sign_with(&ada.settings());
        policy(ground, 100);
        declares(ground, "accept: { signedBy: [ada] }");
        policy(ground, 0);
        ground.repo.land("stricter");
    });
    vec![case.attack(attack)]
}

fn key(ground: &Ground, name: &str) -> SshKey {
    SshKey::new(&ground.folder(), name, &["-t", "ed25519"])
}

fn policy(ground: &Ground, deletes: u32) {
    let text = format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Policy\nmetadata: {{ name: house }}\nspec: {{ limit: {{ deletes: {deletes} }} }}\n"
    );
    ground.repo.write("trueup/house.yaml", text);
}

/// By a signer of the repository whom the machine does not name for that: more may be deleted, and something is.
fn weaken(ground: &mut Ground) {
    ground.repo.sign_with(&SshKey::at(&ground.folder().join("bob")).settings());
    policy(ground, 100);
    let two = format!("app/root/srv/{}/two.conf", ground.name);
    ground.repo.remove(&two);
    ground.land();
}
