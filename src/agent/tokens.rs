//! Tokens: made, told apart and revoked. They lie in memory too, so that whoever tries one costs the store nothing, and one that was
//! never made takes as long as one that was.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Agent;
use super::problems::store_problem;
use super::unknown::no_token;
use crate::audit::{Act, ActBody, Body, Entry};
use crate::config::{Grant, Matching};
use crate::model::{Actor, ActorKind, Digest, Name, Problem, Role, Time};
use crate::store::{Bearer, Store, StoreError, Token, Tx, random};

/// What each begins with, so that it is known for what it is wherever it turns up.
pub const PREFIX: &str = "trueup_";
/// What is not said lasts so long, in seconds: 90 days.
const USUAL: i64 = 90 * 24 * 60 * 60;
/// And nothing longer, in seconds: a year.
const LONGEST: i64 = 366 * 24 * 60 * 60;
const SHORTEST: i64 = 60;
/// All but logins, together: nobody has more than this for a reason.
const MOST: usize = 2000;
/// Those that one made. Root has no share but the whole, and could strike out everybody's anyway.
const MOST_OF_ONE: usize = 100;
/// Of one person. Nobody is kept from logging in: the oldest one ends instead.
const MOST_LOGINS: usize = 20;
const MOST_NAMED: usize = 100;

/// A token as it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenAsked {
    /// The person that it speaks for; left out, whoever asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<Name>,
    /// The program that it speaks for, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robot: Option<Name>,
    /// What it may at most.
    pub roles: Vec<Role>,
    /// With which applications.
    #[serde(default, rename = "match")]
    pub matches: Matching,
    /// How long, in seconds; 90 days where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
}

/// A token that was just made: the only time that its secret is told.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct TokenMade {
    pub secret: String,
    #[serde(flatten)]
    pub token: Token,
}

/// What the API asks of a running daemon about tokens.
#[async_trait]
pub trait Tokens {
    /// Returns the token that this text is, until it expires. Whether it still counts depends on whom it speaks for.
    fn token(&self, text: &str) -> Result<Token, NoToken>;

    /// Returns all of them, by id.
    fn tokens(&self) -> Vec<Token>;

    /// Whether it is one of them, and has not expired.
    fn holds(&self, token: &Token) -> bool;

    /// Makes one, which ends no later than `until`: when the one ends that it is made with. That `by` may hand out so much is for the
    /// caller to have seen to.
    async fn create_token(
        &self,
        bearer: Bearer,
        asked: TokenAsked,
        until: Option<Time>,
        by: Actor,
    ) -> Result<TokenMade, Problem>;

    /// Makes one end now.
    async fn revoke_token(&self, id: &str, by: Actor) -> Result<Token, Problem>;
}

/// Why a text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoToken {
    Unknown,
    /// It was one.
    Expired(Time),
}

/// Every token, each with what its secret is hashed to.
#[derive(Default)]
pub(super) struct Keyring(RwLock<Arc<BTreeMap<String, (Token, Digest)>>>);

impl Keyring {
    pub(super) async fn load(store: &Store) -> Result<Self, StoreError> {
        let all = store.tokens().await?.into_iter().map(|(token, hash)| (token.id.clone(), (token, hash)));
        Ok(Self(RwLock::new(Arc::new(all.collect()))))
    }

