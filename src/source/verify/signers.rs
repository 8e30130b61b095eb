//! `allowed_signers` files, as ssh-keygen(1) describes them under ALLOWED SIGNERS.

use std::path::Path;

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, EcdsaCurve, PublicKey};

use super::trust::mistake;
use crate::model::Mistake;

/// One line: who may sign with which key, for what and when.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    /// As written: one or more names.
    pub(super) principals: String,
    pub(super) key: KeyData,
    /// Patterns that one of must fit the namespace; any fits where it is `None`.
    pub(super) namespaces: Option<String>,
    /// Seconds since 1970.
    pub(super) valid_after: Option<i64>,
    pub(super) valid_before: Option<i64>,
}

/// Reads a whole file. Every line that does not say one thing is a mistake: what is skipped may be what took a right away.
pub(super) fn read(file: &Path, text: &str) -> Result<Vec<Signer>, Vec<Mistake>> {
    let (mut signers, mut mistakes) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match signer(line) {
            Ok(signer) => signers.push(signer),
            Err((rest, message, hint)) => {
                let column = 1 + line[..line.len() - rest].chars().count();
                let hint = Some(hint).filter(|hint| !hint.is_empty());
                mistakes.push(mistake("verify.allowed-signers", file, number, column, message, hint));
            }
        }
    }
    if mistakes.is_empty() && signers.is_empty() {
        let hint = "a line is: ada@example.org namespaces=\"git\" ssh-ed25519 AAAA…";
        mistakes.push(mistake("verify.allowed-signers", file, 0, 0, "nobody may sign by this file", Some(hint)));
    }
    if mistakes.is_empty() { Ok(signers) } else { Err(mistakes) }
}

/// How much of the line was left where it went wrong, what is wrong, and a hint.
type Wrong = (usize, String, &'static str);

fn signer(line: &str) -> Result<Signer, Wrong> {
    let wrong = |rest: &str, message: &str, hint| (rest.len(), message.to_owned(), hint);
    let (principals, rest) = word(line.trim_start());
    let mut rest = rest.trim_start();
    let mut signer = (None, None, None);
    // An option begins with none of the words that a key type begins with.
    if !is_key_type(word(rest).0) {
        let (options, after) = word(rest);
        let mut left = options;
        while !left.is_empty() {
            let at = &rest[options.len() - left.len()..];
            let (option, more) = until(left, ',');
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = unquoted(value);
            match name.to_ascii_lowercase().as_str() {
                "namespaces" if signer.0.is_none() && !value.is_empty() => signer.0 = Some(value.to_owned()),
                "valid-after" if signer.1.is_none() => signer.1 = Some(time(value).map_err(|(m, h)| wrong(at, m, h))?),
                "valid-before" if signer.2.is_none() => signer.2 = Some(time(value).map_err(|(m, h)| wrong(at, m, h))?),
                "cert-authority" => {
                    let hint = "name the keys themselves, one line each";
                    return Err(wrong(at, "certificate authorities are not understood", hint));
                }
                _ => {
                    let hint = "the options are namespaces=, valid-after= and valid-before=, each once; then the key";
                    return Err(wrong(at, "expected an option or the type of a key", hint));
                }
            }
            left = more.strip_prefix(',').unwrap_or(more);
        }
        rest = after.trim_start();
    }
    let key = PublicKey::from_openssh(rest).map_err(|error| {
        (rest.len(), format!("the key cannot be read: {error}"), "ssh-keygen -y, or the .pub file, prints a key")
    })?;
    let key = key.key_data().clone();
    if !understood(&key) {
        let hint = "use ssh-ed25519, sk-ssh-ed25519, ecdsa-sha2-nistp256, ecdsa-sha2-nistp384, or ssh-rsa with 2048 to 4096 bits";
        return Err(wrong(rest, "keys of this type are not understood", hint));
    }
    let principals = unquoted(principals).to_owned();
    if principals.is_empty() {
        return Err(wrong(line, "expected a name before the key", "a name is like ada@example.org"));
    }
    let (namespaces, valid_after, valid_before) = signer;
    Ok(Signer { principals, key, namespaces, valid_after, valid_before })
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| word.starts_with(prefix))
}

fn understood(key: &KeyData) -> bool {
    match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::SkEd25519 => true,
        Algorithm::Ecdsa { curve } => matches!(curve, EcdsaCurve::NistP256 | EcdsaCurve::NistP384),
        Algorithm::Rsa { .. } => rsa_bits(key).is_some_and(|bits| bits <= 4096),
        _ => false,
    }
}

