//! Files encrypted with SOPS, as getsops 3 writes them: values AES-256-GCM under a data key, the data key for each age
//! recipient, a MAC over all values. Formats: <https://getsops.io/docs/>; what the documentation leaves open is as its sources
//! have it (`aes/cipher.go`, `sops.go`, `stores/`).
//!
//! # Guarantees
//! What comes out is what `sops decrypt` prints, or nothing: no value of a file whose MAC is wrong leaves this folder. Faults
//! name places, keys and recipients, never a value.

mod dotenv;
mod fault;
mod identity;
mod ini;
mod json;
mod metadata;
mod open;
mod path;
mod rules;
mod scalar;
mod store;
#[cfg(test)]
mod tests;
mod value;
mod yaml;

pub use fault::Fault;
pub use identity::{Identities, Keyring};
pub(super) use store::{Unreadable, looks_sealed, sealed};
pub(super) use yaml::{Document, documents, is_sealed};
