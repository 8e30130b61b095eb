use std::collections::VecDeque;

use tokio::task::{JoinHandle, spawn_blocking};

use crate::store::{StoreError, StoreErrorKind};

/// Parts that are judged at the same time, or wait for it.
const AHEAD: usize = 4;

/// Does the same work on one part after the other, on threads of their own, and gives back the results in order.
pub(in crate::audit) struct Pipeline<I, O> {
    work: fn(&I) -> O,
    jobs: VecDeque<JoinHandle<O>>,
}

impl<I: Send + 'static, O: Send + 'static> Pipeline<I, O> {
    pub(in crate::audit) fn new(work: fn(&I) -> O) -> Self {
        Self { work, jobs: VecDeque::new() }
    }

    pub(in crate::audit) fn has_room(&self) -> bool {
        self.jobs.len() < AHEAD
    }

    pub(in crate::audit) fn put(&mut self, part: I) {
        let work = self.work;
        self.jobs.push_back(spawn_blocking(move || work(&part)));
    }

    /// Returns the next result; `None` where nothing was put since.
    pub(in crate::audit) async fn next(&mut self) -> Result<Option<O>, StoreError> {
        let Some(job) = self.jobs.pop_front() else { return Ok(None) };
        let broken = |e| StoreError::because(StoreErrorKind::Unavailable, "could not finish reading the trail", e);
        job.await.map(Some).map_err(|error: tokio::task::JoinError| broken(error))
    }
}
