//! Who asks, and what they may do and see. Who they are is what the kernel says of the other end of the socket, or a token; what they may
//! is made anew for each request, from files and documents as they are then.
//!
//! # Guarantees
//! It is decided on what is stored: the application of a plan, those of a break-glass; never on what a request says of it. What one
//! may not see is answered as what does not exist.

use std::path::Path;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::unix::UCred;

use super::Daemon;
use super::answer::Refusal;
use super::serve::Service;
use super::stream::Peer;
use crate::agent::unknown;
use crate::model::view::{BreakGlassAsked, PreimagesView};
use crate::model::{Actor, ActorKind, Deed, Name, Problem, Role};
use crate::policy::{Labels, Rights};
use crate::store::{Bearer, Token};

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// The group whose members may do everything over the socket, by the name that the configuration gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    pub group: Option<String>,
}

/// One who asks. A handler that takes this is closed to whoever is nobody; what they may, it has to ask.
#[derive(Clone)]
pub(super) struct Caller {
    pub actor: Actor,
    rights: Rights,
    /// What they have by a role or by whose machine it is, and not because they could open the socket.
    given: Rights,
    daemon: Arc<dyn Daemon>,
    came: Came,
    /// What they could do about it where they may not.
    hint: String,
}

/// By what they are known.
#[derive(Clone)]
enum Came {
    Unix(u32),
    Token(Token),
}

impl FromRequestParts<Service> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &Service) -> Result<Self, Refusal> {
        let nobody = || Problem::new(401, "api.unauthenticated", "nobody knows who is asking");
        parts.extensions.get::<Self>().cloned().ok_or_else(|| nobody().into())
    }
}

/// That whoever asks sees everything: said before a body is read that only they may send.
pub(super) struct Overseer;

impl FromRequestParts<Service> for Overseer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, service).await?;
        caller.everywhere(Deed::SeeEverything).map(|()| Self)
    }
}

/// Finds out who asks at the socket.
pub(super) async fn local(
    State(service): State<Service>,
    ConnectInfo(peer): ConnectInfo<Peer<Option<UCred>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(peer) = peer.who else {
        return Refusal::from(Problem::new(403, "api.forbidden", "could not learn who is asking")).into_response();
    };
    let caller = Caller::of_unix_user(&service, peer.uid(), Some(peer.gid())).await;
    request.extensions_mut().insert(caller);
    next.run(request).await
}

impl Caller {
    /// Returns a unix user, with what they may: whoever can open the socket may read, root, the daemon's own user and members of its
    /// group may do everything, and others what their roles give them. `primary` is the group that they came with, where they are here.
    ///
    /// The files are read each time, so that a person who leaves the group loses the right at once. Users who live in a directory
    /// service are known by their number and their primary group alone.
    async fn of_unix_user(service: &Service, uid: u32, primary: Option<u32>) -> Self {
        let users = tokio::fs::read_to_string(USERS).await.unwrap_or_default();
        let groups = tokio::fs::read_to_string(GROUPS).await.unwrap_or_default();
        let names = names_of(uid, &users);
        let display = names.first().map_or_else(|| format!("uid {uid}"), |name| (*name).to_owned());
        let mut actor = Actor::unix_user(uid, display);
        actor.person = service.daemon.person(&names);
        let primary = primary.or_else(|| primary_of(uid, &users));
        let given = if service.access.is_admin(uid, primary, &names, &groups) {
            Rights::everywhere(Role::Admin)
        } else {
            actor.person.as_ref().and_then(|person| service.daemon.rights(person)).unwrap_or_default()
        };
        let rights = given.clone().and(Rights::everywhere(Role::Viewer));
        let (daemon, hint) = (service.daemon.clone(), service.access.hint());
        Self { actor, rights, given, daemon, came: Came::Unix(uid), hint }
    }

