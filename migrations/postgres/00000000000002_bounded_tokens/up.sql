-- With the ends of tokens in it: neither whether a session has a live token, nor which of its
-- tokens is the first to give way, takes more than a few rows to find out, however many there are.
CREATE INDEX tokens_by_session ON tokens (session_id, consumed, expires);
DROP INDEX tokens_session;

-- Whether the tokens of an ended session are known to be deleted: ending deletes a bounded number
-- of them, and the sweeper the rest. Whoever ends a session by hand need not know of this column.
ALTER TABLE sessions ADD COLUMN emptied BOOLEAN NOT NULL DEFAULT FALSE;

-- What the sweeper has to empty. The tokens of sessions that ended because their user was locked
-- out stay until those sessions are forgotten, so that their holders are told why.
CREATE INDEX sessions_to_empty ON sessions (ended_at) WHERE ended_at IS NOT NULL AND NOT emptied
    AND (ended_reason IS NULL OR ended_reason NOT IN ('deactivated', 'imported'));

UPDATE schema_info SET version = 2;
