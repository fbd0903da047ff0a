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

-- Which key signed the token, and which token took its place: enough to make that one again.
ALTER TABLE tokens ADD COLUMN key_id INTEGER;
ALTER TABLE tokens ADD COLUMN successor BLOB CHECK (successor IS NULL OR length(successor) = 64);

-- A consumed access token is no longer good.
CREATE TRIGGER tokens_consumed AFTER UPDATE OF consumed ON tokens
WHEN OLD.consumed IS NULL AND NEW.consumed IS NOT NULL
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.session_id);
END;

UPDATE schema_info SET version = 2;
