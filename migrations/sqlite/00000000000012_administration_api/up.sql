-- When the password was last given again in an administrator's session. No check reads it.
ALTER TABLE sessions ADD COLUMN proven_at INTEGER;

-- Tokens of scripts are few among many sessions. Logins write nothing here.
CREATE INDEX sessions_scripts ON sessions (id) WHERE opened_reason = 'token_created';

UPDATE schema_info SET version = 12;
