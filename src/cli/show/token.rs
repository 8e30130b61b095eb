use super::table::Table;
use super::when;
use crate::model::Time;
use crate::store::{Bearer, Token};

/// Returns a table of tokens: for whom, what they may, and for how long still.
#[must_use]
pub fn tokens(all: &[Token], now: Time) -> String {
    if all.is_empty() {
        return "no token\n".into();
    }
    let mut table = Table::new(&["TOKEN", "FOR", "ROLES", "APPLICATIONS", "MADE BY", "EXPIRES"]);
    for token in all {
        let whom = match &token.bearer {
            Bearer::Person { person } => person.to_string(),
            Bearer::Robot { robot } => format!("robot {robot}"),
            Bearer::Login { person, account } => format!("{person}, logged in as {account}"),
        };
        let roles: Vec<_> = token.grants.iter().map(|grant| grant.role.as_str()).collect();
        let of = token.grants.first().map(|grant| grant.matches.to_string()).unwrap_or_default();
        let left = if token.expires > now {
            format!("in {}", when::length(token.expires.since(now).as_secs()))
        } else {
            when::ago(token.expires, now)
        };
        table.row([&token.id, &whom, &roles.join(", "), &of, &token.by.to_string(), &left]);
    }
    table.render()
}