    fn all(&self) -> Arc<BTreeMap<String, (Token, Digest)>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, (Token, Digest)>)) {
        change(Arc::make_mut(&mut self.0.write().unwrap_or_else(PoisonError::into_inner)));
    }

    /// Forgets those that the store forgets.
    pub(super) fn sweep(&self, now: Time) {
        self.change(|all| all.retain(|_, (token, _)| token.is_kept(now)));
    }

    /// Returns which one has to end for a new one, where one has to.
    ///
    /// # Errors
    /// Where there are too many, and none that ends for another.
    fn room(&self, new: &Token, now: Time) -> Result<Option<Token>, Problem> {
        let all = self.all();
        let alive = all.values().map(|(token, _)| token).filter(|token| token.expires > now);
        let (logins, others): (Vec<_>, Vec<_>) = alive.partition(|token| token.is_login());
        if new.is_login() {
            let theirs = logins.into_iter().filter(|token| token.bearer.person() == new.bearer.person());
            let theirs: Vec<_> = theirs.collect();
            let oldest = theirs.iter().min_by_key(|token| token.created);
            return Ok(oldest.filter(|_| theirs.len() >= MOST_LOGINS).map(|token| (*token).clone()));
        }
        let maker = new.by.principal();
        let own = || others.iter().filter(|token| token.by.principal() == maker).count();
        let title = if others.len() >= MOST {
            format!("there are {MOST} tokens already")
        } else if !is_root(&new.by) && own() >= MOST_OF_ONE {
            format!("you have made {MOST_OF_ONE} tokens already")
        } else {
            return Ok(None);
        };
        let problem = Problem::new(409, "token.too-many", title);
        Err(problem.hint("`trueup token list` shows which of them nobody needs: `trueup token revoke ID`"))
    }

    fn holds(&self, token: &Token, now: Time) -> bool {
        self.all().get(&token.id).is_some_and(|(kept, _)| kept == token && kept.expires > now)
    }

    /// The id says which; what is compared is what a secret of 256 random bits is hashed to, so that how far it fits tells nothing.
    fn find(&self, text: &str, now: Time) -> Result<Token, NoToken> {
        let parts = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
        let (id, secret) = parts.unwrap_or_default();
        let (hash, all) = (Digest::of(secret.as_bytes()), self.all());
        match all.get(id) {
            Some((token, kept)) if *kept == hash && token.expires > now => Ok(token.clone()),
            Some((token, kept)) if *kept == hash => Err(NoToken::Expired(token.expires)),
            _ => Err(NoToken::Unknown),
        }
    }
}

#[async_trait]
impl Tokens for Agent {
    fn token(&self, text: &str) -> Result<Token, NoToken> {
        self.inner.keyring.find(text, self.inner.clock.now())
    }

    fn tokens(&self) -> Vec<Token> {
        self.inner.keyring.all().values().map(|(token, _)| token.clone()).collect()
    }

    fn holds(&self, token: &Token) -> bool {
        self.inner.keyring.holds(token, self.inner.clock.now())
    }

    async fn create_token(
        &self,
        bearer: Bearer,
        asked: TokenAsked,
        until: Option<Time>,
        by: Actor,
    ) -> Result<TokenMade, Problem> {
        let now = self.inner.clock.now();
        let token = token(bearer, asked, until, by, now)?;
        let ends = self.inner.keyring.room(&token, now)?;
        let bytes = random::<32>().map_err(|error| store_problem(&error))?;
        // As 64 hexadecimal digits.
        let secret = Digest::from_bytes(bytes).to_string();
        let hash = Digest::of(secret.as_bytes());
        let text = format!("{PREFIX}{}_{secret}", token.id);
        // Should it ever come our way in a message.
        self.inner.estate.lock().await.redactor.learn([&secret]);
        let ended = ends.iter().map(|one| told(Act::RevokeToken, one, &token.by));
        let entries: Vec<_> = ended.chain([told(Act::CreateToken, &token, &token.by)]).collect();
        let change = async |tx: &mut Tx| {
            if let Some(one) = &ends {
                tx.drop_token(&one.id).await?;
            }
            tx.put_token(&token, &hash).await
        };
        self.write(&entries, change).await?;
        self.inner.keyring.change(|all| {
            if let Some(one) = &ends {
                all.remove(&one.id);
            }
            all.insert(token.id.clone(), (token.clone(), hash));
        });
        Ok(TokenMade { secret: text, token })
    }

    async fn revoke_token(&self, id: &str, by: Actor) -> Result<Token, Problem> {
        let (token, _) = self.inner.keyring.all().get(id).cloned().ok_or_else(no_token)?;
        let entry = told(Act::RevokeToken, &token, &by);
        self.write(&[entry], async |tx| tx.drop_token(id).await.map(|_| ())).await?;
        self.inner.keyring.change(|all| {
            all.remove(id);
        });
        Ok(token)
    }
}

fn is_root(by: &Actor) -> bool {
    by.kind == ActorKind::UnixUser && by.subject == "0"
}

