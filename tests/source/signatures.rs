//! Signatures that git, ssh-keygen and gpg made, judged by the source.

use serde_json::json;
use trueup::config::Repository;
use trueup::model::{Revision, Time};
use trueup::source::{Source, SourceError};

use crate::parts;
use crate::repo::{Followed, Repo, declared};
use crate::signing::{Gpg, SshKey, signed, trust};

/// A repository, and files that say who may sign.
struct Signed {
    repo: Repo,
    files: tempfile::TempDir,
}

impl Signed {
    /// `None` where a program is missing.
    fn new() -> Option<Self> {
        for part in ["git", "ssh-keygen", "gpg"] {
            parts::program(part)?;
        }
        let files = tempfile::Builder::new().prefix("tu-").tempdir_in("/tmp").unwrap();
        Some(Self { repo: Repo::empty(), files })
    }

    fn ssh(&self, name: &str, kind: &[&str]) -> SshKey {
        SshKey::new(self.files.path(), name, kind)
    }

    fn gpg(&self) -> Gpg {
        Gpg::new(&self.files.path().join("g"))
    }

    fn sign_with(&self, settings: &[[String; 2]]) {
        for [name, value] in settings {
            self.repo.git(&["config", name, value]);
        }
    }

    fn unsigned(&self) {
        self.repo.git(&["config", "commit.gpgsign", "false"]);
    }

    /// Lands a commit object of any content.
    fn land(&self, commit: &str) -> Revision {
        let id = self.repo.object("commit", commit.as_bytes());
        self.repo.git(&["update-ref", "refs/heads/main", &id]);
        id.parse().unwrap()
    }

    fn raw(&self, revision: &str) -> String {
        self.repo.git(&["cat-file", "commit", revision]) + "\n"
    }

    fn follow(&self, policy: &str, signers: &str, keys: &str) -> Followed {
        let mut verify = json!({ "policy": policy });
        if !signers.is_empty() {
            verify["ssh"] = json!({ "allowedSigners": trust(&self.files.path().join("signers"), signers) });
        }
        if !keys.is_empty() {
            verify["openpgp"] = json!({ "keys": trust(&self.files.path().join("keys"), keys) });
        }
        Followed::new(&Repository {
            verify: Some(serde_json::from_value(verify).unwrap()),
            ..declared(&self.repo.url())
        })
    }
}

fn now() -> Time {
    Time(i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap())
}

async fn judged(followed: &Followed, applied: Option<&Revision>) -> Result<String, SourceError> {
    let head = followed.source.poll(applied.map_or(&[], std::slice::from_ref)).await.unwrap();
    followed.source.verify(&head, applied, now()).await.map(|signer| signer.expect("signatures are asked for").shown)
}

async fn code(followed: &Followed, applied: Option<&Revision>) -> &'static str {
    judged(followed, applied).await.map_or_else(|error| error.kind.code(), |signer| panic!("taken: {signer}"))
}

