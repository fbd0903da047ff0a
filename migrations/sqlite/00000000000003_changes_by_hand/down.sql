DROP TABLE revocation_triggers;
DROP TRIGGER tokens_replaced_by_update;
DROP TRIGGER tokens_replaced_by_insert;
DROP TRIGGER sessions_replaced_by_update;
DROP TRIGGER sessions_replaced_by_insert;
DROP TRIGGER users_replaced_by_update;
DROP TRIGGER users_replaced_by_insert;
DROP TRIGGER sessions_changed;
DROP TRIGGER users_changed;
DROP TRIGGER revocation_log_overwritten;
DROP TRIGGER revocation_log_altered;
DROP TRIGGER revocation_log_shortened;
DROP TRIGGER revocation_log_marked;
ALTER TABLE revocation_log DROP COLUMN mark;

CREATE TRIGGER users_changed
AFTER UPDATE OF id, username, email, is_active, is_staff, auth_epoch ON users
WHEN (OLD.id, OLD.username, OLD.email, OLD.is_active, OLD.is_staff, OLD.auth_epoch)
    IS NOT (NEW.id, NEW.username, NEW.email, NEW.is_active, NEW.is_staff, NEW.auth_epoch)
BEGIN
    INSERT INTO revocation_log (user_id) VALUES (OLD.id);
END;

CREATE TRIGGER sessions_changed
AFTER UPDATE OF id, user_id, auth_epoch, ended_at ON sessions
WHEN (OLD.id, OLD.user_id, OLD.auth_epoch, OLD.ended_at)
    IS NOT (NEW.id, NEW.user_id, NEW.auth_epoch, NEW.ended_at)
    AND NEW.ended_reason IS NOT 'expired'
    AND OLD.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM users WHERE id = OLD.user_id AND auth_epoch = OLD.auth_epoch)
BEGIN
    INSERT INTO revocation_log (session_id) VALUES (OLD.id);
END;

UPDATE schema_info SET version = 2;
