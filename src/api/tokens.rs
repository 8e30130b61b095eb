//! Tokens: who may have which, and who may end them.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;

use super::access::Caller;
use super::answer::{Answer, Body64, Refusal, Secret};
use super::contract::{Family, says};
use super::page::{Page, Part};
use super::routes::{Asked, Named, Nothing, act, asked, path};
use super::serve::Service;
use crate::agent::{TokenAsked, TokenMade, unknown};
use crate::config::Grant;
use crate::model::{Deed, Name, Problem, Role};
use crate::policy::Rights;
use crate::store::{Bearer, Token};

/// What a program may have: what takes a person's word takes a person.
const OF_ROBOTS: [Role; 2] = [Role::Viewer, Role::Operator];

pub(super) fn router() -> ApiRouter<Service> {
    const MADE: &[Family] = &[
        (400, &["token.asked"]),
        (403, &["token.forbidden"]),
        (404, &["person.unknown"]),
        (409, &["token.name", "token.too-many"]),
    ];
    const GONE: &[Family] = &[(404, &["token.unknown"])];
    ApiRouter::new()
        .api_route("/v1/tokens", get_with(list, says("listTokens", "Your own, and those that you take care of.", &[])))
        .api_route(
            "/v1/tokens",
            post_with(create, says("createToken", "Makes one, and tells its secret this once.", &[MADE])),
        )
        .api_route("/v1/tokens/{id}/revoke", post_with(revoke, says("revokeToken", "Makes one end now.", &[GONE])))
}

async fn list(State(service): State<Service>, caller: Caller, part: Asked<Part>) -> Result<Page<Token>, Refusal> {
    let mut tokens = service.daemon.tokens();
    tokens.retain(|token| caller.keeps(token));
    Page::of(tokens, &asked(part)?, |token| format!("{:020}-{}", token.created.0, token.id))
}

async fn create(
    State(service): State<Service>,
    caller: Caller,
    Body64(asked): Body64<TokenAsked>,
) -> Result<Secret<TokenMade>, Refusal> {
    let bearer = caller.hands_out(&asked)?;
    let until = caller.token().map(|token| token.expires);
    let made = act(service, async move |daemon| daemon.create_token(bearer, asked, until, caller.actor).await);
    let Json(made) = made.await?;
    Ok(Secret(made))
}

async fn revoke(
    State(service): State<Service>,
    caller: Caller,
    id: Named,
    Body64(Nothing {}): Body64<Nothing>,
) -> Answer<Token> {
    let id = path(id)?;
    if !service.daemon.tokens().iter().any(|token| token.id == id && caller.keeps(token)) {
        return Err(unknown::no_token().into());
    }
    act(service, async move |daemon| daemon.revoke_token(&id, caller.actor).await).await
}

impl Caller {
    /// Whether a token is theirs to see and to end: it speaks for them, they made it, or they take care of all.
    fn keeps(&self, token: &Token) -> bool {
        let speaks = token.bearer.person().is_some_and(|person| self.actor.person.as_ref() == Some(person));
        let made = token.by.principal() == self.actor.principal();
        speaks || made || self.everywhere(Deed::KeepTokens).is_ok()
    }

    /// Returns for whom a token is to speak, where they may hand out so much.
    fn hands_out(&self, asked: &TokenAsked) -> Result<Bearer, Refusal> {
        if let Some(token) = self.token() {
            makes_another(token, asked)?;
        }
        if self.actor.person.is_none() && self.everywhere(Deed::KeepTokens).is_err() {
            let hint = "a Person document says who you are, by unix user, and a Role what you may";
            return Err(forbidden("you are nobody who is declared, and make no tokens", hint).into());
        }
        match (&asked.person, &asked.robot) {
            (Some(_), Some(_)) => Err(Problem::new(400, "token.asked", "it speaks for a person or for a robot").into()),
            (None, Some(robot)) => self.for_robot(robot, asked),
            (None, None) => {
                let nobody = || {
                    let problem = Problem::new(400, "token.asked", "you are nobody who is declared");
                    problem.hint("say for whom: --robot NAME, or as root --person NAME")
                };
                self.for_person(self.actor.person.as_ref().ok_or_else(nobody)?, asked)
            }
            // Whoever has somebody else's could be their own second person. Root could be it anyway.
            (Some(person), None) if self.actor.person.as_ref() != Some(person) && !self.has_this_machine() => {
                let hint =
                    "everybody makes their own; root on this machine makes the first one for somebody who cannot";
                Err(forbidden("nobody makes a token for another person", hint).into())
            }
            (Some(person), None) => self.for_person(person, asked),
        }
    }

    fn for_person(&self, person: &Name, asked: &TokenAsked) -> Result<Bearer, Refusal> {
        let Some(theirs) = self.roles_of(person) else {
            let problem = Problem::new(404, "person.unknown", format!("this machine declares no Person {person}"));
            return Err(problem.hint("people who are declared in Git have no roles, and so no tokens").into());
        };
        for grant in wanted(asked) {
            if !theirs.cover(&grant) {
                let (role, of) = (grant.role, &grant.matches);
                let title = format!("no Role gives {person} so much: {role} of {of}");
                return Err(forbidden(
                    &title,
                    "a token has what Roles give to its Person; membership of a group stays at the socket",
                )
                .into());
            }
        }
        Ok(Bearer::Person { person: person.clone() })
    }

    fn for_robot(&self, robot: &Name, asked: &TokenAsked) -> Result<Bearer, Refusal> {
        if self.roles_of(robot).is_some() {
            let problem = Problem::new(409, "token.name", format!("{robot} is a person"));
            return Err(problem.hint("give the robot another name").into());
        }
        for grant in wanted(asked) {
            if !OF_ROBOTS.contains(&grant.role) {
                let title = format!("a robot is no {}: that takes a person", grant.role);
                return Err(forbidden(&title, "it may be viewer and operator").into());
            }
            if !self.given().cover(&grant) {
                let title = format!("you have not so much yourself: {} of {}", grant.role, grant.matches);
                return Err(forbidden(&title, "ask for less: --application NAME").into());
            }
        }
        Ok(Bearer::Robot { robot: robot.clone() })
    }
}

/// Refuses what would be more than the token that it is made with.
fn makes_another(token: &Token, asked: &TokenAsked) -> Result<(), Refusal> {
    match token.bearer {
        Bearer::Robot { .. } => {
            return Err(forbidden("a robot makes no tokens", "a person makes the next one").into());
        }
        // It would outlast the login, and the account.
        Bearer::Login { .. } => {
            let hint = "make it on the machine, or with a token that was made there";
            return Err(forbidden("a login makes no tokens", hint).into());
        }
        Bearer::Person { .. } => {}
    }
    let own = Rights::from(token.grants.clone());
    wanted(asked).find(|grant| !own.cover_literally(grant)).map_or(Ok(()), |grant| {
        let title = format!("the token that you came with has not so much: {} of {}", grant.role, grant.matches);
        Err(forbidden(&title, "ask for less, or make it on the machine: no token makes a wider one").into())
    })
}

fn wanted(asked: &TokenAsked) -> impl Iterator<Item = Grant> {
    asked.roles.iter().map(|role| Grant { role: *role, matches: asked.matches.clone() })
}

fn forbidden(title: &str, hint: &str) -> Problem {
    Problem::new(403, "token.forbidden", title).hint(hint)
}
