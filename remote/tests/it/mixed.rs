//! In whatever order checks, calls, failures and withdrawals happen, no check gets the answer to another one.

use std::collections::BTreeSet;

use knoxide_remote::{Check, Unavailable};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::calls::answer;
use crate::server::{Call, Server};

/// What happens next.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A check begins.
    Check { is_live: bool },
    /// One of the running checks is dropped.
    Drop(Index),
    /// The server answers the call that is under way, or says that it could not look.
    Finish { fails: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(|is_live| Step::Check { is_live }),
        1 => any::<Index>().prop_map(Step::Drop),
        1 => prop::bool::weighted(0.3).prop_map(|fails| Step::Finish { fails }),
    ]
}

/// A running check, its token, and the id of the token's user.
struct Running {
    token: String,
    user: Option<i64>,
    check: Check,
}

/// Answers the call, or fails it, and removes the checks that were in it. Returns the next call, which has exactly the
/// checks that waited.
fn finish(server: &Server, call: Call, fails: bool, running: &mut Vec<Running>) -> Result<Option<Call>, TestCaseError> {
    let asked: BTreeSet<String> = call.question.tokens.iter().cloned().collect();
    if fails {
        call.status("503 Service Unavailable", "{}");
    } else {
        call.judge();
    }
    for Running { token, user, check } in running.extract_if(.., |running| asked.contains(&running.token)) {
        prop_assert_eq!(answer(check), if fails { Err(Unavailable) } else { Ok(user) }, "{}", token);
    }
    if running.is_empty() {
        return Ok(None);
    }
    let next = server.next();
    let waited: Vec<&str> = running.iter().map(|running| running.token.as_str()).collect();
    prop_assert_eq!(next.tokens(), waited);
    Ok(Some(next))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_check_gets_its_own_answer(steps in vec(step(), 1..60)) {
        let server = Server::start();
        let remote = server.remote();
        let mut running = Vec::new();
        let mut under_way = None;
        for (number, step) in (0..).zip(steps) {
            match step {
                Step::Check { is_live } => {
                    let token = if is_live { format!("live-{number}") } else { format!("dead-{number}") };
                    let check = remote.check(&token);
                    running.push(Running { token, user: is_live.then_some(number), check });
                    under_way = under_way.or_else(|| Some(server.next()));
                }
                Step::Drop(which) if !running.is_empty() => drop(running.remove(which.index(running.len()))),
                Step::Drop(_) => {}
                Step::Finish { fails } => {
                    if let Some(call) = under_way.take() {
                        under_way = finish(&server, call, fails, &mut running)?;
                    }
                }
            }
        }
    }
}
