DROP TABLE clients;

DELETE FROM revocation_triggers;
INSERT INTO revocation_triggers
SELECT name, tbl_name, sql FROM sqlite_master
WHERE type = 'trigger' AND tbl_name IN ('users', 'sessions', 'tokens', 'revocation_log', 'session_cutoff');

-- Whoever remembers clients forgets them.
INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL);

UPDATE schema_info SET version = 12;
