//! The commands about tokens.

use serde_json::json;

use super::args::{Token, TokenCreate};
use super::ask::{Asking, name_of, read};
use super::show::printable;
use super::trouble::Trouble;
use super::{Exit, show};
use crate::api::{TokenAsked, TokenMade};
use crate::config::Matching;
use crate::store;

impl Asking<'_> {
    pub(super) async fn token(&self, command: &Token) -> Result<Exit, Trouble> {
        match command {
            Token::Create(create) => self.create_token(create).await,
            Token::List => {
                let answer = self.client.list(&["tokens"]).await?;
                let tokens: Vec<store::Token> = read(&answer)?;
                self.print(&answer, || show::tokens(&tokens, self.clock.now()))?;
                Ok(Exit::Done)
            }
            Token::Revoke { id } => {
                if id.is_empty() || id.len() > 64 || !id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return Err(Trouble::new("a token is named by its id").hint("`trueup token list` names them"));
                }
                let answer = self.client.post(&["tokens", id, "revoke"], &json!({})).await?;
                let token: store::Token = read(&answer)?;
                self.print(&answer, || show::tokens(&[token], self.clock.now()))?;
                Ok(Exit::Done)
            }
        }
    }

    async fn create_token(&self, create: &TokenCreate) -> Result<Exit, Trouble> {
        let one = |kind, name: &Option<String>| name.as_deref().map(|name| name_of(kind, name)).transpose();
        let asked = TokenAsked {
            person: one("person", &create.person)?,
            robot: one("robot", &create.robot)?,
            roles: create.roles.clone(),
            matches: Matching {
                applications: create.applications.clone(),
                labels: create.labels.iter().cloned().collect(),
            },
            seconds: create.length.map(|length| u32::try_from(length.0.as_secs()).unwrap_or(u32::MAX)),
        };
        let answer = self.client.post(&["tokens"], &asked).await?;
        let made: TokenMade = read(&answer)?;
        self.print(&answer, || format!("{}\n", printable(&made.secret)))?;
        if !self.screen.json {
            let (id, until) = (printable(&made.token.id).into_owned(), made.token.expires);
            self.screen.say(&format!("token {id}, until {until}; this is the only time that it is shown"));
            self.screen.hint("keep it in a file that only you may read, and name that with --token-file");
        }
        Ok(Exit::Done)
    }
}
