//! The middleware of other applications, against a real server. `tests/it/guards.rs` compares its wording with that of
//! the library's own; `remote/tests/it/` has the tests of servers that misbehave.

pub(crate) mod stage;
mod verdicts;
