//! Credentials for what is reached: read each time they are needed, from where nobody else can read them.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{SourceError, SourceErrorKind};
use age::secrecy::SecretString;

use crate::config::{Credentials, Repository, SecretSource};

/// No token and no key is longer.
const LIMIT: u64 = 64 * 1024;

/// A secret. It has no way into a log.
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Returns the secrets of these repositories as they are now, so that they can be kept out of records and messages. One that
/// cannot be read cannot leak either.
pub fn secrets<'a>(repositories: impl Iterator<Item = &'a Repository>) -> Vec<Vec<u8>> {
    let mut secrets = vec![];
    for repository in repositories {
        secrets.extend(repository.credentials.as_ref().and_then(|declared| raw(&declared.into()).ok()));
        secrets.extend(repository.webhook.as_ref().and_then(|declared| raw(&(&declared.secret).into()).ok()));
        if let Some(revert) = &repository.revert {
            secrets.extend(revert.push.as_ref().and_then(|declared| raw(&declared.into()).ok()));
            let key = raw(&(&revert.key).into()).unwrap_or_default();
            // The lines that frame it are in every key.
            let lines = key.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"-----"));
            secrets.extend(lines.map(<[u8]>::to_vec));
        }
        secrets.extend(repository.forge.as_ref().and_then(|declared| raw(&(&declared.token).into()).ok()));
        for identity in repository.secrets.age.iter().filter_map(|declared| raw(&declared.into()).ok()) {
            // Its comments name the recipient, which is no secret.
            let lines = identity.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().starts_with(b"#"));
            secrets.extend(lines.map(<[u8]>::to_vec));
        }
    }
    secrets
}

/// Reads files of age identities as they are now.
///
/// # Errors
/// `Credentials`, where one cannot be read, or somebody else could read it.
pub fn identities(declared: &[SecretSource]) -> Result<Vec<SecretString>, SourceError> {
    let text = |declared: &SecretSource| {
        let place = declared.into();
        let text = String::from_utf8(raw(&place)?);
        let text = text.map_err(|_| refused(&locate(&place).unwrap_or_default(), "it is not text"))?;
        Ok(SecretString::from(text))
    };
    declared.iter().map(text).collect()
}

/// Where one secret is: a file, or what systemd hands out under a name.
struct Held<'a> {
    file: Option<&'a Path>,
    systemd: Option<&'a str>,
}

impl<'a> From<&'a Credentials> for Held<'a> {
    fn from(declared: &'a Credentials) -> Self {
        Self { file: declared.file.as_deref(), systemd: declared.systemd.as_deref() }
    }
}

impl<'a> From<&'a SecretSource> for Held<'a> {
    fn from(declared: &'a SecretSource) -> Self {
        Self { file: declared.file.as_deref(), systemd: declared.systemd.as_deref() }
    }
}

fn raw(declared: &Held<'_>) -> Result<Vec<u8>, SourceError> {
    let path = locate(declared)?;
    let mut bytes = vec![];
    let read = open(&path, declared.systemd.is_some())?.take(LIMIT).read_to_end(&mut bytes);
    read.map_err(|error| refused(&path, "it could not be read").because(error))?;
    Ok(bytes)
}

/// Returns the file that holds the credential, checked.
///
/// # Errors
/// `Credentials`, where it cannot be read, or somebody else could read it.
pub(super) fn file(declared: &Credentials) -> Result<PathBuf, SourceError> {
    let path = locate(&declared.into())?;
    open(&path, declared.systemd.is_some())?;
    Ok(path)
}

/// Reads the secret, without the line break that editors add.
///
/// # Errors
/// As [`file`].
pub(super) fn read(declared: &Credentials) -> Result<Secret, SourceError> {
    line(&declared.into())
}

/// Reads a secret of one line, without its line break.
///
/// # Errors
/// As [`file`].
pub(crate) fn secret(declared: &SecretSource) -> Result<Secret, SourceError> {
    line(&declared.into())
}