    /// Returns whom a token speaks for, with what it may: no more than they may now, or than who made it may, where it is a robot's.
    ///
    /// # Errors
    /// Where nobody of that name is declared any more.
    pub(super) async fn of_token(service: &Service, token: Token) -> Result<Self, Refusal> {
        let bound = match (token.bearer.person(), token.by.kind, token.by.subject.parse()) {
            // The account may be somebody else's by now, or nobody's.
            (Some(person), ..) if !logged_in(service, &token.bearer) => return Err(void(person).into()),
            (Some(person), ..) => service.daemon.rights(person).ok_or_else(|| void(person))?,
            (None, ActorKind::UnixUser, Ok(uid)) => Self::of_unix_user(service, uid, None).await.given,
            (None, ..) => token.by.person.as_ref().and_then(|person| service.daemon.rights(person)).unwrap_or_default(),
        };
        let rights = Rights::from(token.grants.clone()).within(bound);
        let (actor, daemon) = (token.actor(), service.daemon.clone());
        let hint = "make a token with the role, where you have it: `trueup token create --role ROLE`".into();
        Ok(Self { actor, given: rights.clone(), rights, daemon, came: Came::Token(token), hint })
    }

    /// Returns the same one as things are now, for answers that take long.
    ///
    /// # Errors
    /// Where they would not be let in any more.
    pub(super) async fn again(&self, service: &Service) -> Result<Self, Refusal> {
        match &self.came {
            Came::Unix(uid) => Ok(Self::of_unix_user(service, *uid, None).await),
            Came::Token(token) if service.daemon.holds(token) => Self::of_token(service, token.clone()).await,
            Came::Token(_) => Err(Problem::new(401, "api.unauthenticated", "the token counts no more").into()),
        }
    }

    pub(super) const fn given(&self) -> &Rights {
        &self.given
    }

    /// Returns what the roles of a person give them.
    pub(super) fn roles_of(&self, person: &Name) -> Option<Rights> {
        self.daemon.rights(person)
    }

    /// Returns the token that they are known by, where it is one.
    pub(super) const fn token(&self) -> Option<&Token> {
        match &self.came {
            Came::Token(token) => Some(token),
            Came::Unix(_) => None,
        }
    }

    /// Whether a token is what they are known by.
    pub(super) const fn is_elsewhere(&self) -> bool {
        self.token().is_some()
    }

    /// Whether it is root or the daemon's own user who asks, from this machine: they can change what is declared anyway.
    pub(super) fn has_this_machine(&self) -> bool {
        matches!(self.came, Came::Unix(uid) if uid == 0 || uid == rustix::process::geteuid().as_raw())
    }

    /// Refuses an act on what concerns no application, or all.
    pub(super) fn everywhere(&self, deed: Deed) -> Result<(), Refusal> {
        if self.rights.may_everywhere(deed) { Ok(()) } else { Err(self.forbidden(deed, None)) }
    }

    /// Whether they see everything.
    pub(super) fn sees_everything(&self) -> bool {
        self.rights.may_everywhere(Deed::SeeEverything)
    }

    /// Whether they see an application, whether it is declared or was.
    pub(super) fn sees(&self, application: &str) -> bool {
        let found = self.daemon.application(application);
        found.is_some_and(|(name, labels)| self.rights.may(Deed::See, &name, &labels))
    }

    /// Returns the applications that they see; `None` for all.
    pub(super) fn seen(&self) -> Option<Vec<Name>> {
        if self.sees_everything() {
            return None;
        }
        let sees = |(name, labels): &(Name, Labels)| self.rights.may(Deed::See, name, labels);
        Some(self.daemon.applications().into_iter().filter(sees).map(|(name, _)| name).collect())
    }

    /// Returns the application that is named so, where this may be done with it.
    pub(super) fn application(&self, name: &str, deed: Deed) -> Result<Name, Refusal> {
        let found = self.daemon.application(name);
        let Some((name, labels)) = found.filter(|(name, labels)| self.rights.may(Deed::See, name, labels)) else {
            return Err(self.no_application());
        };
        if self.rights.may(deed, &name, &labels) { Ok(name) } else { Err(self.forbidden(deed, Some(&name))) }
    }

    /// Returns the whole id of a held plan, where this may be done with its application.
    pub(super) async fn held(&self, plan: &str, deed: Deed) -> Result<String, Refusal> {
        let hidden = || unknown::no_held_plan(plan);
        let (id, application) = self.daemon.held(plan).await.map_err(|problem| self.vague(problem, hidden))?;
        self.on(&[application], deed, hidden)?;
        Ok(id)
    }

