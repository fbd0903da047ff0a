//! Ending sessions in bulk, after a dry run has shown which.

use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::search::check_sessions;
use super::{Admin, AdminError, SessionQuery};
use crate::domain::audit::Event;
use crate::domain::session::SessionEntry;
use crate::domain::time::Timestamp;
use crate::store::{LiveSet, SessionMatch, StoreError};

/// How many sessions a dry run shows.
const SAMPLE: u32 = 10;

/// What a mass end would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DryRun {
    /// Sessions opened after this moment are not part of the set.
    pub moment: Timestamp,
    /// How many live sessions match.
    pub count: u64,
    /// The newest of them.
    pub sample: Vec<SessionEntry>,
}

/// What a dry run has shown. The mass end ends no more sessions than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The moment of the dry run.
    pub moment: Timestamp,
    /// Its number of sessions.
    pub count: u64,
}

impl DryRun {
    /// What a mass end needs to know of this dry run.
    pub const fn shown(&self) -> Shown {
        Shown { moment: self.moment, count: self.count }
    }
}

impl Admin {
    /// Counts the live sessions that match, and shows some. Its moment is not earlier than the opening of any of them,
    /// even if a node whose clock is ahead has opened it.
    ///
    /// # Errors
    /// A text that cannot be searched for, or the store failed.
    pub fn dry_run(&self, matching: &SessionMatch) -> Result<DryRun, AdminError> {
        let counted = self.dry_run_watched(matching, &mut |_| ControlFlow::Continue(()))?;
        // `progress` never breaks it off.
        counted.ok_or(AdminError::Store(StoreError::Failed("a count broke off".to_owned())))
    }

    /// As [`Admin::dry_run`], and calls `progress` with the number so far. If `progress` breaks it off, there is no
    /// result.
    ///
    /// # Errors
    /// Those of [`Admin::dry_run`].
    pub fn dry_run_watched(
        &self,
        matching: &SessionMatch,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<Option<DryRun>, AdminError> {
        check_sessions(matching)?;
        let set = self.live_set(matching.clone());
        let found = self.store.count_sessions(&set, progress)?;
        if progress(found.sessions).is_break() {
            return Ok(None);
        }
        let query = SessionQuery { matching: matching.clone(), limit: SAMPLE, ..SessionQuery::default() };
        let sample = self.search_sessions(query)?;
        let moment = found.newest.map_or(set.now, |newest| newest.max(set.now));
        Ok(Some(DryRun { moment, count: found.sessions, sample }))
    }

    /// Ends the live sessions that match and were opened up to the moment of a dry run, and returns their number. When
    /// this returns, no check accepts a token of any of them. `progress` is called with the number so far.
    ///
    /// # Errors
    /// There is no condition, or more sessions match than were shown: then none is ended. Or the store failed after
    /// some were ended: calling this again ends the rest.
    pub fn end_filtered(
        &self,
        matching: &SessionMatch,
        shown: Shown,
        progress: &mut dyn FnMut(u64),
    ) -> Result<u64, AdminError> {
        self.recording_refusal(Event::MassEndStarted, None, || {
            if matching.is_any() {
                return Err(AdminError::NoCondition);
            }
            check_sessions(matching)?;
            let set = LiveSet { opened_until: Some(shown.moment), ..self.live_set(matching.clone()) };
            let found = self.store.count_sessions(&set, &mut |_| ControlFlow::Continue(()))?.sessions;
            if found > shown.count {
                return Err(AdminError::MoreThanShown { shown: shown.count, found });
            }
            let detail = json!({ "filter": matching, "moment": shown.moment, "count": found });
            let mut ended = 0;
            let mut note = |number| {
                ended = number;
                progress(number);
            };
            let audit = self.audit(Event::Revoked).with_detail(detail);
            let done = self.store.end_sessions(&set, &audit, &*self.clock, &mut note);
            done.map_err(|error| AdminError::EndedInPart { ended, error })
        })
    }

    fn live_set(&self, matching: SessionMatch) -> LiveSet {
        let idle_limits = self.policy.idle_verdicts();
        LiveSet { matching, now: self.clock.now(), idle_limits, opened_until: None }
    }
}
