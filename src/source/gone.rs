use std::sync::Arc;

use async_trait::async_trait;

use super::{Commit, Head, Merge, Relation, SignedBy, Source, SourceError, SourceErrorKind, Tree};
use crate::model::{Revision, Time};

/// The source of an application that is declared no more: it follows no repository, and every question is refused.
pub struct Gone;

fn refused<T>() -> Result<T, SourceError> {
    let message = "the application is declared no more, and follows no repository".into();
    Err(SourceError { kind: SourceErrorKind::NotFound, message, source: None })
}

#[async_trait]
impl Source for Gone {
    async fn poll(&self, _: &[Revision]) -> Result<Head, SourceError> {
        refused()
    }

    async fn resolve(&self, _: &str) -> Result<Head, SourceError> {
        refused()
    }

    async fn verify(&self, _: &Head, _: Option<&Revision>, _: Time) -> Result<Option<SignedBy>, SourceError> {
        refused()
    }

    async fn relation(&self, _: &Revision, _: &Revision) -> Result<Relation, SourceError> {
        refused()
    }

    async fn tree(&self, _: &Revision) -> Result<Arc<dyn Tree>, SourceError> {
        refused()
    }

    async fn commit(&self, _: &Revision) -> Result<Commit, SourceError> {
        refused()
    }

    async fn news(&self, _: Option<&Revision>, _: &Revision, _: Time) -> Result<Option<Vec<Commit>>, SourceError> {
        refused()
    }

    async fn merge(&self, _: &Revision, _: &Revision) -> Result<Merge, SourceError> {
        refused()
    }
}
