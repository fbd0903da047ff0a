//! Verifying a password on a hashing thread, and hashing the one that replaces it.

use std::sync::Arc;

use super::{LoginRefusal, NotProven, no_hash};
use crate::domain::password::one_time::is_one_time;
use crate::domain::password::{Algorithm, HashMemory, Hasher, Verification, is_verifiable};
use crate::domain::password_rules::{Owner, WeakPassword, judge_new_password};
use crate::domain::random::Random;
use crate::domain::time::Timestamp;
use crate::domain::user::{Account, Password, PasswordHash};
use crate::service::throttle::Permit;
use crate::service::workers::Work;
use crate::service::{Auth, Unavailable};

/// A password that was presented for an account.
pub(super) struct Presented {
    /// The account, if there is one.
    pub(super) account: Option<Account>,
    /// The password.
    pub(super) password: Password,
    /// The new password that replaces it, and the current time. With a new password, a one-time password is right too.
    pub(super) replacement: Option<(Password, Timestamp)>,
}

/// An active account whose password was right.
pub(super) struct Right {
    /// The account, as it was read.
    pub(super) account: Account,
    /// Another hash for the account: of the new password, or a better one of the same password.
    pub(super) hash: Option<Result<PasswordHash, NoHash>>,
}

/// Why there is no other hash.
pub(super) enum NoHash {
    /// The new password is easily guessed.
    Weak(WeakPassword),
    /// There are no random bytes.
    Random,
}

/// What is needed for hashing.
struct Tools {
    hasher: Hasher,
    random: Arc<dyn Random>,
    memory: Arc<HashMemory>,
}

impl Auth {
    /// Verifies a password without holding a connection. All refusals take the same work.
    pub(super) async fn verify_password(&self, permit: &Permit, presented: Presented) -> Result<Right, NotProven> {
        let inner = &self.inner;
        if let Some(account) = &presented.account {
            inner.unverifiable.log(account);
        }
        let account = presented.account.clone();
        let work = work_of(account.as_ref());
        let tools =
            Tools { hasher: inner.hasher, random: Arc::clone(&inner.random), memory: Arc::clone(&inner.hash_memory) };
        let hashed = inner.passwords.run(permit, work, move || tools.verify(&presented));
        let (verification, hash) = hashed.await.map_err(no_hash)?;
        let Some(account) = account else { return Err(NotProven::Refused(LoginRefusal::UnknownUser)) };
        match verification {
            Verification::Wrong => Err(NotProven::Refused(LoginRefusal::WrongPassword)),
            Verification::OutOfMemory => {
                log::warn!(user = account.user.id.0; "there is too little memory to verify the password's stored hash");
                Err(Unavailable::NoMemory.into())
            }
            Verification::Right | Verification::RightButOutdated if !account.user.is_active => {
                Err(NotProven::Refused(LoginRefusal::InactiveUser))
            }
            Verification::Right | Verification::RightButOutdated => Ok(Right { account, hash }),
        }
    }
}

impl Tools {
    fn verify(&self, presented: &Presented) -> (Verification, Option<Result<PasswordHash, NoHash>>) {
        let Presented { account, password, replacement } = presented;
        let Some(account) = account else { return (self.hasher.verify_within(password, None, &self.memory), None) };
        let verification = self.hasher.verify_within(password, Some(&account.password), &self.memory);
        // The stored form of a one-time password fits no password, so the work of a refusal has been done already.
        if let (Verification::Wrong, Some((_, now))) = (verification, replacement)
            && is_one_time(password, &account.password, *now)
        {
            return (Verification::Right, account.user.is_active.then(|| self.replace(account, presented)).flatten());
        }
        let hash = match verification {
            // The refusal must take as long as that of a wrong password.
            Verification::Right | Verification::RightButOutdated if !account.user.is_active => {
                self.hasher.pad_refusal(password, &account.password);
                None
            }
            Verification::Right => self.replace(account, presented),
            Verification::RightButOutdated => self.replace(account, presented).or_else(|| Some(self.hash(password))),
            Verification::Wrong | Verification::OutOfMemory => None,
        };
        (verification, hash)
    }

    /// The hash of the new password, if there is one.
    fn replace(&self, account: &Account, presented: &Presented) -> Option<Result<PasswordHash, NoHash>> {
        let (new, _) = presented.replacement.as_ref()?;
        let owner = Owner { username: &account.user.username, email: &account.user.email };
        Some(judge_new_password(new, &owner).map_err(NoHash::Weak).and_then(|()| self.hash(new)))
    }

    fn hash(&self, password: &Password) -> Result<PasswordHash, NoHash> {
        self.hasher.hash(password, &*self.random).map_err(|_| NoHash::Random)
    }
}

/// The kind of work that verifying a password takes. A missing account costs an ordinary hash.
fn work_of(account: Option<&Account>) -> Work {
    match account.and_then(|account| is_verifiable(&account.password).ok()) {
        Some(Algorithm::Argon2 | Algorithm::Scrypt) => Work::LargeHash,
        Some(
            Algorithm::BcryptSha256
            | Algorithm::Bcrypt
            | Algorithm::Pbkdf2Sha256
            | Algorithm::Pbkdf2Sha1
            | Algorithm::Sha1
            | Algorithm::UnsaltedSha1
            | Algorithm::Md5
            | Algorithm::UnsaltedMd5,
        )
        | None => Work::Hash,
    }
}