    /// Refuses to act on a break-glass that is for an application with which this may not be done.
    pub(super) fn glass(&self, id: &str, deed: Deed) -> Result<(), Refusal> {
        let found = self.daemon.break_glass().into_iter().find(|one| &*one.opening.id.0 == id);
        let glass = found.ok_or_else(unknown::no_break_glass)?;
        self.on(&glass.opening.applications, deed, unknown::no_break_glass)
    }

    /// Returns what a break-glass is asked for, whole, where it may be opened: what Git asks for is looked up before.
    pub(super) async fn asked(&self, asked: BreakGlassAsked) -> Result<BreakGlassAsked, Refusal> {
        let request = asked.request.clone();
        let hidden = || request.as_ref().map_or_else(unknown::no_application, unknown::no_request);
        let whole = self.daemon.break_glass_asked(asked).await.map_err(|problem| self.vague(problem, hidden))?;
        if request.is_some() {
            self.on(&whole.applications, Deed::OpenBreakGlass, hidden)?;
        }
        // What is wrong with it is for the daemon to say, to whom may open any.
        for name in whole.applications.iter().filter(|_| !self.rights.may_everywhere(Deed::OpenBreakGlass)) {
            self.application(name.as_str(), Deed::OpenBreakGlass)?;
        }
        // One that binds nothing they see is none to them.
        if request.is_none() && !whole.policies.is_empty() && !self.sees_everything() {
            let seen = self.policies(self.daemon.policies().await);
            let hidden = whole.policies.iter().find(|name| !seen.iter().any(|policy| policy.name == **name));
            if let Some(name) = hidden {
                return Err(unknown::no_policy(name).into());
            }
        }
        Ok(whole)
    }

    /// Returns what a plan overwrote, where they may see that.
    pub(super) async fn preimages(&self, plan: &str) -> Result<PreimagesView, Refusal> {
        let hidden = || unknown::no_past_plan(plan);
        let view = self.daemon.preimages(plan).await.map_err(|problem| self.vague(problem, hidden))?;
        self.on(view.application.as_slice(), Deed::SeeContents, hidden)?;
        Ok(view)
    }

    /// Returns a record of the trail, where they may see it.
    pub(super) async fn record(&self, sequence: u64) -> Result<Value, Refusal> {
        let hidden = || unknown::no_record(sequence);
        let record = self.daemon.record(sequence).await.map_err(|problem| self.vague(problem, hidden))?;
        let about = record["application"].as_str();
        if self.sees_everything() || about.is_some_and(|name| self.sees(name)) {
            Ok(record)
        } else {
            Err(hidden().into())
        }
    }

    /// Refuses what concerns these applications: as something that is not there, where they do not see all of them.
    fn on(&self, applications: &[Name], deed: Deed, hidden: impl Fn() -> Problem) -> Result<(), Refusal> {
        if applications.is_empty() {
            return self.everywhere(deed);
        }
        let known = |name: &Name| self.daemon.application(name.as_str()).map(|(_, labels)| labels).unwrap_or_default();
        if !applications.iter().all(|name| self.rights.may(Deed::See, name, &known(name))) {
            return Err(hidden().into());
        }
        let forbidden = applications.iter().find(|name| !self.rights.may(deed, name, &known(name)));
        forbidden.map_or(Ok(()), |name| Err(self.forbidden(deed, Some(name))))
    }

    /// Returns what went wrong, or to whom does not see everything no more than that there is nothing.
    pub(super) fn vague(&self, problem: Problem, hidden: impl Fn() -> Problem) -> Refusal {
        let tells = matches!(problem.status, 404 | 409);
        if tells && !self.sees_everything() { hidden().into() } else { problem.into() }
    }

    fn no_application(&self) -> Refusal {
        let known: Vec<_> = self.daemon.status().applications.into_iter().map(|one| one.name).collect();
        let known: Vec<_> = known.iter().map(Name::as_str).filter(|name| self.sees(name)).take(20).collect();
        let hint = if known.is_empty() { "you see none".into() } else { format!("declared are: {}", known.join(", ")) };
        unknown::no_application().hint(hint).into()
    }

