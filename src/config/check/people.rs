use std::collections::HashMap;

use super::Scope;
use crate::config::gather::Gathered;
use crate::config::load::mistake;
use crate::config::{Config, Endpoint, Person, email_identity, key_identity, login_identity};
use crate::model::{Mistake, Place, deceives};
use crate::yaml::quoted;

/// No name, address or key of people has more bytes.
const LONGEST: usize = 1024;

pub(super) fn check(person: &Person, scope: &mut Scope) {
    for Claim { what, pointer, written, .. } in claims(person) {
        let expected = match what {
            _ if written.len() > LONGEST => "at most 1024 bytes",
            _ if written.trim() != written || written.is_empty() => "a text without blanks around it",
            _ if written.chars().any(deceives) => "no invisible characters",
            "unix user" if !is_user(written) => "the name of a user of this machine",
            "e-mail" if !is_address(written) => "an address such as ada@example.org",
            "key" if !is_key(written) => "43 characters of base64 after SHA256:",
            "login" if Endpoint::parse(written).is_err() => "the https:// address of an account",
            _ => continue,
        };
        scope.say("config.person", &pointer, format!("expected {expected}, found {}", quoted(written)), None);
    }
}

/// A number may be another user tomorrow, and could be read as one.
fn is_user(name: &str) -> bool {
    let allowed = |character: char| !character.is_whitespace() && !matches!(character, ':' | '/' | ',' | '@');
    name.chars().all(allowed) && !name.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('-')
}

fn is_address(address: &str) -> bool {
    let whole = email_identity(address);
    let parts = whole.split_once('@');
    parts.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'))
        && !address.contains(char::is_whitespace)
}

fn is_key(key: &str) -> bool {
    let identity = key_identity(key);
    let Some(print) = identity.strip_prefix("SHA256:") else { return true };
    print.len() == 43 && print.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// One thing by which a person is known.
struct Claim<'p> {
    what: &'static str,
    pointer: String,
    written: &'p str,
    identity: String,
}

fn claims(person: &Person) -> impl Iterator<Item = Claim<'_>> {
    fn each<'p>(
        what: &'static str,
        field: &'static str,
        written: &'p [String],
        identity: fn(&str) -> String,
    ) -> impl Iterator<Item = Claim<'p>> {
        written.iter().enumerate().map(move |(at, written)| Claim {
            what,
            pointer: format!("/spec/{field}/{at}"),
            written,
            identity: identity(written),
        })
    }
    let login = person.login.iter().map(|written| Claim {
        what: "login",
        pointer: "/spec/login".into(),
        written,
        identity: login_identity(written),
    });
    each("unix user", "unix", &person.unix, str::to_owned)
        .chain(each("e-mail", "emails", &person.emails, email_identity))
        .chain(each("key", "keys", &person.keys, key_identity))
        .chain(login)
}

/// Sees that nothing by which a person is known is another person's too: it would be told who did something by chance, and
/// one could be their own second person.
pub(super) fn unique(gathered: &Gathered, machine: Option<&Config>, mistakes: &mut Vec<Mistake>) {
    let mut owners: HashMap<(&str, String), (&str, Option<Place>)> = HashMap::new();
    for (name, person) in machine.into_iter().flat_map(|machine| &machine.people) {
        for claim in claims(person) {
            owners.insert((claim.what, claim.identity), (name.as_str(), None));
        }
    }
    for typed in &gathered.people {
        let name = typed.metadata.name.as_str();
        for claim in claims(&typed.spec) {
            let place = typed.written.place(&claim.pointer);
            let mine = (name, Some(place.clone()));
            let (owner, there) = owners.entry((claim.what, claim.identity)).or_insert(mine);
            // Two documents of one name are a mistake of their own.
            if *owner == name {
                continue;
            }
            let there = there.as_ref().map_or("on the machine".to_owned(), |there| format!("at {there}"));
            let message = format!(
                "the {} {} belongs to the Person {} too, {there}",
                claim.what,
                quoted(claim.written),
                quoted(owner)
            );
            let hint = Some("let each person have it alone, or make one Person of the two".to_owned());
            mistakes.push(mistake("config.two-people", place, message, hint));
        }
    }
}
