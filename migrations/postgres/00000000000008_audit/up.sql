-- More about an event: the device, why or how many as JSON, and how many events of one kind the row stands for.
ALTER TABLE audit_events ADD COLUMN user_agent TEXT;
ALTER TABLE audit_events ADD COLUMN detail TEXT;
ALTER TABLE audit_events ADD COLUMN count BIGINT NOT NULL DEFAULT 1;

-- Commits come out of the order of the ids. A reader that goes forward therefore follows the transactions, and
-- takes only rows of those before which no transaction is open. Rows from before this column have none.
ALTER TABLE audit_events ADD COLUMN xid XID8 NOT NULL DEFAULT '0';
ALTER TABLE audit_events ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
CREATE INDEX audit_events_order ON audit_events (xid, id);

CREATE INDEX audit_events_by_user ON audit_events (user_id, xid, id);
CREATE INDEX audit_events_session ON audit_events (session_id) WHERE session_id IS NOT NULL;
-- The rows whose address and device are still to be removed, also from the detail.
CREATE INDEX audit_events_origin ON audit_events (at) WHERE (address IS NOT NULL OR user_agent IS NOT NULL
    OR (event IN ('mass_end_started', 'mass_end_done', 'throttle_cleared')
        AND coalesce(detail::jsonb #>> '{address}', detail::jsonb #>> '{filter,address}',
            detail::jsonb #>> '{filter,device}', detail::jsonb #>> '{filter,name}') IS NOT NULL));

-- Only the events that raised an epoch are looked up by it.
CREATE INDEX audit_events_epoch ON audit_events (user_id, auth_epoch) WHERE auth_epoch IS NOT NULL;
DROP INDEX audit_events_user;

UPDATE schema_info SET version = 8;
