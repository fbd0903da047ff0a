DROP TRIGGER session_cutoff_replaced;
DROP TRIGGER session_cutoff_removed;
DROP TRIGGER session_cutoff_changed;
DROP TRIGGER users_changed;
DROP TRIGGER sessions_changed;
DROP TRIGGER sessions_removed;
DROP TRIGGER tokens_removed;

-- The earlier version knows no sessions for administration.
DELETE FROM sessions WHERE kind IN ('admin', 'admin_script');

-- What the cutoff ended stays ended.
UPDATE users SET auth_epoch = auth_epoch + (SELECT epoch FROM session_cutoff);
UPDATE sessions SET ended_at = (SELECT issued_before FROM session_cutoff), ended_reason = 'revoked'
WHERE ended_at IS NULL AND created < (SELECT issued_before FROM session_cutoff);

ALTER TABLE sessions RENAME COLUMN kind TO dialect;

CREATE TRIGGER users_changed AFTER UPDATE ON users
WHEN (OLD.id, OLD.username, OLD.email, OLD.is_active, OLD.is_staff, OLD.auth_epoch)
    IS NOT (NEW.id, NEW.username, NEW.email, NEW.is_active, NEW.is_staff, NEW.auth_epoch)
BEGIN
    INSERT INTO revocation_log (user_id) VALUES (OLD.id);
END;

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

CREATE TRIGGER sessions_removed AFTER DELETE ON sessions
WHEN OLD.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id AND auth_epoch = OLD.auth_epoch)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.id);
END;

CREATE TRIGGER tokens_removed AFTER DELETE ON tokens
WHEN (OLD.expires IS NULL OR OLD.expires >= (SELECT expired_before FROM sweep_state))
    AND EXISTS (
        SELECT 1 FROM sessions JOIN users ON users.id = sessions.user_id
        WHERE sessions.id = OLD.session_id AND sessions.ended_at IS NULL
            AND sessions.auth_epoch = users.auth_epoch)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.session_id);
END;

DROP INDEX audit_events_cutoff;
ALTER TABLE audit_events DROP COLUMN issued_before;
DROP INDEX users_admins;
DROP TABLE session_cutoff;
ALTER TABLE users DROP COLUMN is_admin;

DELETE FROM revocation_triggers;
INSERT INTO revocation_triggers
SELECT name, tbl_name, sql FROM sqlite_master
WHERE type = 'trigger' AND tbl_name IN ('users', 'sessions', 'tokens', 'revocation_log');

UPDATE schema_info SET version = 6, compatible_from = 1;
