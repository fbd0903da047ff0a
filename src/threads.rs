//! Background threads. All of them belong to a [`Worker`], so starting, waiting, replacing and ending threads is
//! implemented once; what a thread does is defined by its [`Duty`].

mod priority;
mod sync;
pub(crate) mod worker;

pub(crate) use priority::{at_lowest_priority, lower_priority};
pub(crate) use worker::{Duty, Next, Options, Worker};
#[cfg(test)]
mod tests;
