//! Logging in users of another system.

use std::sync::Arc;

use super::{LoginRefusal, NotProven, Proven, Tried, no_hash};
use crate::cause::{Actor, Origin, Reason};
use crate::service::lanes::{Wanted, Work};
use crate::service::throttle::Permit;
use crate::service::{Auth, Credentials, KnownUser, Unavailable, within};
use crate::user::{LoginName, NewUser, Password, PasswordHash, User};

/// One login, asked of the other system once or twice.
struct Question {
    credentials: Arc<dyn Credentials>,
    login: LoginName,
    password: Password,
}

impl Auth {
    /// Asks the other system. Its answer counts only for a shadow that was read before it was
    /// asked: whoever ends the user's sessions meanwhile raises the shadow's epoch, and the
    /// login is overtaken.
    pub(super) async fn prove_elsewhere(
        &self,
        credentials: Arc<dyn Credentials>,
        login: LoginName,
        password: Password,
        (origin, permit): (&Origin, &mut Permit),
    ) -> Tried {
        let question = Arc::new(Question { credentials, login, password });
        let by_name = Arc::clone(&question);
        let (seen, network) = self.identify(permit, move |connection| connection.find_account(&by_name.login)).await?;
        let seen = seen.map(|account| account.user);
        let known = self.ask(&question, permit).await?;
        let (known, shadow) = match seen {
            Some(shadow) if shadow.id == known.id => (known, shadow),
            // Not known under this name, or not at all: known first, and asked again.
            Some(_) | None => {
                let shadow = self.make_known(&known, origin).await?;
                let again = self.ask(&question, permit).await?;
                if again.id != shadow.id {
                    return Err(Unavailable::Elsewhere("the user system changed its mind").into());
                }
                (again, shadow)
            }
        };
        if !shadow.is_active {
            return Err(NotProven::Refused(LoginRefusal::InactiveUser));
        }
        let current = User {
            username: known.username.clone(),
            email: known.email.clone(),
            is_staff: known.is_staff,
            ..shadow.clone()
        };
        let shadow = (current != shadow).then(|| self.shadow_of(&known));
        Ok(Proven { user: current, upgrade: None, shadow, network })
    }

    async fn ask(&self, question: &Arc<Question>, permit: &Permit) -> Result<KnownUser, NotProven> {
        let question = Arc::clone(question);
        let asked = self
            .inner
            .passwords
            .run(permit, Work::Ask, move || question.credentials.verify(&question.login, &question.password));
        let known =
            asked.await.map_err(no_hash)?.map_err(|_| Unavailable::Elsewhere("the user system did not answer"))?;
        known.ok_or(NotProven::Refused(LoginRefusal::WrongPassword))
    }

    async fn make_known(&self, known: &KnownUser, origin: &Origin) -> Result<User, NotProven> {
        let cause = self.cause(Reason::Login, Actor::User(known.id), origin.clone());
        let shadow = self.shadow_of(known);
        let made = self
            .inner
            .writes
            .run(Wanted::WhileAwaited, move |connection| connection.put_shadow_user(&shadow, &cause).map(drop));
        within(self.inner.timeouts.write, "writes", made).await?;
        let id = known.id;
        let read = self.read_user(move |connection| connection.find_account_by_id(id)).await?;
        Ok(read.ok_or(Unavailable::Elsewhere("the user's shadow is gone"))?)
    }

    async fn read_user(
        &self,
        find: impl FnOnce(&mut dyn crate::store::Connection) -> crate::store::StoreResult<Option<crate::user::Account>>
        + Send
        + 'static,
    ) -> Result<Option<User>, Unavailable> {
        let found = self.inner.checks.run(Wanted::WhileAwaited, find);
        let account = within(self.inner.timeouts.check, "checks", found).await?;
        Ok(account.map(|account| account.user))
    }

    fn shadow_of(&self, known: &KnownUser) -> NewUser {
        NewUser {
            id: Some(known.id),
            username: known.username.clone(),
            email: known.email.clone(),
            password: PasswordHash::unusable(),
            is_active: true,
            is_staff: known.is_staff,
            created: self.now(),
        }
    }
}
