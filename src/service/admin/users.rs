//! Users: making, finding, changing and deleting them.

use super::{Admin, AdminError};
use crate::domain::audit::Event;
use crate::domain::escape::is_unseen;
use crate::domain::password::is_verifiable;
use crate::domain::password::one_time::OneTimePassword;
use crate::domain::password_rules::{Owner, judge_new_password};
use crate::domain::user::{
    Account, LoginName, NewUser, Password, PasswordHash, User, UserId, composed, normal_form, numbered,
    validate_username,
};
use crate::store::{SharedEmail, UserChange, UserChanged, UserCreation};
use crate::threads::at_lowest_priority;

/// The longest e-mail address, in characters (RFC 5321, section 4.5.3.1.3).
const MAX_EMAIL: usize = 254;

/// A user to be added.
#[derive(Debug)]
pub struct NewAccount {
    /// The name to log in with.
    pub username: String,
    /// The e-mail address; may be empty.
    pub email: String,
    /// Whether another user may have the same address.
    pub shared_email: SharedEmail,
    /// The password.
    pub password: NewPassword,
    /// Whether the user may log in.
    pub is_active: bool,
    /// Django's staff flag.
    pub is_staff: bool,
    /// Whether the user may administer others.
    pub is_admin: bool,
}

/// A password to be set.
#[derive(Debug)]
pub enum NewPassword {
    /// The password as the user will type it.
    Text(Password),
    /// A hash from another system; one that begins with `!` intentionally fits no password.
    Hash(PasswordHash),
}

/// Whether a new user can have this name and e-mail address. [`Admin::add_user`] checks it again; a caller
/// that asks a person for the password does so before.
///
/// # Errors
/// What is wrong.
pub fn check_new_account(username: &str, email: &str) -> Result<(), AdminError> {
    check_name(username)?;
    check_email(&normal_form(email))
}

/// The [`normal_form`] of a name. What was typed is judged too: the normal form of an invisible character may be a
/// space.
fn check_name(username: &str) -> Result<String, AdminError> {
    let normal = normal_form(username);
    validate_username(username)?;
    validate_username(&normal)?;
    Ok(normal)
}

fn check_email(email: &str) -> Result<(), AdminError> {
    if email.is_empty() {
        return Ok(());
    }
    let (local, domain) = email.rsplit_once('@').ok_or(AdminError::BadEmail)?;
    let is_quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    let has_parts = !local.is_empty() && (is_quoted || !local.contains('@')) && !domain.split('.').any(str::is_empty);
    let is_long = email.chars().count() > MAX_EMAIL;
    if is_long || !has_parts || email.contains(|c: char| is_unseen(c) || c.is_whitespace()) {
        return Err(AdminError::BadEmail);
    }
    Ok(())
}

impl Admin {
    /// Adds a user, under the [`normal_form`] of the name and of the e-mail address.
    ///
    /// # Errors
    /// The name, the e-mail address or the password is not allowed; or the store failed.
    pub fn add_user(&self, new: NewAccount) -> Result<UserId, AdminError> {
        self.recording_refusal(Event::UserCreated, None, || {
            let NewAccount { username, email, shared_email, password, is_active, is_staff, is_admin } = new;
            check_new_account(&username, &email)?;
            let (username, email) = (normal_form(&username), normal_form(&email));
            let password = self.hash(password, &Owner { username: &username, email: &email })?;
            let created = self.clock.now();
            let new = NewUser { id: None, username, email, password, is_active, is_staff, is_admin, created };
            match self.store.create_user(&new, shared_email, &self.audit(Event::UserCreated))? {
                UserCreation::Created(id) => Ok(id),
                UserCreation::Taken => Err(AdminError::NameTaken(new.username)),
                UserCreation::Lookalike(other) => Err(AdminError::Lookalike { name: new.username, other }),
                UserCreation::EmailTaken(other) => Err(AdminError::EmailTaken { email: new.email, other }),
            }
        })
    }

    /// Gives a user another name. No session ends.
    ///
    /// # Errors
    /// The name is not allowed, or the user is gone; or the store failed.
    pub fn rename_user(&self, user: &User, name: &str) -> Result<(), AdminError> {
        self.recording_refusal(Event::UserRenamed, Some(user.id), || {
            let name = check_name(name)?;
            self.change(user, &UserChange::Username(name), Event::UserRenamed)
        })
    }

    /// Gives a user another e-mail address, or removes it if `email` is empty. No session ends.
    ///
    /// # Errors
    /// The address is not allowed, or the user is gone; or the store failed.
    pub fn set_email(&self, user: &User, email: &str, shared: SharedEmail) -> Result<(), AdminError> {
        self.recording_refusal(Event::EmailChanged, Some(user.id), || {
            let email = normal_form(email);
            check_email(&email)?;
            self.change(user, &UserChange::Email(email, shared), Event::EmailChanged)
        })
    }

    /// Sets or clears a user's staff flag. No session ends.
    ///
    /// # Errors
    /// The user is gone, or the store failed.
    pub fn set_staff(&self, user: &User, is_staff: bool) -> Result<(), AdminError> {
        let act = if is_staff { Event::StaffGranted } else { Event::StaffWithdrawn };
        self.recording_refusal(act, Some(user.id), || self.change(user, &UserChange::Staff(is_staff), act))
    }

