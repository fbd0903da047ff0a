-- Registered clients: services that ask about tokens.
CREATE TABLE clients (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name TEXT NOT NULL UNIQUE,
    -- SHA-512 of the secret; and of the one before, which is good until that moment.
    secret BLOB NOT NULL CHECK (length(secret) = 64),
    old_secret BLOB CHECK (old_secret IS NULL OR length(old_secret) = 64),
    old_secret_until INTEGER,
    -- Names of rights, with commas between.
    rights TEXT NOT NULL,
    -- Requests a second on each node; NULL: any number.
    request_limit INTEGER,
    created INTEGER NOT NULL,
    rotated INTEGER,
    last_used INTEGER
) STRICT, WITHOUT ROWID;

-- Whoever remembers clients forgets all of them when one is changed in a way that matters. They are few, and seldom
-- change, so a row for everything will do.
CREATE TRIGGER clients_changed AFTER UPDATE ON clients
WHEN (OLD.id, OLD.name, OLD.secret, OLD.old_secret, OLD.old_secret_until, OLD.rights, OLD.request_limit)
    IS NOT (NEW.id, NEW.name, NEW.secret, NEW.old_secret, NEW.old_secret_until, NEW.rights, NEW.request_limit)
BEGIN
    INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL);
END;

CREATE TRIGGER clients_removed AFTER DELETE ON clients
BEGIN
    INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL);
END;

-- REPLACE removes a row without firing the trigger of a deletion. An update that replaces one fires the first trigger.
CREATE TRIGGER clients_replaced BEFORE INSERT ON clients
WHEN EXISTS (SELECT 1 FROM clients WHERE id = NEW.id OR name = NEW.name)
BEGIN
    INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL);
END;

DELETE FROM revocation_triggers;
INSERT INTO revocation_triggers
SELECT name, tbl_name, sql FROM sqlite_master
WHERE type = 'trigger' AND tbl_name IN ('users', 'sessions', 'tokens', 'revocation_log', 'session_cutoff', 'clients');

UPDATE schema_info SET version = 13;
