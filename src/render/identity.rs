use crate::model::{ObjectId, host};

/// As Linux has it: `PATH_MAX` and `NAME_MAX`.
const LONGEST_PATH: usize = 4096;
const LONGEST_NAME: usize = 255;

/// Returns the identity of what lies at `path` on a host.
///
/// # Errors
/// What is wrong with the path, as a phrase, where it is not the one canonical way to write it: two names for one file would
/// be two objects that fight.
pub(super) fn path(path: &str) -> Result<ObjectId, &'static str> {
    let Some(relative) = path.strip_prefix('/') else {
        return Err("is not absolute: expected a path that begins with `/`");
    };
    if relative.is_empty() {
        return Err("is the root folder, which is not declared");
    }
    if path.len() > LONGEST_PATH {
        return Err("is longer than 4096 bytes");
    }
    if path.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    if path.ends_with('/') {
        return Err("ends with `/`: expected a path without it");
    }
    for segment in relative.split('/') {
        match segment {
            "" => return Err("holds `//`: expected each folder once"),
            "." | ".." => return Err("holds `.` or `..`: expected the path that it comes down to"),
            long if long.len() > LONGEST_NAME => return Err("holds a name longer than 255 bytes"),
            _ => {}
        }
    }
    Ok(ObjectId::new(host::PATH, path))
}

/// Returns the identity of a handler: its command, written as a shell would take it, so that two lists of arguments never
/// share a name.
pub(super) fn handler(command: &[String]) -> ObjectId {
    let words: Vec<_> = command.iter().map(|word| quoted(word)).collect();
    ObjectId::new(host::HANDLER, &words.join(" "))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for good in ["/etc/motd", "/a b/ü", "/-f", "/$(id)", "/..a/.b", &format!("/{}", "x".repeat(255))] {
            assert_eq!(&*path(good).unwrap().name, good);
        }
        let long = format!("/{}", "x/".repeat(2100) + "x");
        let wide = format!("/{}", "x".repeat(256));
        for bad in ["", "etc", "/", "//", "/a/", "/a//b", "/./a", "/a/../b", "/a/..", "/a\nb", "/a\0", &long, &wide] {
            assert!(path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn different_commands_never_share_a_name() {
        let name = |words: &[&str]| handler(&words.iter().map(ToString::to_string).collect::<Vec<_>>()).name;
        assert_eq!(&*name(&["nginx", "-s", "reload"]), "nginx -s reload");
        assert_eq!(&*name(&["echo", "it's", ""]), r"echo 'it'\''s' ''");
        assert_ne!(name(&["a b"]), name(&["a", "b"]));
        assert_ne!(name(&["'a", "b'"]), name(&["a b"]));
    }
}
