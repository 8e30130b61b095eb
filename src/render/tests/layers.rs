use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::config::{AppSource, Application, SourceLimits, SyncPolicy};
use crate::model::host::{CHECK, HANDLER, HostSpec, PATH};
use crate::model::{Complete, Digest, ObjectId};
use crate::render::testing::{document, mistakes, render, render_within, tree};
use crate::render::{BlobCache as _, MemoryCache, RenderError, Request, host, inputs};
use crate::source::{EntryKind, Tree};

fn spec(complete: &Complete, path: &str) -> HostSpec {
    HostSpec::from_spec(&complete.objects[&ObjectId::new(PATH, path)]).unwrap()
}

fn content(complete: &Complete, path: &str) -> String {
    let spec = &complete.objects[&ObjectId::new(PATH, path)];
    String::from_utf8(complete.contents.read(&spec.contents()[0]).unwrap().to_vec()).unwrap()
}

#[test]
fn an_overlay_is_laid_on_the_host_with_modes_and_links_as_git_has_them() {
    let mut tree = tree(&[("a/root/etc/motd", "hi"), ("a/root/srv/.gitkeep", ""), ("a/notes.txt", "")]);
    tree.put("a/root/bin/run", EntryKind::Executable, "#!/bin/sh");
    let complete = render(tree.link("a/root/etc/localtime", "/usr/share/zoneinfo/UTC"), &["a"]).unwrap();
    let names: Vec<_> = complete.objects.keys().map(|id| &*id.name).collect();
    assert_eq!(names, ["/bin/run", "/etc/localtime", "/etc/motd"]);
    assert_eq!(content(&complete, "/etc/motd"), "hi");
    let HostSpec::File(motd) = spec(&complete, "/etc/motd") else { panic!("a file") };
    assert_eq!((motd.size, motd.attributes.mode, motd.attributes.default_mode), (2, None, 0o644));
    let HostSpec::File(run) = spec(&complete, "/bin/run") else { panic!("a file") };
    assert_eq!(run.attributes.default_mode, 0o755);
    let to = "/usr/share/zoneinfo/UTC".to_owned();
    assert_eq!(spec(&complete, "/etc/localtime"), HostSpec::Symlink { to, calls: vec![] });
    assert_eq!(complete.objects[&ObjectId::new(PATH, "/etc/motd")].place().to_string(), "a/root/etc/motd");
}

#[test]
fn later_layers_win_file_by_file_and_document_by_document() {
    let check = |word: &str| document("Check", "c", &format!("{{ command: [{word}] }}"));
    let file = document("File", "/x", "{ content: low, onChange: [{ run: [low] }] }");
    let complete = render(
        tree(&[
            ("low/root/motd", "low"),
            ("low/root/only", "low"),
            ("low/d.yaml", &(file + "---\n" + &check("low"))),
            ("high/root/motd", "high"),
            ("high/root/x", "high"),
            ("high/c.yml", &check("high")),
        ]),
        &["low", "./high/"],
    )
    .unwrap();
    assert_eq!(content(&complete, "/motd"), "high");
    assert_eq!(content(&complete, "/only"), "low");
    assert_eq!(content(&complete, "/x"), "high");
    let check = HostSpec::from_spec(&complete.objects[&ObjectId::new(CHECK, "c")]).unwrap();
    assert!(matches!(check, HostSpec::Check(command) if command.command == ["high"]));
    assert!(!complete.objects.keys().any(|id| id.kind == HANDLER), "the handler of a document that lost is not run");
}

#[test]
fn one_layer_declares_a_path_once() {
    let file = document("File", "/x", "{ content: a }");
    let found = mistakes(tree(&[("l/a.yaml", &file), ("l/b.yaml", &file), ("l/root/x", "")]), &["l"]);
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("l/b.yaml:1:1: `/x` is declared twice in one layer: first at l/a.yaml:1:1"));
    assert!(found[1].starts_with("l/root/x: `/x` is declared twice in one layer: first at l/a.yaml:1:1"));
}

#[test]
fn nothing_lies_below_a_file_or_a_link() {
    let low = tree(&[("a/root/etc/x", ""), ("b/root/etc/x/y", ""), ("b/root/l/z", "")]).link("a/root/l", "/tmp");
    let found: Vec<_> = mistakes(low, &["a", "b"]).iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("b/root/etc/x/y: `/etc/x/y` lies below `/etc/x`, which is declared as a file at a/"));
    assert!(found[1].starts_with("b/root/l/z: `/l/z` lies below `/l`, which is declared as a link at a/root/l"));
    let folder = document("Directory", "/etc/x", "{}");
    assert!(render(tree(&[("a/d.yaml", &folder), ("a/root/etc/x/y", ""), ("a/root/etc/x-y", "")]), &["a"]).is_ok());
}

#[test]
fn a_missing_layer_is_an_error_and_an_empty_one_is_not() {
    let error = render(tree(&[("a/root/x", "")]), &["a", "b", "c"]).err().unwrap();
    assert_eq!(error.code(), "render.path-missing");
    assert_eq!(error.to_string(), "could not find any files in the repository at b, c");
    // A layer that became a file: an object database knows it by its id, and lists nothing.
    let error = render(tree(&[("a/root/x", "")]), &["a", "a/root/x"]).err().unwrap();
    assert_eq!(error.code(), "render.path-missing");
    assert!(render(tree(&[("a/README", "")]), &["a"]).unwrap().objects.is_empty());
}

