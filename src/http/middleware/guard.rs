//! The guard that finds and checks the token of a request, and the middleware that passes only verified requests on.

mod failure;
mod layer;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready as wait_for};

use actix_web::HttpRequest;

pub use self::failure::AuthFailure;
use self::failure::Failure;
pub use self::layer::{Guarded, TokenAuth, TokenAuthService};

use crate::domain::dialect::{Dialect, PerDialect};
use crate::domain::session::{Refusal, Verified};
use crate::domain::token::Token;
use crate::http::Mount;
use crate::http::browser::Origins;
use crate::http::browser::credentials::{Found, TokenCookies};
use crate::http::drf::authorization::{self, Presented};
use crate::http::drf::challenge::{CredentialsProblem, ErrorStyle, Refused};
use crate::http::middleware::request_log::note;
use crate::service::{Activity, Check, CheckError, Resolver};

/// Asks a [`Resolver`] about the token in a request, and words refusals as the
/// Django package of a dialect does.
#[derive(Clone)]
pub struct Guard {
    resolver: Arc<dyn Resolver + Send + Sync>,
    keywords: Arc<[Keyword]>,
    /// The cookies that are read; `None`: tokens come in the header alone.
    cookies: Option<Arc<TokenCookies>>,
    words: ErrorStyle,
    activity: Activity,
}

/// A keyword before tokens, and the dialects whose tokens may follow it.
#[derive(Debug)]
struct Keyword {
    word: String,
    dialects: Vec<Dialect>,
}

impl AsRef<str> for Keyword {
    fn as_ref(&self) -> &str {
        &self.word
    }
}

/// What a token has to be besides good.
#[derive(Debug, Clone, Copy)]
enum Expected {
    /// Of a dialect of the keyword with this index in the guard's list.
    Keyword(usize),
    /// Of the dialect of its cookie; `None`: of any that the guard accepts.
    Cookie(Option<Dialect>),
}

/// The running check of one request.
enum Checking {
    /// The result was clear without the resolver; `None` once it was returned.
    Known(Option<AuthFailure>),
    /// The resolver is working.
    Asking { expected: Expected, check: Check },
}

impl Guard {
    /// A guard for tokens of the knox dialect: `Authorization: Token <token>`.
    pub fn new(resolver: impl Resolver + Send + Sync) -> Self {
        Self::of(resolver, vec![Keyword { word: "Token".to_owned(), dialects: vec![Dialect::Knox] }], ErrorStyle::Knox)
    }

