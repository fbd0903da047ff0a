-- The revocation log hears of every change to users, sessions and tokens that could make a token bad, whoever
-- makes it and however.

DROP TRIGGER users_changed;
DROP TRIGGER sessions_changed;

-- Random, so that two copies of a database that went different ways never have the same row at the same place.
ALTER TABLE revocation_log ADD COLUMN mark INTEGER;
UPDATE revocation_log SET mark = random();

CREATE TRIGGER revocation_log_marked AFTER INSERT ON revocation_log WHEN NEW.mark IS NULL
BEGIN
    UPDATE revocation_log SET mark = random() WHERE seq = NEW.seq;
END;

-- Nobody but the sweeper takes rows from the log, and that one never the newest; whoever changes it otherwise
-- may have changed what nobody has read yet.
CREATE TRIGGER revocation_log_shortened AFTER DELETE ON revocation_log
WHEN OLD.seq >= coalesce((SELECT max(seq) FROM revocation_log), OLD.seq)
BEGIN
    INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL);
END;

CREATE TRIGGER revocation_log_altered AFTER UPDATE ON revocation_log
WHEN OLD.mark IS NOT NULL
    OR (OLD.seq, OLD.user_id, OLD.session_id) IS NOT (NEW.seq, NEW.user_id, NEW.session_id)
BEGIN
    INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL);
END;

CREATE TRIGGER revocation_log_overwritten BEFORE INSERT ON revocation_log
WHEN EXISTS (SELECT 1 FROM revocation_log WHERE seq = NEW.seq)
BEGIN
    INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL);
END;

-- For all columns, since `SET rowid` changes the id and names no column.
CREATE TRIGGER users_changed AFTER UPDATE ON users
WHEN (OLD.id, OLD.username, OLD.email, OLD.is_active, OLD.is_staff, OLD.auth_epoch)
    IS NOT (NEW.id, NEW.username, NEW.email, NEW.is_active, NEW.is_staff, NEW.auth_epoch)
BEGIN
    INSERT INTO revocation_log (user_id) VALUES (OLD.id);
END;

-- A session of an old epoch was dead before; so was one that the sweeper marks because its last token
-- expired, which it does while its horizon is set, and for a moment before that horizon.
CREATE TRIGGER sessions_changed
AFTER UPDATE OF id, user_id, dialect, last_seen, auth_epoch, ended_at ON sessions
WHEN ((OLD.id, OLD.user_id, OLD.dialect, OLD.auth_epoch, OLD.ended_at)
        IS NOT (NEW.id, NEW.user_id, NEW.dialect, NEW.auth_epoch, NEW.ended_at)
        OR NEW.last_seen < OLD.last_seen)
    AND (NEW.ended_at IS NULL OR NEW.ended_at >= coalesce((SELECT expired_before FROM sweep_state), -9223372036854775808))
    AND OLD.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id AND auth_epoch = OLD.auth_epoch)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.id);
END;

-- REPLACE takes rows away without firing the triggers of a deletion: all whose primary or unique key the
-- new row takes.
CREATE TRIGGER users_replaced_by_insert BEFORE INSERT ON users
WHEN EXISTS (SELECT 1 FROM users WHERE id = NEW.id OR username = NEW.username)
BEGIN
    INSERT INTO revocation_log (user_id)
    SELECT id FROM users WHERE id = NEW.id OR username = NEW.username;
END;

CREATE TRIGGER users_replaced_by_update BEFORE UPDATE ON users
WHEN (OLD.id, OLD.username) IS NOT (NEW.id, NEW.username)
BEGIN
    INSERT INTO revocation_log (user_id)
    SELECT id FROM users WHERE (id = NEW.id OR username = NEW.username) AND id <> OLD.id;
END;

CREATE TRIGGER sessions_replaced_by_insert BEFORE INSERT ON sessions
WHEN EXISTS (SELECT 1 FROM sessions WHERE id = NEW.id)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (NEW.id);
END;

CREATE TRIGGER sessions_replaced_by_update BEFORE UPDATE OF id ON sessions
WHEN OLD.id IS NOT NEW.id AND EXISTS (SELECT 1 FROM sessions WHERE id = NEW.id)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (NEW.id);
END;

CREATE TRIGGER tokens_replaced_by_insert BEFORE INSERT ON tokens
WHEN EXISTS (SELECT 1 FROM tokens WHERE digest = NEW.digest)
BEGIN
    INSERT INTO revocation_log (session_id) SELECT session_id FROM tokens WHERE digest = NEW.digest;
END;

CREATE TRIGGER tokens_replaced_by_update BEFORE UPDATE OF digest ON tokens
WHEN OLD.digest IS NOT NEW.digest AND EXISTS (SELECT 1 FROM tokens WHERE digest = NEW.digest)
BEGIN
    INSERT INTO revocation_log (session_id) SELECT session_id FROM tokens WHERE digest = NEW.digest;
END;

-- What the triggers have to be. Whoever remembers tokens compares this with what they are. A later
-- migration that changes a trigger writes its rows here anew, as this one does.
CREATE TABLE revocation_triggers (
    name TEXT NOT NULL PRIMARY KEY,
    -- The table.
    state TEXT NOT NULL,
    -- The statement that makes it.
    definition TEXT NOT NULL
) STRICT;
INSERT INTO revocation_triggers
SELECT name, tbl_name, sql FROM sqlite_master
WHERE type = 'trigger' AND tbl_name IN ('users', 'sessions', 'tokens', 'revocation_log');

UPDATE schema_info SET version = 3;
