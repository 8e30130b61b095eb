//! The API as others build on it: what it says of itself, and whether a real daemon keeps to that.

#[path = "../world/mod.rs"]
mod world;

#[cfg(test)]
mod answers;
#[cfg(test)]
mod described;
#[cfg(test)]
mod estate;
#[cfg(test)]
mod fuzzed;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod twice;
