//! The files that ship: each loads, and what is generated is what the types say now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use trueup::config::{Config, Transport, reference, schema};

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let entries = top().join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect()
}

#[test]
fn every_file_that_ships_loads_without_a_mistake() {
    let mut files = yaml_files("config");
    files.extend(yaml_files("config/examples"));
    assert!(files.len() >= 8, "{files:?}");
    for file in files {
        let loaded = Config::load(&file).unwrap_or_else(|mistakes| panic!("{}: {mistakes:#?}", file.display()));
        assert!(!loaded.config.applications.is_empty(), "{}", file.display());
        assert_eq!(loaded.files, [file]);
    }
}

#[test]
fn the_quickstart_has_ten_lines() {
    let text = std::fs::read_to_string(top().join("config/quickstart.yaml")).unwrap();
    assert!(text.lines().count() <= 10);
}

/// Collects `spec.credentials.file` and the like out of the reference page.
fn documented() -> BTreeSet<String> {
    let page = reference();
    page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
}

#[test]
fn the_commented_reference_names_every_field() {
    let text = std::fs::read_to_string(top().join("config/reference.yaml")).unwrap();
    let fields = documented();
    assert!(fields.len() > 40, "{fields:?}");
    for field in fields {
        let name = field.rsplit('.').next().unwrap();
        assert!(text.contains(&format!("{name}:")), "config/reference.yaml does not have {field}");
    }
}

#[test]
fn every_field_has_a_meaning() {
    let page = reference();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let bare: Vec<_> = rows.filter(|row| row.ends_with("|  |")).collect();
    assert!(bare.is_empty(), "{bare:#?}");
}

#[test]
fn the_schema_and_the_reference_page_are_not_stale() {
    let json = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    for (file, now) in [("config/trueup.schema.json", json), ("docs/configuration.md", reference())] {
        let path = top().join(file);
        if std::env::var_os("TRUEUP_BLESS").is_some_and(|bless| bless == "1") {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &now).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == now, "{file} is stale: TRUEUP_BLESS=1 cargo test --test config");
    }
}

#[test]
fn a_folder_is_read_in_byte_order_and_its_relative_paths_count_from_each_file() {
    let folder = tempfile::tempdir().unwrap();
    let head = "apiVersion: trueup.dev/v1alpha1\n";
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("b.yml", &format!("{head}kind: Target\nmetadata: {{name: t}}\nspec: {{host: {{allow: [/etc/x]}}}}\n"));
    write(
        "B.yaml",
        &format!(
            "{head}kind: Repository\nmetadata: {{name: r}}\nspec:\n  url: git@h:x\n  credentials: {{file: ./key}}\n  \
             ssh: {{knownHosts: kh}}\n  tls: {{ca: /abs/ca}}\n"
        ),
    );
    write("a.txt", "not: [read");
    write(".hidden.yaml", "not: [read");
    std::fs::create_dir(folder.path().join("d.yaml")).unwrap();
    let loaded = Config::load(folder.path()).unwrap();
    let names: Vec<_> = loaded.files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["B.yaml", "b.yml"]);
    let repository = &loaded.config.repositories["r"];
    assert_eq!(repository.credentials.as_ref().unwrap().file, Some(folder.path().join("key")));
    assert_eq!(repository.ssh.known_hosts, Some(folder.path().join("kh")));
    assert_eq!(repository.tls.ca, Some("/abs/ca".into()));
    assert_eq!(repository.address().unwrap().transport(), Transport::Ssh);
    assert_eq!(loaded.config.daemon, trueup::config::Daemon::default());
}

#[test]
fn what_cannot_be_read_is_a_mistake_of_the_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let code = |path: &Path| {
        let mistakes = Config::load(path).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        assert_eq!(mistakes[0].place.line, 0);
        mistakes[0].code.clone()
    };
    assert_eq!(code(&folder.path().join("none.yaml")), "config.unreadable");
    assert_eq!(code(folder.path()), "config.empty");
    assert_eq!(code(Path::new("/dev/zero")), "config.unreadable");
    let empty = folder.path().join("empty.yaml");
    std::fs::write(&empty, "# nothing yet\n").unwrap();
    assert_eq!(code(&empty), "config.no-repository");
}
