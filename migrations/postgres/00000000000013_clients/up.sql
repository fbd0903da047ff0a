-- Registered clients: services that ask about tokens.
CREATE TABLE clients (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL UNIQUE,
    -- SHA-512 of the secret; and of the one before, which is good until that moment.
    secret BYTEA NOT NULL CHECK (length(secret) = 64),
    old_secret BYTEA CHECK (old_secret IS NULL OR length(old_secret) = 64),
    old_secret_until BIGINT,
    -- Names of rights, with commas between.
    rights TEXT NOT NULL,
    -- Requests a second on each node; NULL: any number.
    request_limit BIGINT,
    created BIGINT NOT NULL,
    rotated BIGINT,
    last_used BIGINT
);

-- Whoever remembers clients forgets all of them when one is changed in a way that matters. They are few, and seldom
-- change, so a row for everything will do.
CREATE FUNCTION log_changed_clients() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM old_rows o LEFT JOIN new_rows n ON n.id = o.id
        WHERE n.id IS NULL OR (o.name, o.secret, o.old_secret, o.old_secret_until, o.rights, o.request_limit)
            IS DISTINCT FROM (n.name, n.secret, n.old_secret, n.old_secret_until, n.rights, n.request_limit)
    ) THEN
        INSERT INTO revocation_log DEFAULT VALUES;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER clients_changed AFTER UPDATE ON clients
REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
FOR EACH STATEMENT EXECUTE FUNCTION log_changed_clients();

CREATE FUNCTION log_removed_clients() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM old_rows) THEN
        INSERT INTO revocation_log DEFAULT VALUES;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER clients_removed AFTER DELETE ON clients
REFERENCING OLD TABLE AS old_rows
FOR EACH STATEMENT EXECUTE FUNCTION log_removed_clients();

CREATE TRIGGER clients_emptied AFTER TRUNCATE ON clients
FOR EACH STATEMENT EXECUTE FUNCTION log_everything();

-- Also under session_replication_role = replica, and into these tables, whatever the search path of
-- whoever changes something names first.
DO $$
DECLARE
    one RECORD;
BEGIN
    FOR one IN
        SELECT t.tgname, t.tgrelid::regclass AS relation, t.tgfoid::regprocedure AS function
        FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgrelid = 'clients'::regclass
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
    AND c.relname IN ('users', 'sessions', 'tokens', 'revocation_log', 'session_cutoff', 'clients')
    AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'revocation_log'::regclass);

DELETE FROM revocation_triggers;
INSERT INTO revocation_triggers SELECT name, state, definition FROM revocation_trigger_states;

UPDATE schema_info SET version = 13;