fn token(bearer: Bearer, asked: TokenAsked, until: Option<Time>, by: Actor, created: Time) -> Result<Token, Problem> {
    let wrong = |title: &str, hint: &str| Err(Problem::new(400, "token.asked", title).hint(hint));
    let TokenAsked { mut roles, matches, seconds, .. } = asked;
    let usual = seconds.is_none();
    let seconds = seconds.map_or(USUAL, i64::from);
    if !(SHORTEST..=LONGEST).contains(&seconds) {
        return wrong("a token lasts from a minute to a year", "say for how long: --for 90d");
    }
    roles.sort_unstable();
    roles.dedup();
    if roles.is_empty() {
        return wrong("a token takes a role", "say what it may do: --role operator");
    }
    if matches.applications.len() > MOST_NAMED || matches.labels.len() > MOST_NAMED {
        return wrong("it names more than 100 applications or labels", "`*` stands for any part of a name");
    }
    let mut expires = created.plus_seconds(seconds);
    if let Some(until) = until.filter(|until| expires > *until) {
        if !usual {
            let title = format!("it would outlast the token that it is made with, which ends at {until}");
            return Err(
                Problem::new(403, "token.forbidden", title).hint("ask for less: --for, or make it on the machine")
            );
        }
        expires = until;
    }
    let id = random::<8>().map_err(|error| store_problem(&error))?;
    Ok(Token {
        id: format!("{:016x}", u64::from_be_bytes(id)),
        bearer,
        grants: roles.into_iter().map(|role| Grant { role, matches: matches.clone() }).collect(),
        by,
        created,
        expires,
    })
}

