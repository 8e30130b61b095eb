//! Trees, read as strictly as `git fsck --strict` would and more: one bad entry refuses the whole tree.

use std::cmp::Ordering;
use std::collections::HashSet;

use gix::ObjectId;
use gix::bstr::ByteSlice;

use super::error::harmless;
use super::{EntryKind, SourceError, SourceErrorKind};

/// One entry of a tree object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) name: &'a str,
    /// `None` for a tree.
    pub(super) kind: Option<EntryKind>,
    pub(super) id: ObjectId,
}

/// Reads a tree object. `place` is its path, for messages.
pub(super) fn read<'a>(data: &'a [u8], place: &str) -> Result<Vec<Item<'a>>, SourceError> {
    let (mut items, mut rest) = (Vec::new(), data);
    let mut folded = HashSet::new();
    while !rest.is_empty() {
        let (item, after) = entry(rest, place)?;
        rest = after;
        if let Some(before) = items.last()
            && order(before, &item) != Ordering::Less
        {
            return Err(bad(place, item.name.as_bytes(), "is there twice or out of order"));
        }
        // On a file system that folds case or accents, one of the two would be written through the other.
        if !folded.insert(gix::utils::str::precompose(item.name.into()).to_lowercase()) {
            return Err(bad(place, item.name.as_bytes(), "differs from another entry only in case or accents"));
        }
        items.push(item);
    }
    Ok(items)
}

fn entry<'a>(data: &'a [u8], place: &str) -> Result<(Item<'a>, &'a [u8]), SourceError> {
    let broken = || bad(place, b"", "ends in the middle of an entry");
    let (mode, rest) = data.split_once_str(b" ").ok_or_else(broken)?;
    let (name, rest) = rest.split_once_str(b"\0").ok_or_else(broken)?;
    let (id, rest) = rest.split_at_checked(20).ok_or_else(broken)?;
    let kind = match mode {
        b"100644" => Some(EntryKind::File),
        b"100755" => Some(EntryKind::Executable),
        b"120000" => Some(EntryKind::Symlink),
        b"40000" => None,
        b"160000" => return Err(bad(place, name, "is a submodule, and those are not supported")),
        _ => return Err(bad(place, name, &format!("has the mode {}", harmless(mode)))),
    };
    let id = ObjectId::try_from(id).map_err(|_| broken())?;
    if id.is_null() {
        return Err(bad(place, name, "points to nothing"));
    }
    let item = Item { name: checked(name).map_err(|why| bad(place, name, why))?, kind, id };
    Ok((item, rest))
}

/// Checks one name, as any machine that it may come to would read it.
pub(super) fn checked(name: &[u8]) -> Result<&str, &'static str> {
    let text = name.to_str().map_err(|_| "is not UTF-8")?;
    let strict = gix::validate::path::component::Options {
        // Backslashes and device names are ordinary here: systemd escapes with the one, and `aux.conf` is a name.
        protect_windows: false,
        protect_hfs: true,
        protect_ntfs: true,
    };
    let link = Some(gix::validate::path::component::Mode::Symlink);
    if text.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    if text.len() > 255 {
        return Err("is longer than 255 bytes");
    }
    for part in text.split('\\') {
        // `.gitmodules` and the like are plain files for us, as links they are an attack: `link` refuses them only so.
        let mode = if part.eq_ignore_ascii_case(".gitmodules") { None } else { link };
        let trouble = part.is_empty() || gix::validate::path::component(part.into(), mode, strict).is_err();
        if trouble && !is_plain_dotfile(part) {
            return Err("is a name that is never written");
        }
    }
    match text.as_bytes() {
        [drive, b':', ..] if drive.is_ascii_alphabetic() => Err("begins like a drive"),
        _ => Ok(text),
    }
}

/// Git's own files in a tree are read as files; only what stands for the folder `.git` is refused.
fn is_plain_dotfile(part: &str) -> bool {
    [".gitattributes", ".gitignore", ".gitmodules", ".mailmap"].contains(&part)
}

