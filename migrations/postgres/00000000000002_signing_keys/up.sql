-- Keys that sign JWTs, and the one from which successors of refresh tokens follow. They are
-- here so that all nodes agree. Newer keys have greater numbers.
CREATE TABLE signing_keys (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('sign', 'successors')),
    algorithm TEXT NOT NULL,
    -- NULL where the settings hold the secret; the fingerprint tells whether it is the same.
    secret BYTEA,
    fingerprint BYTEA NOT NULL CHECK (octet_length(fingerprint) = 32),
    created BIGINT NOT NULL,
    retired BIGINT
);

-- Which key signed the token, and which token took its place: enough to make that one again.
ALTER TABLE tokens ADD COLUMN key_id BIGINT;
ALTER TABLE tokens ADD COLUMN successor BYTEA CHECK (successor IS NULL OR octet_length(successor) = 64);

-- A consumed access token is no longer good.
CREATE OR REPLACE FUNCTION log_changed_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (session_id)
    SELECT DISTINCT o.session_id FROM old_rows o LEFT JOIN new_rows n ON n.digest = o.digest
    WHERE n.digest IS NULL OR n.session_id <> o.session_id OR n.kind <> o.kind
        OR (n.expires IS NOT NULL AND (o.expires IS NULL OR n.expires < o.expires))
        OR (n.consumed IS NOT NULL AND o.consumed IS NULL);
    RETURN NULL;
END $$;

UPDATE schema_info SET version = 2;
