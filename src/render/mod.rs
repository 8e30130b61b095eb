//! A tree → [`Desired`](crate::model::Desired). A render either reaches its end or is an error: nothing in between.
