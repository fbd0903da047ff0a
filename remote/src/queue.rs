//! Checks that wait for a call, and the rule of which call may answer them: one that is sent after the check began.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, Sleep, sleep_until};
use zeroize::Zeroizing;

use crate::answer::Outcome;
use crate::verified::Verified;

/// The longest text that can be a token, in bytes, as on the server.
const MAX_TOKEN_LENGTH: usize = 4096;

/// The most tokens in one call, as the server allows.
const MOST_TOKENS: usize = 1_000;

/// The largest body of a call in bytes, below the server's limit of 1 MiB.
const MOST_BYTES: usize = 1_000_000;

/// The most checks that wait. More of them would only wait for their time limit.
const MOST_WAITING: usize = 20_000;

/// The text of a token. It cannot be printed, and its memory is wiped when it is dropped.
pub(crate) struct Token(Zeroizing<String>);

impl Token {
    /// The token that a client presents, or `None` if it cannot be one: empty, longer than 4,096 bytes, or not
    /// printable ASCII without spaces.
    pub(crate) fn parse(presented: &[u8]) -> Option<Self> {
        let is_one = (1..=MAX_TOKEN_LENGTH).contains(&presented.len()) && presented.iter().all(u8::is_ascii_graphic);
        let text = std::str::from_utf8(presented).ok().filter(|_| is_one)?;
        Some(Self(Zeroizing::new(text.to_owned())))
    }

    /// The length in a body: with quotes, a comma and a backslash before what JSON escapes in printable ASCII.
    fn length(&self) -> usize {
        3 + self.0.len() + self.0.bytes().filter(|byte| needs_escape(*byte)).count()
    }

    fn write(&self, body: &mut Vec<u8>) {
        body.push(b'"');
        for byte in self.0.bytes() {
            if needs_escape(byte) {
                body.push(b'\\');
            }
            body.push(byte);
        }
        body.push(b'"');
    }
}

const fn needs_escape(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\')
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The check could not be made, which says nothing about the token. The log has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the check could not be made")]
pub struct Unavailable;

/// A check that waits for a call.
struct Waiting {
    token: Token,
    answer: oneshot::Sender<Outcome>,
}

#[derive(Default)]
struct State {
    /// In the order in which they began.
    waiting: BTreeMap<u64, Waiting>,
    /// The number of the next check.
    next: u64,
    is_closed: bool,
}

/// All checks that wait.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Wakes one of the callers.
    arrived: Notify,
}

/// The asking side of the queue. When it is dropped, no more calls are made.
pub(crate) struct Asker(Arc<Queue>);

impl Asker {
    /// Asks through this queue.
    pub(crate) const fn new(queue: Arc<Queue>) -> Self {
        Self(queue)
    }

    /// Begins a check, which fails after this time.
    pub(crate) fn ask(self: &Arc<Self>, token: Token, limit: Duration) -> Check {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.0.state();
        if state.waiting.len() >= MOST_WAITING {
            return Check::known(Err(Unavailable));
        }
        let number = state.next;
        state.next += 1;
        state.waiting.insert(number, Waiting { token, answer });
        drop(state);
        self.0.arrived.notify_one();
        let asked = Asked { asker: Arc::clone(self), number, receiver, deadline: Instant::now() + limit, timer: None };
        Check(Progress::Asked(asked))
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        // Each waiting check holds an asker, so none is waiting.
        self.0.state().is_closed = true;
        self.0.arrived.notify_one();
    }
}

impl Queue {
    /// Waits for checks and takes as many as fit into one call, the oldest first. The call is sent after this, so the
    /// checks began before it. `None` once the queue is closed.
    pub(crate) async fn take(&self) -> Option<Batch> {
        loop {
            {
                let mut state = self.state();
                if state.is_closed {
                    break;
                }
                let batch = Batch::of(&mut state.waiting);
                let is_more = !state.waiting.is_empty();
                drop(state);
                if is_more {
                    self.arrived.notify_one();
                }
                if !batch.0.is_empty() {
                    return Some(batch);
                }
            }
            self.arrived.notified().await;
        }
        // The next waiting caller has to see it too.
        self.arrived.notify_one();
        None
    }

    /// Removes a check, unless it is already in a call or answered.
    fn withdraw(&self, number: u64) {
        let withdrawn = self.state().waiting.remove(&number);
        drop(withdrawn);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The checks that one call answers. If a batch is dropped, its checks fail.
pub(crate) struct Batch(Vec<Waiting>);

impl Batch {
    fn of(waiting: &mut BTreeMap<u64, Waiting>) -> Self {
        let mut batch = Vec::new();
        let mut length = BODY_AROUND;
        while let Some(first) = waiting.first_entry() {
            length += first.get().token.length();
            if batch.len() == MOST_TOKENS || length > MOST_BYTES {
                break;
            }
            batch.push(first.remove());
        }
        Self(batch)
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The body of the call. Its memory is wiped when it is dropped.
    pub(crate) fn body(&self, counts_as_use: bool) -> Bytes {
        // The capacity is exact: growing would leave a copy behind.
        let length = BODY_AROUND + self.0.iter().map(|waiting| waiting.token.length()).sum::<usize>();
        let mut body = Zeroizing::new(Vec::with_capacity(length));
        body.extend_from_slice(b"{\"tokens\":[");
        for (place, waiting) in self.0.iter().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            waiting.token.write(&mut body);
        }
        body.extend_from_slice(if counts_as_use {
            b"],\"counts_as_use\":true}"
        } else {
            b"],\"counts_as_use\":false}"
        });
        Bytes::from_owner(body)
    }

    /// Distributes the outcomes, in the order of the tokens in the body.
    pub(crate) fn answer(self, outcomes: Vec<Outcome>) {
        for (waiting, outcome) in self.0.into_iter().zip(outcomes) {
            // Fails if the check was dropped meanwhile.
            let _ = waiting.answer.send(outcome);
        }
    }
}

/// The length of a body without its tokens.
const BODY_AROUND: usize = br#"{"tokens":[],"counts_as_use":false}"#.len();

/// A running check: the user and session of the token, or `None` if it is not live.
///
/// The check begins when this is created. Dropping it withdraws the question, if it was not sent yet. It must be polled
/// on a Tokio runtime with timers, such as that of actix-web.
#[derive(Debug)]
pub struct Check(Progress);

enum Progress {
    /// `None` once it was returned.
    Known(Option<Result<Outcome, Unavailable>>),
    Asked(Asked),
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(_) => "Known",
            Self::Asked(_) => "Asked",
        })
    }
}

