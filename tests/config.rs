//! Configuration and the YAML door: every mistake with its place, and what hostile text cannot do.

#[cfg(test)]
mod config {
    mod bombs;
    mod declared;
    mod files;
    mod from_git;
    mod hostile;
    mod mistakes;
    mod reverts;
    mod rules;
}
