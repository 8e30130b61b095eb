//! Class P, and B14: signatures that prove nothing of what would be applied.

use crate::case::{Case, Expect, Ground};
use crate::world::parts;
use crate::world::signing::{Gpg, SshKey, signed, trust};

pub(crate) fn cases() -> Vec<Case> {
    let wanted = ["ssh-keygen", "gpg"];
    if wanted.iter().any(|program| parts::program(program).is_none()) {
        return vec![];
    }
    let mut cases = objects();
    cases.extend(policies());
    cases.extend(keys());
    cases.extend(tags());
    cases.extend(roots());
    cases
}

/// Returns a case whose repository takes what the key `signer` signed, and whose good revision that key did sign.
fn signed_case(id: &'static str, title: &'static str, codes: &'static [&'static str], policy: &'static str) -> Case {
    Case::refused(id, title, codes).before(move |ground| {
        let key = key(ground, "signer", &["-t", "ed25519"]);
        allow(ground, policy, &format!("ada {}\n", key.public()));
        ground.repo.sign_with(&key.settings()).land("signed");
    })
}

fn key(ground: &Ground, name: &str, kind: &[&str]) -> SshKey {
    SshKey::new(&ground.folder(), name, kind)
}

/// Returns the key that the case began with.
fn signer(ground: &Ground) -> SshKey {
    SshKey::at(&ground.folder().join("signer"))
}

fn allow(ground: &mut Ground, policy: &str, signers: &str) {
    let file = trust(&ground.folder().join("allowed"), signers);
    ground.spec.repository = format!("verify: {{ policy: {policy}, ssh: {{ allowedSigners: {file} }} }}");
}

fn poison(ground: &Ground) {
    ground.overlay("one.conf", "poison\n");
}

/// Commits the poison unsigned and returns the commit's text; it is not pushed.
fn unsigned(ground: &Ground) -> String {
    poison(ground);
    ground.repo.sign_nothing().commit("poison");
    // Its tree goes along, and the branch is put elsewhere at once.
    ground.repo.git(&["push", "--quiet", "origin", "HEAD:refs/heads/parts"]);
    ground.repo.raw_commit()
}

fn land_raw(ground: &mut Ground, commit: &str) {
    ground.revision = Some(ground.repo.land_raw(commit));
}

/// B14, P2, P7: commits that are not what was signed.
fn objects() -> Vec<Case> {
    let malformed = &["verify.malformed"];
    let made = |id, title, codes, make: fn(&Ground, String) -> String| {
        signed_case(id, title, codes, "tip").attack(move |ground| {
            let commit = unsigned(ground);
            let made = make(ground, commit);
            land_raw(ground, &made);
        })
    };
    vec![
        made("B14", "a commit with two trees", &["verify.malformed", "source.corrupt"], |ground, commit| {
            let good = ground.repo.git(&["rev-parse", "HEAD~1^{tree}"]);
            let twice = format!("tree {good}\n{commit}");
            signed(&twice, &signer(ground).sign("git", &twice))
        }),
        made("B14", "a commit with two signatures", malformed, |ground, commit| {
            let once = signed(&commit, &signer(ground).sign("git", &commit));
            signed(&once, &signer(ground).sign("git", &commit))
        }),
        made("B14", "a signature of each kind of object id", malformed, |ground, commit| {
            let once = signed(&commit, &signer(ground).sign("git", &commit));
            once.replacen("\n\n", "\ngpgsig-sha256 -----BEGIN PGP SIGNATURE-----\n x\n\n", 1)
        }),
        made("B14", "a NUL in the header", malformed, |ground, commit| {
            let hidden = commit.replacen("\n\n", "\nhidden a\0b\n\n", 1);
            signed(&hidden, &signer(ground).sign("git", &hidden))
        }),
        made("B14", "headers in another order", malformed, |ground, commit| {
            let end = commit.find("\nauthor ").expect("an author");
            let (first, rest) = commit.split_at(end + 1);
            let lines: Vec<_> = rest.splitn(3, '\n').collect();
            let other = format!("{first}{}\n{}\n{}", lines[1], lines[0], lines[2]);
            signed(&other, &signer(ground).sign("git", &other))
        }),
        made("B14", "the signature of another commit", &["verify.bad-signature"], |ground, commit| {
            signed(&commit, &signer(ground).sign("git", "another"))
        }),
        made("B14", "a signature of 100 KiB", malformed, |ground, commit| {
            let long = signer(ground)
                .sign("git", &commit)
                .replace("\n-----END", &format!("{}\n-----END", "A".repeat(100_000)));
            signed(&commit, &long)
        }),
        made("P2", "a signature for files", &["verify.namespace"], |ground, commit| {
            signed(&commit, &signer(ground).sign("file", &commit))
        }),
        made("P2", "X.509 without certificates", malformed, |_, commit| {
            signed(&commit, "-----BEGIN SIGNED MESSAGE-----\nMAsGCSqGSIb3DQEHAg==\n-----END SIGNED MESSAGE-----\n")
        }),
        made("P2", "a signature of nothing", malformed, |_, commit| {
            signed(&commit, "-----BEGIN SSH SIGNATURE-----\n\n-----END SSH SIGNATURE-----\n")
        }),
        made("P2", "a date in the future", &["verify.expired"], move |ground, commit| {
            let future = commit.replace("> 1", "> 9");
            signed(&future, &signer(ground).sign("git", &future))
        }),
        signed_case("P2", "a key that nobody knows", &["verify.unknown-key"], "tip").attack(move |ground| {
            let other = key(ground, "other", &["-t", "ed25519"]);
            ground.repo.sign_with(&other.settings());
            poison(ground);
            ground.land();
        }),
        made("P2", "no signature", &["verify.unsigned"], |_, commit| commit),
    ]
}

