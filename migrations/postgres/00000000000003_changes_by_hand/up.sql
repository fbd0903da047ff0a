-- The revocation log hears of every change to users, sessions and tokens that could make a token bad, whoever
-- makes it and however.

-- A session of an old epoch was dead before; so was one that the sweeper marks because its last token
-- expired, which it does while its horizon is set, and for a moment before that horizon.
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

-- Whoever takes rows from the log that not every view has seen, or changes it otherwise, may have changed
-- what nobody has read yet.
CREATE FUNCTION log_shortened_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM old_rows o, revocation_horizon h
        WHERE o.xid >= pg_snapshot_xmax(h.pruned) OR NOT pg_visible_in_snapshot(o.xid, h.pruned)
    ) THEN
        INSERT INTO revocation_log DEFAULT VALUES;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER revocation_log_shortened AFTER DELETE ON revocation_log
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION log_shortened_log();
CREATE TRIGGER revocation_log_altered AFTER UPDATE ON revocation_log
FOR EACH STATEMENT EXECUTE FUNCTION log_everything();
CREATE TRIGGER revocation_log_emptied AFTER TRUNCATE ON revocation_log
FOR EACH STATEMENT EXECUTE FUNCTION log_everything();

-- Also under session_replication_role = replica, and into these tables, whatever the search path of
-- whoever changes something names first.
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

-- What the triggers are, but for the spaces in their functions. `version` changes whenever one of them, its function or its table is changed,
-- or the table is rewritten, even if it is put back afterwards.
CREATE VIEW revocation_trigger_states AS
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

-- What they have to be. Whoever remembers tokens compares the two. A later migration that changes a
-- trigger writes its rows here anew, as this one does.
CREATE TABLE revocation_triggers (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    state TEXT COLLATE "C" NOT NULL,
    -- The statements that make it.
    definition TEXT COLLATE "C" NOT NULL
);
INSERT INTO revocation_triggers SELECT name, state, definition FROM revocation_trigger_states;

-- One text for all versions; an empty one while some trigger is not what it has to be.
CREATE VIEW revocation_trigger_stamp AS
SELECT CASE
    WHEN NOT EXISTS (SELECT FROM revocation_triggers) OR EXISTS (
        SELECT name, state FROM revocation_triggers EXCEPT SELECT name, state FROM revocation_trigger_states
    ) THEN ''
    ELSE (SELECT string_agg(version, ',' ORDER BY name) FROM revocation_trigger_states)
END AS stamp;

UPDATE schema_info SET version = 3;
