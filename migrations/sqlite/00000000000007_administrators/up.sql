-- Administrators, and one row that ends the sessions of all users at once.

-- As what a session was opened: by a login in a dialect, or for administration. Programs of an earlier version, which
-- would go on accepting what the cutoff ends, can read no session any more, and have to forget all that they remember.
ALTER TABLE sessions RENAME COLUMN dialect TO kind;
INSERT INTO revocation_log (user_id) SELECT NULL WHERE EXISTS (SELECT 1 FROM sessions);

ALTER TABLE users ADD COLUMN is_admin INTEGER NOT NULL DEFAULT 0 CHECK (is_admin IN (0, 1));

-- Sessions are live only while their epoch is that of their user plus this one, and if they were opened at
-- `issued_before` or later. Both only rise, so what they ended stays ended.
CREATE TABLE session_cutoff (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL,
    issued_before INTEGER NOT NULL
) STRICT;
INSERT INTO session_cutoff VALUES (1, 0, -9223372036854775808);

-- For all columns, since `SET rowid` changes the id and names no column.
CREATE TRIGGER session_cutoff_changed BEFORE UPDATE ON session_cutoff
BEGIN
    SELECT RAISE(ABORT, 'the session cutoff only rises')
    WHERE NEW.epoch < OLD.epoch OR NEW.issued_before < OLD.issued_before OR NEW.id IS NOT OLD.id;
    INSERT INTO revocation_log (user_id, session_id) VALUES (NULL, NULL);
END;
CREATE TRIGGER session_cutoff_removed BEFORE DELETE ON session_cutoff
BEGIN
    SELECT RAISE(ABORT, 'the session cutoff is never removed');
END;
-- REPLACE removes the old row without firing the trigger of a deletion.
CREATE TRIGGER session_cutoff_replaced BEFORE INSERT ON session_cutoff
BEGIN
    SELECT RAISE(ABORT, 'there is only one session cutoff');
END;

DROP TRIGGER users_changed;
CREATE TRIGGER users_changed AFTER UPDATE ON users
WHEN (OLD.id, OLD.username, OLD.email, OLD.is_active, OLD.is_staff, OLD.is_admin, OLD.auth_epoch)
    IS NOT (NEW.id, NEW.username, NEW.email, NEW.is_active, NEW.is_staff, NEW.is_admin, NEW.auth_epoch)
BEGIN
    INSERT INTO revocation_log (user_id) VALUES (OLD.id);
END;

-- A session of an old epoch was dead before, and so was one from before the cutoff; so was one that the
-- sweeper marks because its last token expired, which it does while its horizon is set, and for a moment
-- before that horizon.
DROP TRIGGER sessions_changed;
CREATE TRIGGER sessions_changed
AFTER UPDATE OF id, user_id, kind, created, last_seen, auth_epoch, ended_at ON sessions
WHEN ((OLD.id, OLD.user_id, OLD.kind, OLD.auth_epoch, OLD.ended_at)
        IS NOT (NEW.id, NEW.user_id, NEW.kind, NEW.auth_epoch, NEW.ended_at)
        OR NEW.last_seen < OLD.last_seen OR NEW.created < OLD.created)
    AND (NEW.ended_at IS NULL OR NEW.ended_at >= coalesce((SELECT expired_before FROM sweep_state), -9223372036854775808))
    AND OLD.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM users JOIN session_cutoff ON session_cutoff.id = 1
        WHERE users.id = OLD.user_id AND users.auth_epoch + session_cutoff.epoch = OLD.auth_epoch
            AND OLD.created >= session_cutoff.issued_before)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.id);
END;

DROP TRIGGER sessions_removed;
CREATE TRIGGER sessions_removed AFTER DELETE ON sessions
WHEN OLD.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM users JOIN session_cutoff ON session_cutoff.id = 1
        WHERE users.id = OLD.user_id AND users.auth_epoch + session_cutoff.epoch = OLD.auth_epoch
            AND OLD.created >= session_cutoff.issued_before)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.id);
END;

DROP TRIGGER tokens_removed;
CREATE TRIGGER tokens_removed AFTER DELETE ON tokens
WHEN (OLD.expires IS NULL OR OLD.expires >= (SELECT expired_before FROM sweep_state))
    AND EXISTS (
        SELECT 1 FROM sessions JOIN users ON users.id = sessions.user_id JOIN session_cutoff ON session_cutoff.id = 1
        WHERE sessions.id = OLD.session_id AND sessions.ended_at IS NULL
            AND sessions.auth_epoch = users.auth_epoch + session_cutoff.epoch
            AND sessions.created >= session_cutoff.issued_before)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.session_id);
END;

DELETE FROM revocation_triggers;
INSERT INTO revocation_triggers
SELECT name, tbl_name, sql FROM sqlite_master
WHERE type = 'trigger' AND tbl_name IN ('users', 'sessions', 'tokens', 'revocation_log', 'session_cutoff');

-- Whether an administrator is left is asked before one goes.
CREATE INDEX users_admins ON users (id) WHERE is_admin = 1;

-- For an event that ended all sessions from before a moment: the moment.
ALTER TABLE audit_events ADD COLUMN issued_before INTEGER;
-- Events that are about all users.
CREATE INDEX audit_events_cutoff ON audit_events (id) WHERE event IN ('all_sessions_ended', 'old_sessions_ended');

-- An older program would go on accepting the tokens of ended sessions.
UPDATE schema_info SET version = 7, compatible_from = 7;
