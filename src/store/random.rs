use aes_gcm::aead::Generate;

use super::{StoreError, StoreErrorKind};
use crate::model::SyncId;

/// Returns random bytes of the operating system.
///
/// # Errors
/// When it has none.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    <[u8; N]>::try_generate().map_err(|e| {
        StoreError::because(StoreErrorKind::Unavailable, "could not get random bytes", anyhow::anyhow!("{e}"))
    })
}

/// Returns an id that no execution had before.
///
/// # Errors
/// When the operating system has no random bytes.
pub fn new_sync_id() -> Result<SyncId, StoreError> {
    Ok(SyncId(format!("{:032x}", u128::from_be_bytes(random()?)).into()))
}
