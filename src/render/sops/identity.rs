//! The keys of this machine: age identities, read when a file needs them and let go of afterwards.

use std::io::Read as _;

use age::secrecy::ExposeSecret as _;
use age::secrecy::SecretString;
use age::secrecy::zeroize::Zeroizing;
use age::x25519::Identity;

use super::fault::Fault;
use super::metadata::Metadata;

const MOST_IDENTITIES: usize = 32;
/// The data key has 32 bytes, and age adds 16 for each chunk.
const LONGEST_KEY: u64 = 64;

/// Where identities come from.
pub trait Keyring: Send + Sync {
    /// Returns the identities as they are now.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    fn identities(&self) -> Result<Identities, Fault>;
}

/// What opens data keys. They are wiped from memory when this goes; it has no way into a log.
pub struct Identities(Vec<Identity>);

impl Identities {
    /// Reads identity files, as `age-keygen` writes them: one key a line, `#` before a comment.
    ///
    /// # Errors
    /// A line that is no X25519 identity. It is not repeated.
    pub fn read(files: &[SecretString]) -> Result<Self, Fault> {
        let mut identities = vec![];
        for file in files {
            for (number, line) in file.expose_secret().lines().enumerate() {
                let line = line.trim();
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let wrong = |_| {
                    let message = format!("line {} of an age identity file is no X25519 identity", number + 1);
                    Fault::encrypted(
                        message,
                        "`age-keygen -o FILE` writes one; keys of plug-ins and ssh keys are not supported",
                    )
                };
                identities.push(line.parse().map_err(wrong)?);
                if identities.len() > MOST_IDENTITIES {
                    return Err(Fault::invalid(format!("more than {MOST_IDENTITIES} age identities are declared")));
                }
            }
        }
        Ok(Self(identities))
    }

    /// Returns the data key of a file, from the first recipient that one of these is.
    pub(super) fn data_key(&self, metadata: &Metadata) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let opened = metadata.recipients().iter().find_map(|recipient| self.unwrap(&recipient.enc));
        opened.ok_or_else(|| {
            let message = format!("no key of this machine opens it: it is encrypted for {}", metadata.named());
            let hint = "add this machine's recipient with `sops rotate --add-age RECIPIENT`, or its identity to \
                        `spec.secrets.age` of the Repository";
            Fault::encrypted(message, hint)
        })
    }

    fn unwrap(&self, armoured: &str) -> Option<Zeroizing<Vec<u8>>> {
        let armour = age::armor::ArmoredReader::new(armoured.as_bytes());
        let decryptor = age::Decryptor::new_buffered(armour).ok()?;
        let identities = self.0.iter().map(|identity| identity as &dyn age::Identity);
        let mut key = Zeroizing::new(Vec::with_capacity(32));
        decryptor.decrypt(identities).ok()?.take(LONGEST_KEY).read_to_end(&mut key).ok()?;
        Some(key)
    }
}
