//! Lists in pages: the same two words everywhere, `limit` and `after`, and the address of the next page as RFC 8288 has it.

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Described, StatusCode};
use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answer::Refusal;
use super::{RecordQuery, contract};
use crate::model::Problem;

/// What one answer may hold.
const MOST: u32 = RecordQuery::MOST;

/// Which part of a list is wanted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Where the page before ended: what its link says.
    after: Option<String>,
    /// At most so many.
    #[serde(default = "usual")]
    #[schemars(range(min = 1, max = MOST))]
    limit: u32,
}

const fn usual() -> u32 {
    50
}

/// One page of a list.
#[derive(Debug)]
pub(super) struct Page<T> {
    items: Vec<T>,
    /// The query of the next one; `None` where there is none.
    next: Option<String>,
}

/// # Errors
/// When so many are not to be had at once.
pub(super) fn bounded(limit: u32) -> Result<u32, Refusal> {
    if (1..=MOST).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::new(400, "api.query", format!("limit is a number from 1 to {MOST}")).into())
}

impl<T> Page<T> {
    /// Returns a page, and where the next one begins. `query`: nothing in it takes an escape.
    pub(super) fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next }
    }

    /// Cuts the part that is wanted out of a list. `key`: tells each from all others, in the order of the pages, out of `a-z`, `0-9`
    /// and `-`. Where the one that a page ended with is gone, the next goes on where it was.
    ///
    /// # Errors
    /// When so many are not to be had at once.
    pub(super) fn of(items: Vec<T>, part: &Part, key: impl Fn(&T) -> String) -> Result<Self, Refusal> {
        let limit = bounded(part.limit)? as usize;
        let mut keyed: Vec<_> = items.into_iter().map(|item| (key(&item), item)).collect();
        keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
        keyed.retain(|(key, _)| part.after.as_ref().is_none_or(|after| key > after));
        let more = keyed.len() > limit;
        keyed.truncate(limit);
        let last = keyed.last().filter(|_| more);
        let next = last.map(|(key, _)| format!("after={key}&limit={limit}"));
        Ok(Self::new(keyed.into_iter().map(|(_, item)| item).collect(), next))
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.items).into_response();
        let link = self.next.and_then(|query| HeaderValue::try_from(format!("<?{query}>; rel=\"next\"")).ok());
        response.headers_mut().extend(link.map(|link| (header::LINK, link)));
        response
    }
}

impl<T: JsonSchema> OperationOutput for Page<T> {
    type Inner = Vec<T>;

    fn operation_response(context: &mut GenContext, operation: &mut Operation) -> Option<Described> {
        let mut response = Json::<Vec<T>>::operation_response(context, operation)?;
        let says = "Where there is more: `<?…>; rel=\"next\"`, relative to the address that was asked (RFC 8288).";
        response.headers.insert("Link".into(), contract::header(says));
        Some(response)
    }

    fn inferred_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<StatusCode>, Described)> {
        let response = Self::operation_response(context, operation);
        response.into_iter().map(|response| (Some(StatusCode::Code(200)), response)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: Option<&str>, limit: u32) -> (String, Option<String>) {
        let part = Part { after: after.map(Into::into), limit };
        let page = Page::of(vec!["d", "a", "c", "b"], &part, |item| (*item).to_owned()).ok().unwrap();
        (page.items.concat(), page.next)
    }

    #[test]
    fn pages_go_on_where_the_last_one_ended_also_when_that_is_gone() {
        assert_eq!(page(None, 2), ("ab".into(), Some("after=b&limit=2".into())));
        assert_eq!(page(Some("b"), 2), ("cd".into(), None));
        assert_eq!(page(Some("bb"), 1), ("c".into(), Some("after=c&limit=1".into())));
        assert_eq!(page(Some("d"), 1000), (String::new(), None));
    }

    #[test]
    fn no_page_is_larger_than_fits() {
        for limit in [0, MOST + 1, u32::MAX] {
            assert!(Page::of(vec![""], &Part { after: None, limit }, |_| String::new()).is_err(), "{limit}");
        }
    }
}
