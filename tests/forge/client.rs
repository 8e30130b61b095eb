//! What is asked of the Git host, and what of its answers is believed.

use std::time::Duration;

use serde_json::json;
use trueup::config::Config;
use trueup::forge::{Forge, ForgeErrorKind, NewHook, NewPull, State, Status};
use trueup::model::Revision;

use super::scene::{Scene, forge};
use super::world::{Fault, World, private};

/// Returns the client of the repository that a world declares.
fn client(world: &World) -> Forge {
    let config = Config::load(&world.configure()).expect("no mistakes").config;
    let repository = &config.repositories["platform"];
    Forge::of(repository, repository.forge.as_ref().expect("it is declared")).expect("it can be made")
}

fn on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn green(context: &str) -> Status {
    let (description, target_url) = ("live: 2 steps".to_owned(), "https://trueup.example.org/x".to_owned());
    Status { context: context.into(), state: State::Success, description, target_url }
}

#[test]
fn a_git_host_takes_what_it_is_told_and_says_what_it_has() {
    let Some(mut scene) = Scene::new() else { return };
    let (robot, lines) = forge(&scene.world, &scene.host, &scene.repository);
    scene.world.declared.repository = lines;
    let head = scene.world.repo.write("web/root/etc/motd", "one\n").land("first");
    scene.world.repo.branch("next").write("web/root/etc/motd", "two\n").land("second");
    let (client, commit) = (client(&scene.world), head.parse::<Revision>().unwrap());
    let (forgejo, next) = (scene.host.is_forgejo(), scene.world.repo.head());
    on(async {
        assert_eq!(client.login().await.unwrap(), robot.name);
        assert_eq!(client.is_forgejo().await.unwrap(), forgejo);
        assert_eq!(client.statuses(&commit).await.unwrap(), []);
        client.set_status(&commit, &Status { state: State::Pending, ..green("trueup/web") }).await.unwrap();
        client.set_status(&commit, &green("trueup/web")).await.unwrap();
        assert_eq!(client.statuses(&commit).await.unwrap(), [green("trueup/web")]);

        let new = NewPull { head: "next".into(), base: "main".into(), title: "Next".into(), body: "why".into() };
        let pull = client.open_pull(&new).await.unwrap();
        assert!(
            !pull.is_from_fork() && !pull.merged && (pull.base.name.as_str(), pull.title.as_str()) == ("main", "Next")
        );
        assert_eq!(client.open_pull(&new).await.unwrap().number, pull.number, "one that is open is not opened again");
        assert_eq!(client.pulls(50, |_| true).await.unwrap().found.len(), 1);
        assert_eq!(client.pull(pull.number).await.unwrap().head.sha.as_str(), next);

        let comment = client.comment(pull.number, "one").await.unwrap();
        client.edit_comment(comment.id, "two").await.unwrap();
        let found = client.comments(pull.number).await.unwrap();
        assert!(found.len() == 1 && found[0].body == "two" && found[0].is_by(&robot.name) && !found[0].is_by("ada"));

        let free = client.protection("main").await.unwrap().unwrap();
        assert!(!free.protected && free.user_can_push);
        assert!(client.protection("gone").await.unwrap().is_none());
        assert!(client.hooks().await.is_err_and(|error| error.kind == ForgeErrorKind::Denied), "it is no admin");
    });
    scene.host.protect(&scene.repository, "main", &["trueup/plan"]);
    let protection = on(client.protection("main")).unwrap().unwrap();
    assert!(protection.protected && !protection.user_can_push && protection.status_check_contexts == ["trueup/plan"]);
    let owner = scene.host.token(&scene.ada, &["write:repository"]);
    let client = client
        .by(trueup::config::SecretSource { file: Some(private(&scene.world, "owner", &owner).into()), systemd: None });
    on(async {
        let kind = if client.is_forgejo().await.unwrap() { "forgejo" } else { "gitea" };
        let hook = NewHook { kind, url: scene.hook(), secret: "s".repeat(32), events: &["push", "pull_request"] };
        client.create_hook(&hook).await.unwrap();
        let found = client.hooks().await.unwrap();
        assert!(found.len() == 1 && found[0].active && found[0].kind == kind && found[0].config.url == hook.url);
        client.delete_hook(found[0].id).await.unwrap();
        assert!(client.hooks().await.unwrap().is_empty());
    });
    // Renamed: the host leads on to the new name.
    scene.host.by(
        &scene.ada,
        reqwest::Method::PATCH,
        &format!("repos/{}", scene.repository),
        &json!({ "name": "renamed" }),
    );
    assert_eq!(on(client.pulls(50, |_| true)).unwrap().found.len(), 1);
    assert_eq!(on(client.statuses(&commit)).unwrap().len(), 1);
}

