//! Logging in external users.

use std::sync::Arc;

use super::{Attempted, LoginRefusal, NotProven, Proven, no_hash};
use crate::domain::audit::{Actor, Event, Origin};
use crate::domain::user::{Account, LoginName, NewUser, Password, PasswordHash, User};
use crate::service::throttle::Permit;
use crate::service::workers::{OnDisconnect, Work};
use crate::service::{Auth, ExternalUser, ProviderFault, Unavailable, UserProvider};
use crate::store::{Connection, StoreResult};

/// A login that the user provider verifies, once or twice.
struct Question {
    provider: Arc<dyn UserProvider>,
    login: LoginName,
    password: Password,
}

impl Auth {
    /// Asks the user provider. Its answer counts only for a copy of the user that was read before the question: if the
    /// user's sessions are ended in between, that raises the epoch, and the login fails.
    pub(super) async fn verify_externally(
        &self,
        provider: Arc<dyn UserProvider>,
        login: LoginName,
        password: Password,
        (origin, permit): (&Origin, &mut Permit),
    ) -> Attempted {
        let question = Arc::new(Question { provider, login, password });
        let by_name = Arc::clone(&question);
        let (seen, network) = self.identify(permit, move |connection| connection.find_account(&by_name.login)).await?;
        let seen = seen.map(|account| account.user);
        let known = self.ask(&question, permit).await?;
        let (known, shadow) = match seen {
            Some(shadow) if shadow.id == known.id => (known, shadow),
            // There is no copy, or none with this name: store it first, then ask again.
            Some(_) | None => {
                let shadow = self.make_known(&known, origin).await?;
                let again = self.ask(&question, permit).await?;
                if again.id != shadow.id {
                    return Err(Unavailable::from(ProviderFault::TwoUsers).into());
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

    async fn ask(&self, question: &Arc<Question>, permit: &Permit) -> Result<ExternalUser, NotProven> {
        let question = Arc::clone(question);
        let asked = self
            .inner
            .passwords
            .run(permit, Work::Ask, move || question.provider.verify(&question.login, &question.password));
        let known = asked.await.map_err(no_hash)?.map_err(|_| Unavailable::from(ProviderFault::NoAnswer))?;
        known.ok_or(NotProven::Refused(LoginRefusal::WrongPassword))
    }

    async fn make_known(&self, known: &ExternalUser, origin: &Origin) -> Result<User, NotProven> {
        let audit = self.audit(Event::Login, Actor::User(known.id), origin.clone());
        let shadow = self.shadow_of(known);
        let put = move |connection: &mut dyn Connection| connection.put_shadow_user(&shadow, &audit).map(drop);
        self.write(OnDisconnect::Cancel, put).await?;
        let id = known.id;
        let read = self.read_user(move |connection| connection.find_account_by_id(id)).await?;
        Ok(read.ok_or(Unavailable::from(ProviderFault::CopyGone))?)
    }

    async fn read_user(
        &self,
        find: impl FnOnce(&mut dyn Connection) -> StoreResult<Option<Account>> + Send + 'static,
    ) -> Result<Option<User>, Unavailable> {
        Ok(self.read(find).await?.map(|account| account.user))
    }

    fn shadow_of(&self, known: &ExternalUser) -> NewUser {
        NewUser {
            id: Some(known.id),
            username: known.username.clone(),
            email: known.email.clone(),
            password: PasswordHash::unusable(),
            is_active: true,
            is_staff: known.is_staff,
            is_admin: false,
            created: self.now(),
        }
    }
}