#[test]
fn what_is_over_a_limit_is_refused_before_it_is_read() {
    let big = "x".repeat(1024 * 1024 + 1);
    let one_mib = SourceLimits { file_mib: 1, ..SourceLimits::default() };
    let few = SourceLimits { files: 2, ..SourceLimits::default() };
    let total = SourceLimits { application_mib: 1, ..SourceLimits::default() };
    let half = &big[..600_000];
    for (files, limits) in [
        (vec![("a/root/big", big.as_str())], one_mib),
        (vec![("a/1", ""), ("a/2", "")], few),
        (vec![("a/1", half), ("b/2", half)], total),
    ] {
        let error = render_within(tree(&files), if files[1..].is_empty() { &["a"] } else { &["a", ""] }, &limits)
            .err()
            .unwrap();
        assert_eq!(error.code(), "render.too-large", "{error}");
    }
}

#[test]
fn a_second_render_reads_only_what_is_new() {
    let cache = MemoryCache::new(100);
    let limits = SourceLimits::default();
    let rendered = |tree: crate::render::testing::MemoryTree| {
        let tree = Arc::new(tree);
        let dynamic: Arc<dyn Tree> = tree.clone();
        host(&Request {
            tree: &dynamic,
            layers: &["a"],
            limits: &limits,
            cache: &cache,
            keys: crate::render::Keys::Sealed,
        })
        .unwrap();
        tree.reads.load(Ordering::Relaxed)
    };
    assert_eq!(rendered(tree(&[("a/root/1", "one"), ("a/root/2", "two")])), 2);
    assert_eq!(rendered(tree(&[("a/root/1", "one"), ("a/root/2", "2")])), 1);
    assert_eq!(cache.get(&Digest::of(b"one").to_string()).map(|blob| blob.size), Some(3));
}

#[test]
fn contents_that_do_not_digest_to_their_name_are_refused() {
    let mut lying = tree(&[("a/root/x", "true")]);
    lying.lie = Some(b"false".to_vec());
    let cache = MemoryCache::new(1);
    let blob = crate::render::Blob { digest: Digest::of(b"true"), size: 4, sealed: false };
    cache.put(&Digest::of(b"true").to_string(), blob);
    let lying: Arc<dyn Tree> = Arc::new(lying);
    let request = Request {
        tree: &lying,
        layers: &["a"],
        limits: &SourceLimits::default(),
        cache: &cache,
        keys: crate::render::Keys::Sealed,
    };
    let complete = host(&request).unwrap();
    assert!(complete.contents.read(&Digest::of(b"true")).is_err());
    assert!(complete.contents.read(&Digest::of(b"never rendered")).is_err());
}

#[test]
fn inputs_move_with_what_is_rendered_or_planned_and_with_nothing_else() {
    let application = |prune, paths: &[&str]| Application {
        source: AppSource {
            repository: "r".parse().unwrap(),
            path: None,
            paths: paths.iter().map(ToString::to_string).collect(),
        },
        target: "t".parse().unwrap(),
        sync: SyncPolicy { prune, automatic: prune, ..SyncPolicy::default() },
    };
    let one = tree(&[("a/x", "1"), ("b/x", "1"), ("c/x", "1")]);
    let other = tree(&[("a/x", "1"), ("b/x", "1"), ("c/x", "changed")]);
    let edited = tree(&[("a/x", "1"), ("b/x", "edited"), ("c/x", "1")]);
    let base = inputs(&one, &application(true, &["a", "b"])).unwrap();
    assert!(base.missing.is_empty());
    assert_eq!(base, inputs(&other, &application(true, &["a/", "./b"])).unwrap());
    let mut slow = application(true, &["a", "b"]);
    slow.sync.interval = "9h".parse().unwrap();
    slow.sync.automatic = false;
    assert_eq!(base, inputs(&one, &slow).unwrap());
    for moved in [
        (&one, application(false, &["a", "b"])),
        (&one, application(true, &["b", "a"])),
        (&edited, application(true, &["a", "b"])),
        (&other, application(true, &["a", "c"])),
    ] {
        assert_ne!(base.digest, inputs(moved.0, &moved.1).unwrap().digest);
    }
    assert_eq!(inputs(&one, &application(true, &["a", "gone"])).unwrap().missing, ["gone"]);
}

#[test]
fn a_render_does_not_hide_an_error_of_the_source() {
    let mut lying = tree(&[("a/root/x", "1")]);
    lying.put("a/d.yaml", EntryKind::File, "\u{0}");
    let mistake = &mistakes(lying, &["a"])[0];
    assert_eq!(mistake.code, "yaml.control");
    let error = RenderError::Source(crate::source::SourceError {
        kind: crate::source::SourceErrorKind::Corrupt,
        message: "x".into(),
        source: None,
    });
    assert_eq!(error.code(), "source.corrupt");
}
