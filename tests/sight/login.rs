//! Logging in with a browser: at a real Git host, and at a provider that lies.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use reqwest::Url;
use serde_json::{Value, json};

use super::liar::{Liar, Lie};
use super::world::{Browser, Gitea, World, ended, free, login, port};

/// Returns a world whose API is at this address, and where people log in so.
fn world(issuer: &str, client: &str, secret: &str) -> (World, String) {
    let (mut world, api) = (super::asking::world(), free());
    let file = world.path("home").join("client");
    std::fs::write(&file, secret).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    world.declared.daemon = format!(
        "api:\n  listen: {api}\n  url: http://{api}\n  login:\n    issuer: {issuer}\n    clientId: {client}\n    clientSecret: {{ file: {} }}",
        file.display()
    );
    world.declared.more = person("");
    (world, format!("http://{api}"))
}

fn person(login: &str) -> String {
    let head = "---\napiVersion: trueup.dev/v1alpha1\nkind";
    format!(
        "{head}: Person\nmetadata: {{ name: ada }}\nspec: {{ groups: [ops]{login} }}\n\
         {head}: Role\nmetadata: {{ name: readers }}\nspec: {{ role: viewer, groups: [ops] }}\n"
    )
}

#[test]
fn people_log_in_with_a_real_git_host() {
    let Some(gitea) = Gitea::start() else { return };
    let ada = gitea.person("ada");
    let mut browser = Browser::new();
    let issuer = browser.issuer(&gitea);
    let (mut world, server) = world(&issuer, "CLIENT", "SECRET");
    let (client, secret) = gitea.oauth(&ada, &format!("{server}/v1/login/callback"), true);
    world.declared.daemon = world.declared.daemon.replace("CLIENT", &client);
    std::fs::write(world.path("home").join("client"), &secret).unwrap();
    world.start();

    // They are known there, and not here.
    let (child, address) = login(&world, &server);
    let back = browser.log_in(&ada, &address);
    assert!(back.body.contains("not logged in"), "{}", back.body);
    let (code, said) = ended(child);
    assert_eq!(code, 2, "{said}");
    let account = said.split("login: ").nth(1).unwrap().split('`').next().unwrap().to_owned();
    assert!(account.starts_with(issuer.trim_end_matches('/')), "{account}");
    assert!(world.cli(&["token", "list", "--json"]).code(0).json().as_array().unwrap().is_empty());

    // Declared, they are let in, and may what their Roles say.
    world.declared.more = person(&format!(", login: '{account}'"));
    world.configure();
    super::world::eventually("it is declared", super::asking::SOON, || {
        let (child, address) = login(&world, &server);
        let page = browser.get(&address);
        // The Git host remembers them, and that they agreed.
        let page = browser.follow(page, port(&address));
        browser.get(&page.location.unwrap_or_else(|| panic!("{}", page.body)));
        ended(child).0 == 0
    });
    let asked = ["--server", server.as_str()];
    let status = world.cli(&[&asked[..], &["status", "--json"]].concat());
    assert!(status.code <= 1 && status.json()["applications"][0]["name"] == "web", "{}", status.stderr);
    assert_eq!(world.cli(&[&asked[..], &["sync", "web"]].concat()).code, 2, "a viewer may not");
    let kept = std::fs::read_dir(world.path("home").join(".config/trueup")).unwrap().next().unwrap().unwrap();
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let tokens = world.cli(&["token", "list", "--json"]).code(0).json();
    assert_eq!((&tokens[0]["kind"], &tokens[0]["person"]), (&json!("login"), &json!("ada")));

    let token = std::fs::read_to_string(kept.path()).unwrap();
    let _ = world.cli(&["logout", "--server", &server]).code(0);
    assert!(!kept.path().exists());
    std::fs::write(kept.path(), &token).unwrap();
    std::fs::set_permissions(kept.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(world.cli(&[&asked[..], &["status"]].concat()).code, 2, "it is revoked");
    let trail = world.cli(&["audit", "list", "--json"]).code(0).stdout;
    assert!(trail.contains(&format!("logged in as {account}: what their Roles give")), "{trail}");
    assert!(trail.contains("revoke-token") && !trail.contains(&secret));
    assert!(!world.stderr().contains(&secret));
}

/// Begins a login as `trueup login` would, and returns where the provider is asked, with its state and nonce.
fn begin(browser: &mut Browser, server: &str, challenge: &str) -> BTreeMap<String, String> {
    let mut url = Url::parse(&format!("{server}/v1/login")).unwrap();
    url.query_pairs_mut()
        .append_pair("redirect", "http://127.0.0.1:9/")
        .append_pair("challenge", challenge)
        .append_pair("state", "mine");
    let page = browser.get(&url);
    assert_eq!(page.status, 302, "{}", page.body);
    page.location.unwrap().query_pairs().into_owned().collect()
}

fn back(browser: &mut Browser, server: &str, state: &str) -> BTreeMap<String, String> {
    let page = browser.get(&Url::parse(&format!("{server}/v1/login/callback?code=c&state={state}")).unwrap());
    assert_eq!(page.status, 302, "{}", page.body);
    let to = page.location.unwrap();
    assert_eq!((to.host_str(), to.port()), (Some("127.0.0.1"), Some(9)), "{to}");
    to.query_pairs().into_owned().collect()
}

fn exchange(browser: &Browser, server: &str, code: &str, verifier: &str) -> (u16, Value) {
    let body = json!({ "code": code, "verifier": verifier });
    browser.runtime.block_on(async {
        let answer = browser.client.post(format!("{server}/v1/login/token")).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    })
}

/// `BASE64URL(SHA256("verifier"))`.
const CHALLENGE: &str = "iMnq5o6zALKXGivsnlom_0F5_WYda32GHkxlV7mq7hQ";

#[test]
fn l1_k8_a_provider_that_lies_lets_nobody_in_and_each_part_of_a_login_is_used_once() {
    let liar = Liar::start();
    let (mut world, server) = world(&liar.issuer(), "client-1", "a-client-secret");
    world.declared.more = person(&format!(", login: '{}/ada'", liar.issuer()));
    world.start();
    let mut browser = Browser::new();
    for lie in Lie::ALL {
        let asked = begin(&mut browser, &server, CHALLENGE);
        assert_eq!((asked["code_challenge_method"].as_str(), asked["response_type"].as_str()), ("S256", "code"));
        liar.tell(lie, &asked["nonce"]);
        let came = back(&mut browser, &server, &asked["state"]);
        assert_eq!(came["state"], "mine");
        assert!(came.contains_key("error") && !came.contains_key("code"), "{lie:?}: {came:?}");
    }
    // Nobody else's browser finishes it, and nobody twice.
    let asked = begin(&mut browser, &server, CHALLENGE);
    liar.tell(Lie::None, &asked["nonce"]);
    let callback = Url::parse(&format!("{server}/v1/login/callback?code=c&state={}", asked["state"])).unwrap();
    let stranger = Browser::new().get(&callback);
    assert!(stranger.status == 400 && stranger.body.contains("login.state"), "{}", stranger.body);
    let came = back(&mut browser, &server, &asked["state"]);
    let code = came.get("code").unwrap_or_else(|| panic!("{came:?}\n{}", world.stderr())).clone();
    assert_eq!(browser.get(&callback).status, 400, "a state is used once");
    // The code is the command's that asked for it, and is used once, rightly or wrongly.
    let (status, problem) = exchange(&browser, &server, &code, "another");
    assert_eq!((status, &problem["code"]), (403, &json!("login.code")));
    assert_eq!(exchange(&browser, &server, &code, "verifier").0, 403);
    let asked = begin(&mut browser, &server, CHALLENGE);
    liar.tell(Lie::None, &asked["nonce"]);
    let code = back(&mut browser, &server, &asked["state"])["code"].clone();
    let (status, made) = exchange(&browser, &server, &code, "verifier");
    assert!(status == 200 && made["secret"].as_str().unwrap().starts_with("trueup_"), "{made}");
    assert_eq!((&made["kind"], &made["person"]), (&json!("login"), &json!("ada")));
    // It counts for as long as the account is theirs.
    let with = |secret: &Value| {
        let (url, secret) = (format!("{server}/v1/status"), secret.as_str().unwrap().to_owned());
        browser.runtime.block_on(async { browser.client.get(url).bearer_auth(secret).send().await.unwrap().status() })
    };
    assert_eq!(with(&made["secret"]), 200);
    // And makes none that would go on without it.
    let (status, problem) = browser.runtime.block_on(async {
        let another = browser.client.post(format!("{server}/v1/tokens")).bearer_auth(made["secret"].as_str().unwrap());
        let answer = another.json(&json!({ "roles": ["viewer"] })).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    });
    assert_eq!((status, &problem["code"]), (403, &json!("token.forbidden")));
    world.declared.more = person(&format!(", login: '{}/bob'", liar.issuer()));
    world.configure();
    super::world::eventually("it counts no more", super::asking::SOON, || with(&made["secret"]) == 401);
    // A log has why each was refused, and no secret.
    let log = world.stderr();
    assert!(log.matches("a login failed").count() >= Lie::ALL.len() - 1 && !log.contains("a-client-secret"), "{log}");
}

#[test]
fn l8_nobody_is_sent_elsewhere() {
    let liar = Liar::start();
    let (mut world, server) = world(&liar.issuer(), "client-1", "a-client-secret");
    world.start();
    let mut browser = Browser::new();
    for to in [
        "//evil.example/",
        "https://evil.example/",
        "http://localhost:9/",
        "http://127.0.0.1:9/x",
        "http://evil@127.0.0.1:9/",
    ] {
        let mut url = Url::parse(&format!("{server}/v1/login")).unwrap();
        url.query_pairs_mut().append_pair("redirect", to).append_pair("challenge", CHALLENGE).append_pair("state", "s");
        let page = browser.get(&url);
        assert!(
            page.status == 400 && page.location.is_none() && page.body.contains("login.asked"),
            "{to}: {}",
            page.body
        );
    }
    for path in ["healthz", "readyz"] {
        assert_eq!(browser.get(&Url::parse(&format!("{server}/{path}")).unwrap()).status, 200, "{path}");
    }
    for path in ["metrics", "v1/events", "v1/status"] {
        assert_eq!(browser.get(&Url::parse(&format!("{server}/{path}")).unwrap()).status, 401, "{path}");
    }
}
