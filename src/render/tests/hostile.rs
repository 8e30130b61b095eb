//! Classes B and C of what a repository may hold, as far as they are this room's.

use crate::render::testing::{document, mistakes, render, tree};
use crate::source::EntryKind;

fn source(path: &str) -> String {
    document("File", "/x", &format!("{{ source: {path} }}"))
}

#[test]
fn b1_a_source_never_leads_out_of_the_layer_or_the_repository() {
    let canary = "CANARY";
    for (to, wrong) in [
        ("/etc/passwd", "leads out of the repository"),
        ("../../../etc/passwd", "leads out of the repository"),
        ("../../other-tenant/secret", "leads to a folder that is none of the application's paths"),
        ("/proc/self/environ", "leads out of the repository"),
        ("hop", "leads out of the repository"),
    ] {
        let files = tree(&[("apps/a/d.yaml", &source("link")), ("other-tenant/secret", canary)]);
        let files = files.link("apps/a/link", to);
        let files = if to == "hop" { files.link("apps/a/hop", "../.././../x") } else { files };
        let found = mistakes(files, &["apps/a"]);
        let text = format!("{found:?}");
        let about_the_source = found.iter().find(|mistake| &*mistake.place.file == "apps/a/d.yaml").unwrap();
        assert_eq!(about_the_source.message, format!("the source 'link' {wrong}"));
        assert!(!text.contains(canary) && !text.contains("passwd") && !text.contains("environ"), "{text}");
    }
    for path in ["/etc/passwd", "../b/secret", "sub/../../b/secret", "''"] {
        let found = mistakes(tree(&[("a/d.yaml", &source(path)), ("b/secret", canary)]), &["a", "b"]);
        assert_eq!((found.len(), found[0].place.to_string().as_str()), (1, "a/d.yaml:4:17"));
        assert!(found[0].message.starts_with("expected a path inside this layer"), "{path}: {}", found[0].message);
    }
}

#[test]
fn b1_a_document_is_not_read_through_a_link_that_leads_out() {
    for to in ["/etc/passwd", "../../x", "gone.yaml", "../other/d.yaml"] {
        let files = tree(&[("a/b/x", ""), ("a/other/d.yaml", "CANARY: [")]).link("a/b/d.yaml", to);
        let found = mistakes(files, &["a/b"]);
        assert_eq!((found.len(), &*found[0].place.file), (1, "a/b/d.yaml"), "{to}");
        assert!(!format!("{found:?}").contains("CANARY"));
    }
    let files = tree(&[("shared/d.yaml", &document("File", "/x", "{ content: a }")), ("a/x", "")]);
    let complete = render(files.link("a/d.yaml", "../shared/d.yaml"), &["shared", "a"]).unwrap();
    assert_eq!(complete.objects.len(), 1);
}

#[test]
fn b2_a_link_to_a_folder_outside_is_a_mistake_even_when_nobody_uses_it() {
    let found = mistakes(tree(&[("a/root/x", "")]).link("a/apps", "/var/run/secrets/kubernetes.io"), &["a"]);
    assert_eq!((found.len(), found[0].message.as_str()), (1, "the link leads out of the repository"));
    assert_eq!(mistakes(tree(&[("a/x", "")]).link("a/root", "x"), &["a"]).len(), 1);
}

#[test]
fn b3_loops_end() {
    let loops = || tree(&[]).link("a/a", "b").link("a/b", "a").link("a/d/d", ".");
    let found = mistakes(loops(), &["a"]);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|mistake| mistake.message.contains("more than 40 times")));
    let deep = tree(&[("a/d/x", "found"), ("a/f.yaml", &source(&format!("{}x", "d/".repeat(41))))]);
    assert!(render(deep.link("a/d/d", "."), &["a"]).is_ok(), "forty links are followed");
    let deeper = tree(&[("a/d/x", "found"), ("a/f.yaml", &source(&format!("{}x", "d/".repeat(42))))]);
    assert!(mistakes(deeper.link("a/d/d", "."), &["a"])[0].message.contains("more than 40 times"));
}

#[test]
fn b4_b20_names_are_data_and_bad_ones_are_mistakes() {
    let names = ["-f", "--post-renderer=./x", ";id", "$(id)", "*", "a\\..\\b"];
    let files: Vec<_> = names.iter().map(|name| format!("a/root/{name}")).collect();
    let files: Vec<_> = files.iter().map(|path| (path.as_str(), "")).collect();
    let complete = render(tree(&files), &["a"]).unwrap();
    assert_eq!(complete.objects.len(), names.len());
    let text = format!("{:?}", mistakes(tree(&[("a/root/x\ny\u{202e}", ""), ("a/root/b/../c", "")]), &["a"]));
    assert!(text.contains("control character") && text.contains("holds `.` or `..`"), "{text}");
    assert!(!text.contains('\n') && !text.contains('\u{202e}'));
}

