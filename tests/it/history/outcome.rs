//! The outcome of a request.

use crate::harness::wire::Reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Refused,
    /// "Could not": the request may or may not have taken effect.
    Unavailable,
    /// There was no answer.
    Silent,
    /// An answer that is not allowed.
    Strange,
}

impl Outcome {
    pub(super) fn of(reply: Option<&Reply>) -> Self {
        match reply {
            None => Self::Silent,
            Some(reply) => match reply.status {
                200 => Self::Done,
                401 => Self::Refused,
                503 if reply.header("Retry-After").is_some() => Self::Unavailable,
                // A node that was frozen for long refuses requests that arrived meanwhile.
                408 => Self::Silent,
                _ => Self::Strange,
            },
        }
    }
}
