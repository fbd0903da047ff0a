//! What a store knows of the past of a token or a session.

use crate::domain::session::{Session, SessionId};
use crate::domain::time::Timestamp;
use crate::domain::token::{TokenDigest, TokenKind};
use crate::domain::user::{User, UserId};

/// What to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A token, by its digest.
    Token(TokenDigest),
    /// A session.
    Session(SessionId),
}

/// What is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The token, if it was asked for: its row, or the trace that its deletion left.
    pub token: Option<FoundToken>,
    /// The token's session, or the session that was asked for.
    pub session: Option<FoundSession>,
}

/// A token, from its row or its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundToken {
    /// Its session.
    pub session: SessionId,
    /// What it can, or could, be used for.
    pub kind: TokenKind,
    /// When it expires; `None`: never.
    pub expires: Option<Timestamp>,
    /// When a refresh replaced it.
    pub consumed: Option<Timestamp>,
    /// When it was deleted because its session had too many newer access tokens.
    pub evicted: Option<Timestamp>,
    /// Whether its row is there; if not, this is its trace.
    pub has_row: bool,
}

/// A session, or what is left of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundSession {
    /// Its row is there.
    Kept(Box<KeptSession>),
    /// It was removed together with its user.
    Removed {
        /// Its id.
        id: SessionId,
        /// The user who had it.
        user: UserId,
        /// When it was removed.
        at: Timestamp,
        /// The event of the user's deletion.
        event: Option<FoundEvent>,
    },
    /// Only the event of its end is there.
    Told {
        /// Its id.
        id: SessionId,
        /// The user who had it.
        user: Option<UserId>,
        /// The event.
        event: FoundEvent,
    },
}

/// A session with a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// Its state. Its end is that of the row, whatever its user's state.
    pub session: Session,
    /// Its user.
    pub user: User,
    /// Its name, for example that of a script's token.
    pub name: Option<String>,
    /// The address that it was opened from.
    pub address: Option<String>,
    /// The client's `User-Agent`.
    pub user_agent: Option<String>,
    /// When the last of its tokens expires.
    pub last_end: LastEnd,
    /// How it ended, alone or with others; `None`: by no mark, epoch or moment.
    pub end: Option<FoundEnd>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEnd {
    /// When.
    pub at: Timestamp,
    /// The name of the reason, as it is stored; `None`: it was ended with SQL.
    pub reason: Option<String>,
    /// Who ended it.
    pub actor: Option<String>,
    /// What ended with it.
    pub scope: EndScope,
    /// The address that the request came from, if the event is there.
    pub address: Option<String>,
    /// The request's id in the log, if the event is there.
    pub request_id: Option<String>,
}

/// What ended together with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndScope {
    /// Nothing: it ended alone.
    Alone,
    /// All sessions of its user, of all users, or of a set.
    Others,
    /// The event that would say it is gone.
    Unknown,
}

/// When the last token of a session expires, of those that were not consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastEnd {
    /// There is no such token.
    NoToken,
    /// One of them never expires.
    Never,
    /// At this moment.
    At(Timestamp),
}

/// An audit event, as far as it explains an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundEvent {
    /// When.
    pub at: Timestamp,
    /// The event's name; a newer program may have written one that this one does not know.
    pub name: String,
    /// Who did it.
    pub actor: String,
    /// The address that the request came from.
    pub address: Option<String>,
    /// The request's id in the log.
    pub request_id: Option<String>,
}