/// Reads a secret as it stands, such as a key in PEM.
///
/// # Errors
/// As [`file`].
pub(crate) fn secret_bytes(declared: &SecretSource) -> Result<Vec<u8>, SourceError> {
    raw(&declared.into())
}

fn line(declared: &Held<'_>) -> Result<Secret, SourceError> {
    let path = locate(declared)?;
    let mut text = String::new();
    let read = open(&path, declared.systemd.is_some())?.take(LIMIT).read_to_string(&mut text);
    read.map_err(|error| refused(&path, "it could not be read as text").because(error))?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(refused(&path, "it is empty, or holds more than one line"));
    }
    Ok(Secret(text))
}

fn locate(declared: &Held<'_>) -> Result<PathBuf, SourceError> {
    let Some(name) = declared.systemd else {
        let nowhere = || SourceError::new(SourceErrorKind::Credentials, "a secret names neither file nor systemd");
        return declared.file.map(Path::to_owned).ok_or_else(nowhere);
    };
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|_| plain);
    let missing = || {
        let message = format!(
            "the systemd credential {name} is not there: put it into /etc/trueup/credentials/{name} and restart the service, \
             or add LoadCredential={name}:… to its unit"
        );
        SourceError::new(SourceErrorKind::Credentials, message)
    };
    folder.and_then(|folder| among(Path::new(&folder), name)).ok_or_else(missing)
}

/// Returns where a credential lies among those of the unit: under its own name, or under the one that systemd gives to a file
/// of a folder that is loaded whole (`LoadCredential=trueup:/etc/trueup/credentials`).
fn among(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("trueup_{name}"))].into_iter().find(|path| path.exists())
}

fn open(path: &Path, systemd: bool) -> Result<std::fs::File, SourceError> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(|error| refused(path, "it could not be opened").because(error))?;
    let about = file.metadata().map_err(|error| refused(path, "it could not be looked at").because(error))?;
    if !about.is_file() {
        return Err(refused(path, "it is not a file"));
    }
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&about.uid());
    // systemd hands its credentials out as root:root 0440 under a folder that only the unit's user may enter.
    let open_to = if systemd { 0o037 } else { 0o077 };
    if !ours || about.mode() & open_to != 0 {
        return Err(refused(path, "others may read it: it must belong to the daemon's user or root, with mode 0600"));
    }
    Ok(file)
}

fn refused(path: &Path, why: &str) -> SourceError {
    SourceError::new(SourceErrorKind::Credentials, format!("could not use the credential {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(content: &str, mode: u32) -> (tempfile::TempDir, Credentials) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, Credentials { username: "git".into(), file: Some(path), systemd: None })
    }

    #[test]
    fn a_private_file_is_read_without_its_line_break() {
        for mode in [0o600, 0o400] {
            let (_folder, declared) = written("s3cret\n", mode);
            assert_eq!(read(&declared).unwrap().reveal(), "s3cret");
        }
    }

    #[test]
    fn a_credential_of_the_unit_is_found_by_itself_and_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(among(folder.path(), "platform"), None);
        for named in ["trueup_platform", "platform"] {
            std::fs::write(folder.path().join(named), "s3cret").unwrap();
            assert_eq!(among(folder.path(), "platform"), Some(folder.path().join(named)));
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_without_repeating_it() {
        for mode in [0o640, 0o604, 0o644, 0o660] {
            let (_folder, declared) = written("s3cret\n", mode);
            let error = read(&declared).unwrap_err();
            assert_eq!(error.kind, SourceErrorKind::Credentials, "{mode:o}");
            assert!(!format!("{error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn an_empty_or_many_lined_token_is_refused() {
        for content in ["", "\n", "a\nb\n", "a\0b"] {
            let (_folder, declared) = written(content, 0o600);
            assert_eq!(read(&declared).unwrap_err().kind, SourceErrorKind::Credentials);
        }
    }
}