/// Compares as git sorts: the name of a folder as if it ended in a slash.
fn order(one: &Item<'_>, other: &Item<'_>) -> Ordering {
    let key = |item: &Item<'_>| {
        let slash = item.kind.is_none().then_some(b'/');
        item.name.bytes().chain(slash).collect::<Vec<_>>()
    };
    if one.name == other.name { Ordering::Equal } else { key(one).cmp(&key(other)) }
}

fn bad(place: &str, name: &[u8], what: &str) -> SourceError {
    let slash = if place.is_empty() { "" } else { "/" };
    let path = format!("{place}{slash}{}", harmless(name));
    let message = format!("could not accept the tree: {path:?} {what}");
    SourceError::new(SourceErrorKind::BadTree, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut data = Vec::new();
        for (mode, name) in entries {
            data.extend_from_slice(mode.as_bytes());
            data.push(b' ');
            data.extend_from_slice(name);
            data.push(0);
            data.extend_from_slice(&[7; 20]);
        }
        data
    }

    #[test]
    fn an_ordinary_tree_is_read() {
        let names: [&[u8]; 11] = [
            b"$(id)",
            b"--post-renderer=.",
            b"-f",
            b".gitattributes",
            b".gitignore",
            b".gitmodules",
            b".profile",
            b"aux.conf",
            b"dev-disk-by\\x2duuid.swap",
            b"foo-git",
            "\u{fc}ber.conf".as_bytes(),
        ];
        let data = tree(&names.map(|name| ("100644", name)));
        assert_eq!(read(&data, "").unwrap().len(), names.len());
        let data = tree(&[("100644", b"a"), ("100755", b"b"), ("120000", b"c"), ("40000", b"d")]);
        let kinds: Vec<_> = read(&data, "").unwrap().into_iter().map(|item| item.kind).collect();
        let expected = [Some(EntryKind::File), Some(EntryKind::Executable), Some(EntryKind::Symlink), None];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn names_that_mean_something_else_somewhere_are_refused() {
        let zero_width = ".g\u{200c}it".as_bytes();
        let names: [&[u8]; 18] = [
            b"",
            b".",
            b"..",
            b".git",
            b".GIT",
            b".Git",
            zero_width,
            b"git~1",
            b"GIT~1",
            b"a\\..\\b",
            b"a\\.git\\x",
            b"C:x",
            b"a/b",
            b"a/../b",
            b"a\nb",
            b"\x1b[2J",
            b"\xff\xfe",
            b".git ",
        ];
        for name in names {
            let error = read(&tree(&[("100644", name)]), "apps").expect_err(&harmless(name));
            assert_eq!(error.kind, SourceErrorKind::BadTree);
            assert!(!error.to_string().contains(['\n', '\x1b']));
        }
    }

    #[test]
    fn modes_that_git_does_not_write_are_refused() {
        for mode in ["104755", "100777", "0100664", "100664", "160000", "0", "", "040000", "10000", "777"] {
            assert_eq!(read(&tree(&[(mode, b"x")]), "").unwrap_err().kind, SourceErrorKind::BadTree, "{mode}");
        }
    }

    #[test]
    fn twins_and_disorder_are_refused() {
        let pairs: [[(&str, &[u8]); 2]; 5] = [
            [("100644", b"x"), ("100644", b"x")],
            [("100644", b"x"), ("40000", b"x")],
            [("40000", b"X"), ("120000", b"x")],
            [("100644", b"b"), ("100644", b"a")],
            [("100644", "e\u{301}".as_bytes()), ("100644", "\u{e9}".as_bytes())],
        ];
        for pair in pairs {
            assert_eq!(read(&tree(&pair), "").unwrap_err().kind, SourceErrorKind::BadTree, "{pair:?}");
        }
        assert_eq!(read(b"100644 x\0short", "").unwrap_err().kind, SourceErrorKind::BadTree);
    }
}
