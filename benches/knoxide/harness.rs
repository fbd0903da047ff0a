//! What the files shared with the tests expect from the crate that includes them.

/// A setting of this run from the environment; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "this is only used to find the programs of Postgres")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
