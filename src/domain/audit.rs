//! Audit events, and the [`AuditContext`] that every write carries.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::domain::client::ClientId;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

/// Declares the events, each with the name under which it is stored. An event is `routine` if clients cause it in any
/// number, and an `act` otherwise.
macro_rules! events {
    ($($(#[$doc:meta])* $event:ident = $name:literal, $kind:ident;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Event {
            $($(#[$doc])* $event,)*
        }

        impl Event {
            /// All events.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$event),*];

            /// The name under which the event is stored and logged.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$event => $name,)*
                }
            }

            /// Whether clients cause it in any number, by logging in and out or asking about tokens. Where there is no
            /// room for all events, these give way to the acts of administrators.
            pub const fn is_routine(self) -> bool {
                match self {
                    $(Self::$event => events!(@is_routine $kind),)*
                }
            }
        }
    };
    (@is_routine routine) => { true };
    (@is_routine act) => { false };
}

events! {
    /// A user was created.
    UserCreated = "user_created", act;
    /// A user was deleted.
    UserDeleted = "user_deleted", act;
    /// A user got another name.
    UserRenamed = "user_renamed", act;
    /// A user got another e-mail address, or none.
    EmailChanged = "email_changed", act;
    /// The user became staff.
    StaffGranted = "staff_granted", act;
    /// The user is no longer staff.
    StaffWithdrawn = "staff_withdrawn", act;
    /// A user logged in.
    Login = "login", routine;
    /// A client ended its own session.
    Logout = "logout", routine;
    /// A client ended all sessions of its user.
    LogoutAll = "logout_all", routine;
    /// The password was changed, which ends sessions.
    PasswordChanged = "password_changed", act;
    /// The user may no longer log in.
    Deactivated = "deactivated", act;
    /// The user may log in again.
    Activated = "activated", act;
    /// An administrator ended the session.
    Revoked = "revoked", act;
    /// The session was not used for too long.
    Idle = "idle", routine;
    /// A newer login replaced the oldest one.
    LimitReached = "limit_reached", routine;
    /// A token for a script or service was created.
    TokenCreated = "token_created", act;
    /// A refresh token was used again after the grace time: it may be stolen.
    RefreshReused = "refresh_reused", routine;
    /// Data was imported.
    Imported = "imported", act;
    /// A login was refused.
    LoginFailed = "login_failed", routine;
    /// Logins were refused because there were too many failures before.
    Throttled = "throttled", routine;
    /// A user was refused a change of its own password.
    PasswordChangeRefused = "password_change_refused", routine;
    /// A signing key was added.
    KeyRotated = "key_rotated", act;
    /// A signing key was taken out of use.
    KeyRetired = "key_retired", act;
    /// An administrator logged in.
    AdminLogin = "admin_login", act;
    /// A login as administrator was refused.
    AdminLoginFailed = "admin_login_failed", act;
    /// The user may administer others.
    AdminGranted = "admin_granted", act;
    /// The user may no longer administer others.
    AdminWithdrawn = "admin_withdrawn", act;
    /// An administrator replaced the password by a value that is good once.
    PasswordReset = "password_reset", act;
    /// An administrator began to end many sessions.
    MassEndStarted = "mass_end_started", act;
    /// Many sessions were ended.
    MassEndDone = "mass_end_done", act;
    /// An act of an administrator was refused.
    ActRefused = "act_refused", act;
    /// A user was brought up to date from an external user system.
    UserUpdated = "user_updated", act;
    /// The sessions of all users ended.
    AllSessionsEnded = "all_sessions_ended", act;
    /// All sessions that were opened before a moment ended.
    OldSessionsEnded = "old_sessions_ended", act;
    /// A user ended one of the own sessions from another one.
    RevokedByUser = "revoked_by_user", routine;
    /// A user ended all own sessions but one.
    OthersRevoked = "others_revoked", routine;
    /// An administrator gave the password again.
    PasswordVerified = "password_verified", act;
    /// Wrong passwords were forgiven.
    ThrottleCleared = "throttle_cleared", act;
    /// A client was registered.
    ClientAdded = "client_added", act;
    /// A client got a new secret.
    ClientRotated = "client_rotated", act;
    /// A client was deleted.
    ClientDeleted = "client_deleted", act;
    /// Clients asked about tokens, or had sessions ended.
    ClientCalled = "client_called", routine;
    /// Such a request was refused.
    ClientRefused = "client_refused", routine;
}

impl Event {
    /// The event with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }
}

/// One of the names.
impl JsonSchema for Event {
    fn schema_name() -> Cow<'static, str> {
        "Event".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::ALL.map(Self::as_str).as_slice() })
    }
}

/// Its name.
impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A user, authenticated by password or token.
    User(UserId),
    /// A registered client, authenticated by its secret.
    Client(ClientId),
    /// The command line.
    CommandLine,
    /// The server itself, for example the sweeper.
    System,
    /// Somebody who has not proved who it is.
    Anonymous,
}

/// `user:17`, `client:0190…`, `cli`, `system`, `anonymous`.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Client(id) => write!(f, "client:{id}"),
            Self::CommandLine => f.write_str("cli"),
            Self::System => f.write_str("system"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

/// Where a request came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, behind any trusted proxies.
    pub address: Option<IpAddr>,
    /// The client's `User-Agent`, cut to 256 characters.
    pub user_agent: Option<String>,
    /// The request's id in the log.
    pub request_id: Option<String>,
}

/// What happened, who did it, from where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditContext {
    /// What happened.
    pub event: Event,
    /// Who did it.
    pub actor: Actor,
    /// Where the request came from.
    pub origin: Origin,
    /// When, by the injected clock.
    pub at: Timestamp,
    /// More about it, as a JSON object: why, how many, which filter. It holds no secret and nothing that a
    /// client typed, and no name: names go with their users.
    pub detail: Option<Value>,
}

impl AuditContext {
    /// The same with more about it.
    #[must_use]
    pub fn with_detail(self, detail: Value) -> Self {
        Self { detail: Some(detail), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_by_their_names() {
        for event in Event::ALL {
            assert_eq!(Event::from_name(event.as_str()), Some(event));
        }
    }
}
