use tokio::sync::watch;

use crate::store::Store;

/// Rings when records are durable. A bell carries no records: whoever hears it reads the trail, from where it last was.
///
/// # Guarantees
/// Rings that nobody waited for are one ring, and are not lost. A commit never waits for whoever listens.
pub struct Appended(watch::Receiver<u64>);

impl Appended {
    /// Listens to what is appended from now on.
    #[must_use]
    pub fn to(store: &Store) -> Self {
        Self(store.appended().subscribe())
    }

    /// Waits until records were appended since this last returned, and returns the number of the newest. Cancel-safe.
    pub async fn next(&mut self) -> u64 {
        match self.0.changed().await {
            Ok(()) => *self.0.borrow_and_update(),
            // The store is gone, and nothing will be appended any more.
            Err(_) => std::future::pending().await,
        }
    }
}

/// Rings for everyone who listens. Commits may come here in another order than they were made.
pub(super) fn ring(store: &Store, newest: u64) {
    store.appended().send_if_modified(|known| {
        let news = newest > *known;
        *known = newest.max(*known);
        news
    });
}
