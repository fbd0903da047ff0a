//! Background threads. Every kind of them is a [`Worker`], so starting, waiting, replacing and ending
//! threads is written once; what they do is a [`Duty`].

mod priority;
mod sync;
pub(crate) mod worker;

pub(crate) use priority::{at_lowest_priority, lower_priority};
pub(crate) use worker::{Duty, Next, Options, Worker};
#[cfg(test)]
mod tests;
