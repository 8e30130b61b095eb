//! Class L of the hostile inputs, but for pages: who comes without a token, with a wrong one, in another's name, or with too much.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::there::{There, document};
use super::world::private;

/// L1, L2: what is no token of ours is nobody's, whatever it says of itself.
#[test]
fn a_token_that_is_none_of_ours_opens_nothing() {
    let there = There::begun();
    let good = There::secret(&there.token("ada", &["admin"], &[]));
    let (head, secret) = good.rsplit_once('_').unwrap();
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.";
    let hs = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.AAAA";
    let long = "x".repeat(20_000);
    let cases: Vec<Vec<(&str, String)>> = vec![
        vec![],
        vec![("Authorization", format!("Bearer {none}"))],
        vec![("Authorization", format!("Bearer {hs}"))],
        vec![("Authorization", "Bearer nothing".into())],
        vec![("Authorization", "Bearer ".into())],
        vec![("Authorization", "Bearer".into())],
        vec![("Authorization", format!("Basic {good}"))],
        vec![("Authorization", good.clone())],
        vec![("Authorization", format!("Bearer {good}")), ("Authorization", format!("Bearer {good}"))],
        vec![("Authorization", format!("Bearer {good}, Bearer {good}"))],
        vec![("Authorization", format!("Bearer {head}_{}", secret.replace('0', "1")))],
        vec![("Authorization", format!("Bearer {head}_"))],
        vec![("Authorization", format!("Bearer trueup__{secret}"))],
        vec![("Authorization", format!("Bearer {}", good.to_uppercase()))],
        vec![("Authorization", format!("Bearer {long}"))],
        vec![("Cookie", format!("token={good}"))],
        vec![("X-Forwarded-User", "ada".into()), ("X-Remote-User", "root".into())],
    ];
    let mut first = None;
    for case in cases {
        let headers: Vec<_> = case.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = there.ask("GET /v1/status", &headers, "");
        assert_eq!((answer.status, answer.code()), (401, "api.unauthenticated"), "{headers:?}");
        assert!(answer.head.contains("www-authenticate: Bearer"), "{}", answer.head);
        assert_eq!(*first.get_or_insert(answer.text.clone()), answer.text, "{headers:?}");
    }
    let bearer = format!("Bearer {good}");
    let gzip = there.ask(
        "POST /v1/applications/web/sync",
        &[("Authorization", &bearer), ("Content-Type", "application/json"), ("Content-Encoding", "gzip")],
        "\x1f\u{8b}",
    );
    assert_eq!((gzip.status, gzip.code()), (415, "api.encoding"));
}

/// L3: nothing at all is told to whoever has none.
#[test]
fn nothing_is_told_without_a_token() {
    let there = There::begun();
    let lines = [
        "GET /",
        "GET /v1",
        "GET /v1/status",
        "GET /v1/tokens",
        "GET /v1/policies",
        "GET /v1/break-glass",
        "GET /v1/break-glass/requests",
        "GET /v1/applications/web/plan",
        "GET /v1/applications/no/plan",
        "GET /v1/audit/records",
        "GET /v1/audit/records/1",
        "GET /v1/audit/records/1/proof",
        "GET /v1/audit/export",
        "POST /v1/audit/verify",
        "POST /v1/audit/growth",
        "POST /v1/applications/web/sync",
        "POST /v1/tokens",
        "DELETE /v1/status",
        "OPTIONS /v1/status",
        "GET /v1/no",
        "GET /v1/plans/0123456789/preimages",
        "PUT /v1/tokens",
    ];
    let mut first = None;
    for line in lines {
        let answer = there.ask(line, &[("Content-Type", "application/json")], "");
        assert_eq!((answer.status, answer.code()), (401, "api.unauthenticated"), "{line}: {}", answer.text);
        assert_eq!(*first.get_or_insert(answer.text.clone()), answer.text, "{line}");
    }
    assert!(!first.unwrap().contains("web"));
}