    /// Accepts tokens of this dialect under its usual keywords, and uses its wording for refusals.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        let words = Mount::default_of(dialect).keywords.into_iter();
        self.keywords = words.map(|word| Keyword { word, dialects: vec![dialect] }).collect();
        self.words = ErrorStyle::of(dialect);
        match self.cookies.take() {
            Some(cookies) => self.cookie(cookies.origins().clone()),
            None => self,
        }
    }

    /// Also reads the token in the cookie that a login of the program sets (`docs/browsers.md`), such as
    /// `__Host-knox` for tokens of the knox dialect. With it, requests other than `GET` and `HEAD` have to come from a
    /// page of these origins, or say `Sec-Fetch-Site: same-origin` without an `Origin`: the answer to others is 403. The
    /// answer to more than one token, such as in the cookie and in the header, is 400.
    #[must_use]
    pub fn cookie(self, origins: Origins) -> Self {
        let dialects = PerDialect::from_fn(|dialect| self.place(dialect).is_some());
        self.reading(TokenCookies::new(dialects, origins))
    }

    /// Also reads these cookies.
    pub(in crate::http) fn reading(mut self, cookies: TokenCookies) -> Self {
        self.cookies = Some(Arc::new(cookies));
        self
    }

    /// Accepts tokens of every enabled dialect, each under its own keywords, and
    /// uses the wording of the knox dialect for refusals (`docs/dialects/knox.md#the-token-in-the-header`).
    pub fn of_dialects(resolver: impl Resolver + Send + Sync, dialects: &PerDialect<Mount>) -> Self {
        let mut keywords: Vec<Keyword> = Vec::new();
        for dialect in Dialect::ALL {
            let mount = dialects.get(dialect);
            for word in mount.keywords.iter().filter(|_| mount.enabled) {
                match keywords.iter_mut().find(|known| known.word.eq_ignore_ascii_case(word)) {
                    Some(known) => known.dialects.push(dialect),
                    None => keywords.push(Keyword { word: word.clone(), dialects: vec![dialect] }),
                }
            }
        }
        Self::of(resolver, keywords, ErrorStyle::Knox)
    }

    fn of(resolver: impl Resolver + Send + Sync, keywords: Vec<Keyword>, words: ErrorStyle) -> Self {
        let (resolver, keywords) = (Arc::new(resolver), keywords.into());
        Self { resolver, keywords, cookies: None, words, activity: Activity::Counts }
    }

    /// Accepts another keyword before the token, compared without regard to case.
    #[must_use]
    pub fn keyword(mut self, word: &str) -> Self {
        let dialects = self.keywords.iter().flat_map(|keyword| keyword.dialects.clone()).collect();
        self.keywords = [Keyword { word: word.to_owned(), dialects }].into();
        self
    }

    /// Checks without counting as use of the session.
    #[must_use]
    pub fn without_activity(mut self) -> Self {
        self.activity = Activity::Ignored;
        self
    }

    /// Checks the credentials of `request`.
    ///
    /// # Errors
    /// Why it is not authenticated.
    pub async fn check(&self, request: &HttpRequest) -> Result<Verified, AuthFailure> {
        let mut checking = self.begin(request);
        poll_fn(|context| checking.poll(self, request, context)).await
    }

    /// Checks the value of a cookie: a token of this dialect, or of any that this guard accepts.
    pub(in crate::http) async fn check_cookie(
        &self,
        request: &HttpRequest,
        value: &[u8],
        dialect: Option<Dialect>,
    ) -> Result<Verified, AuthFailure> {
        let mut checking = self.begin_cookie(request, value, dialect);
        poll_fn(|context| checking.poll(self, request, context)).await
    }

    /// Reads the credentials of `request`, and asks the resolver if they can be a token.
    fn begin(&self, request: &HttpRequest) -> Checking {
        let Some(cookies) = &self.cookies else { return self.begin_header(request) };
        match cookies.access(request) {
            Found::NoCookie => self.begin_header(request),
            Found::Cookie(dialect, value) => self.begin_cookie(request, value, Some(dialect)),
            Found::ForeignCookie => Checking::refused(request, "cookie_of_another_site", Failure::CrossSite),
            Found::Several => Checking::refused(request, "several_tokens", Failure::Several),
        }
    }

    fn begin_cookie(&self, request: &HttpRequest, value: &[u8], dialect: Option<Dialect>) -> Checking {
        let expected = Expected::Cookie(dialect);
        match Token::parse(value) {
            Some(token) => Checking::Asking { expected, check: self.resolver.resolve(token, self.activity) },
            None => {
                let problem = CredentialsProblem::Bad(Refusal::Malformed);
                Checking::refused(request, Refusal::Malformed.as_str(), self.refuse(expected, problem))
            }
        }
    }

    fn begin_header(&self, request: &HttpRequest) -> Checking {
        let presented = authorization::read(request.headers(), &self.keywords);
        match presented {
            Presented::Token { keyword, token } => {
                let check = self.resolver.resolve(token, self.activity);
                Checking::Asking { expected: Expected::Keyword(keyword), check }
            }
            Presented::NotProvided => {
                let failure = Failure::Anonymous(self.word(CredentialsProblem::NotProvided));
                Checking::refused(request, "not_provided", failure)
            }
            Presented::Empty { keyword } | Presented::Spaces { keyword } | Presented::Malformed { keyword } => {
                let failure = self.refuse(Expected::Keyword(keyword), CredentialsProblem::of(&presented));
                Checking::refused(request, Refusal::Malformed.as_str(), failure)
            }
        }
    }

    /// The result for a request from whose token this is expected, given the resolver's answer.
    fn conclude(
        &self,
        request: &HttpRequest,
        expected: Expected,
        answer: Result<Verified, CheckError>,
    ) -> Result<Verified, AuthFailure> {
        let (reason, failure) = match answer {
            Ok(verified) if verified.session.kind.dialect().is_some_and(|dialect| self.accepts(expected, dialect)) => {
                note(request, |facts| facts.verified(&verified));
                return Ok(verified);
            }
            Ok(_) => {
                let reason = match expected {
                    Expected::Keyword(_) => "wrong_keyword",
                    Expected::Cookie(_) => "wrong_cookie",
                };
                (reason, self.refuse(expected, CredentialsProblem::Bad(Refusal::Unknown)))
            }
            Err(CheckError::Refused(refusal)) => {
                (refusal.as_str(), self.refuse(expected, CredentialsProblem::Bad(refusal)))
            }
            Err(CheckError::Unavailable(error)) => {
                log::warn!("a check could not be answered: {error}");
                ("unavailable", Failure::Unavailable)
            }
        };
        note(request, |facts| facts.refused(reason));
        Err(AuthFailure(failure))
    }

    /// Whether a token of this dialect may be where the token was.
    fn accepts(&self, expected: Expected, dialect: Dialect) -> bool {
        match expected {
            Expected::Keyword(index) => {
                self.keywords.get(index).is_some_and(|keyword| keyword.dialects.contains(&dialect))
            }
            Expected::Cookie(Some(own)) => own == dialect,
            Expected::Cookie(None) => self.place(dialect).is_some(),
        }
    }

    /// The index of the first keyword under which tokens of this dialect are accepted.
    fn place(&self, dialect: Dialect) -> Option<usize> {
        self.keywords.iter().position(|keyword| keyword.dialects.contains(&dialect))
    }

    /// A bad token under the keyword of a dialect with another wording counts as no
    /// credentials, as it does for the Django package whose wording this guard uses. In a cookie it counts as none for
    /// [`AuthFailure::is_anonymous`]: nobody but the next login can take it out of the browser.
    fn refuse(&self, expected: Expected, problem: CredentialsProblem) -> Failure {
        match expected {
            Expected::Keyword(index) => {
                let speaks = |dialect: &Dialect| ErrorStyle::of(*dialect) == self.words;
                let is_ours = self.keywords.get(index).is_none_or(|keyword| keyword.dialects.iter().any(speaks));
                Failure::Refused(self.word(if is_ours { problem } else { CredentialsProblem::NotProvided }))
            }
            Expected::Cookie(_) => Failure::Anonymous(self.word(problem)),
        }
    }

    fn word(&self, problem: CredentialsProblem) -> Refused {
        let keyword = self.keywords.first().map_or("Token", |keyword| keyword.word.as_str());
        self.words.refuse(problem, keyword)
    }
}

impl Checking {
    /// A refusal that is clear without the resolver.
    fn refused(request: &HttpRequest, reason: &'static str, failure: Failure) -> Self {
        note(request, |facts| facts.refused(reason));
        Self::Known(Some(AuthFailure(failure)))
    }

    /// The verdict on this request, whose check `guard` began.
    fn poll(
        &mut self,
        guard: &Guard,
        request: &HttpRequest,
        context: &mut Context<'_>,
    ) -> Poll<Result<Verified, AuthFailure>> {
        match self {
            Self::Known(failure) => failure.take().map_or(Poll::Pending, |failure| Poll::Ready(Err(failure))),
            Self::Asking { expected, check } => {
                let answer = wait_for!(Pin::new(check).poll(context));
                Poll::Ready(guard.conclude(request, *expected, answer))
            }
        }
    }
}
