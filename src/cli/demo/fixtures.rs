use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Told, failed};

macro_rules! fixtures {
    ($($mode:literal $path:literal),+ $(,)?) => { &[$(($mode, $path, include_str!(concat!("../../../fixtures/", $path)))),+] };
}

/// The repository of the story, in the program itself, so that it alone is enough. Mode, path, content.
const FIXTURES: &[(u32, &str, &str)] = fixtures![
    0o644 "common/host.yaml",
    0o644 "common/root/etc/motd",
    0o644 "roles/web/nginx.yaml",
    0o644 "roles/web/files/site.conf",
    0o644 "roles/web/root/etc/cron.d/site-logs",
    0o755 "roles/web/root/usr/local/bin/prune-site-logs",
    0o644 "roles/web/root/var/www/site/index.html",
    0o644 "hosts/web-1/site.yaml",
    0o644 "hosts/web-1/site.conf",
    0o644 "hosts/web-1/root/etc/motd",
];

/// Writes the repository's first content into `folder`.
pub(super) fn write(folder: &Path) -> Told<()> {
    for (mode, path, content) in FIXTURES {
        let file = folder.join(path);
        let written = fs::create_dir_all(file.parent().unwrap_or(folder))
            .and_then(|()| fs::write(&file, content))
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(*mode)));
        written.map_err(failed(format!("write {}", file.display())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixture_is_in_the_program_with_its_mode() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        let mut folders = vec![root.clone()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let executable = fs::metadata(&path).unwrap().permissions().mode() & 0o111 != 0;
                if path.is_dir() {
                    folders.push(path);
                } else if path.file_name().unwrap() != "README.md" {
                    let mode = if executable { 0o755 } else { 0o644 };
                    found.push((mode, path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()));
                }
            }
        }
        let mut written: Vec<_> = FIXTURES.iter().map(|(mode, path, _)| (*mode, (*path).to_owned())).collect();
        found.sort();
        written.sort();
        assert_eq!(found, written);
    }
}
