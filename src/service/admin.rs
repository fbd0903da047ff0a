//! What an administrator can do: one method for each use case, for the command line and for an
//! administration API.
//!
//! The rules that hold for every caller are here: which names and passwords are accepted, and what is recorded
//! with each write. All methods block and may take long, so an asynchronous caller runs them on a thread for
//! such work. Callers read input and word the outcome.

use std::sync::Arc;

use crate::domain::audit::{Actor, AuditContext, Event, Origin};
use crate::domain::client::{ClientId, MAX_LIMIT};
use crate::domain::jwt::BadKey;
use crate::domain::password::{Hasher, Unverifiable};
use crate::domain::password_rules::WeakPassword;
use crate::domain::policy::Policy;
use crate::domain::random::{Random, RandomError};
use crate::domain::session::SessionId;
use crate::domain::time::Clock;
use crate::domain::user::BadUsername;
use crate::store::{AdminStore, Clash, Connection, ImportError, KeyError, LastAdmin, StoreError, StoreResult};

mod by_id;
mod clients;
mod data;
pub mod desk;
mod events;
mod explain;
mod keys;
mod mass_end;
mod proof;
mod script_tokens;
mod search;
mod sessions;
mod tokens;
mod users;

pub use crate::store::{
    EventEntry, EventFilter, EventList, EventOrder, SessionList, SessionMatch, SharedEmail, UserEntry, UserFilter,
};
pub use clients::{AddedClient, KEEP_OLD_SECRET, MAX_KEEP_OLD_SECRET, RotatedClient};
pub use data::{Imported, Swept, UnreachableEmail, UnreachableUser, UnverifiableUser, why_unverifiable};
#[cfg(feature = "server")]
pub(crate) use events::search_events;
pub use explain::{About, Answer, Cause, Evidence, ExplainSettings, ExplainedSession, Explanation, Question};
pub use keys::{KeyState, ListedKey, RotatedKey};
pub use mass_end::{DryRun, Shown};
pub use search::{MAX_SEARCH, SearchText};
pub use sessions::SessionQuery;
pub use tokens::{MAX_TOKEN_NAME, ScriptToken};
pub use users::{NewAccount, NewPassword, check_new_account};

