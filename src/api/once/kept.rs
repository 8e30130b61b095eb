//! What was asked for under which key, and what the answer was.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use crate::model::Digest;

/// Longer than anybody tries again by themselves.
const LASTS: Duration = Duration::from_hours(1);
/// No caller pushes out what another one did.
const MOST_OF_ONE: usize = 100;
const MOST: usize = 1_000;
/// What one caller has under way at once. It goes on when they go away, so that connections do not bound it.
const MOST_UNDER_WAY: usize = 16;
/// All answers together, in bytes.
const LARGEST_TOGETHER: usize = 16 * 1024 * 1024;

/// The acts that were asked for under a key, oldest first.
#[derive(Default)]
pub(in crate::api) struct Kept(Mutex<VecDeque<Asked>>);

struct Asked {
    who: String,
    key: String,
    request: Digest,
    at: Instant,
    became: Became,
}

#[derive(Clone)]
enum Became {
    UnderWay,
    Done(Answer),
    NotKept(StatusCode),
}

/// An answer as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What is to be done about a request with a key.
pub(super) enum Begun {
    /// It is the first.
    New(Ticket),
    Done(Answer),
    NotKept(StatusCode),
    UnderWay,
    /// Of this caller, that is: nothing was begun.
    TooMany,
    /// Something else was asked for under this key.
    Another,
}

/// The place of an act that is under way. Dropped without an answer, the key is free again.
pub(super) struct Ticket {
    kept: Arc<Kept>,
    who: String,
    key: String,
}

impl Answer {
    /// The body of a report of some thousand steps, in bytes.
    pub(super) const LARGEST: usize = 256 * 1024;
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (self.status, self.headers, self.body).into_response()
    }
}

impl Kept {
    /// Takes note of a request of `who`, unless there was one under this key.
    pub(super) fn begin(self: &Arc<Self>, who: &str, key: &str, request: Digest) -> Begun {
        let mut all = self.lock();
        let now = Instant::now();
        all.retain(|one| one.under_way() || now.saturating_duration_since(one.at) < LASTS);
        if let Some(one) = all.iter().find(|one| one.is(who, key)) {
            return match &one.became {
                _ if one.request != request => Begun::Another,
                Became::UnderWay => Begun::UnderWay,
                Became::Done(answer) => Begun::Done(answer.clone()),
                Became::NotKept(status) => Begun::NotKept(*status),
            };
        }
        if all.iter().filter(|one| one.who == who && one.under_way()).count() >= MOST_UNDER_WAY {
            return Begun::TooMany;
        }
        let (who, key) = (who.to_owned(), key.to_owned());
        all.push_back(Asked { who: who.clone(), key: key.clone(), request, at: now, became: Became::UnderWay });
        make_room(&mut all, &who);
        Begun::New(Ticket { kept: Arc::clone(self), who, key })
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn is(&self, who: &str, key: &str) -> bool {
        self.who == who && self.key == key
    }

    /// What is under way is not forgotten.
    const fn under_way(&self) -> bool {
        matches!(self.became, Became::UnderWay)
    }

    fn bytes(&self) -> usize {
        match &self.became {
            Became::Done(answer) => answer.body.len(),
            _ => 0,
        }
    }
}

/// Forgets the oldest of what is too much.
fn make_room(all: &mut VecDeque<Asked>, who: &str) {
    let forget = |all: &mut VecDeque<Asked>, whose: &dyn Fn(&Asked) -> bool| {
        let oldest = all.iter().position(|one| !one.under_way() && whose(one));
        oldest.and_then(|oldest| all.remove(oldest)).is_some()
    };
    while all.iter().filter(|one| one.who == who).count() > MOST_OF_ONE && forget(all, &|one| one.who == who) {}
    while all.len() > MOST && forget(all, &|_| true) {}
    while all.iter().map(Asked::bytes).sum::<usize>() > LARGEST_TOGETHER && forget(all, &|one| one.bytes() > 0) {}
}

impl Ticket {
    /// Keeps the answer for whoever asks again.
    pub(super) fn done(self, answer: Answer) {
        self.became(Became::Done(answer));
    }

