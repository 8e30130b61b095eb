//! Files that are encrypted in Git: in the clear on the host, and nowhere else.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;

use super::halves::RootHalf;
use super::telling::{all_is_well, applied, ended, file, world};
use super::world::{World, eventually, forms, holds, must, parts};

/// A world whose repository names an age identity, and `sops` to encrypt for it.
struct Vault {
    world: World,
    sops: PathBuf,
    identity: Identity,
    half: Option<RootHalf>,
}

impl Vault {
    fn new() -> Option<Self> {
        let sops = parts::built("sops")?;
        let mut world = world();
        let identity = Identity::generate();
        write_key(&world.path("home/age.key"), &identity);
        world.declared.repository =
            format!("secrets: {{ age: [{{ file: {} }}] }}", world.path("home/age.key").display());
        Some(Self { world, sops, identity, half: None })
    }

    fn encrypt(&self, name: &str, plain: &str, args: &[&str]) -> Vec<u8> {
        let folder = self.world.path("home");
        let (recipient, file) = (self.identity.to_public().to_string(), folder.join(name));
        fs::write(&file, plain).unwrap();
        let mut command = Command::new(&self.sops);
        command.args(["encrypt", "--age", &recipient]).args(args).arg(&file).env_clear().env("HOME", &folder);
        let sealed = must(command.current_dir(&folder)).stdout;
        fs::remove_file(file).unwrap();
        sealed
    }

    /// Returns all that the daemon tells: to people, in its log, and in the trail.
    fn told(&self) -> String {
        let mut told = self.world.stderr();
        let plan = self.world.cli(&["audit", "list", "--json", "-n", "1000"]).json().to_string();
        told.push_str(&plan);
        for command in [
            &["status"][..],
            &["status", "--json"],
            &["plan", "web"],
            &["plan", "web", "--json"],
            &["diff", "web"],
            &["diff", "web", "--json"],
            &["history", "web"],
            &["history", "web", "--json"],
            &["audit", "list"],
            &["audit", "export"],
        ] {
            let ran = self.world.cli(command);
            told.push_str(&ran.stdout);
            told.push_str(&ran.stderr);
        }
        told
    }
}

