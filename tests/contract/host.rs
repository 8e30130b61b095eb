//! The host adapter, on a scratch folder.
#![allow(dead_code)] // Each test binary that includes it uses its own part.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trueup::config;
use trueup::model::host::{Attributes, CHECK, CommandSpec, FileSpec, HANDLER, HostSpec, PATH};
use trueup::model::{Desired, Digest, DigestKey, ObjectId, Place, Spec};
use trueup::target::Target;
use trueup::target::host::HostTarget;

use crate::bed::{Adapter, Bytes, objects};

pub(crate) struct Host {
    pub(crate) scratch: TempDir,
    pub(crate) target: HostTarget,
}

/// Documents of one application.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) specs: BTreeMap<ObjectId, Spec>,
    pub(crate) contents: Bytes,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut config::HostTarget)) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let script = scratch.path().join("noted");
        fs::write(&script, "#!/bin/sh\necho ran >> \"${0%/*}/runs\"\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(scratch.path().join("root/etc/app")).unwrap();
        let mut declared = config::HostTarget {
            allow: vec!["/etc/app".into()],
            commands: vec![script, "/bin/sh".into(), "/bin/sleep".into()],
            units: vec![],
            allow_setuid: false,
            root: Some(scratch.path().join("root")),
            via: None,
        };
        change(&mut declared);
        let target = HostTarget::new(&declared, DigestKey::new([7; 32])).unwrap();
        Self { scratch, target }
    }

    /// Where a path of the target lies on this machine.
    pub(crate) fn real(&self, path: &str) -> PathBuf {
        self.scratch.path().join("root").join(path.trim_start_matches('/'))
    }

    pub(crate) fn runs(&self) -> usize {
        fs::read_to_string(self.scratch.path().join("runs")).map_or(0, |runs| runs.lines().count())
    }

    pub(crate) fn noted(&self) -> CommandSpec {
        let command = vec![self.scratch.path().join("noted").to_str().unwrap().to_owned()];
        CommandSpec { command, timeout: 10 }
    }

    fn written(&self, text: &str, mode: u32, to: &str) -> Desired {
        let handler = ObjectId::new(HANDLER, "noted");
        let mut written = Written::default();
        written.file_with("/etc/app/deep/er/a.conf", text, |file| file.attributes.mode = Some(mode));
        written.file_with("/etc/app/b.conf", text, |file| {
            file.attributes.calls = vec![handler.clone()];
            file.validate = Some(CommandSpec { command: words(&["/bin/sh", "-c", "test -s {}"]), timeout: 10 });
        });
        written.add(PATH, "/etc/app/folder", &HostSpec::Directory(attributes(Some(mode | 0o111))));
        written.add(PATH, "/etc/app/link", &HostSpec::Symlink { to: to.into(), calls: vec![] });
        written.add(CHECK, "noted", &HostSpec::Check(self.noted()));
        written.add(HANDLER, "noted", &HostSpec::Handler(self.noted()));
        written.desired()
    }
}

impl Written {
    pub(crate) fn add(&mut self, kind: &'static str, name: &str, spec: &HostSpec) {
        let place = Place { file: "app.yaml".into(), line: 1, column: 1 };
        self.specs.insert(ObjectId::new(kind, name), spec.to_spec(place));
    }

    pub(crate) fn file(&mut self, path: &str, text: &str) {
        self.file_with(path, text, |_| {});
    }

    pub(crate) fn file_with(&mut self, path: &str, text: &str, change: impl FnOnce(&mut FileSpec)) {
        let content = Digest::of(text.as_bytes());
        self.contents.0.insert(content, text.as_bytes().into());
        let size = text.len() as u64;
        let mut file =
            FileSpec { content, size, attributes: attributes(None), validate: None, show: false, secret: None };
        change(&mut file);
        self.add(PATH, path, &HostSpec::File(file));
    }

    pub(crate) fn desired(self) -> Desired {
        objects(self.specs, self.contents)
    }
}

pub(crate) fn attributes(mode: Option<u32>) -> Attributes {
    Attributes { mode, default_mode: 0o644, ..Attributes::default() }
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn path(name: &str) -> ObjectId {
    ObjectId::new(PATH, name)
}

impl Adapter for Host {
    fn name(&self) -> &'static str {
        "host"
    }

    fn target(&self) -> &dyn Target {
        &self.target
    }

    fn desired(&self) -> Desired {
        self.written("one\n", 0o640, "b.conf")
    }

    fn changed(&self) -> Desired {
        self.written("two\n", 0o600, "elsewhere")
    }

    fn meddled(&self) -> ObjectId {
        path("/etc/app/b.conf")
    }

    fn meddle(&self) {
        let file = self.real("/etc/app/b.conf");
        let text = fs::read_to_string(&file).unwrap_or_default();
        fs::write(file, text + "edited by hand\n").unwrap();
    }

    fn spoil(&self) -> Vec<(ObjectId, &'static str)> {
        // As root nothing is forbidden: a link in the path, and a file larger than what is read.
        fs::rename(self.real("/etc/app/deep"), self.real("/etc/app/aside")).unwrap();
        symlink("aside", self.real("/etc/app/deep")).unwrap();
        let large = fs::File::options().write(true).open(self.real("/etc/app/b.conf")).unwrap();
        large.set_len(65 << 20).unwrap();
        vec![(path("/etc/app/deep/er/a.conf"), "behind a link"), (path("/etc/app/b.conf"), "too large")]
    }

    fn snapshot(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        walk(&self.scratch.path().join("root"), &mut found);
        found
    }

    fn bare(&self) -> BTreeMap<String, String> {
        // Folders that were made for a file are not managed.
        let left = ["", "/etc", "/etc/app", "/etc/app/deep", "/etc/app/deep/er"].map(|path| self.real(path));
        self.snapshot().into_iter().filter(|(name, _)| left.iter().any(|path| path == Path::new(name))).collect()
    }
}

/// Everything below a folder, with modes, owners, mtimes of files and contents.
pub(crate) fn walk(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = path.symlink_metadata().unwrap();
        let said = if meta.is_file() {
            let content = Digest::of(&fs::read(&path).unwrap());
            format!("{content} {} {}", meta.mtime(), meta.mtime_nsec())
        } else if meta.is_symlink() {
            fs::read_link(&path).unwrap().display().to_string()
        } else {
            String::new()
        };
        let said = format!("{:o} {} {} {} {said}", meta.mode(), meta.uid(), meta.gid(), meta.ino());
        if meta.is_dir() {
            walk(&path, found);
        }
        found.insert(path.display().to_string(), said);
    }
}