#[tokio::test]
async fn ssh_keys_of_each_kind_sign_and_others_do_not() {
    let Some(it) = Signed::new() else { return };
    for (name, kind) in [
        ("ed", &["-t", "ed25519"][..]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
    ] {
        let key = it.ssh(name, kind);
        it.sign_with(&key.settings());
        it.repo.commit(&format!("signed\n\n-----BEGIN SSH SIGNATURE-----\n{name}"));
        let line = |more: &str| format!("ada@example.org {more} {}\n", key.public());
        let signer = judged(&it.follow("tip", &line(""), ""), None).await.unwrap();
        assert!(signer.starts_with("ada@example.org with the SSH key SHA256:"), "{signer}");
        assert!(judged(&it.follow("tip", &line("namespaces=\"git,file\""), ""), None).await.is_ok());
        assert_eq!(code(&it.follow("tip", &line("namespaces=\"file\""), ""), None).await, "verify.namespace");
        assert_eq!(code(&it.follow("tip", &line("valid-before=\"20240101Z\""), ""), None).await, "verify.expired");
        assert_eq!(code(&it.follow("tip", &line("valid-after=20990101Z"), ""), None).await, "verify.expired");
        let other = it.ssh(&format!("{name}-other"), kind);
        let followed = it.follow("tip", &format!("eve {}\n", other.public()), "");
        assert_eq!(code(&followed, None).await, "verify.unknown-key");
    }
}

#[tokio::test]
async fn an_ssh_signature_over_anything_else_is_none() {
    let Some(it) = Signed::new() else { return };
    let key = it.ssh("key", &["-t", "ed25519"]);
    let signers = format!("ada {}\n", key.public());
    let followed = it.follow("tip", &signers, "");
    it.repo.commit("first");
    assert_eq!(code(&followed, None).await, "verify.unsigned");
    let raw = it.raw("HEAD");
    it.land(&signed(&raw, &key.sign("git", &raw)));
    assert!(judged(&followed, None).await.is_ok());
    it.land(&signed(&raw, &key.sign("file", &raw)));
    assert_eq!(code(&followed, None).await, "verify.namespace");
    it.land(&signed(&raw, &key.sign("git", &raw)).replace("first", "other"));
    assert_eq!(code(&followed, None).await, "verify.bad-signature");
    for (from, to) in [("gpgsig ", "gpgsig-sha256 "), ("-----BEGIN SSH", "-----BEGIN"), ("U1NIU0lH", "AAAAAAAA")] {
        it.land(&signed(&raw, &key.sign("git", &raw)).replace(from, to));
        assert_eq!(code(&followed, None).await, "verify.malformed", "{from}");
    }
    let twice = signed(&signed(&raw, &key.sign("git", &raw)), &key.sign("git", &raw));
    it.land(&twice);
    assert_eq!(code(&followed, None).await, "verify.malformed");
    let future = raw.replace("> 1", "> 9");
    assert_ne!(future, raw);
    it.land(&signed(&future, &key.sign("git", &future)));
    assert_eq!(code(&followed, None).await, "verify.expired");
    let short = it.ssh("short", &["-t", "rsa", "-b", "1024"]);
    it.land(&signed(&raw, &short.sign("git", &raw)));
    assert_eq!(code(&it.follow("tip", &format!("ada {}\n", short.public()), ""), None).await, "verify.weak");
    // Who may sign is looked at again, and a file that others may write says nothing.
    it.land(&signed(&raw, &key.sign("git", &raw)));
    let followed = it.follow("tip", &signers, "");
    assert!(judged(&followed, None).await.is_ok());
    let file = it.files.path().join("signers");
    trust(&file, &signers.replace("ada", "ada valid-before=19900101Z"));
    assert_eq!(code(&followed, None).await, "verify.expired");
    trust(&file, &signers);
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(code(&followed, None).await, "verify.trust-root");
}

#[tokio::test]
async fn openpgp_keys_and_subkeys_sign_until_they_expire_or_are_revoked() {
    let Some(it) = Signed::new() else { return };
    let gpg = it.gpg();
    for (who, kind) in [("Ed <ed@x>", "ed25519"), ("Rsa <rsa@x>", "rsa2048"), ("P <p@x>", "nistp256")] {
        let print = gpg.key(who, &["--faked-system-time", "20200101T000000"], [kind, "sign", "never"]);
        it.sign_with(&gpg.settings(&print, ""));
        it.repo.commit(&format!("signed by {who}"));
        let signer = judged(&it.follow("tip", "", &gpg.export(&print)), None).await.unwrap();
        assert!(signer.starts_with(who) && signer.ends_with(&print.to_lowercase()), "{signer}");
        let alone = it.repo.head();
        gpg.run(&["--quick-add-key", &print, "ed25519", "sign"]);
        it.repo.commit(&format!("signed by a subkey of {who}"));
        let signer = judged(&it.follow("tip", "", &gpg.export(&print)), None).await.unwrap();
        assert!(signer.contains(", subkey "), "{signer}");
        it.repo.git(&["update-ref", "refs/heads/main", alone.as_str()]);
        gpg.run(&["--faked-system-time", "20200102T000000", "--quick-set-expire", &print, "1d"]);
        assert_eq!(code(&it.follow("tip", "", &gpg.export(&print)), None).await, "verify.expired", "{who}");
        gpg.run(&["--quick-set-expire", &print, "1y"]);
        assert!(judged(&it.follow("tip", "", &gpg.export(&print)), None).await.is_ok(), "{who}");
        gpg.revoke(&print);
        assert_eq!(code(&it.follow("tip", "", &gpg.export(&print)), None).await, "verify.revoked", "{who}");
    }
}

#[tokio::test]
async fn weak_foreign_and_broken_openpgp_signatures_are_refused() {
    let Some(it) = Signed::new() else { return };
    let gpg = it.gpg();
    let print = gpg.key("Ada <ada@x>", &[], ["rsa2048", "sign", "never"]);
    let short = gpg.key("Bob <bob@x>", &[], ["rsa1024", "sign", "never"]);
    let keys = gpg.export(&print) + &gpg.export(&short);
    let followed = it.follow("tip", "", &keys);
    it.sign_with(&gpg.settings(&print, ""));
    it.repo.commit("signed");
    assert!(judged(&followed, None).await.is_ok(), "several blocks in one file");
    let raw = it.raw("HEAD");
    it.land(&raw.replace("\n\nsigned", "\n\nother"));
    assert_eq!(code(&followed, None).await, "verify.bad-signature");
    it.repo.git(&["update-ref", "refs/heads/main", &it.repo.object("commit", raw.as_bytes())]);
    assert_eq!(code(&it.follow("tip", "", &gpg.export(&short)), None).await, "verify.unknown-key");
    let ssh = it.ssh("key", &["-t", "ed25519"]);
    assert_eq!(code(&it.follow("tip", &format!("a {}\n", ssh.public()), ""), None).await, "verify.unknown-key");
    it.sign_with(&gpg.settings(&print, "--digest-algo SHA1"));
    it.repo.commit("on SHA-1");
    assert_eq!(code(&followed, None).await, "verify.weak");
    it.sign_with(&gpg.settings(&short, ""));
    it.repo.commit("with a short key");
    assert_eq!(code(&followed, None).await, "verify.weak");
    for bad in ["", "no key\n", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"] {
        trust(&it.files.path().join("keys"), bad);
        assert_eq!(code(&followed, None).await, "verify.trust-root", "{bad}");
    }
}

#[tokio::test]
async fn a_signature_with_any_byte_changed_is_refused_by_its_own_code_and_ends_nothing() {
    let Some(it) = Signed::new() else { return };
    let (key, gpg) = (it.ssh("key", &["-t", "ed25519"]), it.gpg());
    let print = gpg.key("Ada <ada@x>", &[], ["ed25519", "sign", "never"]);
    let followed = it.follow("tip", &format!("ada {}\n", key.public()), &gpg.export(&print));
    for (settings, strict) in [(key.settings(), true), (gpg.settings(&print, ""), false)] {
        it.sign_with(&settings);
        it.repo.commit("signed");
        let raw = it.raw("HEAD");
        let (from, to) = (raw.find("-----\n").unwrap() + 6, raw.rfind("-----END").unwrap());
        for at in (from..to).step_by(7) {
            let mut changed = raw.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            it.land(&String::from_utf8(changed).unwrap());
            match judged(&followed, None).await {
                Ok(signer) => assert!(!strict, "byte {at} is not covered: {signer}"),
                Err(error) => assert!(error.kind.code().starts_with("verify."), "byte {at}: {error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn policies_say_which_commits_must_be_signed() {
    let Some(it) = Signed::new() else { return };
    let key = it.ssh("key", &["-t", "ed25519"]);
    let signers = format!("ada {}\n", key.public());
    it.sign_with(&key.settings());
    it.repo.commit("root");
    it.repo.git(&["checkout", "-q", "-b", "side"]);
    it.unsigned();
    it.repo.write("side", "x");
    it.repo.commit("unsigned, on the side");
    it.repo.git(&["checkout", "-q", "main"]);
    it.sign_with(&key.settings());
    let applied = it.repo.commit("applied");
    let merge = {
        it.repo.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
        it.repo.head()
    };
    let expected = [("tip", true), ("first-parent", true), ("range", false)];
    for (policy, good) in expected {
        let followed = it.follow(policy, &signers, "");
        assert!(judged(&followed, None).await.is_ok(), "{policy}: first contact");
        let taken = judged(&followed, Some(&applied)).await;
        assert_eq!(taken.map_or_else(|error| error.kind.code(), |_| "ok") == "ok", good, "{policy}");
    }
    // What was applied before the merge is no part of the range, whatever it is.
    it.unsigned();
    let unsigned = it.repo.commit("unsigned, in the line");
    it.sign_with(&key.settings());
    it.repo.commit("tip");
    for (policy, from, good) in [
        ("tip", &merge, true),
        ("first-parent", &merge, false),
        ("range", &merge, false),
        ("range", &unsigned, true),
        ("first-parent", &unsigned, true),
    ] {
        let followed = it.follow(policy, &signers, "");
        let taken = judged(&followed, Some(from)).await;
        assert_eq!(taken.map_or_else(|error| error.kind.code(), |_| "ok") == "ok", good, "{policy} from {from}");
    }
}

#[tokio::test]
async fn history_that_is_not_at_hand_is_fetched_or_refused() {
    let Some(it) = Signed::new() else { return };
    let key = it.ssh("key", &["-t", "ed25519"]);
    let signers = format!("ada {}\n", key.public());
    it.unsigned();
    it.repo.commit("old, unsigned");
    it.repo.git(&["branch", "old"]);
    it.sign_with(&key.settings());
    it.repo.commit("between");
    let applied = it.repo.commit("applied");
    let followed = it.follow("range", &signers, "");
    assert!(judged(&followed, None).await.is_ok());
    it.repo.git(&["checkout", "-q", "-b", "side", "old"]);
    it.repo.write("side", "x");
    it.repo.commit("signed, on the side");
    it.repo.git(&["checkout", "-q", "main"]);
    it.repo.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    assert!(
        judged(&followed, Some(&applied)).await.is_ok(),
        "what lies behind the applied one is no part of the range"
    );
    let gone: Revision = "0123456789012345678901234567890123456789".parse().unwrap();
    assert_eq!(code(&followed, Some(&gone)).await, "verify.history");
}

#[tokio::test]
async fn a_tag_is_judged_by_its_own_signature_and_name() {
    let Some(it) = Signed::new() else { return };
    let (key, gpg) = (it.ssh("key", &["-t", "ed25519"]), it.gpg());
    let signers = format!("ada {}\n", key.public());
    it.repo.commit("unsigned");
    let follow = |tag: &str, keys: &str| {
        let Followed { declared, .. } = it.follow("tip", &signers, keys);
        Followed::new(&Repository { tag: Some(tag.into()), ..declared })
    };
    it.repo.git(&["tag", "light"]);
    it.repo.git(&["-c", "tag.gpgsign=false", "tag", "-a", "-m", "x", "plain"]);
    it.sign_with(&key.settings());
    it.repo.git(&["tag", "-m", "x", "v1"]);
    let print = gpg.key("Ada <ada@x>", &[], ["ed25519", "sign", "never"]);
    it.sign_with(&gpg.settings(&print, ""));
    it.repo.git(&["tag", "-m", "x", "v2"]);
    let keys = gpg.export(&print);
    assert!(judged(&follow("v1", &keys), None).await.unwrap().starts_with("ada with the SSH key"));
    assert!(judged(&follow("v2", &keys), None).await.unwrap().starts_with("Ada <ada@x> with the OpenPGP key"));
    for tag in ["light", "plain"] {
        assert_eq!(code(&follow(tag, &keys), None).await, "verify.unsigned", "{tag}");
    }
    it.repo.git(&["update-ref", "refs/tags/v3", &it.repo.git(&["rev-parse", "v1"])]);
    let error = follow("v3", &keys).source.poll(&[]).await.unwrap_err();
    assert_eq!(error.kind.code(), "verify.tag-name");
}
