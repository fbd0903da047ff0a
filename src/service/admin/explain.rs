//! Explaining what became of a token or a session: what happened, when, by whom and from where.
//!
//! It only reads, and no check depends on it. An answer never claims that a token was not issued: what was known of it
//! may have been deleted after the retention time.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::dialect::Dialect;
use crate::domain::jwt::{KeySecret, expiry_of_ours};
use crate::domain::policy::{RefreshPolicy, TokenForm};
use crate::domain::session::{SessionId, SessionKind};
use crate::domain::time::Timestamp;
use crate::domain::token::Token;
use crate::domain::user::UserId;
use crate::store::{FoundSession, Subject, SweepPolicy};

mod judge;

/// What to explain.
pub enum Question {
    /// A session.
    Session(SessionId),
    /// A token.
    Token(Token),
    /// A text that cannot be a token.
    Malformed,
}

impl Question {
    /// The question about the token with this text.
    pub fn token(text: &str) -> Self {
        Token::parse(text.trim().as_bytes()).map_or(Self::Malformed, Self::Token)
    }
}

/// Without the token, which is a secret.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "Session({id})"),
            Self::Token(_) => f.write_str("Token(…)"),
            Self::Malformed => f.write_str("Malformed"),
        }
    }
}

/// The settings that an explanation needs.
#[derive(Debug, Clone, Copy)]
pub struct ExplainSettings<'a> {
    /// How long ended sessions are kept, and with them what is known of their tokens.
    pub session_retention: Duration,
    /// The HS256 secret of the settings.
    pub jwt_secret: Option<&'a KeySecret>,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Explanation {
    /// What was asked about.
    pub about: About,
    /// `access` or `refresh`, if the question is about a token that is known.
    pub kind: Option<&'static str>,
    /// What became of it.
    #[serde(flatten)]
    pub answer: Answer,
    /// Its session, or the session that was asked about.
    pub session: Option<ExplainedSession>,
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A session.
    Session,
    /// A token.
    Token,
}

/// What became of a token or a session. If there are several causes, this is the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Answer {
    /// It is good.
    Live {
        /// Until when; `None`: until it is ended.
        expires: Option<Timestamp>,
    },
    /// It expired.
    Expired {
        /// When.
        at: Timestamp,
        /// How that is known.
        known_from: Evidence,
    },
    /// Its session was not used for too long.
    Idle {
        /// When that was noticed, or when the limit passed.
        at: Timestamp,
        /// The last use that was recorded.
        last_seen: Option<Timestamp>,
        /// The limit in the current settings, in seconds.
        limit_seconds: Option<u64>,
    },
    /// A refresh replaced it.
    Consumed {
        /// When.
        at: Timestamp,
    },
    /// Its session had too many newer access tokens.
    GaveWay {
        /// When it was deleted.
        at: Timestamp,
    },
    /// Its session was ended alone: by its client, or by an administrator.
    Ended(Cause),
    /// Its session gave way to a newer login.
    Evicted(Cause),
    /// Its session was ended because a refresh token was used again after the grace time.
    Replayed(Cause),
    /// Its session was ended together with all that its user had, or with those of all users.
    AllEnded(Cause),
    /// Its user was deactivated, and still is.
    UserInactive(Cause),
    /// Its user was deleted.
    UserGone(Cause),
    /// It cannot be a token.
    Malformed,
    /// Nothing is known: it was never issued here, or has been gone for longer than this.
    Unknown {
        /// For how many days ended sessions and what belongs to them are kept.
        days: u64,
        /// After how many days an opaque token that expired while its session went on is forgotten; `None`: no dialect
        /// has such tokens.
        expired_days: Option<u64>,
    },
}

/// When and why something ended, by whom and from where, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cause {
    /// When.
    pub at: Option<Timestamp>,
    /// The name of the event; `None`: it was done with SQL.
    pub reason: Option<String>,
    /// Who did it: `user:7`, `cli`, `system`.
    pub actor: Option<String>,
    /// The address that the request came from.
    pub address: Option<String>,
    /// The request's id in the log.
    pub request_id: Option<String>,
}

/// How it is known that a token expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// From the database.
    Database,
    /// From its own `exp`, under a signature of ours.
    Claim,
}

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExplainedSession {
    /// Its id.
    pub id: SessionId,
    /// Its user.
    pub user_id: Option<UserId>,
    /// The user's name.
    pub username: Option<String>,
    /// The dialect that it was opened under, or `admin`, `admin_script`, `admin_page` or `account_page`.
    pub dialect: Option<SessionKind>,
    /// Its name, for example that of a script's token.
    pub name: Option<String>,
    /// When it was opened.
    pub created: Option<Timestamp>,
    /// The last use that was recorded.
    pub last_seen: Option<Timestamp>,
    /// The address that it was opened from.
    pub opened_from: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// How it ended; `None`: it is live.
    pub end: Option<Answer>,
}

