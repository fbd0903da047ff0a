//! The ledger judges by moments. The order in which events are recorded does not matter.

use std::time::{Duration, Instant};

use super::judge::Verdict;
use super::ledger::{Ledger, Responder, User};
use super::outcome::Outcome;
use crate::harness::wire::Reply;

const BY: Responder = Responder::Node(0);

/// A login at 0 s; the end of all sessions, requested at 1 s, noticed by a check at 2 s and recorded last; and another
/// end, requested at 3 s and recorded first.
fn judge(first_end: Outcome, check: Option<[u64; 2]>) -> Verdict {
    let (ledger, user, begin) = (Ledger::default(), User::new("alice".to_owned()), Instant::now());
    let at = |seconds| begin + Duration::from_secs(seconds);
    let token = ledger.login(&user, "a device", "0".repeat(40), (at(0), at(0)));
    let reply = |status, body: &str| Reply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
    match check {
        Some([asked, got]) => {
            let yes = reply(200, r#"{"id":1,"username":"alice","email":"","session":{"id":"a"}}"#);
            ledger.check(&token, BY, at(asked), at(got), Some(&yes));
        }
        None => ledger.check(&token, BY, at(1), at(2), Some(&reply(401, "{}"))),
    }
    ledger.end_all(&user, BY, at(3), at(6), Outcome::Done);
    ledger.end_all(&user, BY, at(1), at(4), first_end);
    Verdict::of(&ledger)
}

#[test]
fn an_end_that_is_heard_of_late_explains_what_was_seen_before() {
    for outcome in [Outcome::Done, Outcome::Silent] {
        let verdict = judge(outcome, None);
        assert!(verdict.is_clean(), "{outcome:?}: {verdict} {:?}", verdict.told);
    }
}

#[test]
fn an_end_that_is_heard_of_late_forbids_what_came_after_it() {
    // Sent after the first end was answered, and before the second one was.
    assert_eq!(judge(Outcome::Done, Some([5, 5])).let_in, 1);
    assert_eq!(judge(Outcome::Silent, Some([5, 5])).let_in, 0);
}
