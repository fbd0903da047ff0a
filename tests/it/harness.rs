//! The harness of the tests: a raw HTTP client, the player of transcripts, Postgres servers, and a proxy that
//! misbehaves on demand.

pub(crate) mod admin;
pub(crate) mod app;
pub(crate) mod dialects;
pub(crate) mod dice;
pub(crate) mod documented;
pub(crate) mod fixture;
pub(crate) mod hostile;
pub(crate) mod jwt;
#[cfg(feature = "postgres")]
pub(crate) mod pgbouncer;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod site;
pub(crate) mod small_disk;
pub(crate) mod transcript;
pub(crate) mod wire;

/// A setting from the environment of the test run; empty counts as unset.
#[expect(clippy::disallowed_methods, reason = "tests have no settings file: this is the one place that reads theirs")]
pub(crate) fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A numeric setting of the test run.
pub(crate) fn number(name: &str) -> Option<u64> {
    setting(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}