/// Returns how long an RSA key is.
pub(super) fn rsa_bits(key: &KeyData) -> Option<usize> {
    let modulus = key.rsa()?.n.as_positive_bytes()?;
    let zeros = modulus.first().map_or(0, |first| first.leading_zeros());
    (modulus.len() * 8).checked_sub(zeros as usize)
}

/// Splits at the first space outside of quotes.
fn word(text: &str) -> (&str, &str) {
    until(text, ' ')
}

fn until(text: &str, end: char) -> (&str, &str) {
    let mut quoted = false;
    let at = text.find(|c: char| {
        quoted ^= c == '"';
        !quoted && (c == end || (end == ' ' && c == '\t'))
    });
    text.split_at(at.unwrap_or(text.len()))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

/// Reads `YYYYMMDD[HHMM[SS]]Z`. ssh-keygen takes one without `Z` for local time, which two machines may read as two moments.
fn time(text: &str) -> Result<i64, (&'static str, &'static str)> {
    let hint = "write it as 20270131Z or 202701311200Z, in UTC";
    let wrong = || ("expected a moment", hint);
    let Some(digits) = text.strip_suffix('Z') else {
        return Err(("expected a moment in UTC, which ends with Z", hint));
    };
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number = |from: usize, to: usize| digits.get(from..to).map_or(Ok(0), str::parse::<i8>);
    let parts = (|| {
        let year = digits[..4].parse::<i16>()?;
        let (month, day) = (number(4, 6)?, number(6, 8)?);
        Ok::<_, std::num::ParseIntError>((year, month, day, number(8, 10)?, number(10, 12)?, number(12, 14)?))
    })();
    let (year, month, day, hour, minute, second) = parts.map_err(|_| wrong())?;
    let moment = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).map_err(|_| wrong())?;
    let moment = jiff::tz::Offset::UTC.to_timestamp(moment).map_err(|_| wrong())?;
    Ok(moment.as_second())
}

/// Whether a pattern list (PATTERNS in the manual of `ssh_config`) fits: one of its patterns does, and none that is negated.
pub(super) fn fits(patterns: &str, name: &str) -> bool {
    let mut fits = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(barred) if matches(barred.as_bytes(), name.as_bytes()) => return false,
            None if matches(pattern.as_bytes(), name.as_bytes()) => fits = true,
            _ => {}
        }
    }
    fits
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last star stood, and how much of the name it has taken.
    let (mut at, mut of, mut star) = (0, 0, None);
    while of < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, of));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[of] => (at, of) = (at + 1, of + 1),
            _ => match star {
                Some((from, taken)) => {
                    star = Some((from, taken + 1));
                    (at, of) = (from + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn lines_say_who_with_which_key_for_what_and_when() {
        let text = format!(
            "# who\n\nada@example.org {KEY} a comment\n\"bob@x,*@y\" namespaces=\"git,file\",valid-after=20240101Z,valid-before=\"20250101120000Z\" {KEY}\n"
        );
        let read = read(Path::new("signers"), &text).unwrap();
        assert_eq!((read[0].principals.as_str(), read[0].namespaces.as_deref()), ("ada@example.org", None));
        assert_eq!((read[1].principals.as_str(), read[1].namespaces.as_deref()), ("bob@x,*@y", Some("git,file")));
        assert_eq!((read[1].valid_after, read[1].valid_before), (Some(1_704_067_200), Some(1_735_732_800)));
    }

    #[test]
    fn mistakes_have_their_place() {
        for (line, column, said) in [
            (format!("ca cert-authority {KEY}"), 4, "authorities"),
            (format!("a namespaces=\"git\",no-such {KEY}"), 20, "option"),
            (format!("a valid-after=20240101 {KEY}"), 3, "UTC"),
            (format!("a valid-after=20241301Z {KEY}"), 3, "moment"),
            ("a ssh-ed25519 AAAA".to_owned(), 3, "cannot be read"),
            ("a".to_owned(), 2, "cannot be read"),
        ] {
            let mistakes = read(Path::new("signers"), &format!("# one\n{line}\n")).unwrap_err();
            assert_eq!((mistakes[0].place.line, mistakes[0].place.column), (2, column), "{line}");
            assert!(mistakes[0].message.contains(said), "{line}: {}", mistakes[0].message);
        }
        assert!(read(Path::new("signers"), "# nobody\n").is_err());
    }

    #[test]
    fn patterns_fit_as_in_ssh_config() {
        for (patterns, fit) in [
            ("git", true),
            ("g*t", true),
            ("file,git", true),
            ("*", true),
            ("g?t", true),
            ("*,!git", false),
            ("gitt", false),
        ] {
            assert_eq!(fits(patterns, "git"), fit, "{patterns}");
        }
    }
}
