DROP VIEW revocation_trigger_stamp;
DROP TABLE revocation_triggers;
DROP VIEW revocation_trigger_states;
DROP TRIGGER revocation_log_emptied ON revocation_log;
DROP TRIGGER revocation_log_altered ON revocation_log;
DROP TRIGGER revocation_log_shortened ON revocation_log;
DROP FUNCTION log_shortened_log;

DO $$
DECLARE
    one RECORD;
BEGIN
    FOR one IN
        SELECT t.tgname, t.tgrelid::regclass AS relation, t.tgfoid::regprocedure AS function
        FROM pg_trigger t
        WHERE NOT t.tgisinternal AND t.tgrelid IN ('users'::regclass, 'sessions'::regclass, 'tokens'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER %I', one.relation, one.tgname);
        EXECUTE format('ALTER FUNCTION %s RESET search_path', one.function);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION log_changed_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (session_id)
    SELECT o.id FROM old_rows o
    JOIN users u ON u.id = o.user_id AND u.auth_epoch = o.auth_epoch
    LEFT JOIN new_rows n ON n.id = o.id
    WHERE o.ended_at IS NULL AND (n.id IS NULL
        OR ((o.user_id, o.auth_epoch, o.ended_at)
            IS DISTINCT FROM (n.user_id, n.auth_epoch, n.ended_at)
            AND n.ended_reason IS DISTINCT FROM 'expired'));
    RETURN NULL;
END $$;

UPDATE schema_info SET version = 2;
