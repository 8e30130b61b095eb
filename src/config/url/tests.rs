use super::*;

#[test]
fn a_url_is_taken_apart_and_written_as_it_was() {
    for text in [
        "https://git.example.org/ops/platform.git",
        "https://git.example.org:8443/x",
        "ssh://git@git.example.org:2222/ops/x.git",
        "ssh://git.example.org/~ops/x.git",
        "git@git.example.org:ops/x.git",
        "git@[fe80::1]:x.git",
        "http://127.0.0.1:38471/x.git",
        "http://[::1]:80/x",
        "git://localhost/x",
        "file:///srv/git/x%20y.git",
    ] {
        assert_eq!(RepositoryUrl::parse(text).unwrap().to_string(), text);
    }
    let url = RepositoryUrl::parse("HTTPS://GitHub.COM./Org/x").unwrap();
    assert_eq!((url.host(), url.path(), url.transport()), ("github.com", "/Org/x", Transport::Https));
    let url = RepositoryUrl::parse("git@h:a/b").unwrap();
    assert_eq!((url.user(), url.host(), url.path(), url.port()), (Some("git"), "h", "a/b", None));
}

#[test]
fn hostile_urls_are_refused_each_for_its_own_reason() {
    use InvalidUrl as No;
    for (text, why) in [
        ("ext::sh -c \"touch /tmp/pwn\"", No::Program),
        ("fd::7", No::Program),
        ("git::ssh://host/x", No::Program),
        ("https::example.com/foo.git", No::Program),
        ("ftp://host/x", No::Scheme),
        ("javascript://host/x", No::Scheme),
        ("ssh://-oProxyCommand=touch%20x/x", No::Option),
        ("--upload-pack=touch", No::Option),
        ("ssh://-Fcfg@host/repo", No::Option),
        ("-Fcfg@host:repo", No::Option),
        ("git@-oProxyCommand=x:repo", No::Option),
        ("git@host:-x", No::Option),
        ("ssh://host/-x", No::Option),
        ("ssh://host/%2dx", No::Option),
        ("ssh://host/re'po;id;'", No::Path),
        ("ssh://host/re\"po", No::Path),
        ("https://one.example.com/evil?%0ahost=two.example.com", No::Characters),
        ("https://host/%0D", No::Characters),
        ("https://host/%00", No::Characters),
        ("https://host/%zz", No::Characters),
        ("https://host/%%", No::Characters),
        ("https://host/a b", No::Characters),
        ("https://host/a\nb", No::Characters),
        ("https://h\u{f6}st/a", No::Characters),
        ("./%0ahost=example.com/foo.git", No::Characters),
        ("https:///example.com/foo.git", No::Host),
        ("https://.*/example/repo", No::Host),
        ("https://[::1/x", No::Host),
        ("file://host/x", No::Host),
        ("http://example.com:test/foo.git", No::Port),
        ("http://example.com:/foo.git", No::Port),
        ("http://example.com:0/foo.git", No::Port),
        ("http://example.com:65536/foo.git", No::Port),
        ("../../../../../:localhost:8080/foo.git", No::Form),
        ("/srv/git/x", No::Form),
        ("host:x", No::Form),
        ("", No::Form),
        ("https://user:TOKEN@host/x", No::Credentials),
        ("https://TOKEN@host/x", No::Credentials),
        ("ssh://git:TOKEN@host/x", No::Credentials),
        ("git:TOKEN@host:x", No::Credentials),
        ("https://github.com@evil/x", No::Credentials),
        ("ssh://a%20b@host/x", No::User),
        ("https://host", No::Path),
        ("https://host/", No::Path),
        ("https://host/a/../b", No::Path),
        ("https://host/a/%2E%2e/b", No::Path),
        ("https://host/a//b", No::Path),
        ("https://host/a?x=y", No::Path),
    ] {
        assert_eq!(RepositoryUrl::parse(text).err(), Some(why), "{text}");
        assert!(!format!("{why} {:?}", why.hint()).contains("TOKEN"));
    }
    assert_eq!(RepositoryUrl::parse(&format!("https://h/{}", "x".repeat(3000))), Err(No::Length));
}
