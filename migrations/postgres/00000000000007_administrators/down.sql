-- The earlier version knows no sessions for administration.
DELETE FROM sessions WHERE kind IN ('admin', 'admin_script');

-- What the cutoff ended stays ended.
UPDATE users SET auth_epoch = auth_epoch + (SELECT epoch FROM session_cutoff);
UPDATE sessions SET ended_at = (SELECT issued_before FROM session_cutoff), ended_reason = 'revoked'
WHERE ended_at IS NULL AND created < (SELECT issued_before FROM session_cutoff);

ALTER TABLE sessions RENAME COLUMN kind TO dialect;

CREATE OR REPLACE FUNCTION log_changed_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (user_id)
    SELECT o.id FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id
    WHERE n.id IS NULL OR (o.username, o.email, o.is_active, o.is_staff, o.auth_epoch)
        IS DISTINCT FROM (n.username, n.email, n.is_active, n.is_staff, n.auth_epoch);
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION log_changed_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (session_id)
    SELECT o.id FROM old_rows o
    JOIN users u ON u.id = o.user_id AND u.auth_epoch = o.auth_epoch
    LEFT JOIN new_rows n ON n.id = o.id
    WHERE o.ended_at IS NULL AND (n.id IS NULL
        OR (((o.user_id, o.dialect, o.auth_epoch, o.ended_at)
                IS DISTINCT FROM (n.user_id, n.dialect, n.auth_epoch, n.ended_at)
                OR n.last_seen < o.last_seen)
            AND (n.ended_at IS NULL OR n.ended_at >= coalesce((SELECT expired_before FROM sweep_state), -9223372036854775808))));
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION log_removed_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (session_id)
    SELECT o.id FROM old_rows o JOIN users u ON u.id = o.user_id AND u.auth_epoch = o.auth_epoch
    WHERE o.ended_at IS NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION log_removed_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (session_id)
    SELECT DISTINCT s.id FROM old_rows o
    JOIN sessions s ON s.id = o.session_id AND s.ended_at IS NULL
    JOIN users u ON u.id = s.user_id AND u.auth_epoch = s.auth_epoch
    WHERE o.expires IS NULL OR o.expires >= (SELECT expired_before FROM sweep_state);
    RETURN NULL;
END $$;

DROP INDEX audit_events_cutoff;
ALTER TABLE audit_events DROP COLUMN issued_before;
DROP INDEX users_admins;
DROP TABLE session_cutoff;
DROP FUNCTION guard_session_cutoff;
ALTER TABLE users DROP COLUMN is_admin;

DO $$
DECLARE
    one RECORD;
BEGIN
    FOR one IN
        SELECT t.tgname, t.tgrelid::regclass AS relation, t.tgfoid::regprocedure AS function
        FROM pg_trigger t
        WHERE NOT t.tgisinternal AND t.tgrelid IN
            ('users'::regclass, 'sessions'::regclass, 'tokens'::regclass, 'revocation_log'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', one.relation, one.tgname);
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', one.function, current_schema());
    END LOOP;
END $$;

CREATE OR REPLACE VIEW revocation_trigger_states AS
SELECT c.relname || '.' || t.tgname AS name,
    t.tgenabled::text || ' ' || concat_ws(' ', t.tgtype, t.tgoldtable, t.tgnewtable, t.tgqual IS NULL, p.proname,
        encode(sha256(convert_to(btrim(regexp_replace(p.prosrc, '\s+', ' ', 'g')), 'UTF8')), 'hex'),
        array_to_string(p.proconfig, ',')) AS state,
    pg_get_functiondef(p.oid) || '; DROP TRIGGER IF EXISTS ' || quote_ident(t.tgname) || ' ON '
        || c.oid::regclass::text || '; ' || pg_get_triggerdef(t.oid) || '; ALTER TABLE ' || c.oid::regclass::text
        || ' ENABLE ALWAYS TRIGGER ' || quote_ident(t.tgname) || ';' AS definition,
    concat_ws(' ', t.oid, t.xmin, p.oid, p.xmin, c.oid, c.relfilenode) AS version
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND c.relname IN ('users', 'sessions', 'tokens', 'revocation_log')
    AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'revocation_log'::regclass);

DELETE FROM revocation_triggers;
INSERT INTO revocation_triggers SELECT name, state, definition FROM revocation_trigger_states;

UPDATE schema_info SET version = 6, compatible_from = 1;
