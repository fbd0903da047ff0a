//! What files that are shared with the tests expect of whoever uses them.

/// A setting of this run from the environment; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "the way to the programs of Postgres is all that is asked for")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
