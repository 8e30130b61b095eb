use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::Row;

use super::states::{decode, encode};
use super::{Result, Store, StoreError, StoreErrorKind, Tx, database};
use crate::config::Grant;
use crate::model::{Actor, Digest, Name, Time};

const READ: &str = "read the tokens";
const WRITE: &str = "write the tokens";

/// How long one that has expired is still listed, in seconds: 30 days.
const KEPT: i64 = 30 * 24 * 60 * 60;

/// What somebody comes with from elsewhere, as everybody may know it: the secret is nowhere, and what it is hashed to lies apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Token {
    /// 16 hexadecimal digits, which are no secret.
    pub id: String,
    #[serde(flatten)]
    pub bearer: Bearer,
    /// What it may at most.
    pub grants: Vec<Grant>,
    /// Who made it.
    pub by: Actor,
    pub created: Time,
    pub expires: Time,
}

/// For whom a token speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Bearer {
    Person {
        person: Name,
    },
    /// A program of somebody's.
    Robot {
        robot: Name,
    },
    /// A person who has logged in with this account.
    Login {
        person: Name,
        account: String,
    },
}

impl Bearer {
    /// Returns the person, where it is one.
    #[must_use]
    pub const fn person(&self) -> Option<&Name> {
        match self {
            Self::Person { person } | Self::Login { person, .. } => Some(person),
            Self::Robot { .. } => None,
        }
    }
}

impl Token {
    /// Whether somebody has it by logging in.
    #[must_use]
    pub const fn is_login(&self) -> bool {
        matches!(self.bearer, Bearer::Login { .. })
    }

    /// Whether it is remembered: for 30 days after it has expired.
    #[must_use]
    pub fn is_kept(&self, now: Time) -> bool {
        self.expires > now.plus_seconds(-KEPT)
    }

    /// Returns who acts with it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        let actor = match &self.bearer {
            Bearer::Person { person } => Actor::token(person, &self.id),
            Bearer::Robot { robot } => Actor::token(robot, &self.id),
            Bearer::Login { person, account } => Actor::login(account, person),
        };
        Actor { person: self.bearer.person().cloned(), ..actor }
    }
}

impl Store {
    /// Returns every token, each with what its secret is hashed to.
    pub async fn tokens(&self) -> Result<Vec<(Token, Digest)>> {
        let mut session = self.session().await?;
        let rows = sqlx::query("SELECT body, hash FROM tokens ORDER BY id").fetch_all(&mut *session).await;
        let token = |row: &sqlx::any::AnyRow| {
            let text = |column: usize| row.try_get::<String, _>(column).map_err(database(READ));
            let hash = text(1)?.parse().map_err(|error: crate::model::ParseDigestError| {
                StoreError::because(StoreErrorKind::Damaged, "could not decode a token", anyhow::Error::new(error))
            })?;
            Ok((decode(&text(0)?)?, hash))
        };
        rows.map_err(database(READ))?.iter().map(token).collect()
    }
}

impl Tx {
    /// Writes down a new token.
    pub async fn put_token(&mut self, token: &Token, hash: &Digest) -> Result<()> {
        sqlx::query("INSERT INTO tokens (id, hash, expires, body) VALUES ($1, $2, $3, $4)")
            .bind(&token.id)
            .bind(hash.to_string())
            .bind(token.expires.0)
            .bind(encode(token)?)
            .execute(self.connection())
            .await
            .map_err(database(WRITE))?;
        Ok(())
    }

    /// Strikes a token. Returns whether there was one.
    pub async fn drop_token(&mut self, id: &str) -> Result<bool> {
        let gone = sqlx::query("DELETE FROM tokens WHERE id = $1").bind(id).execute(self.connection()).await;
        Ok(gone.map_err(database(WRITE))?.rows_affected() > 0)
    }

    /// Forgets the tokens that expired more than 30 days ago.
    pub(super) async fn sweep_tokens(&mut self, now: Time) -> Result<()> {
        let gone = sqlx::query("DELETE FROM tokens WHERE expires <= $1").bind(now.plus_seconds(-KEPT).0);
        gone.execute(self.connection()).await.map_err(database(WRITE))?;
        Ok(())
    }
}