/// One administrator at work.
#[derive(Clone)]
pub struct Admin {
    /// What is administered.
    pub store: Arc<dyn AdminStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where secrets come from.
    pub random: Arc<dyn Random>,
    /// How new passwords are hashed.
    pub hasher: Hasher,
    /// What the operator decided about tokens.
    pub policy: Policy,
    /// Who the administrator is.
    pub actor: Actor,
    /// Where the administrator's requests come from.
    pub origin: Origin,
    /// Whether acts may leave no active administrator.
    pub last_admin: LastAdmin,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store failed while a user was deleted.
    #[error("{0}; if the user is inactive now, some of its sessions are left: delete the user again")]
    DeletedInPart(StoreError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// A signing key could not be made or read.
    #[error(transparent)]
    BadKey(#[from] BadKey),
    /// The secret of the settings is not that of the other nodes, or is missing; the text says what to do.
    #[error("{0}")]
    KeySecret(String),
    /// No user has this name.
    #[error("there is no user {0:?}; names are compared exactly")]
    NoSuchUser(String),
    /// No active administrator who has a password would be left.
    #[error("{0:?} is the last active administrator with a password")]
    LastAdmin(String),
    /// Only administrators have tokens for administration.
    #[error("{0:?} is not an administrator")]
    NotAdmin(String),
    /// A token for administration must expire.
    #[error("a token for administration must expire")]
    EndRequired,
    /// Sessions cannot be ended by a time in the future: later logins would end too.
    #[error("the moment is in the future")]
    FutureMoment,
    /// No live session has this id.
    #[error("there is no live session {0}")]
    NoSuchSession(SessionId),
    /// No live token of a script has this name.
    #[error("there is no live token {0:?}")]
    NoSuchToken(String),
    /// No key in use has this number.
    #[error("there is no key {0} in use")]
    NoSuchKey(i64),
    /// The name cannot be given to a new user.
    #[error(transparent)]
    BadName(#[from] BadUsername),
    /// Not an e-mail address.
    #[error("that is not an e-mail address: it needs a part before the @ and a domain after it, without spaces")]
    BadEmail,
    /// The name is taken.
    #[error("the name {0:?} is taken")]
    NameTaken(String),
    /// The name looks like another one.
    #[error("{name:?} could be taken for the user {other:?}: choose another name")]
    Lookalike {
        /// The name that was wanted.
        name: String,
        /// The existing name.
        other: String,
    },
    /// The e-mail address is taken, perhaps in another letter case.
    #[error("the user {other:?} has the e-mail address {email:?}, and neither could log in with it")]
    EmailTaken {
        /// The address that was wanted.
        email: String,
        /// The user who has it.
        other: String,
    },
    /// The password is easily guessed.
    #[error(transparent)]
    Weak(#[from] WeakPassword),
    /// The hash cannot be verified.
    #[error("no password fits the hash: {0}")]
    UselessHash(#[from] Unverifiable),
    /// The name cannot be given to a token.
    #[error("it must have 1 to {MAX_TOKEN_NAME} visible characters")]
    BadTokenName,
    /// The user cannot be given a token.
    #[error("the user {0:?} is not active, or has just changed")]
    NotActive(String),
    /// The secret of the settings signs already.
    #[error("KNOXIDE_JWT_SECRET is the secret in use: give a new one, here and then to every node")]
    SecretInUse,
    /// Without this key, nothing of its kind could be made.
    #[error(
        "key {0} is the only one of its kind, and nothing could be made without it: if it signs, run `knoxide \
         key rotate` with its algorithm first"
    )]
    LastKey(i64),
    /// The data to import conflicts with existing rows.
    #[error("nothing was imported:\n  {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    Clashes(Vec<Clash>),
    /// A mass end without any condition.
    #[error("say which sessions: without a condition, those of all users would end")]
    NoCondition,
    /// More sessions match than a dry run had shown.
    #[error("{found} sessions match now, and {shown} were shown: none was ended; look again")]
    MoreThanShown {
        /// How many were shown.
        shown: u64,
        /// How many match.
        found: u64,
    },
    /// The store failed while sessions were ended one by one.
    #[error("{error}; {ended} sessions have ended, and others may be left: try again")]
    EndedInPart {
        /// How many are ended for certain.
        ended: u64,
        /// Why not all.
        error: StoreError,
    },
    /// No client has this id.
    #[error("there is no client {0}")]
    NoSuchClient(ClientId),
    /// The name cannot be given to a client.
    #[error("it must have 1 to {MAX_TOKEN_NAME} visible characters")]
    BadClientName,
    /// Another client has the name.
    #[error("there is already a client {0:?}")]
    ClientNameTaken(String),
    /// A client without any right could do nothing.
    #[error("a client needs a right")]
    NoRights,
    /// The limit is out of range.
    #[error("it must be 1 to {MAX_LIMIT} requests a second")]
    BadLimit,
    /// The previous secret would stay good for too long.
    #[error("it must be at most 30 days")]
    KeptTooLong,
    /// Nothing can be found by this text.
    #[error("a text to search for must have 1 to {MAX_SEARCH} visible characters")]
    BadSearch(SearchText),
}

impl From<KeyError> for AdminError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Store(error) => error.into(),
            KeyError::Bad(error) => error.into(),
            KeyError::OtherSecret | KeyError::SecretNotGiven => Self::KeySecret(error.to_string()),
        }
    }
}

impl From<ImportError> for AdminError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Clashes(clashes) => Self::Clashes(clashes),
            ImportError::Store(error) => error.into(),
        }
    }
}

impl Admin {
    fn connect(&self) -> StoreResult<Box<dyn Connection>> {
        self.store.connect()
    }

    fn audit(&self, event: Event) -> AuditContext {
        AuditContext {
            event,
            actor: self.actor.clone(),
            origin: self.origin.clone(),
            at: self.clock.now(),
            detail: None,
        }
    }
}
