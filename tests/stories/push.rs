//! A push becomes live, whichever way it comes.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use super::telling::{all_is_well, applied, file, world};
use super::world::{Authority, HttpServer, Options, SshServer, World};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A first commit and two that build on it.
fn pushes_go_live(world: &mut World) {
    world.repo.write("web/root/etc/motd", "one\n").write("web/root/etc/deep/er/conf", "deep\n");
    let first = world.repo.land("first");
    world.start();
    world.until_live("/etc/motd", "one\n");
    applied(world, "web", &first);
    assert_eq!(world.read("/etc/deep/er/conf").as_deref(), Some("deep\n"));
    world.repo.write("web/root/etc/motd", "two\n").land("second");
    world.until_live("/etc/motd", "two\n");
    world.repo.write("web/root/etc/more", "three\n").remove("web/root/etc/deep");
    let third = world.repo.land("third");
    applied(world, "web", &third);
    assert_eq!((world.read("/etc/more").as_deref(), world.read("/etc/deep/er/conf")), (Some("three\n"), None));
    all_is_well(world, &["web"]);
}

#[test]
fn a_push_goes_live_over_http_and_a_revert_undoes_it() {
    let mut world = world();
    pushes_go_live(&mut world);
    let reverted = world.repo.revert("HEAD");
    applied(&world, "web", &reverted);
    assert_eq!((world.read("/etc/more"), world.read("/etc/deep/er/conf").as_deref()), (None, Some("deep\n")));
    all_is_well(&world, &["web"]);
}

#[test]
fn a_push_goes_live_over_https_from_a_server_of_a_private_authority_that_wants_a_token() {
    let mut world = world();
    let ours = Authority::new(&world.path("home"), "ours");
    let theirs = Authority::new(&world.path("home"), "theirs");
    let options = Options { login: Some(("git", "s3cret-t0ken")), authority: Some(&ours), names: None };
    let server = HttpServer::with(&world.path("git"), options);
    let token = world.path("home/token");
    fs::write(&token, "s3cret-t0ken\n").unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let known_by = |authority: &Authority| {
        format!("credentials: {{ file: {} }}\ntls: {{ ca: {} }}", token.display(), authority.file().display())
    };
    world.declared.transports = vec!["https".into()];
    world.declared.url = Some(server.url("platform"));
    world.declared.repository = known_by(&theirs);
    world.repo.write("web/root/etc/motd", "never\n").land("nobody sees this");
    world.start();
    super::telling::repository(&world, "source.tls");
    world.stop();
    assert_eq!(world.read("/etc/motd"), None, "a server that is not known is not believed");
    world.declared.repository = known_by(&ours);
    pushes_go_live(&mut world);
    let told = world.stderr() + &world.cli(&["audit", "list", "--json", "-n", "1000"]).stdout;
    assert!(!told.contains("s3cret"), "the token stays inside");
}

#[test]
fn a_push_goes_live_over_ssh_from_a_host_that_is_known() {
    let mut world = world();
    let Some(server) = SshServer::start(&world.path("ssh")) else { return };
    world.declared.transports = vec!["ssh".into()];
    world.declared.url = Some(server.url(&world.repo));
    let known = |hosts: &Path| {
        format!("credentials: {{ file: {} }}\nssh: {{ knownHosts: {} }}", server.key().display(), hosts.display())
    };
    world.declared.repository = known(&server.other_hosts());
    world.repo.write("web/root/etc/motd", "never\n").land("nobody sees this");
    world.start();
    super::telling::repository(&world, "source.host-key");
    world.stop();
    assert_eq!(world.read("/etc/motd"), None);
    world.declared.repository = known(&server.known_hosts());
    pushes_go_live(&mut world);
}

#[test]
fn modes_and_owners_are_what_git_says_or_what_they_were() {
    let mut world = world();
    world.repo.write("web/root/etc/tool", "#!/bin/sh\n").mode("web/root/etc/tool", 0o755);
    world.repo.write("web/root/etc/plain", "plain\n").link("web/root/etc/link", "plain");
    world.repo.write("web/site.yaml", file("/etc/private", "secret\n", ", mode: \"0600\""));
    let first = world.repo.land("first");
    world.start();
    applied(&world, "web", &first);
    for (path, wanted) in [("/etc/tool", 0o755), ("/etc/plain", 0o644), ("/etc/private", 0o600)] {
        assert_eq!(mode(&world.live(path)), wanted, "{path}");
    }
    assert_eq!(fs::read_link(world.live("/etc/link")).unwrap(), Path::new("plain"));

    // What Git does not name is the host's own: it stays over a change of content.
    fs::set_permissions(world.live("/etc/plain"), fs::Permissions::from_mode(0o640)).unwrap();
    let root = rustix::process::geteuid().is_root();
    if root {
        chown(world.live("/etc/plain"), Some(65534), Some(65534)).unwrap();
    }
    world.repo.write("web/root/etc/plain", "changed\n");
    let second = world.repo.land("second");
    applied(&world, "web", &second);
    let plain = fs::metadata(world.live("/etc/plain")).unwrap();
    assert_eq!((world.read("/etc/plain").as_deref(), plain.mode() & 0o7777), (Some("changed\n"), 0o640));
    assert!(!root || (plain.uid(), plain.gid()) == (65534, 65534));

    world
        .repo
        .mode("web/root/etc/plain", 0o755)
        .write("web/site.yaml", file("/etc/private", "secret\n", ", mode: \"0640\""));
    let third = world.repo.land("third");
    applied(&world, "web", &third);
    assert_eq!(mode(&world.live("/etc/private")), 0o640);
    assert_eq!(mode(&world.live("/etc/plain")), 0o640, "an overlay keeps the mode of what exists");
    all_is_well(&world, &["web"]);
}