/// P1, P5: what lies behind a signed tip, and a signed one that is older.
fn policies() -> Vec<Case> {
    let below = |ground: &mut Ground| {
        poison(ground);
        ground.repo.sign_nothing().commit("unsigned");
        ground.repo.git(&["config", "commit.gpgsign", "true"]);
        ground.land();
    };
    let merged = |ground: &mut Ground| {
        ground.repo.branch("side").sign_nothing();
        poison(ground);
        ground.repo.commit("unsigned");
        ground.repo.branch("main").git(&["config", "commit.gpgsign", "true"]);
        ground.repo.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
        ground.revision = Some(ground.repo.push().head());
    };
    vec![
        signed_case("P1", "first-parent: unsigned below a signed tip", &["verify.unsigned"], "first-parent")
            .attack(below),
        signed_case("P1", "range: unsigned below a signed tip", &["verify.unsigned"], "range").attack(below),
        signed_case("P1", "range: a signed merge of what is not", &["verify.unsigned"], "range").attack(merged),
        signed_case("P5", "an older commit, validly signed", &["guard.not-descendant"], "range")
            .before(|ground| {
                let key = key(ground, "signer", &["-t", "ed25519"]);
                allow(ground, "range", &format!("ada {}\n", key.public()));
                ground.repo.sign_with(&key.settings());
                ground.overlay("one.conf", "older\n");
                ground.repo.land("older");
                ground.overlay("one.conf", "newer\n");
                ground.repo.land("newer");
            })
            .attack(|ground| {
                ground.repo.reset("HEAD~1").force_push();
                ground.revision = Some(ground.repo.head());
            }),
    ]
}

/// P2, P7: keys that are no more, and keys that can be forged.
fn keys() -> Vec<Case> {
    let weak = &["verify.weak"];
    // Lands the poison by options of gpg, and then changes what the machine knows of the key.
    let openpgp = |id, title, codes, options: &'static str, after: fn(&Gpg, &str)| {
        Case::refused(id, title, codes)
            .before(|ground| {
                let gpg = Gpg::new(&ground.folder().join("g"));
                let print = gpg.key(WHO, &["--faked-system-time", "20200101T000000"], ["rsa2048", "sign", "never"]);
                let file = trust(&ground.folder().join("keys"), &gpg.export(WHO));
                ground.spec.repository = format!("verify: {{ openpgp: {{ keys: {file} }} }}");
                ground.repo.sign_with(&gpg.settings(&print, "")).land("signed");
            })
            .attack(move |ground| {
                let gpg = Gpg::new(&ground.folder().join("g"));
                let print = gpg.print(WHO);
                poison(ground);
                ground.repo.sign_with(&gpg.settings(&print, options));
                ground.land();
                after(&gpg, &print);
                trust(&ground.folder().join("keys"), &gpg.export(WHO));
            })
    };
    vec![
        openpgp("P2", "an OpenPGP key that expired", &["verify.expired"], "", |gpg, print| {
            gpg.run(&["--faked-system-time", "20200102T000000", "--quick-set-expire", print, "1d"]);
        }),
        openpgp("P2", "an OpenPGP key that was revoked", &["verify.revoked"], "", Gpg::revoke),
        openpgp("P2", "an OpenPGP signature with an end", &["verify.expired"], "--default-sig-expire 1d", |_, _| ()),
        openpgp("P7", "an OpenPGP signature on SHA-1", weak, "--digest-algo SHA1", |_, _| ()),
        openpgp("P7", "an OpenPGP signature on RIPEMD-160", weak, "--digest-algo RIPEMD160", |_, _| ()),
        signed_case("P2", "an SSH key that is valid no more", &["verify.expired"], "tip").attack(|ground| {
            poison(ground);
            ground.land();
            let line = format!("ada valid-before=\"20200101Z\" {}\n", signer(ground).public());
            trust(&ground.folder().join("allowed"), &line);
        }),
        signed_case("P7", "an RSA key of 1024 bits", weak, "tip").attack(|ground| {
            let short = key(ground, "short", &["-t", "rsa", "-b", "1024"]);
            let commit = unsigned(ground);
            trust(&ground.folder().join("allowed"), &format!("ada {}\n", short.public()));
            land_raw(ground, &signed(&commit, &short.sign("git", &commit)));
        }),
    ]
}

