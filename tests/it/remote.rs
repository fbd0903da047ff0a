//! The middleware of other applications, which ask a real server. `tests/it/guards.rs` holds its wording to that of the
//! library's own; `remote/tests/it/` has what a server can do to it.

pub(crate) mod stage;
mod verdicts;
