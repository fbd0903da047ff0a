-- In the order in which servers write, so that their writes wait before they hold anything that this
-- migration waits for. Reads go on.
LOCK TABLE users, sessions, tokens, revocation_log IN SHARE ROW EXCLUSIVE MODE;

-- With the ends of tokens in it: neither whether a session has a live token, nor which of its
-- tokens is the first to give way, takes more than a few rows to find out, however many there are.
CREATE INDEX tokens_by_session ON tokens (session_id, consumed, expires);

-- Whether the tokens of an ended session are known to be deleted: ending deletes a bounded number
-- of them, and the sweeper the rest. Whoever ends a session by hand need not know of this column.
ALTER TABLE sessions ADD COLUMN emptied BOOLEAN NOT NULL DEFAULT FALSE;

-- What the sweeper has to empty. The tokens of sessions that ended because their user was locked
-- out stay until those sessions are forgotten, so that their holders are told why.
CREATE INDEX sessions_to_empty ON sessions (ended_at) WHERE ended_at IS NOT NULL AND NOT emptied
    AND (ended_reason IS NULL OR ended_reason NOT IN ('deactivated', 'imported'));

-- At last, since reads wait from here on.
DROP INDEX tokens_session;

UPDATE schema_info SET version = 2;
