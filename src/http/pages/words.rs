//! Names of the API in words for people.

use crate::domain::audit::Event;
use crate::domain::session::SessionKind;

/// What happened. A newer program's event has its own name.
pub(super) fn event(name: &str) -> String {
    Event::from_name(name).map_or_else(|| name.to_owned(), |event| of_event(event).to_owned())
}

/// What happened.
pub(super) const fn of_event(event: Event) -> &'static str {
    match event {
        Event::UserCreated => "User created",
        Event::UserDeleted => "User deleted",
        Event::UserRenamed => "User renamed",
        Event::EmailChanged => "E-mail address changed",
        Event::StaffGranted => "Made staff",
        Event::StaffWithdrawn => "No longer staff",
        Event::Login => "Logged in",
        Event::Logout => "Logged out",
        Event::LogoutAll => "Logged out everywhere",
        Event::PasswordChanged => "Password changed",
        Event::Deactivated => "User deactivated",
        Event::Activated => "User activated",
        Event::Revoked => "Ended by an administrator",
        Event::Idle => "Ended for lack of use",
        Event::LimitReached => "Gave way to a newer login",
        Event::TokenCreated => "Token made",
        Event::RefreshReused => "Refresh token used twice",
        Event::Imported => "Imported",
        Event::LoginFailed => "Login refused",
        Event::Throttled => "Login throttled",
        Event::PasswordChangeRefused => "Password change refused",
        Event::KeyRotated => "Key rotated",
        Event::KeyRetired => "Key retired",
        Event::AdminLogin => "Administrator logged in",
        Event::AdminLoginFailed => "Administrator's login refused",
        Event::AdminGranted => "Made an administrator",
        Event::AdminWithdrawn => "No longer an administrator",
        Event::PasswordReset => "Password reset",
        Event::MassEndStarted => "End of many sessions begun",
        Event::MassEndDone => "Many sessions ended",
        Event::ActRefused => "Act refused",
        Event::UserUpdated => "User updated",
        Event::AllSessionsEnded => "All sessions ended",
        Event::OldSessionsEnded => "Old sessions ended",
        Event::RevokedByUser => "Ended by the user",
        Event::OthersRevoked => "Other sessions ended",
        Event::PasswordVerified => "Password given again",
        Event::ThrottleCleared => "Wrong passwords forgiven",
        Event::ClientAdded => "Client registered",
        Event::ClientRotated => "Client's secret rotated",
        Event::ClientDeleted => "Client deleted",
        Event::ClientCalled => "Clients asked",
        Event::ClientRefused => "Client refused",
    }
}

/// As what a session was opened.
pub(super) const fn kind(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Dialect(dialect) => dialect.as_str(),
        SessionKind::Admin => "administration API",
        SessionKind::AdminScript => "script, for administration",
        SessionKind::AdminPage => "these pages",
        SessionKind::AccountPage => "account pages",
    }
}

/// Who did it, as the audit trail names it.
pub(super) fn actor(name: &str) -> String {
    match name {
        "cli" => "command line".to_owned(),
        "system" => "the server".to_owned(),
        "anonymous" => "not known".to_owned(),
        other => match other.split_once(':') {
            Some(("user", id)) => format!("user {id}"),
            Some(("client", id)) => format!("client {id}"),
            Some(_) | None => other.to_owned(),
        },
    }
}

/// A number with its noun, such as `1 session` or `1,200 sessions`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// A number with a comma before each three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A message of the API as a sentence.
pub(super) fn sentence(message: &str) -> String {
    let mut characters = message.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let texts = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((counted(1, "session"), counted(2000, "session")), ("1 session".into(), "2,000 sessions".into()));
    }

    #[test]
    fn names_that_are_not_known_stay_as_they_are() {
        assert_eq!((event("login").as_str(), event("from_the_future").as_str()), ("Logged in", "from_the_future"));
        assert_eq!((actor("user:7").as_str(), actor("cli").as_str()), ("user 7", "command line"));
    }
}