struct Asked {
    asker: Arc<Asker>,
    number: u64,
    receiver: oneshot::Receiver<Outcome>,
    deadline: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Check {
    pub(crate) const fn known(result: Result<Outcome, Unavailable>) -> Self {
        Self(Progress::Known(Some(result)))
    }
}

impl Future for Check {
    type Output = Result<Option<Verified>, Unavailable>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let asked = match &mut self.0 {
            Progress::Known(result) => return result.take().map_or(Poll::Pending, Poll::Ready),
            Progress::Asked(asked) => asked,
        };
        let result = match Pin::new(&mut asked.receiver).poll(context) {
            Poll::Ready(answer) => answer.map_err(|_| Unavailable),
            Poll::Pending => {
                let deadline = asked.deadline;
                let timer = asked.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                std::task::ready!(timer.as_mut().poll(context));
                Err(Unavailable)
            }
        };
        self.0 = Progress::Known(None);
        Poll::Ready(result)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.asker.0.withdraw(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn token(text: &str) -> Token {
        Token::parse(text.as_bytes()).expect("a token")
    }

    fn bodies(Asker(queue): &Asker) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let batch = Batch::of(&mut queue.state().waiting);
            if batch.len() == 0 {
                return bodies;
            }
            bodies.push(String::from_utf8(batch.body(false).to_vec()).expect("UTF-8"));
        }
    }

    #[test]
    fn a_body_is_json_and_holds_what_it_was_sized_for() {
        let queue = Arc::new(Asker::new(Arc::default()));
        let texts = ["abc", "\\", "\"\"", "a.b-c_d/e'", "\\\"\\"];
        let checks = texts.map(|text| queue.ask(token(text), LIMIT));
        let batch = Batch::of(&mut queue.0.state().waiting);
        let expected = BODY_AROUND + batch.0.iter().map(|waiting| waiting.token.length()).sum::<usize>();
        for counts in [true, false] {
            let body = batch.body(counts);
            assert!(body.len() <= expected, "{} in {expected}", body.len());
            let read: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(read, serde_json::json!({ "tokens": texts, "counts_as_use": counts }));
        }
        drop(checks);
    }

    #[test]
    fn a_call_has_at_most_a_thousand_tokens_and_a_megabyte() {
        let queue = Arc::new(Asker::new(Arc::default()));
        let _short: Vec<_> = (0..2_500).map(|_| queue.ask(token("short"), LIMIT)).collect();
        let counts: Vec<_> = bodies(&queue).iter().map(|body| body.matches("short").count()).collect();
        assert_eq!(counts, [1_000, 1_000, 500]);
        let long = "\"".repeat(MAX_TOKEN_LENGTH);
        let _long: Vec<_> = (0..300).map(|_| queue.ask(token(&long), LIMIT)).collect();
        let lengths: Vec<_> = bodies(&queue).iter().map(String::len).collect();
        assert!(lengths.iter().all(|length| *length <= MOST_BYTES), "{lengths:?}");
        assert_eq!(lengths.len(), 3, "{lengths:?}");
    }

    #[test]
    fn a_dropped_check_leaves_the_queue() {
        let queue = Arc::new(Asker::new(Arc::default()));
        let [first, second, third] = ["first", "second", "third"].map(|text| queue.ask(token(text), LIMIT));
        drop(second);
        assert_eq!(queue.0.state().waiting.len(), 2);
        assert_eq!(bodies(&queue), [r#"{"tokens":["first","third"],"counts_as_use":false}"#]);
        drop((first, third));
        assert!(queue.0.state().waiting.is_empty());
    }

    #[test]
    fn no_more_checks_wait_than_there_is_room_for() {
        let queue = Arc::new(Asker::new(Arc::default()));
        let mut checks: Vec<_> = (0..MOST_WAITING).map(|_| queue.ask(token("x"), LIMIT)).collect();
        assert!(matches!(queue.ask(token("y"), LIMIT).0, Progress::Known(Some(Err(Unavailable)))));
        checks.pop();
        assert!(matches!(queue.ask(token("y"), LIMIT).0, Progress::Asked(_)));
    }

    #[test]
    fn only_printable_ascii_can_be_a_token() {
        for text in ["", " ", "a b", "a\tb", "zo\u{eb}", "\0", "a\n", &"a".repeat(MAX_TOKEN_LENGTH + 1)] {
            assert!(Token::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        assert!(Token::parse("a".repeat(MAX_TOKEN_LENGTH).as_bytes()).is_some());
        assert_eq!(format!("{:?}", token("secret")), "Token(…)");
    }
}
