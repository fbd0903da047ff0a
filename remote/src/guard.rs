//! Checks the credentials of requests, for middleware and extractors.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::{HttpRequest, HttpResponse};

use crate::answer::Outcome;
use crate::authorization::{self, Presented};
use crate::challenge::{self, Problem};
use crate::dialect::Dialect;
use crate::queue::{Check, Unavailable};
use crate::remote::Remote;
use crate::verified::Verified;

/// Asks a [`Remote`] about the token in a request, and words refusals as the Django package of a dialect does.
#[derive(Debug, Clone)]
pub struct Guard {
    remote: Remote,
    keywords: Arc<[String]>,
    dialect: Dialect,
}

/// Why a request is not authenticated, and the reply for it.
#[derive(Debug, Clone)]
pub struct AuthFailure(Failure);

#[derive(Debug, Clone)]
enum Failure {
    /// 401, in the words of this dialect.
    Refused { problem: Problem, dialect: Dialect, keyword: String },
    /// 503.
    Unavailable,
}

/// The check of one request.
#[derive(Debug)]
pub(crate) enum Checking {
    /// The result is clear without the server.
    Known(Problem),
    /// The server is asked.
    Asking(Check),
}

impl Guard {
    /// A guard for tokens of the knox dialect: `Authorization: Token <token>`.
    pub fn new(remote: Remote) -> Self {
        Self { remote, keywords: Arc::new([]), dialect: Dialect::Knox }.dialect(Dialect::Knox)
    }

    /// Accepts tokens of this dialect under its usual keywords, and uses its wording for refusals.
    #[must_use]
    pub fn dialect(self, dialect: Dialect) -> Self {
        let keywords = dialect.keywords().iter().map(|keyword| (*keyword).to_owned()).collect();
        Self { keywords, dialect, ..self }
    }

    /// Accepts another keyword before the token, compared without regard to case.
    #[must_use]
    pub fn keyword(self, keyword: &str) -> Self {
        Self { keywords: [keyword.to_owned()].into(), ..self }
    }

    /// Checks the credentials of `request`.
    ///
    /// # Errors
    /// Why it is not authenticated.
    pub async fn check(&self, request: &HttpRequest) -> Result<Verified, AuthFailure> {
        match self.begin(request) {
            Checking::Known(problem) => Err(self.refuse(problem)),
            Checking::Asking(check) => self.conclude(check.await),
        }
    }

    /// Reads the credentials of `request`, and asks the server if they can be a token.
    pub(crate) fn begin(&self, request: &HttpRequest) -> Checking {
        match authorization::read(request.headers(), &self.keywords) {
            Presented::Token(token) => Checking::Asking(self.remote.ask(token)),
            presented @ (Presented::NotProvided | Presented::Empty | Presented::Spaces | Presented::Malformed) => {
                Checking::Known(Problem::of(&presented))
            }
        }
    }

    fn conclude(&self, answer: Result<Outcome, Unavailable>) -> Result<Verified, AuthFailure> {
        match answer {
            Ok(Some(verified)) if verified.session.dialect == self.dialect => Ok(verified),
            // No token is good under the keyword of another dialect.
            Ok(Some(_) | None) => Err(self.refuse(Problem::Bad)),
            Err(Unavailable) => Err(AuthFailure(Failure::Unavailable)),
        }
    }

    fn refuse(&self, problem: Problem) -> AuthFailure {
        let keyword = self.keywords.first().cloned().unwrap_or_default();
        AuthFailure(Failure::Refused { problem, dialect: self.dialect, keyword })
    }
}

impl Checking {
    /// The verdict on the request whose check `guard` began.
    pub(crate) fn poll(&mut self, guard: &Guard, context: &mut Context<'_>) -> Poll<Result<Verified, AuthFailure>> {
        match self {
            Self::Known(problem) => Poll::Ready(Err(guard.refuse(*problem))),
            Self::Asking(check) => {
                let answer = ready!(Pin::new(check).poll(context));
                Poll::Ready(guard.conclude(answer))
            }
        }
    }
}

impl AuthFailure {
    /// Whether the request has no credentials for this application.
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.0, Failure::Refused { problem: Problem::NotProvided, .. })
    }

    /// Whether the check could not be made, which says nothing about the token.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self.0, Failure::Unavailable)
    }

    /// The reply.
    pub fn response(&self) -> HttpResponse {
        match &self.0 {
            Failure::Refused { problem, dialect, keyword } => challenge::refuse(*dialect, *problem, keyword),
            Failure::Unavailable => challenge::unavailable(),
        }
    }
}

impl From<AuthFailure> for actix_web::Error {
    fn from(failure: AuthFailure) -> Self {
        actix_web::error::InternalError::from_response("not authenticated", failure.response()).into()
    }
}
