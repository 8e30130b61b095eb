//! Lists, page by page.

use serde_json::Value;

use super::estate::{ask, estate};
use super::world::World;

/// Follows the links of a list, and returns what the pages hold.
fn pages(world: &World, path: &str, query: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut query) = (vec![], query.to_owned());
    loop {
        let answer = ask(world, "GET", &format!("{path}?{query}"), &[], None);
        assert_eq!(answer.status, 200, "{answer:?}");
        pages.push(answer.json().as_array().unwrap().clone());
        let Some(link) = answer.header("link") else { return pages };
        query = link.strip_prefix("<?").and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned();
        assert!(pages.len() < 100, "{query} leads on for ever");
    }
}

#[test]
fn every_list_goes_on_where_its_link_says() {
    let estate = estate();
    let world = &estate.world;
    let whole = |path: &str, query: &str| pages(world, path, query).concat();
    for query in ["application=api&", "after=0&", "application=web&after=2&", "before=9&"] {
        let parts = pages(world, "/v1/audit/records", &format!("{query}limit=2"));
        assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= 2), "{query}: {parts:?}");
        assert_eq!(parts.concat(), whole("/v1/audit/records", &format!("{query}limit=1000")), "{query}");
    }
    let one_by_one = pages(world, "/v1/policies", "limit=1");
    assert_eq!(one_by_one.len(), 2);
    assert_eq!(one_by_one.concat(), whole("/v1/policies", ""));
    for reason in ["one", "two", "three"] {
        let body = serde_json::json!({ "applications": ["api"], "liveEdit": ["x"], "reason": reason, "seconds": 600 });
        assert_eq!(ask(world, "POST", "/v1/break-glass", &[], Some(&body)).status, 200);
    }
    let glasses = pages(world, "/v1/break-glass", "limit=2");
    assert_eq!(glasses.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    let reasons: Vec<_> = glasses.concat().iter().map(|one| one["reason"].as_str().unwrap().to_owned()).collect();
    assert_eq!(reasons, ["one", "two", "three"]);
    let exported = pages(world, "/v1/audit/export", "after=0").concat();
    assert!(exported.last().unwrap()["head"].is_object(), "{exported:?}");
}
