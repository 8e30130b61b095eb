//! When two spellings are one person: what commits, keys and logins say is compared in one form.

use unicode_normalization::UnicodeNormalization;

/// Returns the form in which an e-mail address is compared: NFKC, lower case, without what follows a `+` before the `@`.
#[must_use]
pub fn email_identity(address: &str) -> String {
    let folded = folded(address.trim());
    let Some((local, domain)) = folded.rsplit_once('@') else { return folded };
    let local = local.split_once('+').map_or(local, |(local, _)| local);
    format!("{local}@{domain}")
}

/// Returns the form in which a key is compared: fingerprints of OpenPGP in lower case without blanks, those of SSH without
/// padding; a principal as it is.
#[must_use]
pub fn key_identity(key: &str) -> String {
    let key = key.trim();
    if let Some(print) = key.strip_prefix("SHA256:") {
        return format!("SHA256:{}", print.trim_end_matches('='));
    }
    let bare: String = key.chars().filter(|character| *character != ' ').collect();
    let bare = bare.strip_prefix("0x").unwrap_or(&bare);
    let print = matches!(bare.len(), 40 | 64) && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    if print { bare.to_ascii_lowercase() } else { key.to_owned() }
}

/// Returns the form in which the subject of a login is compared: NFKC, lower case, without a closing `/`.
#[must_use]
pub fn login_identity(subject: &str) -> String {
    folded(subject.trim()).trim_end_matches('/').to_owned()
}

/// Lower case may undo the normal form, so it is made twice.
fn folded(text: &str) -> String {
    text.nfkc().collect::<String>().to_lowercase().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_is_one_however_written() {
        for (one, other) in [
            ("Ada@Example.org", "ada@example.ORG"),
            ("ada+git@example.org", "ada@example.org"),
            ("ada\u{ff0b}git\u{ff20}example.org", "ada@example.org"),
            ("\u{212b}da@example.org", "a\u{30a}da@example.org"),
            ("\u{fb01}n@example.org", "FIN@example.org"),
        ] {
            assert_eq!(email_identity(one), email_identity(other));
        }
        assert_ne!(email_identity("ada@example.org"), email_identity("bob@example.org"));
        assert_ne!(email_identity("ada@a+b.org"), email_identity("ada@a.org"));
        let print = "0123456789ABCDEF0123456789ABCDEF01234567";
        assert_eq!(key_identity("0123 4567 89AB CDEF 0123  4567 89AB CDEF 0123 4567"), print.to_lowercase());
        assert_eq!(key_identity("SHA256:abc="), key_identity("SHA256:abc"));
        assert_ne!(key_identity("SHA256:abc"), key_identity("SHA256:ABC"));
        assert_eq!(login_identity("https://Git.example.org/Ada/"), login_identity("https://git.example.org/ada"));
    }
}