    /// Makes a user an administrator, or stops that. No session of a dialect ends; tokens for administration are
    /// refused at once.
    ///
    /// # Errors
    /// The user is gone, or is the last administrator; or the store failed.
    pub fn set_admin(&self, user: &User, is_admin: bool) -> Result<(), AdminError> {
        let act = if is_admin { Event::AdminGranted } else { Event::AdminWithdrawn };
        self.recording_refusal(act, Some(user.id), || {
            self.change(user, &UserChange::Admin(is_admin, self.last_admin), act)
        })
    }

    fn change(&self, user: &User, change: &UserChange, event: Event) -> Result<(), AdminError> {
        let wanted = match change {
            UserChange::Username(text) | UserChange::Email(text, _) => text.clone(),
            UserChange::Staff(_) | UserChange::Admin(..) => String::new(),
        };
        match self.store.change_user(user.id, change, &self.audit(event))? {
            UserChanged::Done => Ok(()),
            UserChanged::NoSuchUser => Err(AdminError::NoSuchUser(user.username.clone())),
            UserChanged::LastAdmin => Err(AdminError::LastAdmin(user.username.clone())),
            UserChanged::NameTaken => Err(AdminError::NameTaken(wanted)),
            UserChanged::Lookalike(other) => Err(AdminError::Lookalike { name: wanted, other }),
            UserChanged::EmailTaken(other) => Err(AdminError::EmailTaken { email: wanted, other }),
        }
    }

    /// The user with this number after `id:`; or with exactly this name; or with the name that is composed of the same
    /// letters and accents. The search goes no further: a command must not reach a user whose name only looks similar.
    ///
    /// # Errors
    /// There is none, or the store failed.
    pub fn find_user(&self, named: &str) -> Result<User, AdminError> {
        let mut connection = self.connect()?;
        let mut account = match numbered(named) {
            Some(id) => connection.find_account_by_id(id)?,
            None => None,
        };
        for name in [named.to_owned(), composed(named)] {
            if account.is_none() {
                account = connection.find_account(&LoginName::Username(name))?;
            }
        }
        account.map(|Account { user, .. }| user).ok_or_else(|| AdminError::NoSuchUser(named.to_owned()))
    }

    /// Gives a user a new password, which ends all sessions.
    ///
    /// # Errors
    /// The password is not allowed, the user is gone, or no password would fit the hash of the last administrator; or
    /// the store failed.
    pub fn set_password(&self, user: &User, new: NewPassword) -> Result<(), AdminError> {
        self.recording_refusal(Event::PasswordChanged, Some(user.id), || {
            let hash = self.hash(new, &Owner { username: &user.username, email: &user.email })?;
            done_to(user, &self.store.set_password(user.id, &hash, None, &self.audit(Event::PasswordChanged))?)
        })
    }

    /// Replaces a user's password with a one-time password, which ends all sessions. The returned value is good once,
    /// for setting another password, and exists nowhere else.
    ///
    /// # Errors
    /// The user is gone or is the last administrator, or there are no random bytes; or the store failed.
    pub fn reset_password(&self, user: &User) -> Result<OneTimePassword, AdminError> {
        self.recording_refusal(Event::PasswordReset, Some(user.id), || {
            let made = OneTimePassword::generate(&*self.random, self.clock.now())?;
            done_to(user, &self.store.set_password(user.id, &made.stored, None, &self.audit(Event::PasswordReset))?)?;
            Ok(made)
        })
    }

    /// Activates a user, or deactivates a user and ends all sessions.
    ///
    /// # Errors
    /// The user is gone, or is the last administrator; or the store failed.
    pub fn set_active(&self, user: &User, active: bool) -> Result<(), AdminError> {
        let act = if active { Event::Activated } else { Event::Deactivated };
        self.recording_refusal(act, Some(user.id), || {
            done_to(user, &self.store.set_active(user.id, active, self.last_admin, &self.audit(act))?)
        })
    }

    /// Deletes a user with all sessions.
    ///
    /// # Errors
    /// The user is gone, or is the last administrator; or the store failed, and the user may be partly deleted.
    pub fn delete_user(&self, user: &User) -> Result<(), AdminError> {
        self.recording_refusal(Event::UserDeleted, Some(user.id), || {
            let done = self.store.delete_user(user.id, self.last_admin, &self.audit(Event::UserDeleted));
            done_to(user, &done.map_err(AdminError::DeletedInPart)?)
        })
    }

    /// Judges a new password of `owner`, and hashes it.
    fn hash(&self, new: NewPassword, owner: &Owner<'_>) -> Result<PasswordHash, AdminError> {
        match new {
            NewPassword::Text(password) => {
                judge_new_password(&password, owner)?;
                Ok(at_lowest_priority(|| self.hasher.hash(&password, &*self.random))?)
            }
            NewPassword::Hash(hash) if hash.is_unusable() => Ok(PasswordHash::unusable()),
            NewPassword::Hash(hash) => {
                is_verifiable(&hash)?;
                Ok(hash)
            }
        }
    }
}

/// Another administrator may have deleted the user meanwhile.
fn done_to(user: &User, changed: &UserChanged) -> Result<(), AdminError> {
    match changed {
        UserChanged::LastAdmin => Err(AdminError::LastAdmin(user.username.clone())),
        UserChanged::NoSuchUser => Err(AdminError::NoSuchUser(user.username.clone())),
        // The others are about new names and addresses.
        UserChanged::Done | UserChanged::NameTaken | UserChanged::Lookalike(_) | UserChanged::EmailTaken(_) => Ok(()),
    }
}
