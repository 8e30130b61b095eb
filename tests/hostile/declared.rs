//! Class A, as far as it is decided before a daemon uses it: A1–A5, A10, A14.

use crate::case::{Case, Expect};

pub(crate) fn cases() -> Vec<Case> {
    let url = |id, url: &'static str| {
        Case::new(id, url, Expect::Config("config.url")).attack(move |ground| ground.spec.url = url.into())
    };
    let mut cases = vec![
        url("A1", "ext::sh -c \"touch /tmp/pwn\""),
        url("A1", "fd::7"),
        url("A1", "git::ssh://git@example.org/x"),
        url("A2", "ssh://-oProxyCommand=touch%20x/x"),
        url("A2", "--upload-pack=touch x"),
        url("A2", "ssh://git@example.org/-x"),
        url("A3", "ssh://-Fcfg@example.org/repo"),
        url("A4", "ssh://git@example.org/re'po;id;'"),
        url("A5", "https://one.example.com/evil?%0ahost=two.example.com"),
        url("A5", "./%0ahost=example.com/foo.git"),
        url("A5", "https:///example.com/foo.git"),
        url("A5", "http://example.com:test/foo.git"),
        url("A5", "https::example.com/foo.git"),
        url("A5", "../../../../../:localhost:8080/foo.git"),
        url("A5", "https://example.com/%0d/foo.git"),
        Case::new("A1", "file:///etc, where file is not named", Expect::Config("config.transport"))
            .attack(|ground| ground.spec.url = "file:///etc".into()),
        Case::new("A10", "credentials beside http://", Expect::Config("config.credentials")).attack(|ground| {
            let token = ground.folder().join("token");
            std::fs::write(&token, "S3CRET\n").expect("a token can be written");
            ground.spec.repository = format!("credentials: {{ file: {} }}", crate::case::quoted(&token));
        }),
    ];
    let secret = |place: &'static str, text: &'static str, change: fn(&mut crate::case::Spec, &str)| {
        Case::new("A14", format!("a token in {place}"), Expect::Config("config.url"))
            .attack(move |ground| change(&mut ground.spec, text))
    };
    cases.push(secret("the URL", "https://user:S3CRET@example.org/x", |spec, text| spec.url = text.into()));
    cases.push(secret("the URL as a user", "https://S3CRET@example.org/x", |spec, text| spec.url = text.into()));
    let proxy = secret("the proxy's URL", "http://user:S3CRET@example.org:3128", |spec, text| {
        spec.repository = format!("proxy: '{text}'");
    });
    cases.push(Case { expect: Expect::Config("config.proxy"), ..proxy });
    cases
}
