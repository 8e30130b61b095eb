//! The package, built by its one command.

use std::process::Command;

use super::source;
use super::world::must;
use super::world::parts::program;

fn text(command: &mut Command) -> String {
    String::from_utf8(must(command).stdout).unwrap()
}

#[test]
fn the_package_holds_program_units_man_pages_and_completions() {
    let Some(dpkg) = program("dpkg-deb") else { return };
    let built = text(Command::new(source("systemd/package")).args(["--profile", "dev"]).current_dir(source(".")));
    let package = source(built.trim());
    let version = env!("CARGO_PKG_VERSION");
    assert!(package.file_name().unwrap().to_str().unwrap().starts_with(&format!("trueup_{version}_")), "{built}");
    let held = text(Command::new(&dpkg).arg("--contents").arg(&package));
    for path in [
        "usr/bin/trueup",
        "usr/lib/systemd/system/trueup.service",
        "usr/lib/systemd/system/trueup-host.service",
        "usr/lib/systemd/system/trueup-host.socket",
        "usr/lib/sysusers.d/trueup.conf",
        "usr/lib/tmpfiles.d/trueup.conf",
        "etc/trueup/trueup.yaml",
        "etc/trueup/host.yaml",
        "usr/share/man/man1/trueup.1.gz",
        "usr/share/man/man1/trueup-run.1.gz",
        "usr/share/man/man1/trueup-audit-verify.1.gz",
        "usr/share/bash-completion/completions/trueup",
        "usr/share/zsh/vendor-completions/_trueup",
        "usr/share/fish/vendor_completions.d/trueup.fish",
        "usr/share/doc/trueup/copyright",
    ] {
        assert!(held.lines().any(|line| line.ends_with(&format!("./{path}"))), "{path} is not in\n{held}");
    }
    let kept = text(Command::new(&dpkg).args(["--info"]).arg(&package).arg("conffiles"));
    assert_eq!(kept.trim(), "/etc/trueup/trueup.yaml\n/etc/trueup/host.yaml");
    for script in ["postinst", "prerm", "postrm"] {
        let written = text(Command::new(&dpkg).args(["--info"]).arg(&package).arg(script));
        assert!(written.starts_with("#!/bin/sh\n") && !written.contains("#DEBHELPER#"), "{script}");
        must(Command::new("/bin/sh").arg("-n").arg(source("systemd/debian").join(script)));
    }
}