    fn forbidden(&self, deed: Deed, application: Option<&Name>) -> Refusal {
        let row = deed.row();
        let words: Vec<_> = row.by.iter().map(|role| role.as_str()).chain(["admin"]).collect();
        let of = application.map_or_else(|| "for all applications".to_owned(), |name| format!("for {name}"));
        let title = format!("{} may not {}: it takes the role {} {of}", self.actor, row.words, words.join(" or "));
        let problem = Problem::new(403, "api.forbidden", title);
        problem.hint(self.hint.clone()).into()
    }
}

/// Whether the account of a login is still that person's.
fn logged_in(service: &Service, bearer: &Bearer) -> bool {
    let Bearer::Login { person, account } = bearer else { return true };
    service.daemon.who_logs_in(account).as_ref() == Some(person)
}

impl Access {
    fn is_admin(&self, uid: u32, primary: Option<u32>, names: &[&str], groups: &str) -> bool {
        let own = rustix::process::geteuid().as_raw();
        uid == 0 || uid == own || self.group.as_deref().is_some_and(|group| is_member(group, primary, names, groups))
    }

    fn hint(&self) -> String {
        match &self.group {
            Some(group) => format!("ask for a role, or to be made a member of the group {group}, or act as root"),
            None => "ask for a role, or act as root; a Role document gives one, and `group:` of the Daemon document all of them".into(),
        }
    }
}

/// Returns the names of a user; one number may have several.
fn names_of(uid: u32, users: &str) -> Vec<&str> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.filter(|fields| number(fields) == Some(uid)).filter_map(|fields| fields.first().copied()).collect()
}

/// Returns the number of the group that a user comes with.
fn primary_of(uid: u32, users: &str) -> Option<u32> {
    let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.find(|fields| number(fields) == Some(uid))?.get(3)?.parse().ok()
}

/// A token speaks for nobody any more.
fn void(person: &Name) -> Problem {
    let problem =
        Problem::new(401, "token.void", format!("the token speaks for {person}, whom this machine declares no more"));
    problem.hint("a Person document on the machine brings it back")
}

fn is_member(group: &str, primary: Option<u32>, names: &[&str], groups: &str) -> bool {
    groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).any(|fields| {
        let listed = fields.get(3).is_some_and(|members| members.split(',').any(|member| names.contains(&member)));
        let number = number(&fields);
        fields.first() == Some(&group) && (number.is_some() && number == primary || listed)
    })
}

/// Returns the number of a group, by its name.
pub(super) fn group_id(name: &str) -> Option<u32> {
    let groups = std::fs::read_to_string(Path::new(GROUPS)).unwrap_or_default();
    let mut fields = groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.find(|fields| fields.first() == Some(&name)).and_then(|fields| number(&fields))
}

/// Both files have the number in the third field.
fn number(fields: &[&str]) -> Option<u32> {
    fields.get(2).and_then(|number| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\nadmin:x:1000:1000::/:/bin/sh\n";
    const GROUPS: &str = "root:x:0:\nops:x:50:bob,admin\nada:x:1000:\nopsx:x:51:ada\n";

    #[test]
    fn every_name_of_a_number_counts() {
        assert_eq!(names_of(1000, USERS), ["ada", "admin"]);
        assert!(names_of(1001, USERS).is_empty());
        assert_eq!((primary_of(1000, USERS), primary_of(1001, USERS)), (Some(1000), None));
    }

    #[test]
    fn members_are_listed_or_have_it_as_their_primary_group() {
        assert!(is_member("ops", Some(1000), &["ada", "admin"], GROUPS));
        assert!(is_member("ops", Some(50), &[], GROUPS));
        assert!(!is_member("ops", Some(1000), &["ada"], GROUPS));
        assert!(!is_member("op", Some(1000), &["ada"], GROUPS));
        assert!(!is_member("gone", Some(1000), &["ada"], GROUPS));
        assert!(!is_member("root", Some(1000), &[], GROUPS));
        assert!(!is_member("ops", None, &["ada"], "ops:x:none:\n"), "no number is nobody's");
    }
}
