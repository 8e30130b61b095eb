//! Who changed what lies at a path, and when, as far as the file system tells: whose a file is, not who wrote into it.

use std::collections::HashMap;

use super::found::Found;
use crate::model::Touched;

const USERS: &str = "/etc/passwd";

/// The users that this machine names, for one look: read when the first of them is asked for.
#[derive(Default)]
pub(super) struct Users(Option<HashMap<u32, String>>);

impl Users {
    pub(super) fn touched(&mut self, found: &Found) -> Touched {
        // Of a directory service, or gone since: the number is all that is known.
        let name = self.names().get(&found.owner).cloned().unwrap_or_else(|| found.owner.to_string());
        Touched { what: None, by: Some(format!("owner {name}")), at: Some(found.changed) }
    }

    fn names(&mut self) -> &HashMap<u32, String> {
        self.0.get_or_insert_with(|| read(&std::fs::read_to_string(USERS).unwrap_or_default()))
    }
}

/// Reads passwd(5). Of several names for one number the first is its name.
fn read(text: &str) -> HashMap<u32, String> {
    let mut users = HashMap::new();
    for line in text.lines() {
        let mut fields = line.split(':');
        if let (Some(name), Some(Ok(number))) = (fields.next(), fields.nth(1).map(str::parse)) {
            users.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    users
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn users_are_named_by_the_first_name_of_their_number() {
        let users =
            read("root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\nada:x:1000:1000::/:/bin/sh\nbad\n:::\n");
        assert_eq!((users[&0].as_str(), users[&1000].as_str(), users.len()), ("root", "ada", 2));
    }
}