    /// Keeps that there was one.
    pub(super) fn not_kept(self, status: StatusCode) {
        self.became(Became::NotKept(status));
    }

    fn became(&self, became: Became) {
        let mut all = self.kept.lock();
        if let Some(one) = all.iter_mut().find(|one| one.is(&self.who, &self.key)) {
            (one.became, one.at) = (became, Instant::now());
        }
        make_room(&mut all, &self.who);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.kept.lock().retain(|one| !(one.is(&self.who, &self.key) && one.under_way()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize) -> Answer {
        Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: vec![b'x'; bytes].into() }
    }

    fn ticket(kept: &Arc<Kept>, who: &str, key: &str) -> Ticket {
        match kept.begin(who, key, Digest::ABSENT) {
            Begun::New(ticket) => ticket,
            _ => panic!("{who} asked for {key} before"),
        }
    }

    fn is_new(kept: &Arc<Kept>, who: &str, key: &str) -> bool {
        matches!(kept.begin(who, key, Digest::ABSENT), Begun::New(_))
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_of_one_caller_and_one_request_and_of_an_hour() {
        let kept = Arc::new(Kept::default());
        let first = ticket(&kept, "ada", "k");
        assert!(matches!(kept.begin("ada", "k", Digest::ABSENT), Begun::UnderWay));
        assert!(is_new(&kept, "bob", "k"));
        first.done(answer(1));
        assert!(matches!(kept.begin("ada", "k", Digest::ABSENT), Begun::Done(_)));
        assert!(matches!(kept.begin("ada", "k", Digest::of(b"another")), Begun::Another));
        tokio::time::advance(LASTS).await;
        assert!(is_new(&kept, "ada", "k"));
    }

    #[test]
    fn one_that_fails_in_the_middle_frees_its_key() {
        let kept = Arc::new(Kept::default());
        drop(ticket(&kept, "ada", "k"));
        assert!(is_new(&kept, "ada", "k"));
    }

    #[test]
    fn no_caller_pushes_out_what_another_did_and_nobody_what_is_under_way() {
        let kept = Arc::new(Kept::default());
        ticket(&kept, "ada", "hers").done(answer(1));
        let under_way = ticket(&kept, "bob", "under-way");
        for number in 0..200 {
            ticket(&kept, "bob", &number.to_string()).done(answer(1));
        }
        assert!(!is_new(&kept, "ada", "hers"));
        assert!(!is_new(&kept, "bob", "under-way"));
        assert_eq!(kept.lock().len(), 1 + MOST_OF_ONE);
        assert!(!is_new(&kept, "bob", "199"));
        assert!(is_new(&kept, "bob", "0"));
        drop(under_way);
        for caller in 0..20 {
            for number in 0..100 {
                ticket(&kept, &caller.to_string(), &number.to_string()).done(answer(1));
            }
        }
        assert_eq!(kept.lock().len(), MOST);
    }

    #[test]
    fn a_caller_has_so_many_under_way_and_no_more() {
        let kept = Arc::new(Kept::default());
        let mut tickets: Vec<_> = (0..MOST_UNDER_WAY).map(|number| ticket(&kept, "ada", &number.to_string())).collect();
        assert!(matches!(kept.begin("ada", "more", Digest::ABSENT), Begun::TooMany));
        assert!(matches!(kept.begin("ada", "0", Digest::ABSENT), Begun::UnderWay));
        assert!(is_new(&kept, "bob", "more"));
        tickets.pop();
        assert!(is_new(&kept, "ada", "more"));
    }

    #[test]
    fn all_answers_together_have_a_bound() {
        let kept = Arc::new(Kept::default());
        for number in 0..80 {
            ticket(&kept, "ada", &number.to_string()).done(answer(Answer::LARGEST));
        }
        assert_eq!(kept.lock().iter().map(Asked::bytes).sum::<usize>(), LARGEST_TOGETHER);
        assert!(is_new(&kept, "ada", "0") && !is_new(&kept, "ada", "79"));
    }
}
