//! Every store keeps the same promises.

use crate::support::app::{Database, on_each_database};

on_each_database! {
    fn the_suite_passes(backend) {
        let mut databases = Vec::new();
        knoxide::store::conformance::run(&mut || {
            let database = Database::migrated(backend);
            let store = database.store();
            databases.push(database);
            Box::new(store)
        });
    }
}

#[test]
fn a_store_that_forgets_a_logout_fails_it() {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let broken = catch_unwind(AssertUnwindSafe(|| {
        knoxide::store::conformance::run(&mut || Box::new(forgetful::ForgetfulStore::default()));
    }));
    let message = *broken.expect_err("a failure").downcast::<String>().expect("a message");
    assert!(message.contains("logout ends one session, once"), "{message}");
    assert!(!message.contains("names are compared exactly"), "{message}");
}

/// A store in memory whose logouts are not done.
mod forgetful {
    use knoxide::cause::Cause;
    use knoxide::session::{SessionId, TokenRecord};
    use knoxide::store::memory::MemoryStore;
    use knoxide::store::{
        Connection, NewSession, Opening, Refresh, Refreshed, Store, StoreResult, Successor, UserCreation,
    };
    use knoxide::time::Timestamp;
    use knoxide::token::TokenDigest;
    use knoxide::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};

    #[derive(Default)]
    pub(super) struct ForgetfulStore(MemoryStore);

    struct Forgetful(Box<dyn Connection>);

    impl Store for ForgetfulStore {
        fn connect(&self) -> StoreResult<Box<dyn Connection>> {
            Ok(Box::new(Forgetful(self.0.connect()?)))
        }

        fn writers(&self) -> usize {
            1
        }
    }

    impl Connection for Forgetful {
        fn ping(&mut self) -> StoreResult<()> {
            self.0.ping()
        }

        fn find_many(&mut self, digests: &[TokenDigest]) -> StoreResult<Vec<Option<TokenRecord>>> {
            self.0.find_many(digests)
        }

        fn find_account(&mut self, login: &LoginName) -> StoreResult<Option<Account>> {
            self.0.find_account(login)
        }

        fn find_account_by_id(&mut self, user: UserId) -> StoreResult<Option<Account>> {
            self.0.find_account_by_id(user)
        }

        fn open_session(&mut self, new: &NewSession) -> StoreResult<Opening> {
            self.0.open_session(new)
        }

        fn refresh(&mut self, refresh: &Refresh) -> StoreResult<Refreshed> {
            self.0.refresh(refresh)
        }

        fn find_successor(&mut self, digest: &TokenDigest) -> StoreResult<Option<Successor>> {
            self.0.find_successor(digest)
        }

        fn end_session(&mut self, _: SessionId, _: &Cause) -> StoreResult<bool> {
            Ok(true)
        }

        fn end_idle_session(&mut self, session: SessionId, seen: Timestamp, cause: &Cause) -> StoreResult<bool> {
            self.0.end_idle_session(session, seen, cause)
        }

        fn end_all_sessions(&mut self, user: UserId, cause: &Cause) -> StoreResult<bool> {
            self.0.end_all_sessions(user, cause)
        }

        fn create_user(&mut self, new: &NewUser, cause: &Cause) -> StoreResult<UserCreation> {
            self.0.create_user(new, cause)
        }

        fn set_password(
            &mut self,
            user: UserId,
            new: &PasswordHash,
            keep: Option<SessionId>,
            cause: &Cause,
        ) -> StoreResult<bool> {
            self.0.set_password(user, new, keep, cause)
        }

        fn upgrade_password_hash(&mut self, user: UserId, old: &PasswordHash, new: &PasswordHash) -> StoreResult<bool> {
            self.0.upgrade_password_hash(user, old, new)
        }

        fn set_active(&mut self, user: UserId, active: bool, cause: &Cause) -> StoreResult<bool> {
            self.0.set_active(user, active, cause)
        }

        fn put_shadow_user(&mut self, user: &NewUser, cause: &Cause) -> StoreResult<Epoch> {
            self.0.put_shadow_user(user, cause)
        }

        fn touch(&mut self, seen: &[(SessionId, Timestamp)]) -> StoreResult<()> {
            self.0.touch(seen)
        }

        fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
            self.0.group(work)
        }
    }
}