impl Admin {
    /// Says what became of a token or a session.
    ///
    /// # Errors
    /// The store failed, or the signing keys cannot be read: then nothing is known.
    pub fn explain(&self, question: &Question, settings: &ExplainSettings<'_>) -> Result<Explanation, AdminError> {
        match question {
            Question::Session(id) => self.explain_session(*id, settings),
            Question::Token(token) => self.explain_token(token, settings),
            Question::Malformed => {
                Ok(Explanation { about: About::Token, kind: None, answer: Answer::Malformed, session: None })
            }
        }
    }

    fn explain_session(&self, id: SessionId, settings: &ExplainSettings<'_>) -> Result<Explanation, AdminError> {
        let found = self.store.look_up(&Subject::Session(id))?.session;
        let answer = found.as_ref().map(|found| judge::session(found, self.clock.now(), &self.policy));
        let session = found.zip(answer.clone()).map(|(found, answer)| explained(found, answer));
        let answer = answer.unwrap_or_else(|| self.unknown(settings, None));
        Ok(Explanation { about: About::Session, kind: None, answer, session })
    }

    fn explain_token(&self, token: &Token, settings: &ExplainSettings<'_>) -> Result<Explanation, AdminError> {
        let now = self.clock.now();
        let findings = self.store.look_up(&Subject::Token(token.digest()))?;
        let Some(found) = findings.token else {
            let answer = self.explain_unknown_token(token, settings, now)?;
            return Ok(Explanation { about: About::Token, kind: None, answer, session: None });
        };
        let end = findings.session.as_ref().map(|session| judge::session(session, now, &self.policy));
        let answer = judge::token(&found, end.clone(), now);
        let session = findings.session.zip(end).map(|(session, end)| explained(session, end));
        let answer = answer.unwrap_or_else(|| self.unknown(settings, None));
        Ok(Explanation { about: About::Token, kind: Some(found.kind.as_str()), answer, session })
    }

    /// A JWT says itself when it expired; its signature proves that it is one of ours.
    fn explain_unknown_token(
        &self,
        token: &Token,
        settings: &ExplainSettings<'_>,
        now: Timestamp,
    ) -> Result<Answer, AdminError> {
        if token.expose().split('.').count() == 3 {
            let keys = self.store.load_keys(settings.jwt_secret)?;
            if let Some(at) = expiry_of_ours(&keys, token.expose())?.filter(|at| *at <= now) {
                return Ok(Answer::Expired { at, known_from: Evidence::Claim });
            }
        }
        Ok(self.unknown(settings, self.forgets_expired()))
    }

    fn unknown(&self, settings: &ExplainSettings<'_>, expired_days: Option<u64>) -> Answer {
        Answer::Unknown { days: days(settings.session_retention), expired_days }
    }

    /// Opaque tokens that expire while their sessions go on leave no trace: there may be any number of them.
    fn forgets_expired(&self) -> Option<u64> {
        let forgets = |dialect: &Dialect| {
            let policy = self.policy.dialects.get(*dialect);
            policy.form == TokenForm::Opaque && policy.refresh != RefreshPolicy::None
        };
        Dialect::ALL.iter().any(forgets).then(|| days(SweepPolicy::default().token_grace))
    }
}

/// Whole days, rounded down, so that an answer never claims to know more than it does.
const fn days(time: Duration) -> u64 {
    time.as_secs() / (24 * 60 * 60)
}

fn explained(found: FoundSession, answer: Answer) -> ExplainedSession {
    let end = if matches!(answer, Answer::Live { .. }) { None } else { Some(answer) };
    let remains = |id, user_id| ExplainedSession {
        id,
        user_id,
        username: None,
        dialect: None,
        name: None,
        created: None,
        last_seen: None,
        opened_from: None,
        user_agent: None,
        end: end.clone(),
    };
    match found {
        FoundSession::Removed { id, user, .. } => remains(id, Some(user)),
        FoundSession::Told { id, user, .. } => remains(id, user),
        FoundSession::Kept(kept) => ExplainedSession {
            id: kept.session.id,
            user_id: Some(kept.user.id),
            username: Some(kept.user.username),
            dialect: Some(kept.session.kind),
            name: kept.name,
            created: Some(kept.session.created),
            last_seen: Some(kept.session.last_seen),
            opened_from: kept.address,
            user_agent: kept.user_agent,
            end,
        },
    }
}
