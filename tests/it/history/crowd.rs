//! The users of a run: several at a time, each in a slot that several clients use at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use knoxide::domain::audit::{Actor, AuditContext, Event, Origin};
use knoxide::domain::time::{Clock as _, SystemClock};
use knoxide::domain::user::{NewUser, PasswordHash};
use knoxide::store::diesel::DieselStore;
use knoxide::store::{AdminStore as _, SharedEmail, UserCreation};

use super::ledger::User;

/// MD5 over the salt `knoxide` and the password, as Django once stored it. A login replaces it.
pub(super) const HASH: &str = "md5$knoxide$737acaecc173220245088979d746d932";

/// How many users are in use at once.
const SLOTS: usize = 8;

/// Users whose sessions no client ends.
const QUIET: usize = 2;

#[derive(Debug)]
pub(super) struct Crowd {
    slots: Vec<Mutex<Arc<User>>>,
    spare: Mutex<VecDeque<Arc<User>>>,
    pub(super) quiet: Vec<Arc<User>>,
}

impl Crowd {
    /// Creates the users, this many of them as replacements for those that are locked out.
    pub(super) fn gather(store: &DieselStore, spare: usize) -> Self {
        let mut users: VecDeque<_> = (0..SLOTS + QUIET + spare).map(|number| format!("user{number}")).collect();
        for name in &users {
            let new = NewUser {
                id: None,
                username: name.clone(),
                email: format!("{name}@example.com"),
                password: PasswordHash::from_stored(HASH.to_owned()),
                is_active: true,
                is_staff: false,
                is_admin: false,
                created: SystemClock.now(),
            };
            let (event, actor, origin) = (Event::UserCreated, Actor::CommandLine, Origin::default());
            let audit = AuditContext { event, actor, origin, at: new.created, detail: None };
            let made = store.create_user(&new, SharedEmail::Allow, &audit).expect("a write");
            assert!(matches!(made, UserCreation::Created(_)), "{made:?}");
        }
        let mut users: VecDeque<_> = users.drain(..).map(User::new).collect();
        let quiet = users.drain(..QUIET).collect();
        let slots = users.drain(..SLOTS).map(Mutex::new).collect();
        Self { slots, spare: Mutex::new(users), quiet }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn user(&self, slot: usize) -> Arc<User> {
        Arc::clone(&self.slots[slot].lock().expect("no panic"))
    }

    /// Replaces a user by another one, if the user is still in the slot.
    pub(super) fn replace(&self, slot: usize, user: &Arc<User>) {
        let mut current = self.slots[slot].lock().expect("no panic");
        if Arc::ptr_eq(&current, user) {
            *current = self.spare.lock().expect("no panic").pop_front().expect("enough users");
        }
    }
}