#[test]
fn a_git_host_that_misbehaves_is_told_by_name_and_gets_nothing_out_of_it() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";
    let mut world = World::new();
    let token = private(&world, "token", TOKEN);
    let url = format!("http://{}", world.server.address());
    world.declared.repository =
        format!("forge:\n  url: {url}\n  repository: ops/platform\n  token: {{ file: {token} }}");
    let (client, elsewhere) = (client(&world), World::new());
    let json = |body: &str| Fault::Body("application/json", body.as_bytes().to_vec());
    let redirect = |to: &str| Fault::Redirect(format!("http://{}{to}", elsewhere.server.address()));
    let echo = format!("{{\"message\":\"no {TOKEN} here\\u001b[2J\\nx\"}}");
    for (fault, kind) in [
        (Fault::Status(503), ForgeErrorKind::Busy),
        (Fault::Status(500), ForgeErrorKind::Unreachable),
        (Fault::Status(401), ForgeErrorKind::Denied),
        (Fault::Status(404), ForgeErrorKind::Missing),
        (Fault::Answer(422, vec![], echo.into_bytes()), ForgeErrorKind::Refused),
        (json("<html>"), ForgeErrorKind::Odd),
        (json("{\"login\":7}"), ForgeErrorKind::Odd),
        (json(&format!("{{\"login\":\"{}\"}}", "x".repeat(17 << 20))), ForgeErrorKind::Odd),
        (redirect("/api/v1/user"), ForgeErrorKind::Odd),
        (Fault::Redirect(format!("{url}/again")), ForgeErrorKind::Odd),
    ] {
        world.server.inject(fault.clone());
        let error = on(client.login()).unwrap_err();
        assert_eq!(error.kind, kind, "{fault:.99?} {error}");
        assert!(
            !error.message.contains('\u{1b}') && !error.message.contains('\n') && error.message.len() < 500,
            "{error:?}"
        );
    }
    // Of a list, what is odd hides nothing else; and what is not said of a head makes it nobody's of ours.
    let head = json!({ "ref": "next", "label": "next", "sha": "a".repeat(40) });
    let unborn = json!({ "number": 7, "base": { "ref": "main" }, "head": { "ref": "next", "sha": "" } });
    let list = json!([unborn, { "number": 8, "base": { "ref": "main", "sha": "" }, "head": head }]);
    world.server.inject(Fault::Body("application/json", list.to_string().into_bytes()));
    let pulls = on(client.pulls(1, |_| true)).unwrap();
    assert!(pulls.odd == 1 && pulls.found.len() == 1 && pulls.found[0].number == 8, "{pulls:?}");
    assert!(pulls.found[0].is_from_fork());
    // Only a Forgejo says which version of Forgejo it is; a proxy with a page of its own says nothing.
    for (fault, forgejo) in [
        (json("{\"version\":\"12.0.1+gitea-1.22.0\"}"), true),
        (Fault::Status(404), false),
        (Fault::Body("text/html", b"<html>welcome</html>".to_vec()), false),
    ] {
        world.server.inject(fault);
        assert_eq!(on(client.is_forgejo()).unwrap(), forgejo);
    }
    assert_eq!(world.server.requests().last().unwrap().path, "/api/forgejo/v1/version");
    world.server.inject(Fault::Answer(429, vec![("Retry-After".into(), "120".into())], vec![]));
    assert_eq!(on(client.login()).unwrap_err().wait, Some(Duration::from_mins(2)));
    assert_eq!(elsewhere.server.requests().len(), 0, "the token goes to no other host");
    let sent = world.server.requests();
    assert!(sent.iter().all(|request| request.headers["authorization"] == format!("token {TOKEN}")));
    assert!(sent.iter().all(|request| !request.path.contains(TOKEN) && !request.query.contains(TOKEN)));
    // What is not read by its owner alone is not used at all.
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(on(client.login()).unwrap_err().kind, ForgeErrorKind::Credentials);
}
