//! The webhook by which the Git host tells this daemon to look. Pure.

use super::host::{Hook, NewHook};

/// What it is told of.
const EVENTS: [&str; 2] = ["push", "pull_request"];

/// The webhook of one repository as it is to be.
pub struct Webhook {
    /// Where the daemon hears it.
    pub url: String,
    pub secret: String,
    /// The host is a Forgejo, which has a type of its own.
    pub forgejo: bool,
}

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mending {
    /// It is to be registered.
    pub create: bool,
    /// These go: they are what it was before, or there twice. Only after the new one is there.
    pub delete: Vec<u64>,
    /// Why, in words; empty where nothing is wrong.
    pub why: String,
}

impl Webhook {
    /// Returns it as it is registered.
    #[must_use]
    pub fn registered(&self) -> NewHook {
        let kind = if self.forgejo { "forgejo" } else { "gitea" };
        NewHook { kind, url: self.url.clone(), secret: self.secret.clone(), events: &EVENTS }
    }

    fn wrongs(&self, hook: &Hook) -> Vec<String> {
        let mut wrongs = vec![];
        let kind = self.registered().kind;
        if hook.kind != kind {
            wrongs.push(format!("its type is {}, not {kind}", plain(&hook.kind)));
        }
        if !hook.active {
            wrongs.push("it is switched off".into());
        }
        if hook.config.content_type != "json" {
            wrongs.push("it does not send JSON".into());
        }
        let missing: Vec<_> = EVENTS.iter().filter(|event| !hook.events.iter().any(|has| has == *event)).collect();
        if !missing.is_empty() {
            wrongs.push(format!(
                "it does not tell of {}",
                missing.iter().map(|event| **event).collect::<Vec<_>>().join(" and ")
            ));
        }
        if !["", "*"].contains(&hook.branch_filter.as_str()) {
            wrongs.push("it tells of some branches only".into());
        }
        wrongs
    }
}

/// Returns what there is to do about the webhooks that lead to this daemon, by their very URL: others are somebody else's.
///
/// The host never says which secret a webhook has, and changes none: what is to have another is registered anew, and so is what
/// looks right where `renew` says so.
#[must_use]
pub fn mending(hooks: &[Hook], wanted: &Webhook, renew: bool) -> Mending {
    let ours: Vec<_> = hooks.iter().filter(|hook| hook.config.url == wanted.url).collect();
    let Some((first, more)) = ours.split_first() else {
        return Mending { create: true, delete: vec![], why: "there is none".into() };
    };
    let mut wrongs = wanted.wrongs(first);
    if wrongs.is_empty() && renew {
        wrongs.push("its secret is to be the declared one".into());
    }
    let ids = |hooks: &[&Hook]| hooks.iter().map(|hook| hook.id).collect();
    if !wrongs.is_empty() {
        return Mending { create: true, delete: ids(&ours), why: wrongs.join(", ") };
    }
    let why = if more.is_empty() { String::new() } else { "it is there more than once".into() };
    Mending { create: false, delete: ids(more), why }
}

fn plain(kind: &str) -> String {
    kind.chars().filter(char::is_ascii_alphanumeric).take(20).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hook(id: u64, change: &serde_json::Value) -> Hook {
        let mut hook = json!({
            "id": id, "type": "forgejo", "active": true, "events": ["pull_request", "push"], "branch_filter": "*",
            "config": { "url": "https://trueup.example.org/hooks/platform", "content_type": "json" },
        });
        hook.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        serde_json::from_value(hook).unwrap()
    }

    #[test]
    fn what_leads_here_is_put_right_and_what_leads_elsewhere_is_left_alone() {
        let url = "https://trueup.example.org/hooks/platform".to_owned();
        let mut wanted = Webhook { url, secret: "s".into(), forgejo: true };
        let elsewhere = hook(
            9,
            &json!({ "config": { "url": "https://other.example.org/hooks/platform", "content_type": "json" } }),
        );
        let told = |hooks: &[Hook], wanted: &Webhook, renew| {
            let all = [std::slice::from_ref(&elsewhere), hooks].concat();
            let Mending { create, delete, why } = mending(&all, wanted, renew);
            (create, delete, why)
        };
        assert_eq!(told(&[], &wanted, false), (true, vec![], "there is none".into()));
        let fine = hook(1, &json!({}));
        assert_eq!(told(std::slice::from_ref(&fine), &wanted, false), (false, vec![], String::new()));
        let renewed = (true, vec![1], "its secret is to be the declared one".into());
        assert_eq!(told(std::slice::from_ref(&fine), &wanted, true), renewed);
        assert_eq!(
            told(&[fine.clone(), hook(2, &json!({}))], &wanted, false),
            (false, vec![2], "it is there more than once".into())
        );
        for (change, why) in [
            (json!({ "type": "gitea" }), "its type is gitea, not forgejo"),
            (json!({ "active": false }), "it is switched off"),
            (json!({ "events": ["push"] }), "it does not tell of pull_request"),
            (json!({ "branch_filter": "main" }), "it tells of some branches only"),
        ] {
            assert_eq!(told(&[hook(3, &change)], &wanted, false), (true, vec![3], why.into()));
        }
        wanted.forgejo = false;
        assert_eq!(told(&[fine], &wanted, false).2, "its type is forgejo, not gitea");
        assert_eq!((wanted.registered().kind, wanted.registered().events), ("gitea", &EVENTS[..]));
    }
}
