//! What is known of a token, as of a moment after the question. Nothing is read from the database if the
//! token is remembered and nothing was revoked.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::lanes::Lane;
use super::{Unavailable, within};
use crate::random::{Random, RandomError};
use crate::session::{Refusal, TokenRecord};
use crate::store::{Following, Store};
use crate::time::Timestamp;
use crate::token::Token;

mod cache;
mod inline;
mod shared;
mod turn;

use cache::{Key, KeyMaker};
use inline::InlineView;
use shared::SharedView;

/// How a view is set up.
#[derive(Clone)]
pub(super) struct ViewOptions {
    /// How many tokens it may remember; 0: none, so that every check reads.
    pub(super) capacity: usize,
    /// How long a check may wait.
    pub(super) timeout: Duration,
    /// How long a connection may be idle before it is probed.
    pub(super) probe_after: Duration,
    /// Reads where the view itself cannot.
    pub(super) lane: Lane,
}

/// Where checks look.
pub(super) enum View {
    /// Into the database, every time.
    Lane(ViewOptions),
    /// Into a memory of the thread's own.
    Inline(Arc<InlineView>),
    /// Into a memory of all threads.
    Shared(Arc<SharedView>),
}

/// A look that is under way. It stays on the thread on which it began.
pub(super) enum Find {
    Lane(Reading),
    Inline(inline::Find),
    Shared(shared::Find),
}

/// A read through the lane.
pub(super) type Reading = LocalBoxFuture<'static, Result<Found, Unavailable>>;

/// What was found.
pub(super) struct Found {
    /// The token that was asked about.
    pub(super) token: Token,
    /// What is known of the token, whatever its state.
    pub(super) record: Option<TokenRecord>,
    /// Set if it may come from memory, whose time of last use may be old.
    pub(super) remembered: Option<Key>,
}

impl Found {
    /// Whether this refusal must not be given without another look at the row.
    pub(super) fn is_in_doubt(&self, refusal: Refusal) -> bool {
        refusal == Refusal::Idle || self.remembered.is_some()
    }
}

impl View {
    pub(super) fn new(store: &Arc<dyn Store>, random: &dyn Random, options: ViewOptions) -> Result<Self, RandomError> {
        Ok(match store.following() {
            Following::Inline if options.capacity > 0 => {
                Self::Inline(InlineView::new(Arc::clone(store), KeyMaker::new(random)?, options))
            }
            Following::Shared if options.capacity > 0 => {
                Self::Shared(SharedView::new(Arc::clone(store), KeyMaker::new(random)?, options))
            }
            Following::Not | Following::Inline | Following::Shared => Self::Lane(options),
        })
    }

    /// What is known of `token`, as of a moment after this call.
    pub(super) fn find(&self, token: Token) -> Find {
        match self {
            Self::Lane(options) => Find::Lane(options.read(token)),
            Self::Inline(view) => Find::Inline(view.find(token)),
            Self::Shared(view) => Find::Shared(view.find(token)),
        }
    }

    /// Notes a use of the session of what was found.
    pub(super) fn note_use(&self, key: Key, at: Timestamp) {
        match self {
            Self::Lane(_) => {}
            Self::Inline(view) => view.note_use(key, at),
            Self::Shared(view) => view.note_use(key, at),
        }
    }

    /// Finishes what waits, and refuses the rest.
    pub(super) fn close(&self) {
        match self {
            Self::Lane(_) | Self::Inline(_) => {}
            Self::Shared(view) => view.close(),
        }
    }

    /// After [`View::close`]: waits until all is finished, but not for a database that hangs.
    pub(super) fn drain(&self, until: Instant) {
        match self {
            Self::Lane(_) | Self::Inline(_) => {}
            Self::Shared(view) => view.drain(until),
        }
    }
}

impl ViewOptions {
    fn read(&self, token: Token) -> Reading {
        let answer = within(self.timeout, "checks", self.lane.find(token.digest()));
        async move { Ok(Found { token, record: answer.await?, remembered: None }) }.boxed_local()
    }
}

impl Future for Find {
    type Output = Result<Found, Unavailable>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Lane(reading) => reading.as_mut().poll(context),
            Self::Inline(find) => Pin::new(find).poll(context),
            Self::Shared(find) => Pin::new(find).poll(context),
        }
    }
}
