//! The audit context: every write carries a [`AuditContext`].

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::domain::client::ClientId;
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A user was created.
    UserCreated,
    /// A user was deleted.
    UserDeleted,
    /// A user got another name.
    UserRenamed,
    /// A user got another e-mail address, or none.
    EmailChanged,
    /// The user became staff.
    StaffGranted,
    /// The user is no longer staff.
    StaffWithdrawn,
    /// A user logged in.
    Login,
    /// A client ended its own session.
    Logout,
    /// A client ended all sessions of its user.
    LogoutAll,
    /// The password was changed, which ends sessions.
    PasswordChanged,
    /// The user may no longer log in.
    Deactivated,
    /// The user may log in again.
    Activated,
    /// An administrator ended the session.
    Revoked,
    /// The session was not used for too long.
    Idle,
    /// A newer login replaced the oldest one.
    LimitReached,
    /// A token for a script or service was created.
    TokenCreated,
    /// A refresh token was used again after the grace time: it may be stolen.
    RefreshReused,
    /// Data was imported.
    Imported,
    /// A login was refused.
    LoginFailed,
    /// Logins were refused because there were too many failures before.
    Throttled,
    /// A user was refused a change of its own password.
    PasswordChangeRefused,
    /// A signing key was added.
    KeyRotated,
    /// A signing key was taken out of use.
    KeyRetired,
    /// An administrator logged in.
    AdminLogin,
    /// A login as administrator was refused.
    AdminLoginFailed,
    /// The user may administer others.
    AdminGranted,
    /// The user may no longer administer others.
    AdminWithdrawn,
    /// An administrator replaced the password by a value that is good once.
    PasswordReset,
    /// An administrator began to end many sessions.
    MassEndStarted,
    /// Many sessions were ended.
    MassEndDone,
    /// An act of an administrator was refused.
    ActRefused,
    /// A user was brought up to date from an external user system.
    UserUpdated,
    /// The sessions of all users ended.
    AllSessionsEnded,
    /// All sessions that were opened before a moment ended.
    OldSessionsEnded,
    /// A user ended one of the own sessions from another one.
    RevokedByUser,
    /// A user ended all own sessions but one.
    OthersRevoked,
    /// An administrator gave the password again.
    PasswordVerified,
    /// Wrong passwords were forgiven.
    ThrottleCleared,
    /// A client was registered.
    ClientAdded,
    /// A client got a new secret.
    ClientRotated,
    /// A client was deleted.
    ClientDeleted,
    /// Clients asked about tokens, or had sessions ended.
    ClientCalled,
    /// Such a request was refused.
    ClientRefused,
}

impl Event {
    /// All reasons.
    pub const ALL: [Self; 43] = [
        Self::UserCreated,
        Self::UserDeleted,
        Self::UserRenamed,
        Self::EmailChanged,
        Self::StaffGranted,
        Self::StaffWithdrawn,
        Self::Login,
        Self::Logout,
        Self::LogoutAll,
        Self::PasswordChanged,
        Self::Deactivated,
        Self::Activated,
        Self::Revoked,
        Self::Idle,
        Self::LimitReached,
        Self::TokenCreated,
        Self::RefreshReused,
        Self::Imported,
        Self::LoginFailed,
        Self::Throttled,
        Self::PasswordChangeRefused,
        Self::KeyRotated,
        Self::KeyRetired,
        Self::AdminLogin,
        Self::AdminLoginFailed,
        Self::AdminGranted,
        Self::AdminWithdrawn,
        Self::PasswordReset,
        Self::MassEndStarted,
        Self::MassEndDone,
        Self::ActRefused,
        Self::UserUpdated,
        Self::AllSessionsEnded,
        Self::OldSessionsEnded,
        Self::RevokedByUser,
        Self::OthersRevoked,
        Self::PasswordVerified,
        Self::ThrottleCleared,
        Self::ClientAdded,
        Self::ClientRotated,
        Self::ClientDeleted,
        Self::ClientCalled,
        Self::ClientRefused,
    ];