const WHO: &str = "Ada <ada@example.org>";

/// P3: signed tags that are put elsewhere, or are not signed.
fn tags() -> Vec<Case> {
    let tagged = |title, codes, attack: fn(&mut Ground)| {
        Case::refused("P3", title, codes)
            .before(|ground| {
                let key = key(ground, "signer", &["-t", "ed25519"]);
                allow(ground, "tip", &format!("ada {}\n", key.public()));
                ground.repo.sign_with(&key.settings());
                ground.repo.git(&["tag", "-m", "x", "v1"]);
                ground.repo.git(&["push", "-q", "origin", "refs/tags/v1"]);
                ground.spec.follow = "tag: v1".into();
            })
            .attack(attack)
    };
    vec![
        tagged("a tag signed as v2 served as v1", &["verify.tag-name"], |ground| {
            poison(ground);
            ground.repo.commit("poison");
            ground.repo.git(&["tag", "-m", "x", "v2"]);
            ground.repo.git(&["push", "-q", "origin", "refs/tags/v2"]);
            let id = ground.repo.git_bare(&["rev-parse", "refs/tags/v2"]);
            ground.repo.set_ref("refs/tags/v1", &id);
        }),
        tagged("an unsigned tag in place of a signed one", &["verify.unsigned"], |ground| {
            poison(ground);
            ground.repo.commit("signed, but the tag is not");
            ground.repo.sign_nothing().git(&["tag", "-f", "-a", "-m", "x", "v1"]);
            ground.repo.git(&["push", "-q", "-f", "origin", "refs/tags/v1"]);
            ground.revision = Some(ground.repo.head());
        }),
        tagged("a name on an unsigned commit in place of a signed tag", &["verify.unsigned"], |ground| {
            poison(ground);
            ground.revision = Some(ground.repo.sign_nothing().commit("unsigned"));
            ground.repo.tag("v1");
        }),
    ]
}

/// P4: who may sign, told by what is signed, or by whoever likes.
fn roots() -> Vec<Case> {
    vec![
        signed_case("P4", "a commit that brings who may sign", &["verify.unknown-key"], "tip").attack(|ground| {
            let eve = key(ground, "eve", &["-t", "ed25519"]);
            for path in ["allowed", ".gitsigners", "app/allowed", ".trueup/allowed_signers"] {
                ground.repo.write(path, format!("ada {}\n", eve.public()));
            }
            ground.repo.write(".gitconfig", "[gpg.ssh]\n\tallowedSignersFile = allowed\n");
            ground.repo.sign_with(&eve.settings());
            poison(ground);
            ground.land();
        }),
        signed_case("P4", "who may sign can be written by others", &["verify.trust-root"], "tip").attack(|ground| {
            let file = ground.folder().join("allowed");
            std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).expect("a mode");
            poison(ground);
            ground.land();
        }),
        Case::new("P4", "who may sign lies where the repository writes", Expect::Config("config.verify-trust")).attack(
            |ground| {
                let file = ground.live("allowed").display().to_string();
                ground.spec.repository = format!("verify: {{ ssh: {{ allowedSigners: {file} }} }}");
            },
        ),
    ]
}
