//! Class J: units that a repository may not name, and files that make or change such units. J3, J4.

use crate::case::{Case, Ground};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = names();
    cases.extend(needed());
    cases.extend(files());
    cases
}

/// A target that lets every unit be acted on by a pattern, and none by its name.
fn everything(ground: &mut Ground) {
    ground.spec.host =
        format!("allow: [/srv/{}, /etc/systemd/system, /etc/containers/systemd]\nunits: ['*']", ground.name);
}

fn unit(name: &str, spec: &str) -> String {
    let name = serde_json::Value::from(name);
    format!("apiVersion: host.trueup.dev/v1alpha1\nkind: Unit\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

/// J3: what is no name of a unit, as a document and as what a handler restarts.
fn names() -> Vec<Case> {
    let long = format!("{}.service", "x".repeat(248));
    let names = [
        "../../x.service",
        "a@$(id).service",
        "a.service\nExecStartPre=/bin/sh",
        "a.service\u{0}",
        "--force",
        "a b.service",
        "/etc/systemd/system/a.service",
        "@.service",
        "*.service",
        "a\u{202e}.service",
        &long,
    ];
    let mut cases = Vec::new();
    for name in names.map(str::to_owned) {
        let short: String = name.chars().take(40).collect();
        let handler = name.clone();
        cases.push(Case::refused("J3", format!("a unit {short:?}"), &["render.invalid"]).before(everything).commit(
            move |ground| {
                ground.repo.write("app/poison.yaml", unit(&name, "{ state: running }"));
            },
        ));
        cases.push(Case::refused("J3", format!("restart: {short:?}"), &["render.invalid"]).before(everything).commit(
            move |ground| {
                let spec = format!(
                    "{{ content: x, onChange: [{{ restart: {} }}] }}",
                    serde_json::Value::from(handler.as_str())
                );
                ground.repo.write("app/poison.yaml", ground.document("File", "poison", &spec));
            },
        ));
    }
    let value = "a value with a line of its own";
    cases.push(Case::refused("J3", value, &["schema.value"]).before(everything).commit(|ground| {
        ground.repo.write("app/poison.yaml", unit("a.service", "{ state: \"running\\nExecStartPre=/bin/sh\" }"));
    }));
    cases.push(Case::refused("J3", "the root's own mount", &["host.unit-protected"]).before(everything).commit(
        |ground| {
            ground.repo.write("app/poison.yaml", unit("-.mount", "{ state: stopped }"));
        },
    ));
    cases
}

/// J4: what a host needs to live is not stopped, disabled or masked, whatever the target allows.
fn needed() -> Vec<Case> {
    let acts = [
        ("dbus.service", "{ state: stopped }"),
        ("dbus-broker.service", "{ masked: true }"),
        ("ssh.service", "{ enabled: false }"),
        ("sshd.socket", "{ state: stopped }"),
        ("systemd-journald.service", "{ masked: true }"),
        ("systemd-logind.service", "{ enabled: false }"),
        ("trueup.service", "{ state: stopped }"),
        ("trueup-host.socket", "{ masked: true }"),
        ("getty@tty1.service", "{ state: stopped }"),
        ("NetworkManager.service", "{ state: stopped }"),
        ("multi-user.target", "{ state: stopped }"),
    ];
    let needed = acts.map(|(name, spec)| {
        Case::refused("J4", format!("{name} {spec}"), &["host.unit-protected"]).before(everything).commit(
            move |ground| {
                ground.repo.write("app/poison.yaml", unit(name, spec));
            },
        )
    });
    let unnamed = Case::refused("J4", "a unit that the target does not name", &["host.unit-not-allowed"])
        .before(|ground| ground.spec.host = "units: ['app-*']".into());
    let unnamed = unnamed.commit(|ground| {
        ground.repo.write("app/poison.yaml", unit("web.service", "{ state: running }"));
    });
    needed.into_iter().chain([unnamed]).collect()
}

/// J4: nor is it changed by a file: its own, a drop-in for it or for many, a link to it, a mask, a Quadlet file.
fn files() -> Vec<Case> {
    let refused = |title: String| Case::refused("J4", title, &["host.unit-protected"]).before(everything);
    let paths = [
        "etc/systemd/system/ssh.service",
        "etc/systemd/system/ssh.service.d/x.conf",
        "etc/systemd/system/dbus.service.d/x.conf",
        "etc/systemd/system/systemd-.service.d/x.conf",
        "etc/systemd/system/service.d/x.conf",
        "etc/systemd/system/-.mount.d/x.conf",
        "etc/systemd/system/getty@.service.d/x.conf",
        "etc/systemd/system/trueup.service.d/x.conf",
        "etc/systemd/system/trueup-host.service",
        "etc/containers/systemd/sshd.container",
    ];
    let mut cases: Vec<_> = paths
        .map(|path| {
            refused(format!("a file /{path}")).commit(move |ground| {
                ground.repo.write(&format!("app/root/{path}"), "[Service]\nExecStart=/bin/false\n");
            })
        })
        .into();
    let links = [
        ("etc/systemd/system/dbus.service", "/dev/null"),
        ("etc/systemd/system/multi-user.target.wants/ssh.service", "/lib/systemd/system/ssh.service"),
        ("etc/systemd/system/ssh.service.requires/x.service", "../x.service"),
    ];
    cases.extend(links.map(|(path, to)| {
        refused(format!("a link /{path} to {to}")).commit(move |ground| {
            ground.repo.link(&format!("app/root/{path}"), to);
        })
    }));
    let alias = refused("a drop-in for what a link of ours makes another name of ssh".into());
    cases.push(alias.commit(|ground| {
        ground.repo.link("app/root/etc/systemd/system/my.service", "/lib/systemd/system/ssh.service");
        ground.repo.write("app/root/etc/systemd/system/my.service.d/x.conf", "[Service]\nNice=1\n");
    }));
    cases
}
