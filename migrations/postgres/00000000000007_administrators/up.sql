-- Administrators, and one row that ends the sessions of all users at once.

-- In the order in which servers write.
LOCK TABLE users, sessions, tokens, revocation_log IN SHARE ROW EXCLUSIVE MODE;

-- As what a session was opened: by a login in a dialect, or for administration. Programs of an earlier version, which
-- would go on accepting what the cutoff ends, can read no session any more, and have to forget all that they remember.
ALTER TABLE sessions RENAME COLUMN dialect TO kind;
INSERT INTO revocation_log (user_id) SELECT NULL WHERE EXISTS (SELECT FROM sessions);

ALTER TABLE users ADD COLUMN is_admin BOOLEAN NOT NULL DEFAULT FALSE;

-- Sessions are live only while their epoch is that of their user plus this one, and if they were opened at
-- `issued_before` or later. Both only rise, so what they ended stays ended.
CREATE TABLE session_cutoff (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL,
    issued_before BIGINT NOT NULL
);
INSERT INTO session_cutoff VALUES (1, 0, -9223372036854775808);

CREATE FUNCTION guard_session_cutoff() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'the session cutoff is never removed';
    END IF;
    IF NEW.epoch < OLD.epoch OR NEW.issued_before < OLD.issued_before THEN
        RAISE EXCEPTION 'the session cutoff only rises';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER session_cutoff_guarded BEFORE UPDATE OR DELETE ON session_cutoff
FOR EACH ROW EXECUTE FUNCTION guard_session_cutoff();
CREATE TRIGGER session_cutoff_kept BEFORE TRUNCATE ON session_cutoff
FOR EACH STATEMENT EXECUTE FUNCTION guard_session_cutoff();
CREATE TRIGGER session_cutoff_changed AFTER UPDATE ON session_cutoff
FOR EACH STATEMENT EXECUTE FUNCTION log_everything();

CREATE OR REPLACE FUNCTION log_changed_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (user_id)
    SELECT o.id FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id
    WHERE n.id IS NULL OR (o.username, o.email, o.is_active, o.is_staff, o.is_admin, o.auth_epoch)
        IS DISTINCT FROM (n.username, n.email, n.is_active, n.is_staff, n.is_admin, n.auth_epoch);
    RETURN NULL;
END $$;

-- A session of an old epoch was dead before, and so was one from before the cutoff; so was one that the
-- sweeper marks because its last token expired, which it does while its horizon is set, and for a moment
-- before that horizon.
CREATE OR REPLACE FUNCTION log_changed_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (session_id)
    SELECT o.id FROM old_rows o
    JOIN session_cutoff c ON c.id = 1 AND o.created >= c.issued_before
    JOIN users u ON u.id = o.user_id AND u.auth_epoch + c.epoch = o.auth_epoch
    LEFT JOIN new_rows n ON n.id = o.id
    WHERE o.ended_at IS NULL AND (n.id IS NULL
        OR (((o.user_id, o.kind, o.auth_epoch, o.ended_at)
                IS DISTINCT FROM (n.user_id, n.kind, n.auth_epoch, n.ended_at)
                OR n.last_seen < o.last_seen OR n.created < o.created)
            AND (n.ended_at IS NULL OR n.ended_at >= coalesce((SELECT expired_before FROM sweep_state), -9223372036854775808))));
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION log_removed_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (session_id)
    SELECT o.id FROM old_rows o
    JOIN session_cutoff c ON c.id = 1 AND o.created >= c.issued_before
    JOIN users u ON u.id = o.user_id AND u.auth_epoch + c.epoch = o.auth_epoch
    WHERE o.ended_at IS NULL;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION log_removed_tokens() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO revocation_log (session_id)
    SELECT DISTINCT s.id FROM old_rows o
    JOIN session_cutoff c ON c.id = 1
    JOIN sessions s ON s.id = o.session_id AND s.ended_at IS NULL AND s.created >= c.issued_before
    JOIN users u ON u.id = s.user_id AND u.auth_epoch + c.epoch = s.auth_epoch
    WHERE o.expires IS NULL OR o.expires >= (SELECT expired_before FROM sweep_state);
    RETURN NULL;
END $$;

-- Also under session_replication_role = replica, and into these tables, whatever the search path of
-- whoever changes something names first. Replacing a function resets what was set of it.
DO $$
DECLARE
    one RECORD;
BEGIN
    FOR one IN
        SELECT t.tgname, t.tgrelid::regclass AS relation, t.tgfoid::regprocedure AS function
        FROM pg_trigger t
        WHERE NOT t.tgisinternal AND t.tgrelid IN ('users'::regclass, 'sessions'::regclass, 'tokens'::regclass,
            'revocation_log'::regclass, 'session_cutoff'::regclass)
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
WHERE NOT t.tgisinternal
    AND c.relname IN ('users', 'sessions', 'tokens', 'revocation_log', 'session_cutoff')
    AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'revocation_log'::regclass);

DELETE FROM revocation_triggers;
INSERT INTO revocation_triggers SELECT name, state, definition FROM revocation_trigger_states;

-- Whether an administrator is left is asked before one goes.
CREATE INDEX users_admins ON users (id) WHERE is_admin;

-- For an event that ended all sessions from before a moment: the moment.
ALTER TABLE audit_events ADD COLUMN issued_before BIGINT;
-- Events that are about all users.
CREATE INDEX audit_events_cutoff ON audit_events (id) WHERE event IN ('all_sessions_ended', 'old_sessions_ended');

-- An older program would go on accepting the tokens of ended sessions.
UPDATE schema_info SET version = 7, compatible_from = 7;
