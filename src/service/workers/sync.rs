//! What the threads of a queue share, all of it by these names: tests put others behind them.

pub(super) use std::sync::Arc;
pub(super) use std::time::Instant;