    /// The name under which the reason is stored and logged.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserCreated => "user_created",
            Self::UserDeleted => "user_deleted",
            Self::UserRenamed => "user_renamed",
            Self::EmailChanged => "email_changed",
            Self::StaffGranted => "staff_granted",
            Self::StaffWithdrawn => "staff_withdrawn",
            Self::Login => "login",
            Self::Logout => "logout",
            Self::LogoutAll => "logout_all",
            Self::PasswordChanged => "password_changed",
            Self::Deactivated => "deactivated",
            Self::Activated => "activated",
            Self::Revoked => "revoked",
            Self::Idle => "idle",
            Self::LimitReached => "limit_reached",
            Self::TokenCreated => "token_created",
            Self::RefreshReused => "refresh_reused",
            Self::Imported => "imported",
            Self::LoginFailed => "login_failed",
            Self::Throttled => "throttled",
            Self::PasswordChangeRefused => "password_change_refused",
            Self::KeyRotated => "key_rotated",
            Self::KeyRetired => "key_retired",
            Self::AdminLogin => "admin_login",
            Self::AdminLoginFailed => "admin_login_failed",
            Self::AdminGranted => "admin_granted",
            Self::AdminWithdrawn => "admin_withdrawn",
            Self::PasswordReset => "password_reset",
            Self::MassEndStarted => "mass_end_started",
            Self::MassEndDone => "mass_end_done",
            Self::ActRefused => "act_refused",
            Self::UserUpdated => "user_updated",
            Self::AllSessionsEnded => "all_sessions_ended",
            Self::OldSessionsEnded => "old_sessions_ended",
            Self::RevokedByUser => "revoked_by_user",
            Self::OthersRevoked => "others_revoked",
            Self::PasswordVerified => "password_verified",
            Self::ThrottleCleared => "throttle_cleared",
            Self::ClientAdded => "client_added",
            Self::ClientRotated => "client_rotated",
            Self::ClientDeleted => "client_deleted",
            Self::ClientCalled => "client_called",
            Self::ClientRefused => "client_refused",
        }
    }

    /// Whether clients cause it in any number, by logging in and out or asking about tokens. Where there is no room for all events, these give
    /// way to the acts of administrators.
    pub const fn is_routine(self) -> bool {
        match self {
            Self::Login
            | Self::Logout
            | Self::LogoutAll
            | Self::Idle
            | Self::LimitReached
            | Self::RefreshReused
            | Self::LoginFailed
            | Self::Throttled
            | Self::PasswordChangeRefused
            | Self::RevokedByUser
            | Self::OthersRevoked
            | Self::ClientCalled
            | Self::ClientRefused => true,
            Self::UserCreated
            | Self::UserDeleted
            | Self::UserRenamed
            | Self::EmailChanged
            | Self::StaffGranted
            | Self::StaffWithdrawn
            | Self::PasswordChanged
            | Self::Deactivated
            | Self::Activated
            | Self::Revoked
            | Self::TokenCreated
            | Self::Imported
            | Self::KeyRotated
            | Self::KeyRetired
            | Self::AdminLogin
            | Self::AdminLoginFailed
            | Self::AdminGranted
            | Self::AdminWithdrawn
            | Self::PasswordReset
            | Self::MassEndStarted
            | Self::MassEndDone
            | Self::ActRefused
            | Self::UserUpdated
            | Self::AllSessionsEnded
            | Self::OldSessionsEnded
            | Self::PasswordVerified
            | Self::ThrottleCleared
            | Self::ClientAdded
            | Self::ClientRotated
            | Self::ClientDeleted => false,
        }
    }

    /// The reason with this name.
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
    fn reasons_are_found_by_their_names() {
        for event in Event::ALL {
            assert_eq!(Event::from_name(event.as_str()), Some(event));
        }
    }
}