/// Returns what the trail says of a token: for whom, what it may, and until when.
fn told(act: Act, token: &Token, by: &Actor) -> Entry {
    let whom = match &token.bearer {
        Bearer::Person { person } => format!("person {person}"),
        Bearer::Robot { robot } => format!("robot {robot}"),
        Bearer::Login { person, account } => format!("person {person}, logged in as {account}"),
    };
    let roles: Vec<_> = token.grants.iter().map(|grant| grant.role.as_str()).collect();
    let of = token.grants.first().map(|grant| grant.matches.to_string()).unwrap_or_default();
    let may = match &token.bearer {
        Bearer::Login { .. } => "what their Roles give".to_owned(),
        Bearer::Person { .. } | Bearer::Robot { .. } => format!("{} of {of}", roles.join(", ")),
    };
    let reason = Some(format!("token {} of {whom}: {may}", token.id));
    let body = Body::Act(ActBody { act, reason, expires: Some(token.expires) });
    Entry { application: None, revision: None, plan: None, sync: None, actor: by.clone(), body }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // Tests say what went wrong by failing.
    use super::*;

    fn made() -> (Keyring, String) {
        let asked = TokenAsked { roles: vec![Role::Operator, Role::Operator], ..TokenAsked::default() };
        let bearer = Bearer::Person { person: "ada".parse().unwrap() };
        let token = token(bearer, asked, None, Actor::unix_user(0, "root".into()), Time(0)).unwrap();
        let secret = "0123456789abcdef".repeat(4);
        let text = format!("{PREFIX}{}_{secret}", token.id);
        let keyring = Keyring::default();
        keyring.change(|all| {
            all.insert(token.id.clone(), (token, Digest::of(secret.as_bytes())));
        });
        (keyring, text)
    }

    #[test]
    fn nothing_but_the_very_text_is_a_token_and_only_until_it_expires() {
        let (keyring, text) = made();
        let token = keyring.find(&text, Time(1)).unwrap();
        assert_eq!(token.grants.len(), 1);
        assert_eq!(token.actor().principal(), "person ada");
        let end = Time(0).plus_seconds(USUAL);
        assert!(
            keyring.holds(&token, Time(1)) && !keyring.holds(&token, end),
            "an answer that takes long ends with it"
        );
        assert!(!keyring.holds(&Token { expires: end.plus_seconds(1), ..token.clone() }, Time(1)));
        assert_eq!(keyring.find(&text, end), Err(NoToken::Expired(end)));
        let other = |text: String| assert_eq!(keyring.find(&text, Time(1)), Err(NoToken::Unknown), "{text}");
        other(text.to_uppercase());
        other(text[..text.len() - 1].to_owned());
        other(format!("{text}0"));
        other(text.replace("trueup_", ""));
        other(text.replace(&token.id, "0000000000000000"));
        other(format!("{PREFIX}{}_", token.id));
        other(String::new());
        other(PREFIX.into());
    }

    #[test]
    fn nobody_makes_so_many_that_others_get_none_and_logins_are_apart() {
        let keyring = Keyring::default();
        let of = |bearer: Bearer, by: Actor, at| {
            let asked = TokenAsked { roles: vec![Role::Viewer], seconds: Some(3600), ..TokenAsked::default() };
            token(bearer, asked, None, by, Time(0).plus_seconds(at)).unwrap()
        };
        let robot =
            |uid, at| of(Bearer::Robot { robot: "ci".parse().unwrap() }, Actor::unix_user(uid, "someone".into()), at);
        let login = |person: &str, at| {
            let person: Name = person.parse().unwrap();
            let by = Actor::login("https://git.example.org/1", &person);
            of(Bearer::Login { person, account: "https://git.example.org/1".into() }, by, at)
        };
        let put = |token: Token| {
            keyring.change(|all| {
                all.insert(token.id.clone(), (token, Digest::ABSENT));
            });
        };
        let now = Time(0).plus_seconds(200);
        for at in 0..100 {
            assert_eq!(keyring.room(&robot(1000, at), now), Ok(None));
            put(robot(1000, at));
        }
        assert_eq!(keyring.room(&robot(1000, 100), now).unwrap_err().code, "token.too-many");
        assert_eq!(keyring.room(&robot(1001, 100), now), Ok(None));
        assert_eq!(keyring.room(&robot(1000, 100), Time(0).plus_seconds(3600)), Ok(None), "one has expired");
        for at in 0..20 {
            assert_eq!(keyring.room(&login("ada", at), now), Ok(None));
            put(login("ada", at));
        }
        let ends = keyring.room(&login("ada", 20), now).unwrap().unwrap();
        assert_eq!(ends.created, Time(0));
        assert_eq!(keyring.room(&login("bob", 20), now), Ok(None));
        for at in 100..MOST {
            put(robot(0, i64::try_from(at).unwrap() % 100));
        }
        assert_eq!(keyring.room(&robot(1001, 100), now).unwrap_err().code, "token.too-many");
        assert_eq!(keyring.room(&login("bob", 20), now), Ok(None));
        keyring.sweep(now);
        assert_eq!(keyring.all().len(), MOST + 20);
        keyring.sweep(Time(0).plus_seconds(3600 * 24 * 32));
        assert!(keyring.all().is_empty());
    }

    #[test]
    fn one_lasts_at_most_a_year_and_has_a_role() {
        let ask = |roles: &[Role], seconds| {
            let asked = TokenAsked { roles: roles.to_vec(), seconds, ..TokenAsked::default() };
            let bearer = Bearer::Robot { robot: "ci".parse().unwrap() };
            token(bearer, asked, None, Actor::daemon("x"), Time(0)).map(|token| token.expires)
        };
        assert_eq!(ask(&[Role::Viewer], None).unwrap(), Time(0).plus_seconds(USUAL));
        assert!(ask(&[Role::Viewer], Some(366 * 24 * 3600)).is_ok());
        let within = |seconds, until| {
            let asked = TokenAsked { roles: vec![Role::Viewer], seconds, ..TokenAsked::default() };
            let bearer = Bearer::Person { person: "ada".parse().unwrap() };
            token(bearer, asked, Some(Time(0).plus_seconds(until)), Actor::daemon("x"), Time(0))
                .map(|token| token.expires)
                .map_err(|problem| problem.code)
        };
        assert_eq!(within(None, 3600), Ok(Time(0).plus_seconds(3600)));
        assert_eq!(within(Some(600), 3600), Ok(Time(0).plus_seconds(600)));
        assert_eq!(within(Some(3601), 3600), Err("token.forbidden".into()));
        for (roles, seconds) in
            [(&[Role::Viewer][..], Some(366 * 24 * 3600 + 1)), (&[Role::Viewer], Some(0)), (&[], None)]
        {
            assert_eq!(ask(roles, seconds).unwrap_err().code, "token.asked");
        }
    }
}
