use super::super::error::{ENCRYPTED, SOPS, TAMPERED};

/// Why an encrypted file does not open. It never holds a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable.
    pub code: &'static str,
    pub message: String,
    pub hint: Option<String>,
}

impl Fault {
    /// No key at hand opens it.
    pub(super) fn encrypted(message: impl Into<String>, hint: &str) -> Self {
        Self { code: ENCRYPTED, message: message.into(), hint: Some(hint.into()) }
    }

    /// The keys of this machine cannot be read.
    pub(in crate::render) fn no_key(message: impl Into<String>, hint: &str) -> Self {
        Self::encrypted(message, hint)
    }

    /// It is not as SOPS writes it, or asks for what is not supported.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { code: SOPS, message: message.into(), hint: None }
    }

    /// It was changed since it was encrypted.
    pub(super) fn tampered(message: impl Into<String>) -> Self {
        let hint = "edit it with `sops edit`, which renews the MAC; or bring back the file as it was encrypted";
        Self { code: TAMPERED, message: message.into(), hint: Some(hint.into()) }
    }

    pub(super) fn hint(self, hint: &str) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}
