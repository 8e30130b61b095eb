use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Returns why a path of the machine is not one that means one thing, or `None` where it is.
pub(super) fn wrong_absolute(path: &Path) -> Option<&'static str> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.iter().any(u8::is_ascii_control) {
        return Some("expected a path without control characters");
    }
    let Some(relative) = bytes.strip_prefix(b"/") else { return Some("expected an absolute path") };
    let normal = relative.is_empty() || relative.split(|byte| *byte == b'/').all(plain);
    (!normal).then_some("expected a path without '.', '..', doubled or closing '/'")
}

/// Returns why a folder of a repository is not one that means one thing, or `None` where it is.
pub(super) fn wrong_layer(path: &str) -> Option<&'static str> {
    if path == "." {
        return None;
    }
    if path.starts_with('/') {
        return Some("expected a path relative to the top of the repository");
    }
    if path.bytes().any(|byte| byte.is_ascii_control() || byte == b'\\') {
        return Some("expected a path without control characters and '\\'");
    }
    let normal = path.split('/').all(|segment| plain(segment.as_bytes()));
    (!normal).then_some("expected a path without '.', '..' and empty segments")
}

fn plain(segment: &[u8]) -> bool {
    !matches!(segment, b"" | b"." | b"..")
}
