-- Times are microseconds since 1970-01-01 UTC by the server's clock. Flags are 0 or 1.
-- AUTOINCREMENT, so that the number of a deleted user or log row is never given out again.

CREATE TABLE schema_info (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    -- Counts releases of the schema.
    version INTEGER NOT NULL,
    -- The least version that a program must know of to work with this schema.
    compatible_from INTEGER NOT NULL
) STRICT;
INSERT INTO schema_info VALUES (1, 1, 1);

CREATE TABLE users (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    -- What names share that a person could mistake for each other. Not unique: imports keep such names.
    lookalike_key TEXT NOT NULL,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
    is_staff INTEGER NOT NULL CHECK (is_staff IN (0, 1)),
    auth_epoch INTEGER NOT NULL DEFAULT 0,
    last_login INTEGER,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX users_lookalike_key ON users (lookalike_key);
CREATE INDEX users_email ON users (email);

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    dialect TEXT NOT NULL,
    name TEXT,
    created INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    auth_epoch INTEGER NOT NULL,
    address TEXT,
    user_agent TEXT,
    request_id TEXT,
    opened_reason TEXT NOT NULL,
    opened_by TEXT NOT NULL,
    ended_at INTEGER,
    ended_reason TEXT,
    ended_by TEXT,
    CHECK (ended_at IS NOT NULL OR (ended_reason IS NULL AND ended_by IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id, created);
CREATE INDEX sessions_open ON sessions (user_id, auth_epoch, created) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE tokens (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 64),
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    kind TEXT NOT NULL CHECK (kind IN ('access', 'refresh')),
    created INTEGER NOT NULL,
    expires INTEGER,
    consumed INTEGER,
    -- Which key signed the token, and which token took its place: enough to make that one again.
    key_id INTEGER,
    successor BLOB CHECK (successor IS NULL OR length(successor) = 64)
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_session ON tokens (session_id);
CREATE INDEX tokens_expires ON tokens (expires) WHERE expires IS NOT NULL;

-- Keys that sign JWTs, and the one from which successors of refresh tokens follow. They are
-- here so that all nodes agree. Newer keys have greater numbers.
CREATE TABLE signing_keys (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    purpose TEXT NOT NULL CHECK (purpose IN ('sign', 'successors')),
    algorithm TEXT NOT NULL,
    -- NULL where the settings hold the secret; the fingerprint tells whether it is the same.
    secret BLOB,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    created INTEGER NOT NULL,
    retired INTEGER
) STRICT;

-- No foreign keys: the record outlives what it tells of.
CREATE TABLE audit_events (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    actor TEXT NOT NULL,
    user_id INTEGER,
    session_id BLOB,
    -- The user's new epoch, where the event raised it: it ended the sessions of all lower ones.
    auth_epoch INTEGER,
    address TEXT,
    request_id TEXT
) STRICT;
CREATE INDEX audit_events_user ON audit_events (user_id, auth_epoch);
CREATE INDEX audit_events_at ON audit_events (at);

-- What a view of the database has to forget. A row without user and session: everything.
CREATE TABLE revocation_log (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER,
    session_id BLOB
) STRICT;

-- The sweeper sets this inside its own transactions and back before they end, so nobody else
-- ever sees it set: tokens that expired before that moment are dead by every node's clock,
-- and deleting them revokes nothing.
CREATE TABLE sweep_state (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    expired_before INTEGER NOT NULL
) STRICT;
INSERT INTO sweep_state VALUES (1, -9223372036854775808);

CREATE TRIGGER users_changed
AFTER UPDATE OF id, username, email, is_active, is_staff, auth_epoch ON users
WHEN (OLD.id, OLD.username, OLD.email, OLD.is_active, OLD.is_staff, OLD.auth_epoch)
    IS NOT (NEW.id, NEW.username, NEW.email, NEW.is_active, NEW.is_staff, NEW.auth_epoch)
BEGIN
    INSERT INTO revocation_log (user_id) VALUES (OLD.id);
END;

CREATE TRIGGER users_removed AFTER DELETE ON users
BEGIN
    INSERT INTO revocation_log (user_id) VALUES (OLD.id);
END;

-- A session of an old epoch was dead before; so was one that the sweeper marks because its
-- last token expired.
CREATE TRIGGER sessions_changed
AFTER UPDATE OF id, user_id, auth_epoch, ended_at ON sessions
WHEN (OLD.id, OLD.user_id, OLD.auth_epoch, OLD.ended_at)
    IS NOT (NEW.id, NEW.user_id, NEW.auth_epoch, NEW.ended_at)
    AND NEW.ended_reason IS NOT 'expired'
    AND OLD.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id AND auth_epoch = OLD.auth_epoch)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.id);
END;

CREATE TRIGGER sessions_removed AFTER DELETE ON sessions
WHEN OLD.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id AND auth_epoch = OLD.auth_epoch)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.id);
END;

CREATE TRIGGER tokens_removed AFTER DELETE ON tokens
WHEN (OLD.expires IS NULL OR OLD.expires >= (SELECT expired_before FROM sweep_state))
    AND EXISTS (
        SELECT 1 FROM sessions JOIN users ON users.id = sessions.user_id
        WHERE sessions.id = OLD.session_id AND sessions.ended_at IS NULL
            AND sessions.auth_epoch = users.auth_epoch)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.session_id);
END;

-- A consumed access token is no longer good; by hand somebody may also cut a token's life short.
CREATE TRIGGER tokens_changed
AFTER UPDATE OF digest, session_id, kind, expires, consumed ON tokens
WHEN OLD.digest IS NOT NEW.digest OR OLD.session_id IS NOT NEW.session_id OR OLD.kind IS NOT NEW.kind
    OR (NEW.expires IS NOT NULL AND (OLD.expires IS NULL OR NEW.expires < OLD.expires))
    OR (NEW.consumed IS NOT NULL AND OLD.consumed IS NULL)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.session_id);
END;
