//! Whether the users can log in.

use super::super::import::words_of;
use super::Finding;
use crate::domain::user::{check_reachable, check_reachable_email};
use crate::service::admin::why_unverifiable;
use crate::store::diesel::DieselStore;
use crate::store::{AdminStore, Store, StoreResult, UserFilter};

/// How many users are read at once.
const PAGE: u32 = 1000;

const EMAILS: &str = "e-mail addresses";

/// How many users a finding lists.
const NAMED: usize = 10;

/// Users with the same flaw; the first ones are named.
#[derive(Default)]
struct Flawed {
    count: usize,
    named: Vec<String>,
}

impl Flawed {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(name());
        }
    }

    /// One sentence about them all.
    fn fact(&self, what: &str) -> String {
        format!("{} users {what}: {}", self.count, self.named.join(", "))
    }
}

/// Whether a password can fit each user's hash, unless there is none on purpose, and whether a login with each name
/// and e-mail address can succeed.
pub(super) fn examine(store: &DieselStore) -> StoreResult<Vec<Finding>> {
    let mut connection = store.connect()?;
    let (mut unverifiable, mut unreachable, mut blank) = (Flawed::default(), Flawed::default(), Flawed::default());
    let mut filter = UserFilter { limit: PAGE, ..UserFilter::default() };
    loop {
        let users = store.list_users(&filter)?;
        let Some(last) = users.last() else { break };
        filter.after = Some(last.user.id);
        for entry in &users {
            let user = &entry.user;
            let account = connection.find_account_by_id(user.id)?;
            if account.is_some_and(|account| why_unverifiable(&account.password).is_some()) {
                unverifiable.add(|| user.username.clone());
            }
            if check_reachable(&user.username).is_err() {
                unreachable.add(|| format!("id:{} \"{}\"", user.id, user.username));
            }
            if check_reachable_email(&user.email).is_err() {
                blank.add(|| format!("id:{} \"{}\"", user.id, user.email));
            }
        }
    }
    let findings = [Some(passwords(&unverifiable)), Some(names(&unreachable)), emails(&blank)];
    Ok(findings.into_iter().flatten().collect())
}

fn passwords(unverifiable: &Flawed) -> Finding {
    if unverifiable.count == 0 {
        return Finding::fine("passwords", "every stored hash can be verified");
    }
    let fact = unverifiable.fact("cannot log in, since no password fits what is stored");
    Finding::wrong("passwords", fact, "run `knoxide user passwd` for them")
}

fn names(unreachable: &Flawed) -> Finding {
    if unreachable.count == 0 {
        return Finding::fine("names", "a login with each of them can succeed");
    }
    let fact = unreachable.fact("cannot log in by name, since it is empty, or has white space at its ends");
    Finding::wrong("names", fact, "run `knoxide user rename` for them, by their numbers")
}

/// `None` if there is no such address: then [`addresses`] has a finding.
fn emails(blank: &Flawed) -> Option<Finding> {
    let fact = blank.fact("cannot log in by e-mail, since the address has white space at its ends");
    let remedy = "run `knoxide user set-email` for them, by their numbers";
    (blank.count > 0).then(|| Finding::advice(EMAILS, fact, remedy))
}

/// Whether each e-mail address belongs to only one user.
pub(super) fn addresses(store: &DieselStore) -> StoreResult<Finding> {
    let shared = store.shared_addresses()?;
    if shared.is_empty() {
        return Ok(Finding::fine(EMAILS, "no two users share one"));
    }
    let mut named: Vec<String> = shared.iter().take(NAMED).map(words_of).collect();
    let more = shared.len().saturating_sub(NAMED);
    if more > 0 {
        named.push(format!("and {more} more addresses"));
    }
    let remedy = "run `knoxide user set-email` for all but one of them, if they log in by e-mail";
    Ok(Finding::advice(EMAILS, named.join("; "), remedy))
}
