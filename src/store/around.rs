//! Wrappers around a [`Connection`], such as the one that repeats steps and those of tests: how each step is passed on,
//! and whether it may be repeated.

use super::{
    Connection, EventFilter, EventList, NewEvent, NewSession, Opening, PasswordChange, Refresh, Refreshed,
    SessionFilter, SessionList, StoreError, StoreResult, Successor,
};
use crate::domain::audit::AuditContext;
use crate::domain::client::{ClientId, ClientRecord};
use crate::domain::session::{SessionEntry, SessionId, TokenRecord};
use crate::domain::time::Timestamp;
use crate::domain::token::TokenDigest;
use crate::domain::user::{Account, Epoch, LoginName, NewUser, PasswordHash, UserId};

/// When a step on a broken connection may be done once more on a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// In any case: doing it twice is the same as doing it once.
    Always,
    /// If it cannot have had any effect.
    IfNotBegun,
}

impl Repeat {
    pub(crate) const fn allows(self, error: &StoreError) -> bool {
        match self {
            Self::Always => error.is_broken_connection(),
            Self::IfNotBegun => matches!(error, StoreError::NotBegun(_)),
        }
    }
}

/// The [`Connection`] that a wrapper makes of the connection behind it.
pub(crate) struct Surrounded<A>(pub(crate) A);

/// Writes [`Around`] and its [`Connection`] from the list of all steps but [`Connection::group`].
macro_rules! steps {
    ($($repeat:ident { $(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+ })+) => {
        /// A wrapper: what happens around each step of the connection behind it. To treat one step differently, it
        /// implements that step's method.
        pub(crate) trait Around: Send {
            /// Does a step, named by its method: `work` runs it on the connection behind.
            fn around<T>(
                &mut self,
                method: &'static str,
                repeat: Repeat,
                work: impl FnMut(&mut dyn Connection) -> StoreResult<T>,
            ) -> StoreResult<T>;

            fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()>;

            $($(fn $name(&mut self, $($argument: $type),*) -> StoreResult<$answer> {
                self.around(stringify!($name), Repeat::$repeat, |behind| behind.$name($($argument),*))
            })+)+
        }

        impl<A: Around> Connection for Surrounded<A> {
            fn group(&mut self, work: &mut dyn FnMut(&mut dyn Connection)) -> StoreResult<()> {
                self.0.group(work)
            }

            $($(fn $name(&mut self, $($argument: $type),*) -> StoreResult<$answer> {
                self.0.$name($($argument),*)
            })+)+
        }
    };
}

steps! {
    // Reads, and the ends of one session. If the answer to the first attempt was lost, the second one may find the
    // session ended.
    Always {
        fn ping() -> ();
        fn check_room() -> ();
        fn find_many(digests: &[TokenDigest]) -> Vec<Option<TokenRecord>>;
        fn find_account(login: &LoginName) -> Option<Account>;
        fn find_account_by_id(user: UserId) -> Option<Account>;
        fn last_login_from(user: UserId, network: &str) -> Option<Timestamp>;
        fn find_successor(digest: &TokenDigest) -> Option<Successor>;
        fn end_session(session: SessionId, audit: &AuditContext) -> bool;
        fn end_idle_session(session: SessionId, last_seen: Timestamp, audit: &AuditContext) -> bool;
        fn list_sessions(filter: &SessionFilter) -> SessionList;
        fn find_session(session: SessionId) -> Option<SessionEntry>;
        fn list_events(filter: &EventFilter) -> EventList;
        fn find_client(client: ClientId) -> Option<ClientRecord>;
    }
    IfNotBegun {
        fn open_session(new: &NewSession) -> Opening;
        fn refresh(refresh: &Refresh) -> Refreshed;
        fn end_all_sessions(user: UserId, audit: &AuditContext) -> bool;
        fn end_other_sessions(user: UserId, keep: SessionId, audit: &AuditContext) -> bool;
        fn change_password(change: &PasswordChange, audit: &AuditContext) -> bool;
        fn upgrade_password_hash(user: UserId, old: &PasswordHash, new: &PasswordHash) -> bool;
        fn put_shadow_user(user: &NewUser, audit: &AuditContext) -> Epoch;
        fn record_events(events: &[NewEvent]) -> ();
        fn touch(seen: &[(SessionId, Timestamp)]) -> ();
        fn touch_clients(used: &[(ClientId, Timestamp)]) -> ();
    }
}
