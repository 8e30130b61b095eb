//! What people read first, rendered: `fixtures/` and the examples of `docs/hosts.md`.

use std::path::Path;
use std::sync::Arc;

use super::documents::bless;
use crate::config::SourceLimits;
use crate::model::Complete;
use crate::render::testing::{render, tree};
use crate::render::{Folder, MemoryCache, RenderError, Request, host, to_yaml};
use crate::source::{SourceErrorKind, Tree};
use crate::yaml::{Profile, parse};

fn render_folder(path: &Path, layers: &[&str]) -> Result<Complete, RenderError> {
    let limits = SourceLimits::default();
    let tree: Arc<dyn Tree> = Arc::new(Folder::open(path, &limits).map_err(RenderError::Source)?);
    host(&Request {
        tree: &tree,
        layers,
        limits: &limits,
        cache: &MemoryCache::new(100),
        keys: crate::render::Keys::Sealed,
    })
}

#[test]
fn the_fixtures_render_to_what_the_golden_file_says() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let complete = render_folder(&fixtures, &["common", "roles/web", "hosts/web-1"]).unwrap();
    let text = to_yaml(&complete);
    bless("web-1.yaml", &text);
    assert_eq!(text.trim_end(), include_str!("../golden/web-1.yaml").trim_end());
    let documents = parse("golden", text.as_bytes(), Profile::Config).unwrap();
    assert_eq!(documents.len(), complete.objects.len());
    for spec in complete.objects.values() {
        for digest in spec.contents() {
            complete.contents.read(digest).unwrap();
        }
    }
}

#[test]
fn every_example_of_the_page_on_hosts_renders() {
    let page = include_str!("../../../docs/hosts.md");
    let examples: Vec<_> = page
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .filter(|example| example.contains("kind:"))
        .collect();
    assert_eq!(examples.len(), 5);
    for example in &examples {
        let complete = render(tree(&[("l/d.yaml", example), ("l/files/site.conf", "server {}")]), &["l"]).unwrap();
        assert!(!complete.objects.is_empty(), "{example}");
    }
    for kind in ["File", "Directory", "Symlink", "Check"] {
        assert!(examples.iter().any(|example| example.contains(&format!("kind: {kind}\n"))), "{kind}");
    }
}

#[test]
fn a_folder_on_disk_is_a_tree_that_follows_no_link() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path();
    let put = |name: &str, text: &str| {
        std::fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
        std::fs::write(path.join(name), text).unwrap();
    };
    put("in/root/etc/x", "x");
    put("in/.git/config", "not content");
    put("out/secret", "CANARY");
    std::os::unix::fs::symlink("../out", path.join("in/link")).unwrap();
    std::os::unix::fs::symlink("../../out/secret", path.join("in/root/s")).unwrap();
    let folder = Folder::open(&path.join("in"), &SourceLimits::default()).unwrap();
    let names: Vec<_> = folder.list("").unwrap().into_iter().map(|entry| entry.path).collect();
    assert_eq!(names, ["link", "root/etc/x", "root/s"]);
    assert_eq!(folder.id_of("link/secret").unwrap(), None);
    assert_eq!(folder.id_of("../out").unwrap(), None);
    let before = folder.id_of("root").unwrap().unwrap();
    let entry = folder.list("root").unwrap().remove(0);
    assert_eq!(folder.read(&entry).unwrap(), b"x");
    put("in/root/etc/x", "changed");
    assert_ne!(folder.id_of("root").unwrap().unwrap(), before);
    put("in/root/etc/x", "once more");
    assert_eq!(folder.read(&entry).err().unwrap().kind, SourceErrorKind::Corrupt);

    let error = render_folder(&path.join("in"), &["."]).err().unwrap();
    assert!(matches!(&error, RenderError::Mistakes(found) if found.len() == 1 && &*found[0].place.file == "link"));
    std::fs::remove_file(path.join("in/link")).unwrap();
    assert_eq!(render_folder(&path.join("in"), &[""]).unwrap().objects.len(), 2);
    assert_eq!(render_folder(&path.join("gone"), &[""]).err().unwrap().code(), "source.mirror");
}

#[test]
fn a_folder_on_disk_refuses_what_no_tree_holds() {
    let scratch = tempfile::tempdir().unwrap();
    let open = |limits: &SourceLimits| Folder::open(scratch.path(), limits).unwrap().list("").err().map(|e| e.kind);
    std::fs::write(scratch.path().join("big"), vec![0; 1024 * 1024 + 1]).unwrap();
    assert_eq!(open(&SourceLimits::default()), None);
    assert_eq!(open(&SourceLimits { file_mib: 1, ..SourceLimits::default() }), Some(SourceErrorKind::TooLarge));
    assert_eq!(open(&SourceLimits { files: 0, ..SourceLimits::default() }), Some(SourceErrorKind::TooLarge));
    let _listener = std::os::unix::net::UnixListener::bind(scratch.path().join("socket")).unwrap();
    assert!(open(&SourceLimits::default()).is_some());
}
