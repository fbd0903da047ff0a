//! The users whose tokens are cached: one record for all tokens of a user, and a state that says
//! whether it is still valid.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::user::{User, UserId};

/// The slot of the state of a user's record. It is given to another user only when no entry
/// refers to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot(u32);

/// See the [module](self).
#[derive(Default)]
pub(super) struct Users {
    known: HashMap<UserId, (Slot, Arc<User>)>,
    states: Vec<State>,
    free: Vec<Slot>,
}

#[derive(Default)]
struct State {
    /// How many entries refer to it.
    entries: u32,
    dropped: bool,
}

impl Users {
    /// The record of this user, as it was just read, which an entry shares with all others of the user.
    pub(super) fn enter(&mut self, user: &Arc<User>) -> (Slot, Arc<User>) {
        let known = self.known.get(&user.id).filter(|(_, known)| known == user);
        let (slot, user) = match known {
            Some((slot, known)) => (*slot, Arc::clone(known)),
            None => {
                // If it changed after the last invalidation, the next one will report that.
                self.forget(user.id);
                let slot = self.take_slot();
                self.known.insert(user.id, (slot, Arc::clone(user)));
                (slot, Arc::clone(user))
            }
        };
        self.change(slot, |state| state.entries += 1);
        (slot, user)
    }

    /// Removes the reference of an entry to this user.
    pub(super) fn leave(&mut self, slot: Slot, id: UserId) {
        self.change(slot, |state| state.entries = state.entries.saturating_sub(1));
        let Some(State { entries: 0, dropped }) = self.state(slot) else { return };
        if !dropped {
            self.known.remove(&id);
        }
        self.free.push(slot);
    }

    /// The record of this user is no longer valid.
    pub(super) fn forget(&mut self, id: UserId) {
        if let Some((slot, _)) = self.known.remove(&id) {
            self.change(slot, |state| state.dropped = true);
        }
    }

    pub(super) fn stands(&self, slot: Slot) -> bool {
        self.state(slot).is_some_and(|state| !state.dropped)
    }

    fn take_slot(&mut self) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.states.push(State::default());
            Slot(u32::try_from(self.states.len() - 1).unwrap_or(u32::MAX))
        });
        self.change(slot, |state| *state = State::default());
        slot
    }

    fn state(&self, Slot(index): Slot) -> Option<&State> {
        self.states.get(index as usize)
    }

    fn change(&mut self, Slot(index): Slot, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.states.get_mut(index as usize) {
            change(state);
        }
    }
}

#[cfg(test)]
impl Users {
    /// How many users are cached or referred to.
    pub(super) fn len(&self) -> usize {
        assert!(self.known.len() <= self.states.len() - self.free.len(), "no slot is free and taken");
        self.states.len() - self.free.len()
    }
}
