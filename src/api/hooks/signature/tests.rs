use super::*;

/// The example of GitHub's documentation.
const SECRET: &str = "It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const DIGITS: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const OTHER: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e18";

fn judged_at(headers: &[(&'static str, &str)], body: &[u8], secret: &str, seconds: i64) -> bool {
    let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let mut map = HeaderMap::new();
    headers.for_each(|(name, value)| {
        map.append(name, value);
    });
    holds(&map, body, &Hook::new(secret, vec![]), Time(seconds * 1_000_000))
}

fn judged(headers: &[(&'static str, &str)]) -> bool {
    judged_at(headers, BODY, SECRET, 0)
}

#[test]
fn each_git_host_is_believed_by_its_own_header() {
    let hub = format!("sha256={DIGITS}");
    assert!(judged(&[("x-hub-signature-256", &hub)]));
    for name in ["x-forgejo-signature", "x-gitea-signature", "x-gogs-signature"] {
        assert!(judged(&[(name, DIGITS)]), "{name}");
    }
    assert!(judged(&[("x-gitlab-token", SECRET)]));
    // Forgejo sends all of them. SHA-1 says nothing, for or against.
    let all = [
        ("x-forgejo-signature", DIGITS),
        ("x-gitea-signature", DIGITS),
        ("x-gogs-signature", DIGITS),
        ("x-hub-signature", "sha1=0000000000000000000000000000000000000000"),
        ("x-hub-signature-256", &hub),
    ];
    assert!(judged(&all));
    assert!(!judged(&[("x-hub-signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")]));
}

#[test]
fn two_that_disagree_are_refused_whichever_comes_first() {
    let (good, bad) = (format!("sha256={DIGITS}"), format!("sha256={OTHER}"));
    assert!(!judged(&[("x-forgejo-signature", DIGITS), ("x-gitea-signature", OTHER)]));
    assert!(!judged(&[("x-forgejo-signature", OTHER), ("x-gitea-signature", DIGITS)]));
    assert!(!judged(&[("x-gogs-signature", ""), ("x-hub-signature-256", &good)]));
    assert!(!judged(&[("x-hub-signature-256", &bad), ("x-gitlab-token", SECRET)]));
    assert!(!judged(&[("x-hub-signature-256", &good), ("x-gitlab-token", "something else")]));
    assert!(!judged(&[("x-hub-signature-256", &good), ("webhook-signature", "v1,AAAA")]));
    // Repeated, though both are right.
    assert!(!judged(&[("x-gitea-signature", DIGITS), ("x-gitea-signature", DIGITS)]));
    assert!(!judged(&[("x-gitlab-token", SECRET), ("x-gitlab-token", SECRET)]));
}

#[test]
fn what_is_not_exactly_the_signature_is_refused() {
    let bad = [
        "",
        " ",
        OTHER,
        &DIGITS[..63],
        &DIGITS[..62],
        &DIGITS.to_uppercase(),
        &DIGITS.replace('7', "g"),
        &format!("{DIGITS}00"),
        &format!("0x{DIGITS}"),
        &format!("sha256={DIGITS}"),
    ];
    for value in bad {
        assert!(!judged(&[("x-gitea-signature", value)]), "{value:?}");
    }
    for value in ["", "sha256=", DIGITS, &format!("sha1={DIGITS}"), &format!("SHA256={DIGITS}")] {
        assert!(!judged(&[("x-hub-signature-256", value)]), "{value:?}");
    }
    for value in ["", "It's a Secret to Everybod", "It's a Secret to Everybody ", "it's a secret to everybody", DIGITS]
    {
        assert!(!judged(&[("x-gitlab-token", value)]), "{value:?}");
    }
    assert!(!judged(&[]));
    assert!(!judged_at(&[("x-gitea-signature", DIGITS)], b"Hello, World?", SECRET, 0));
    assert!(!judged_at(&[("x-gitea-signature", DIGITS)], BODY, "another secret of this length", 0));
}

/// The example of the specification's own libraries.
#[test]
fn standard_webhooks_are_believed_for_five_minutes() {
    const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const SIGNED: i64 = 1_614_265_330;
    let body = br#"{"test": 2432232314}"#;
    let judged = |id: &str, time: &str, signature: &str, secret: &str, now: i64| {
        let headers = [("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)];
        judged_at(&headers, body, secret, now)
    };
    let (id, time) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
    assert!(judged(id, time, SIGNATURE, KEY, SIGNED));
    assert!(judged(id, time, SIGNATURE, KEY, SIGNED + 300) && judged(id, time, SIGNATURE, KEY, SIGNED - 300));
    assert!(!judged(id, time, SIGNATURE, KEY, SIGNED + 301) && !judged(id, time, SIGNATURE, KEY, SIGNED - 301));
    let rotated = format!("v1,AAAA v1a,BBBB {SIGNATURE}");
    assert!(judged(id, time, &rotated, KEY, SIGNED));
    assert!(!judged(id, time, &format!("v1,A v1,B v1,C v1,D {SIGNATURE}"), KEY, SIGNED));
    assert!(!judged("msg_another", time, SIGNATURE, KEY, SIGNED));
    assert!(!judged(id, "1614265331", SIGNATURE, KEY, SIGNED));
    assert!(!judged(id, time, SIGNATURE, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", SIGNED));
    for time in ["", "soon", "-9223372036854775808", "99999999999999999999"] {
        assert!(!judged(id, time, SIGNATURE, KEY, SIGNED), "{time}");
    }
    // A key that could be guessed is none.
    let weak = mac(&[0; 15], &[id.as_bytes(), b".", time.as_bytes(), b".", body]).unwrap().finalize().into_bytes();
    assert!(!judged(id, time, &format!("v1,{}", STANDARD.encode(weak)), "whsec_AAAAAAAAAAAAAAAAAAAA", SIGNED));
    // A secret that is none of that standard opens nothing by it, not even under no key at all.
    let no_key = mac(&[], &[id.as_bytes(), b".", time.as_bytes(), b".", body]).unwrap().finalize().into_bytes();
    assert!(!judged(id, time, &format!("v1,{}", STANDARD.encode(no_key)), SECRET, SIGNED));
    assert!(!judged_at(&[("webhook-signature", SIGNATURE)], body, KEY, SIGNED));
}
