UPDATE schema_info SET version = 1;
CREATE OR REPLACE FUNCTION log_changed_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (session_id)
    SELECT DISTINCT o.session_id FROM old_rows o LEFT JOIN new_rows n ON n.digest = o.digest
    WHERE n.digest IS NULL OR n.session_id <> o.session_id OR n.kind <> o.kind
        OR (n.expires IS NOT NULL AND (o.expires IS NULL OR n.expires < o.expires));
    RETURN NULL;
END $$;
ALTER TABLE tokens DROP COLUMN successor;
ALTER TABLE tokens DROP COLUMN key_id;
DROP TABLE signing_keys;
