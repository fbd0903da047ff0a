-- What `knoxide explain` needs of tokens whose rows are gone. No check reads these tables.

-- Tokens that were deleted although they had not expired, or whose session ended when they expired.
CREATE TABLE token_traces (
    -- The first 16 of the 64 bytes: enough to recognise a token, and no key of `tokens`.
    digest BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(digest) = 16),
    -- No foreign key: a trace outlives the session of a deleted user.
    session_id BYTEA NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    expires BIGINT,
    consumed BIGINT,
    -- When the token gave way to newer ones of its session; NULL: it was deleted after the session's end.
    evicted BIGINT
);
CREATE INDEX token_traces_session ON token_traces (session_id, digest);
CREATE INDEX token_traces_evicted ON token_traces (evicted) WHERE evicted IS NOT NULL;

-- The sessions that deleted users had. They are kept for as long as ended sessions.
CREATE TABLE removed_sessions (
    id BYTEA NOT NULL PRIMARY KEY CHECK (octet_length(id) = 16),
    user_id BIGINT NOT NULL,
    removed_at BIGINT NOT NULL
);
CREATE INDEX removed_sessions_removed ON removed_sessions (removed_at);

-- What began the end of a set of sessions: none of them has an event of its own.
CREATE INDEX audit_events_mass_end ON audit_events (actor, at) WHERE event = 'mass_end_started';

UPDATE schema_info SET version = 9;
