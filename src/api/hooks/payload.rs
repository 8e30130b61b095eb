//! The little that is read of a delivery once it is known to be genuine: what sort it is, which one, and of which repository.

use axum::http::{HeaderMap, HeaderValue};
use serde::Deserialize;

/// The first that is there counts: Forgejo sends those of Gitea, Gogs and GitHub beside its own, all alike.
const EVENTS: [&str; 5] = ["x-forgejo-event", "x-gitea-event", "x-gogs-event", "x-github-event", "x-gitlab-event"];
const IDS: [&str; 6] = [
    "x-forgejo-delivery",
    "x-gitea-delivery",
    "x-gogs-delivery",
    "x-github-delivery",
    "x-gitlab-event-uuid",
    "webhook-id",
];
/// A UUID has 36; what is longer is no id.
const LONGEST_ID: usize = 128;

/// What a delivery asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Something was pushed, or proposed: look.
    News,
    /// Somebody tries whether it is heard.
    Ping,
    /// Anything else that a Git host tells of.
    Other,
}

impl Event {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        match first(headers, &EVENTS).map(HeaderValue::as_bytes) {
            Some(b"push" | b"pull_request" | b"Push Hook" | b"Tag Push Hook" | b"Merge Request Hook") => Self::News,
            Some(b"ping") => Self::Ping,
            _ => Self::Other,
        }
    }
}

/// Returns the id of a delivery, where it has one.
pub(super) fn id(headers: &HeaderMap) -> Option<&[u8]> {
    first(headers, &IDS).map(HeaderValue::as_bytes).filter(|id| (1..=LONGEST_ID).contains(&id.len()))
}

fn first<'h>(headers: &'h HeaderMap, names: &[&str]) -> Option<&'h HeaderValue> {
    names.iter().find_map(|name| headers.get(*name))
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    repository: Option<Repository>,
    #[serde(default)]
    project: Option<Project>,
}

/// GitLab's has no full name.
#[derive(Deserialize)]
struct Repository {
    #[serde(default)]
    full_name: Option<String>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    path_with_namespace: Option<String>,
}

/// Returns every full name that a payload gives its repository: `repository.full_name`, and GitLab's
/// `project.path_with_namespace`. `None` for what is no payload of a Git host.
pub(super) fn names(body: &[u8]) -> Option<Vec<String>> {
    let Payload { repository, project } = serde_json::from_slice(body).ok()?;
    let repository = repository.and_then(|repository| repository.full_name);
    let names: Vec<_> = repository.into_iter().chain(project.and_then(|project| project.path_with_namespace)).collect();
    (!names.is_empty()).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_header_says_what_it_is() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            Event::of(&pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
        };
        assert_eq!(of(&[("x-forgejo-event", "push"), ("x-github-event", "ping")]), Event::News);
        assert_eq!(of(&[("x-github-event", "ping")]), Event::Ping);
        assert_eq!(of(&[("x-gitlab-event", "Merge Request Hook")]), Event::News);
        for other in ["issues", "", "PUSH", "System Hook", "push "] {
            assert_eq!(of(&[("x-gitea-event", other)]), Event::Other, "{other:?}");
        }
        assert_eq!(of(&[]), Event::Other);
    }

    #[test]
    fn only_the_names_of_the_repository_are_read() {
        let told = |text: &str| names(text.as_bytes());
        assert_eq!(told(r#"{"ref":123,"commits":[null],"repository":{"full_name":"a/b"}}"#).unwrap(), ["a/b"]);
        assert_eq!(
            told(r#"{"repository":{"name":"b"},"project":{"path_with_namespace":"g/a/b"}}"#).unwrap(),
            ["g/a/b"]
        );
        let both = r#"{"repository":{"full_name":"a/b"},"project":{"path_with_namespace":"c/d"}}"#;
        assert_eq!(told(both).unwrap(), ["a/b", "c/d"]);
        for none in [
            r#"{"ref":"x","repository":null}"#,
            r#"{"repository":{"full_name":123}}"#,
            r#"{"repository":"a/b"}"#,
            r#"{"repository":{"full_name":"a/b"},"repository":{"full_name":"c/d"}}"#,
            r#"{"repository":{"full_name":"a/b"}} trailing"#,
            "{}",
            "[]",
            "",
            "null",
            "payload=%7B%7D",
        ] {
            assert_eq!(told(none), None, "{none}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(told(&deep), None);
        assert_eq!(told(&format!(r#"{{"repository":{{"full_name":"a/b"}},"x":{deep}"#)), None);
    }
}