fn write_key(path: &Path, identity: &Identity) {
    fs::write(path, format!("# created for a test\n{}\n", identity.to_string().expose_secret())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Returns each place below a folder, or in what was told, that holds a form of a secret.
fn traces(vault: &Vault, secrets: &[&str]) -> Vec<String> {
    let mut places = vec![("what was told".to_owned(), vault.told().into_bytes())];
    for pid in vault.half.iter().map(RootHalf::pid).chain([vault.world.pid()]) {
        for name in ["cmdline", "environ"] {
            places.push((name.into(), fs::read(format!("/proc/{pid}/{name}")).unwrap()));
        }
    }
    let mut folders = vec![vault.world.path("data"), vault.world.path("run")];
    folders.extend(vault.half.as_ref().map(|_| vault.world.path("half")));
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                places.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    let mut found = vec![];
    for (place, bytes) in &places {
        for secret in secrets {
            let forms = forms(secret).into_iter().filter(|(_, form)| holds(bytes, form));
            found.extend(forms.map(|(form, _)| format!("{form} in {place}")));
        }
    }
    found
}

#[test]
fn an_encrypted_file_goes_live_in_the_clear_and_is_told_nowhere() {
    let Some(vault) = Vault::new() else { return };
    goes_live_and_is_told_nowhere(vault);
}

#[test]
fn an_encrypted_file_goes_live_by_way_of_a_root_half_which_keeps_it_to_itself() {
    let Some(mut vault) = Vault::new() else { return };
    vault.half = Some(RootHalf::start(&mut vault.world));
    goes_live_and_is_told_nowhere(vault);
}

fn goes_live_and_is_told_nowhere(mut vault: Vault) {
    let first = "canary-0ne <&> \"q\" / + é";
    let second = "canary-tw0 <&> \"q\" / + é";
    let env = |value: &str| format!("USER=web\nPASSWORD={value}\n");
    let sealed = vault.encrypt("a.env", &env(first), &[]);
    let whole = vault.encrypt("b.conf", &format!("{first}\n"), &[]);
    vault.world.repo.write("web/root/etc/app/app.env", sealed).write("web/files/b.conf", whole);
    let spec = "spec: { source: files/b.conf, owner: \"0\", mode: \"0640\" }";
    let source =
        format!("apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: {{ name: /etc/app/b.conf }}\n{spec}\n");
    vault.world.repo.write("web/b.yaml", source);
    let document = file("/etc/app/c.conf", &format!("key {first}\\n"), "");
    let document = vault.encrypt("c.yaml", &document, &["--encrypted-regex", "^content$"]);
    let landed = vault.world.repo.write("web/c.yaml", document).land("secrets");
    vault.world.start();
    applied(&vault.world, "web", &landed);
    assert_eq!(vault.world.read("/etc/app/app.env"), Some(env(first)));
    assert_eq!(vault.world.read("/etc/app/b.conf"), Some(format!("{first}\n")));
    let modes = ["app.env", "b.conf", "c.conf"].map(|name| mode(&vault.world.live(&format!("/etc/app/{name}"))));
    assert_eq!(modes, [0o600, 0o640, 0o600]);
    assert_eq!(traces(&vault, &[first]), Vec::<String>::new());

    // A change is told, and what changed is not.
    vault.world.declared.apps[0].sync = "automatic: false".into();
    vault.world.restart();
    let changed = vault.encrypt("a.env", &env(second), &[]);
    vault.world.repo.write("web/root/etc/app/app.env", changed).land("another password");
    let plan = super::telling::held(&vault.world, "web", "manual");
    let shown = vault.world.cli(&["plan", "web"]).stdout;
    assert!(shown.contains("/etc/app/app.env") && shown.contains("content hidden"), "{shown}");
    assert_eq!(traces(&vault, &[first, second]), Vec::<String>::new());
    let _ = vault.world.cli(&["approve", &plan]).code(0);
    vault.world.until_live("/etc/app/app.env", &env(second));
    eventually("all is told", super::telling::SOON, || vault.world.cli(&["plan", "web", "--json"]).code == 0);
    all_is_well(&vault.world, &["web"]);
    assert_eq!(traces(&vault, &[first, second]), Vec::<String>::new());
}

#[test]
fn a_program_that_prints_a_secret_is_masked_also_after_a_restart() {
    let Some(mut vault) = Vault::new() else { return };
    let secret = "canary-printed <&> \"q\" / + é";
    vault.world.declared.commands = vec!["/bin/sh".into()];
    let sealed = vault.encrypt("a.env", &format!("A=b\nPASSWORD={secret}\n"), &[]);
    let good = vault.encrypt("a.env", "A=b\nPASSWORD=something-else\n", &[]);
    let check =
        "cat \"$0\"; cut -d= -f2 \"$0\" | base64; cut -d= -f2 \"$0\" | od -An -tx1 | tr -d ' \\n'; grep -q else \"$0\"";
    let validate = format!("validate: [/bin/sh, -c, {}, \"{{}}\"]", serde_json::to_string(check).unwrap());
    let document = format!(
        "apiVersion: host.trueup.dev/v1alpha1\nkind: File\nmetadata: {{ name: /etc/app.env }}\nspec:\n  source: files/a.env\n  {validate}\n"
    );
    vault.world.repo.write("web/a.yaml", document).write("web/files/a.env", good);
    let first = vault.world.repo.land("good");
    vault.world.start();
    applied(&vault.world, "web", &first);
    vault.world.repo.write("web/files/a.env", sealed).land("bad");
    ended(&vault.world, "web", "rolled-back", "host.validate-failed");
    assert_eq!(vault.world.read("/etc/app.env").as_deref(), Some("A=b\nPASSWORD=something-else\n"));
    assert!(vault.told().contains("[redacted]"), "{}", vault.told());
    assert_eq!(traces(&vault, &[secret, "something-else"]), Vec::<String>::new());
    vault.world.restart();
    let _ = vault.world.cli(&["sync", "web"]);
    let again = || super::telling::closed(&vault.world, "web", "rolled-back") == 2;
    eventually("it is tried again", super::telling::SOON, again);
    assert_eq!(traces(&vault, &[secret, "something-else"]), Vec::<String>::new());
}

#[test]
fn what_does_not_open_is_refused_and_last_good_stays() {
    let Some(mut vault) = Vault::new() else { return };
    let plain = "first: canary-number-one\nsecond: canary-number-two\n";
    let sealed = String::from_utf8(vault.encrypt("a.yaml", plain, &[])).unwrap();
    let good = vault.world.repo.write("web/root/etc/a.yaml", &sealed).land("good");
    vault.world.start();
    applied(&vault.world, "web", &good);
    assert_eq!(vault.world.read("/etc/a.yaml").as_deref(), Some(plain));
    let lines: Vec<_> = sealed.lines().collect();
    let value = |line: &str| line.split_once(": ").unwrap().1.to_owned();
    let swap = |text: &str| text.replacen(&value(lines[0]), &value(lines[1]), 1);
    let bomb = format!("a: &a [x, x]\nb: &b [{}]\nc: [{}]\n{sealed}", ["*a"; 90].join(", "), ["*b"; 90].join(", "));
    let cases = [
        ("swapped", swap(&sealed), "render.tampered"),
        ("mac", sealed.replacen("mac: ENC[AES256_GCM,data:", "mac: ENC[AES256_GCM,data:AAAA", 1), "render.tampered"),
        ("clear", sealed.replacen(&value(lines[0]), "in the clear", 1), "render.tampered"),
        ("truncated", sealed[..sealed.find("sops:").unwrap()].into(), "render.encrypted"),
        (
            "no recipient",
            sealed.replacen("recipient: age1", "recipient: bge1", 1).replace("  YWdl", "  AAAA"),
            "render.encrypted",
        ),
        ("aliases", bomb, "yaml.budget"),
    ];
    for (what, text, code) in cases {
        assert_ne!(text, sealed, "{what}");
        vault.world.repo.write("web/root/etc/a.yaml", text).land(what);
        let status = super::telling::until(&vault.world, "web", what, |status| {
            status["outcome"] == "refused"
                && status["seen"] != good.as_str()
                && (status["code"] == code
                    || what == "aliases" && status["code"].as_str().is_some_and(|code| code.starts_with("yaml.")))
        });
        assert!(
            status["message"].as_str().is_some_and(|text| text.contains("etc/a.yaml")) || what == "aliases",
            "{status:#}"
        );
        assert_eq!(vault.world.read("/etc/a.yaml").as_deref(), Some(plain), "{what}");
    }
    vault.world.repo.write("web/root/etc/a.yaml", &sealed).land("good again");
    super::telling::until(&vault.world, "web", "well again", |status| {
        status["outcome"] == "applied" || status["outcome"] == "unchanged"
    });
    // Another key on the machine opens nothing, and what is live stays.
    write_key(&vault.world.path("home/age.key"), &Identity::generate());
    vault.world.restart();
    let status = ended(&vault.world, "web", "refused", "render.encrypted");
    assert!(status.to_string().contains(&vault.identity.to_public().to_string()), "{status:#}");
    // Nor does one that others may read.
    write_key(&vault.world.path("home/age.key"), &vault.identity);
    fs::set_permissions(vault.world.path("home/age.key"), fs::Permissions::from_mode(0o644)).unwrap();
    vault.world.restart();
    ended(&vault.world, "web", "refused", "render.encrypted");
    assert_eq!(vault.world.read("/etc/a.yaml").as_deref(), Some(plain));
    assert_eq!(traces(&vault, &["canary-number-one", "canary-number-two"]), Vec::<String>::new());
}
