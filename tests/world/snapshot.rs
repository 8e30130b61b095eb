use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Everything in a folder: what a test compares, before and after.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<String, Item>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    /// Seconds and nanoseconds; `None` where times do not count.
    modified: Option<(i64, i64)>,
    /// The content of a file, or where a link points.
    content: Vec<u8>,
}

impl Snapshot {
    /// Takes one of all that is below `folder`; of nothing, where it is missing.
    pub fn of(folder: &Path) -> Self {
        let mut items = BTreeMap::new();
        if folder.exists() {
            walk(folder, "", &mut items);
        }
        Self(items)
    }

    /// Leaves times out, and the paths that `volatile` names.
    #[must_use]
    pub fn settled(mut self, volatile: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|path, _| !volatile(path));
        for item in self.0.values_mut() {
            item.modified = None;
        }
        self
    }

    pub fn paths(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Returns one line for each path that differs.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let paths: std::collections::BTreeSet<&String> = self.0.keys().chain(other.0.keys()).collect();
        let told = paths.into_iter().filter_map(|path| match (self.0.get(path), other.0.get(path)) {
            (Some(_), None) => Some(format!("{path} is gone")),
            (None, Some(_)) => Some(format!("{path} is new")),
            (Some(a), Some(b)) if a.content != b.content => Some(format!("{path} has other content")),
            (Some(a), Some(b)) if a != b => {
                let about = |item: &Item| format!("{} {:o} {:?} {:?}", item.kind, item.mode, item.owner, item.modified);
                Some(format!("{path} was {}, is {}", about(a), about(b)))
            }
            _ => None,
        });
        told.collect()
    }

    /// Compares, and fails with every difference.
    pub fn assert_same(&self, other: &Self, what: &str) {
        let differences = self.differences(other);
        assert!(differences.is_empty(), "{what}:\n{}", differences.join("\n"));
    }
}

fn walk(folder: &Path, prefix: &str, items: &mut BTreeMap<String, Item>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("could not list {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        // It may have gone since: a daemon at work removes its temporary files.
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        let name = format!("{prefix}{}", path.file_name().unwrap_or_default().to_string_lossy());
        let kind = about.file_type();
        let (kind, content) = if kind.is_dir() {
            ("folder", Vec::new())
        } else if kind.is_symlink() {
            ("link", fs::read_link(&path).map(|to| to.to_string_lossy().into_owned().into_bytes()).unwrap_or_default())
        } else if kind.is_file() {
            ("file", fs::read(&path).unwrap_or_default())
        } else if kind.is_socket() {
            ("socket", Vec::new())
        } else {
            ("special", Vec::new())
        };
        let modified = Some((about.mtime(), about.mtime_nsec()));
        let item = Item { kind, mode: about.mode() & 0o7777, owner: (about.uid(), about.gid()), modified, content };
        items.insert(name.clone(), item);
        if kind == "folder" {
            walk(&path, &format!("{name}/"), items);
        }
    }
}
