//! The requests of services about tokens: `POST /introspect/`, `POST /check/`, `POST /revoke/`, and the metadata.

mod batch;
mod callers;
mod discovery;
mod raw;
mod revocation;
pub(crate) mod stage;
mod states;
