//! A repository that says who may sign.

use super::telling::{all_is_well, applied, ended, intact, records, world};
use super::world::signing::{Gpg, SshKey, trust};
use super::world::{World, parts};

/// Returns a world whose repository takes what this key signed, by this policy.
fn signed_by(policy: &str) -> Option<(World, SshKey)> {
    parts::program("ssh-keygen")?;
    let mut world = world();
    let key = SshKey::new(&world.path("home"), "signer", &["-t", "ed25519"]);
    let file = trust(&world.path("home/signers"), &format!("ada@example.org namespaces=\"git\" {}\n", key.public()));
    world.declared.repository = format!("verify: {{ policy: {policy}, ssh: {{ allowedSigners: {file} }} }}");
    world.repo.sign_with(&key.settings());
    Some((world, key))
}

#[test]
fn what_is_signed_goes_live_and_what_is_not_leaves_last_good_in_place() {
    let Some((mut world, _key)) = signed_by("tip") else { return };
    world.repo.write("web/root/etc/motd", "signed\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let signers: Vec<_> =
        records(&world, "web").iter().filter_map(|one| one["body"]["signer"].as_str().map(str::to_owned)).collect();
    assert!(signers[0].starts_with("ada@example.org with the SSH key SHA256:"), "{signers:?}");
    world.repo.sign_nothing().write("web/root/etc/motd", "unsigned\n");
    let bad = world.repo.land("unsigned");
    let status = ended(&world, "web", "refused", "verify.unsigned");
    assert_eq!(status["applied"], first.as_str());
    world.edit("/etc/motd", "by hand\n");
    world.until_live("/etc/motd", "signed\n");
    // A person cannot wave it through, neither by asking for it nor by adopting.
    assert_eq!(world.cli(&["sync", "web", "--json"]).json()["code"], "verify.unsigned");
    assert_eq!(world.cli(&["adopt", "web", "--json"]).json()["code"], "verify.unsigned");
    assert!(world.cli(&["plan", "web", "--revision", &bad]).code(2).stderr.contains("is not signed"));
    world.restart();
    ended(&world, "web", "refused", "verify.unsigned");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("signed\n"));
    world.repo.git(&["config", "commit.gpgsign", "true"]);
    world.repo.write("web/root/etc/motd", "signed again\n");
    let next = world.repo.land("vouches for what lies behind it");
    applied(&world, "web", &next);
    assert_eq!(world.read("/etc/motd").as_deref(), Some("signed again\n"));
    all_is_well(&world, &["web"]);
}

/// Lands a signed commit, a merge of an unsigned branch into it, and says whether the merge is taken.
fn merge_of_unsigned(policy: &str, taken: bool) {
    let Some((mut world, _key)) = signed_by(policy) else { return };
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.repo.branch("side").sign_nothing().write("web/root/etc/motd", "from the side\n").commit("unsigned");
    world.repo.branch("main").git(&["config", "commit.gpgsign", "true"]);
    world.repo.git(&["merge", "-q", "--no-ff", "-m", "merge", "side"]);
    let merge = world.repo.push().head();
    if taken {
        applied(&world, "web", &merge);
        all_is_well(&world, &["web"]);
    } else {
        ended(&world, "web", "refused", "verify.unsigned");
        assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
        intact(&world);
    }
}

#[test]
fn tip_and_first_parent_take_a_signed_merge_and_range_asks_what_it_merged() {
    merge_of_unsigned("tip", true);
    merge_of_unsigned("first-parent", true);
    merge_of_unsigned("range", false);
}

#[test]
fn first_parent_refuses_what_was_pushed_unsigned_below_a_signed_tip() {
    let Some((mut world, _key)) = signed_by("first-parent") else { return };
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    world.repo.sign_nothing().write("web/root/etc/motd", "unsigned\n").commit("unsigned");
    world.repo.git(&["config", "commit.gpgsign", "true"]);
    world.repo.land("signed, on top");
    ended(&world, "web", "refused", "verify.unsigned");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    intact(&world);
}

#[test]
fn a_key_that_ends_is_noticed_and_one_that_comes_is_believed() {
    let Some((mut world, key)) = signed_by("tip") else { return };
    world.repo.write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    let file = world.path("home/signers");
    trust(&file, &format!("ada@example.org valid-before=\"20200101Z\" {}\n", key.public()));
    ended(&world, "web", "refused", "verify.expired");
    let other = SshKey::new(&world.path("home"), "other", &["-t", "ed25519"]);
    trust(&file, &format!("bob@example.org {}\n", other.public()));
    ended(&world, "web", "refused", "verify.unknown-key");
    world.repo.sign_with(&other.settings()).write("web/root/etc/motd", "two\n");
    let second = world.repo.land("by bob");
    applied(&world, "web", &second);
    trust(&file, "bob@example.org cert-authority ssh-ed25519 AAAA\n");
    ended(&world, "web", "refused", "verify.trust-root");
    let checked = world.cli(&["check", "--json"]).code(2).json();
    assert_eq!((&checked[0]["code"], &checked[0]["place"]["line"]), (&"verify.allowed-signers".into(), &1.into()));
    trust(&file, &format!("bob@example.org {}\n", other.public()));
    applied(&world, "web", &second);
    all_is_well(&world, &["web"]);
}

#[test]
fn an_openpgp_key_signs_until_it_is_revoked() {
    let Some(_) = parts::program("gpg") else { return };
    let mut world = world();
    let gpg = Gpg::new(&world.path("g"));
    let print = gpg.key("Ada <ada@example.org>", &[], ["ed25519", "sign", "1y"]);
    let file = trust(&world.path("home/keys"), &gpg.export(&print));
    world.declared.repository = format!("verify: {{ openpgp: {{ keys: {file} }} }}");
    world.repo.sign_with(&gpg.settings(&print, "")).write("web/root/etc/motd", "one\n");
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    gpg.revoke(&print);
    trust(&world.path("home/keys"), &gpg.export(&print));
    world.repo.git(&["commit", "-q", "--allow-empty", "-m", "still with the revoked key", "--no-gpg-sign"]);
    world.repo.push();
    ended(&world, "web", "refused", "verify.unsigned");
    world.repo.reset(&first).force_push();
    ended(&world, "web", "refused", "verify.revoked");
    assert_eq!(world.read("/etc/motd").as_deref(), Some("one\n"));
    intact(&world);
}

#[test]
fn the_files_that_say_who_may_sign_lie_outside_of_what_they_judge() {
    let Some((mut world, key)) = signed_by("tip") else { return };
    let inside = world.live("/etc/signers");
    std::fs::create_dir_all(inside.parent().expect("a folder")).expect("a folder can be made");
    let file = trust(&inside, &format!("ada {}\n", key.public()));
    world.declared.repository = format!("verify: {{ ssh: {{ allowedSigners: {file} }} }}");
    world.configure();
    let checked = world.cli(&["check", "--json"]).code(2).json();
    assert_eq!(checked[0]["code"], "config.verify-trust", "{checked}");
    world.declared.repository = "verify: { policy: range }".into();
    world.configure();
    assert_eq!(world.cli(&["check", "--json"]).code(2).json()[0]["code"], "config.verify");
}