#[test]
fn b16_setuid_is_the_targets_to_refuse_and_nonsense_is_ours() {
    let mode = |mode: &str| document("File", "/x", &format!("{{ content: a, mode: {mode} }}"));
    assert!(render(tree(&[("a/d.yaml", &mode("\"4755\""))]), &["a"]).is_ok());
    for bad in ["0644", "'0999'", "'10644'", "rw", "'-644'", "''", "true"] {
        let found = mistakes(tree(&[("a/d.yaml", &mode(bad))]), &["a"]);
        assert_eq!((found.len(), found[0].place.line, found[0].place.column), (1, 4, 27), "{bad}: {found:?}");
    }
}

#[test]
fn c_bombs_and_ambiguities_are_typed_mistakes_with_a_place() {
    let bomb = "a: &a [x,x]\n".to_owned() + "b: &b [*a,*a]\n" + &"c: [*b,*b,*b]\n".repeat(2);
    for (text, code) in [
        (bomb, "yaml.duplicate-key"),
        ("[".repeat(100_000), "yaml.depth"),
        ("a: 1\na: 2\n".into(), "yaml.duplicate-key"),
        ("!!python/object/apply:os.system x".into(), "yaml.tag"),
        ("just words".into(), "render.invalid"),
        ("a: 1".into(), "render.invalid"),
    ] {
        let found = mistakes(tree(&[("a/d.yaml", &text)]), &["a"]);
        assert_eq!((found[0].code.as_str(), &*found[0].place.file), (code, "a/d.yaml"), "{found:?}");
    }
}

#[test]
fn c11_a_sops_document_is_still_encrypted() {
    let by_kind = "apiVersion: ENC[AES256_GCM,data:x]\nkind: ENC[AES256_GCM,data:y]\nmetadata: ENC[x]\n";
    let bare = document("File", "/x", "{ content: 'ENC[AES256_GCM,data:y]' }");
    for text in [by_kind, &bare] {
        let error = render(tree(&[("a/d.yaml", text)]), &["a"]).err().unwrap();
        assert_eq!(error.code(), "render.encrypted");
    }
    // Without the keys it stays closed, and is secret all the same.
    let sealed = bare + "sops: { version: 3.9.0 }\n";
    let complete = render(tree(&[("a/d.yaml", &sealed)]), &["a"]).unwrap();
    let printed = crate::render::to_yaml(&complete);
    assert!(printed.contains("secret: true") && !printed.contains("digest"), "{printed}");
}

#[test]
fn c13_empty_documents_are_no_objects_and_no_mistakes() {
    for text in ["", "# nothing\n", "---\n---\n", "null\n"] {
        assert!(render(tree(&[("a/d.yaml", text)]), &["a"]).unwrap().objects.is_empty(), "{text:?}");
    }
}

#[test]
fn a_link_to_a_source_inside_the_applications_paths_is_followed() {
    let mut files = tree(&[("a/d.yaml", &source("link/run"))]);
    files.put("shared/bin/run", EntryKind::Executable, "x");
    let complete = render(files.link("a/link", "../shared/./bin"), &["shared", "a"]).unwrap();
    let spec = complete.objects.values().next().unwrap();
    assert_eq!(spec.body()["default_mode"], 0o755);
}

#[test]
fn links_and_paths_that_multiply_cost_no_more_than_their_limit() {
    let started = std::time::Instant::now();
    let long = format!("{}+", "./".repeat(2000));
    let mut links = tree(&[]).link("a/+", &format!("{}x", "./".repeat(2000)));
    for number in 0..3000 {
        links.put(&format!("a/{number}"), EntryKind::Symlink, &long);
    }
    let error = render(links, &["a"]).err().unwrap();
    assert_eq!(error.code(), "render.too-large", "{error}");

    let nested: Vec<_> = (1..1000).map(|depth| document("File", &"/d".repeat(depth), "{ content: a }")).collect();
    let found = mistakes(tree(&[("a/d.yaml", &nested.join("---\n"))]), &["a"]);
    assert!(found.len() >= 500);

    let lost: Vec<_> = (0..2000).map(|n| document("File", &format!("/{n}"), "{ source: abcdefghij }")).collect();
    let mut many = tree(&[("a/d.yaml", &lost.join("---\n"))]);
    for number in 0..3000 {
        many.put(&format!("a/{number}-kjihgfedcba"), EntryKind::File, "");
    }
    assert!(mistakes(many, &["a"]).len() >= 500);
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
