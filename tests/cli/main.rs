//! The command line and the API, against a daemon that answers from fixed structs.

mod api;
mod command;
mod fake;
mod samples;
mod text;