/// L4: wrong tokens are counted where nobody can make them forgotten, also many at once.
#[test]
fn whoever_tries_is_put_off_however_many_names_they_try_and_at_once() {
    let there = There::begun();
    let good = there.token("ada", &["admin"], &[]);
    let began = Instant::now();
    let refused = std::thread::scope(|scope| {
        let tries = (0..8).map(|worker| {
            let there = &there;
            scope.spawn(move || {
                let wrong = |n: u32| format!("Bearer trueup_{:016x}_{n:064x}", u64::from(n) << 8 | worker);
                (0..25)
                    .filter(|n| there.ask("GET /v1/status", &[("Authorization", &wrong(*n))], "").status == 429)
                    .count()
            })
        });
        let tries: Vec<_> = tries.collect();
        tries.into_iter().map(|tries| tries.join().unwrap()).sum::<usize>()
    });
    // 60 at once, and one a second.
    let most = 60 + usize::try_from(began.elapsed().as_secs()).unwrap() + 1;
    assert!(refused >= 200 - most, "{refused} of 200 were put off");
    // It fails closed: a right one waits, too, and counts for nothing once it is taken.
    let start = Instant::now();
    while there.get(&good, "/v1/status").status == 429 {
        assert!(start.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_millis(1100));
    assert!((0..80).filter(|_| there.get(&good, "/v1/status").status == 200).count() > 70);
    let told = there.world.stderr().lines().filter(|line| line.contains("refused requests from elsewhere")).count();
    assert!((1..=5).contains(&told), "{told} lines");
}

/// L7: a page of somebody else's may not act, and nothing that a form could send is an act.
#[test]
fn a_page_of_another_origin_may_not_act() {
    let there = There::begun();
    let bearer = format!("Bearer {}", There::secret(&there.token("ada", &["admin"], &[])));
    let own = there.url();
    let act = |headers: &[(&str, &str)], body: &str| {
        let headers = [&[("Authorization", &*bearer)], headers].concat();
        there.ask("POST /v1/applications/web/sync", &headers, body)
    };
    let json = ("Content-Type", "application/json");
    for origin in
        ["https://evil.example.org", "null", "http://localhost", "https://localhost", &format!("{own}.evil.org")]
    {
        assert_eq!(act(&[json, ("Origin", origin)], "{}").code(), "api.origin", "{origin}");
    }
    assert_eq!(act(&[json, ("Sec-Fetch-Site", "cross-site")], "{}").code(), "api.origin");
    assert_eq!(act(&[json, ("Origin", &own), ("Origin", "https://evil.org")], "{}").code(), "api.origin");
    for kind in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain; application/json"]
    {
        assert_eq!(act(&[("Content-Type", kind)], "{}").code(), "api.media-type", "{kind}");
    }
    assert_eq!(act(&[], "").code(), "api.media-type");
    let before = there.records().len();
    for line in ["GET /v1/applications/web/sync", "GET /v1/applications/web/suspend", "HEAD /v1/tokens/0/revoke"] {
        assert_eq!(there.ask(line, &[("Authorization", &bearer)], "").status, 405, "{line}");
    }
    assert_eq!(there.records().len(), before);
    let answer = act(&[json, ("Origin", &own), ("Sec-Fetch-Site", "same-origin")], "{}");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(!answer.head.to_lowercase().contains("access-control"), "{}", answer.head);
}

/// L10: what a request says of an object is nothing beside what is stored.
#[test]
fn what_is_stored_decides_and_not_what_is_said_of_it() {
    let mut there = There::new();
    there.world.declared.apps[1] = super::world::App::new("db", &["db"]).sync("automatic: false");
    there.world.declared.more += &document("Policy", "house", "{ limit: { deletes: 9 } }");
    there.world.repo.write("web/root/etc/motd", "one\n").write("db/root/etc/db", "one\n").land("first");
    there.world.start();
    there.world.until_live("/etc/motd", "one\n");
    let plan = there.held("db");
    let ann = there.token("ann", &["admin"], &[]);
    for body in [r#"{"application":"web"}"#, r#"{"applications":["web"],"plan":"x"}"#] {
        let answer = there.post(&ann, &format!("/v1/plans/{plan}/approve?application=web"), body);
        assert!(answer.status >= 400, "{}", answer.text);
    }
    let several = r#"{"applications":["web","db"],"policies":["house"],"reason":"x","seconds":60}"#;
    assert_eq!(there.post(&ann, "/v1/break-glass", several).code(), "application.unknown");
    let own = r#"{"applications":["web"],"policies":["house"],"reason":"x","seconds":60}"#;
    let opened = there.post(&ann, "/v1/break-glass", own);
    assert_eq!(opened.status, 200, "{}", opened.text);
    // There is no way to make one again over another.
    let again = format!(r#"{{"id":"{}","applications":["db"]}}"#, opened.body["id"].as_str().unwrap());
    assert_eq!(there.post(&ann, "/v1/break-glass", &again).code(), "api.body");
    assert_eq!(there.held("db"), plan);
}

/// L12: what is endless, slow or too many costs the others nothing.
#[test]
fn what_is_endless_slow_or_too_many_is_cut_off() {
    let there = There::begun();
    let bearer = format!("Bearer {}", There::secret(&there.token("ada", &["admin"], &[])));
    // A head of a mebibyte is not read to its end.
    let huge = format!("GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Y: {}\r\n\r\n", "y".repeat(1024 * 1024));
    let answer = there.send(huge.as_bytes());
    assert!(matches!(answer.status, 0 | 400 | 431), "{}", answer.status);
    let within = format!(
        "GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\nX-Y: {}\r\n\r\n",
        "y".repeat(32 * 1024)
    );
    assert_eq!(there.send(within.as_bytes()).status, 200);
    for query in
        ["limit=1000000000000000000", "limit=4000000000", "limit=-1", "limit=1e18", "after=99999999999999999999"]
    {
        assert_eq!(
            there.ask(&format!("GET /v1/audit/records?{query}"), &[("Authorization", &bearer)], "").status,
            400,
            "{query}"
        );
    }
    assert_eq!(there.ask("GET /v1/audit/records?limit=1000", &[("Authorization", &bearer)], "").status, 200);
    // As many as care to stay silent: the others are answered, and these are put out.
    let began = Instant::now();
    let mut silent: Vec<_> = (0..100).map(|_| TcpStream::connect(there.to).unwrap()).collect();
    let mut slow = there.connect();
    slow.write_all(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n").unwrap();
    assert_eq!(there.ask("GET /v1/status", &[("Authorization", &bearer)], "").status, 200);
    assert!(began.elapsed() < Duration::from_secs(5));
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(stream.read(&mut [0; 16]).unwrap_or(0), 0);
    }
    let _ = slow.read(&mut [0; 16]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// L13: nothing that comes along says who it is or from where.
#[test]
fn what_comes_along_says_nothing_of_who_it_is() {
    let there = There::begun();
    let vera = format!("Bearer {}", There::secret(&there.token("vera", &["viewer"], &[])));
    let headers = [
        ("Authorization", &*vera),
        ("Content-Type", "application/json"),
        ("X-Forwarded-User", "ada"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1;by=root"),
        ("X-Real-IP", "::1"),
        ("X-HTTP-Method-Override", "GET"),
        ("Impersonate-User", "ada"),
    ];
    assert_eq!(there.ask("POST /v1/applications/web/sync", &headers, "{}").code(), "api.forbidden");
    let spoofed = format!(
        "GET http://evil.example.org/v1/status HTTP/1.1\r\nHost: evil.example.org\r\nAuthorization: {vera}\r\n\r\n"
    );
    let answer = there.send(spoofed.as_bytes());
    assert!(answer.status == 200 && !answer.text.contains("evil"), "{}", answer.text);
    // Another sender's name does not give a new share to try with.
    let tries = (0..100).filter(|n| {
        let from = format!("10.0.0.{n}");
        there.ask("GET /v1/status", &[("Authorization", "Bearer x"), ("X-Forwarded-For", &from)], "").status == 429
    });
    assert!(tries.count() > 0);
}

/// L14: many who make, use and end tokens at once see whole ones.
#[test]
fn tokens_are_made_used_and_ended_by_many_at_once() {
    let there = There::begun();
    let ada = there.token("ada", &["admin"], &[]);
    std::thread::scope(|scope| {
        for worker in 0..6 {
            let (there, ada) = (&there, &ada);
            scope.spawn(move || {
                for _ in 0..6 {
                    let made = there.post(ada, "/v1/tokens", &format!(r#"{{"roles":["viewer"],"robot":"r{worker}"}}"#));
                    assert_eq!(made.status, 200, "{}", made.text);
                    let file = private(&there.world, &format!("r{worker}"), made.body["secret"].as_str().unwrap());
                    let file = std::path::Path::new(&file);
                    assert_eq!(there.get(file, "/v1/status").status, 200);
                    assert!(there.get(ada, "/v1/tokens").text.contains(made.body["id"].as_str().unwrap()));
                    let id = made.body["id"].as_str().unwrap();
                    assert_eq!(there.post(ada, &format!("/v1/tokens/{id}/revoke"), "{}").status, 200);
                    assert_eq!(there.get(file, "/v1/status").status, 401);
                }
            });
        }
    });
    assert_eq!(there.get(&ada, "/v1/tokens").body.as_array().unwrap().len(), 1);
    let acts = there.records().into_iter().filter(|one| one["body"]["act"] == "revoke-token").count();
    assert_eq!(acts, 36);
    let _ = there.world.cli(&["audit", "verify"]).code(0);
}

/// L15, L17: no token in an address, and no secret in an answer.
#[test]
fn no_token_is_taken_from_an_address_and_no_secret_is_given_back() {
    let mut there = There::new();
    let hook = "d41d8cd98f00b204e9800998ecf8427e";
    let secret = private(&there.world, "hook", hook);
    let listen = super::world::free();
    let hooks = format!("\nhooks:\n  listen: {listen}");
    there.world.declared.daemon.push_str(&hooks);
    there.world.declared.repository = format!("webhook:\n  secret: {{ file: {secret} }}\n  names: [ops/platform]");
    there.world.repo.write("web/root/etc/motd", "one\n").write("db/root/etc/db", "one\n").land("first");
    there.world.start();
    there.world.until_live("/etc/motd", "one\n");
    let ada = there.token("ada", &["admin"], &[]);
    let good = There::secret(&ada);
    let bearer = format!("Bearer {good}");
    for line in [
        format!("GET /v1/status?token={good}"),
        format!("GET /v1/status?access_token={good}"),
        format!("GET /v1/{good}"),
    ] {
        for headers in [&[][..], &[("Authorization", &*bearer)]] {
            assert_eq!(there.ask(&line, headers, "").code(), "api.token-in-url", "{line}");
        }
    }
    let half = good.rsplit('_').next().unwrap();
    let key = std::fs::read_to_string(there.world.path("home/shown.key")).unwrap();
    let key = key.lines().nth(1).unwrap();
    for path in [
        "/v1/status",
        "/v1/tokens",
        "/v1/policies",
        "/v1/applications/web/plan",
        "/v1/audit/records?limit=500",
        "/v1/audit/export",
        "/v1/break-glass",
        "/v1/applications/web/policies",
    ] {
        let answer = there.get(&ada, path);
        assert_eq!(answer.status, 200, "{path}");
        for secret in [hook, half, key] {
            assert!(!answer.text.contains(secret), "{path} gives away {secret}");
        }
    }
    assert!(!there.world.stderr().contains(half));
}
