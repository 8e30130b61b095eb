use super::asking::{SOON, get, world};
use super::world::{Fault, eventually};

#[test]
fn whoever_restarts_or_balances_it_learns_one_word_and_nothing_else() {
    let mut world = world();
    world.start();
    for path in ["/healthz", "/readyz"] {
        let (status, head, body) = get(&world, path);
        assert_eq!((status, body.as_str()), (200, "ok\n"), "{head}");
        assert!(head.contains("content-type: text/plain"), "{head}");
    }
    // What is away is somebody else's illness.
    world.server.inject(Fault::Status(503));
    eventually("the Git server is away", SOON, || world.stderr().contains("could not follow"));
    assert_eq!(get(&world, "/readyz").0, 200);
}

#[test]
fn who_is_about_to_stop_is_alive_and_not_ready() {
    let mut world = world();
    // The stop waits for the step in hand.
    let began = world.path("began");
    let script = format!("echo x >> {}; sleep 3", began.display());
    let check =
        "apiVersion: host.trueup.dev/v1alpha1\nkind: Check\nmetadata: { name: slow }\nspec: { command: [/bin/sh, -c, ";
    world.repo.write("web/slow.yaml", format!("{check}\"{script}\"] }}\n")).land("a check that takes a while");
    world.declared.commands = vec!["/bin/sh".into()];
    world.start();
    eventually("the step is in hand", SOON, || began.exists());
    world.signal(rustix::process::Signal::TERM);
    eventually("it is not ready", SOON, || get(&world, "/readyz").0 == 503);
    assert_eq!(get(&world, "/readyz").2, "unready\n");
    assert_eq!(get(&world, "/healthz").0, 200);
    assert!(world.wait().success());
}
