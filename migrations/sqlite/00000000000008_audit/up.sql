-- More about an event: the device, why or how many as JSON, and how many events of one kind the row stands for.
ALTER TABLE audit_events ADD COLUMN user_agent TEXT;
ALTER TABLE audit_events ADD COLUMN detail TEXT;
ALTER TABLE audit_events ADD COLUMN count INTEGER NOT NULL DEFAULT 1;

-- Writers exclude each other, so the order of the ids is the order of the commits.
CREATE INDEX audit_events_by_user ON audit_events (user_id, id);
CREATE INDEX audit_events_session ON audit_events (session_id) WHERE session_id IS NOT NULL;
-- The rows whose address and device are still to be removed, also from the detail.
CREATE INDEX audit_events_origin ON audit_events (at) WHERE (address IS NOT NULL OR user_agent IS NOT NULL
    OR (event IN ('mass_end_started', 'mass_end_done', 'throttle_cleared')
        AND coalesce(json_extract(detail, '$.address'), json_extract(detail, '$.filter.address'),
            json_extract(detail, '$.filter.device'), json_extract(detail, '$.filter.name')) IS NOT NULL));

-- Only the events that raised an epoch are looked up by it.
CREATE INDEX audit_events_epoch ON audit_events (user_id, auth_epoch) WHERE auth_epoch IS NOT NULL;
DROP INDEX audit_events_user;

UPDATE schema_info SET version = 8;
