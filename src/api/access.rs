//! Who may act: read from `/etc/passwd` and `/etc/group` at each act, so that a person who leaves the group loses the right
//! at once. Users who live in a directory service are known by their number and their primary group alone.

use std::path::Path;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use tokio::net::unix::UCred;

use super::answer::Refusal;
use super::serve::Service;
use super::stream::Peer;
use crate::model::{Actor, Problem};

const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// The group whose members may act, by the name that the configuration gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    pub group: Option<String>,
}

/// One who may act; a handler that takes this is closed to everybody else.
pub(super) struct Acting(pub Actor);

impl FromRequestParts<Service> for Acting {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refusal> {
        let peer = ConnectInfo::<Peer<Option<UCred>>>::from_request_parts(parts, service)
            .await
            .ok()
            .and_then(|info| info.0.who);
        let Some(peer) = peer else {
            return Err(Problem::new(403, "api.forbidden", "could not learn who is asking").into());
        };
        let users = tokio::fs::read_to_string(USERS).await.unwrap_or_default();
        let groups = tokio::fs::read_to_string(GROUPS).await.unwrap_or_default();
        let mut actor = service.access.actor(&peer, &users, &groups)?;
        actor.person = service.daemon.person(&names_of(peer.uid(), &users));
        Ok(Self(actor))
    }
}

impl Access {
    fn actor(&self, peer: &UCred, users: &str, groups: &str) -> Result<Actor, Refusal> {
        let names = names_of(peer.uid(), users);
        let display = names.first().map_or_else(|| format!("uid {}", peer.uid()), |name| (*name).to_owned());
        let own = rustix::process::geteuid().as_raw();
        let member = self.group.as_deref().is_some_and(|group| is_member(group, peer.gid(), &names, groups));
        if peer.uid() == 0 || peer.uid() == own || member {
            return Ok(Actor::unix_user(peer.uid(), display));
        }
        let problem = Problem::new(403, "api.forbidden", format!("{display} may read, but not act"));
        let hint = match &self.group {
            Some(group) => format!("ask to be made a member of the group {group}, or act as root"),
            None => "act as root, or name a group in the Daemon document (`group:`) whose members may act".into(),
        };
        Err(problem.hint(hint).into())
    }
}

/// Returns the names of a user; one number may have several.
fn names_of(uid: u32, users: &str) -> Vec<&str> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    fields.filter(|fields| number(fields) == Some(uid)).filter_map(|fields| fields.first().copied()).collect()
}

fn is_member(group: &str, primary: u32, names: &[&str], groups: &str) -> bool {
    groups.lines().map(|line| line.split(':').collect::<Vec<_>>()).any(|fields| {
        let listed = fields.get(3).is_some_and(|members| members.split(',').any(|member| names.contains(&member)));
        fields.first() == Some(&group) && (number(&fields) == Some(primary) || listed)
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
    }

    #[test]
    fn members_are_listed_or_have_it_as_their_primary_group() {
        assert!(is_member("ops", 1000, &["ada", "admin"], GROUPS));
        assert!(is_member("ops", 50, &[], GROUPS));
        assert!(!is_member("ops", 1000, &["ada"], GROUPS));
        assert!(!is_member("op", 1000, &["ada"], GROUPS));
        assert!(!is_member("gone", 1000, &["ada"], GROUPS));
        assert!(!is_member("root", 1000, &[], GROUPS));
    }
}
