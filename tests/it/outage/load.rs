//! Clients that send requests while the database is down and up, and record every answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::harness::app::{Client, login_request, token_of, token_request};
use crate::harness::wire::Reply;

/// The kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// About a token that stays live.
    Live,
    /// About a token that was already logged out.
    Dead,
    Login,
    Logout,
}

/// An answer, when its request was sent, and when it arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer {
    pub(super) ask: Question,
    pub(super) status: u16,
    pub(super) asked: Instant,
    pub(super) answered: Instant,
    /// With `Retry-After`.
    retry: bool,
}

impl Answer {
    /// Whether it is one of the permitted answers.
    fn is_honest(&self) -> bool {
        let good = if self.ask == Question::Dead { 401 } else { 200 };
        self.status == good || (self.status == 503 && self.retry)
    }

    pub(super) fn is_check(&self) -> bool {
        matches!(self.ask, Question::Live | Question::Dead)
    }
}

/// The running clients, which stop when this is dropped.
pub(super) struct Load {
    book: Arc<Book>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Book {
    answers: Mutex<Vec<Answer>>,
    changed: Condvar,
    stopping: AtomicBool,
}

impl Load {
    /// Starts two clients that check and, if `with_logins`, two that log in and out.
    pub(super) fn start(address: SocketAddr, user: &'static str, password: &'static str, with_logins: bool) -> Self {
        let client = &mut Client::connect(address);
        let (live, dead) = (client.login(user, password), client.login(user, password));
        assert_eq!(client.logout(&dead), 200);
        let book = Arc::new(Book::default());
        let mut threads = Vec::new();
        for _ in 0..2 {
            let (book, logins) = (Arc::clone(&book), Arc::clone(&book));
            let (live, dead) = (live.clone(), dead.clone());
            threads.push(std::thread::spawn(move || book.check(&mut Client::connect(address), &live, &dead)));
            if with_logins {
                threads.push(std::thread::spawn(move || logins.log_in(&mut Client::connect(address), user, password)));
            }
        }
        Self { book, threads }
    }

    /// Waits for an answer like this to a request sent after `since`, given by `deadline`.
    pub(super) fn wait_for(
        &self,
        what: &str,
        since: Instant,
        deadline: Instant,
        fits: impl Fn(&Answer) -> bool,
    ) -> Answer {
        let mut answers = self.book.lock();
        let mut looked = 0;
        loop {
            let found = answers[looked..].iter().find(|answer| answer.asked > since && fits(answer));
            if let Some(answer) = found {
                assert!(answer.answered <= deadline, "{what} arrived too late: {:?}", answer.answered - since);
                return *answer;
            }
            looked = answers.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{what} did not arrive; the last answers: {:?}",
                &answers[looked.saturating_sub(8)..]
            );
            (answers, _) = self.book.changed.wait_timeout(answers, left).expect("no panic");
        }
    }

    /// All answers to requests sent after `since` and answered before `until`.
    pub(super) fn between(&self, since: Instant, until: Instant) -> Vec<Answer> {
        let answers = self.book.lock();
        answers.iter().filter(|answer| answer.asked > since && answer.answered < until).copied().collect()
    }

    /// Ends the clients. No answer may have been wrong, and no check may have taken longer than `limit`.
    pub(super) fn finish(mut self, limit: Duration) {
        self.stop();
        let answers = self.book.lock();
        let lies: Vec<_> = answers.iter().filter(|answer| !answer.is_honest()).take(8).collect();
        assert!(lies.is_empty(), "{lies:#?}");
        let slow = |answer: &&Answer| answer.is_check() && answer.answered - answer.asked > limit;
        let slow: Vec<_> = answers.iter().filter(slow).take(8).collect();
        assert!(slow.is_empty(), "{slow:#?}");
        let longest = answers.iter().filter(|answer| answer.is_check()).map(|answer| answer.answered - answer.asked);
        println!("{} answers; the longest check took {:?}", answers.len(), longest.max());
    }

    fn stop(&mut self) {
        self.book.stopping.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // Reported below only if nothing else has failed first.
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "a client got no answer");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Book {
    fn lock(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().expect("no panic")
    }

    fn goes_on(&self) -> bool {
        !self.stopping.load(Ordering::SeqCst)
    }

    fn note(&self, ask: Question, asking: impl FnOnce() -> Reply) -> Reply {
        let asked = Instant::now();
        let reply = asking();
        let (status, retry) = (reply.status, reply.header("Retry-After").is_some());
        self.lock().push(Answer { ask, status, asked, answered: Instant::now(), retry });
        self.changed.notify_all();
        reply
    }

    fn check(&self, client: &mut Client, live: &str, dead: &str) {
        while self.goes_on() {
            self.note(Question::Live, || client.ask(&token_request("GET", "/auth/user/", live)));
            self.note(Question::Dead, || client.ask(&token_request("GET", "/auth/user/", dead)));
        }
    }

    fn log_in(&self, client: &mut Client, user: &str, password: &str) {
        while self.goes_on() {
            let reply = self.note(Question::Login, || client.ask(&login_request(user, password)));
            if reply.status == 200 {
                let token = token_of(&reply);
                self.note(Question::Logout, || client.ask(&token_request("POST", "/auth/logout/", &token)));
            }
        }
    }
}
