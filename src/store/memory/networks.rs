//! From which networks each user logged in lately.

use super::{NETWORKS_KEPT, Tables};
use crate::domain::time::Timestamp;
use crate::domain::user::UserId;

impl Tables {
    /// Notes a login from a network. Only the latest networks of each user are kept.
    pub(super) fn note_login_from(&mut self, user: UserId, network: &str, at: Timestamp) {
        let seen = self.networks.entry((user, network.to_owned())).or_insert(at);
        *seen = (*seen).max(at);
        let mut times: Vec<_> =
            self.networks.iter().filter(|((owner, _), _)| *owner == user).map(|(_, at)| *at).collect();
        times.sort_unstable_by(|one, other| other.cmp(one));
        if let Some(oldest) = times.get(NETWORKS_KEPT - 1).copied() {
            self.networks.retain(|(owner, _), at| *owner != user || *at >= oldest);
        }
    }
}
