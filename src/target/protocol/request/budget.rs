//! The memory that all requests of a connection share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::target::protocol::ProtocolError;

/// What a value in memory costs beside its text.
pub(super) const NODE: usize = 96;

/// Memory that all requests share.
#[derive(Clone, Debug)]
pub(in crate::target::protocol) struct Budget(Arc<AtomicUsize>);

/// A part of the budget, given back when dropped.
pub(super) struct Charge {
    pub(super) budget: Budget,
    taken: usize,
}

impl Budget {
    pub(in crate::target::protocol) fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// Returns a part of it, with nothing taken yet.
    pub(super) fn charge(&self) -> Charge {
        Charge { budget: self.clone(), taken: 0 }
    }
}

impl Charge {
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ProtocolError> {
        let left = self.budget.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(bytes));
        left.map_err(|_| ProtocolError::TooMuch("all requests together hold too much"))?;
        self.taken += bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.taken, Ordering::AcqRel);
    }
}

/// Returns about how many bytes a document takes in memory.
pub(super) fn weight(value: &Value) -> usize {
    NODE + match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(weight).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| NODE + name.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}
