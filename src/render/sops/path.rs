use super::fault::Fault;
use super::rules::Rules;

/// A longer path is nobody's: it would be hashed once for each value below it.
const LONGEST: usize = 1024;

/// The keys that lead to a value, as SOPS binds them to it: places in a list do not count.
pub(super) struct Path<'r> {
    rules: &'r Rules,
    /// Each key with a colon behind it.
    joined: String,
    /// For each key: where it begins, and whether a key up to here is one that the rules name.
    keys: Vec<(usize, bool)>,
}

impl<'r> Path<'r> {
    pub(super) const fn new(rules: &'r Rules) -> Self {
        Self { rules, joined: String::new(), keys: Vec::new() }
    }

    pub(super) fn enter(&mut self, key: &str) -> Result<(), Fault> {
        if self.joined.len() + key.len() >= LONGEST {
            return Err(Fault::invalid(format!("the keys that lead to a value have more than {LONGEST} bytes")));
        }
        let named = self.keys.last().is_some_and(|(_, named)| *named) || self.rules.name(key);
        self.keys.push((self.joined.len(), named));
        self.joined.push_str(key);
        self.joined.push(':');
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        if let Some((start, _)) = self.keys.pop() {
            self.joined.truncate(start);
        }
    }

    /// Returns whether the rules have the value here encrypted; `None` where only its form tells.
    pub(super) fn selected(&self) -> Option<bool> {
        self.rules.selected(self.keys.last().is_some_and(|(_, named)| *named))
    }

    /// Returns what goes into the encryption of a value here as associated data.
    pub(super) fn aad(&self) -> &str {
        if self.joined.is_empty() { ":" } else { &self.joined }
    }

    /// Returns the path for a message: keys are not secret.
    pub(super) fn shown(&self) -> String {
        crate::yaml::quoted(self.joined.trim_end_matches(':'))
    }
}
