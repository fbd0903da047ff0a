DROP TABLE clients;
DROP FUNCTION log_changed_clients;
DROP FUNCTION log_removed_clients;

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

-- Whoever remembers clients forgets them.
INSERT INTO revocation_log DEFAULT VALUES;

UPDATE schema_info SET version = 12;
