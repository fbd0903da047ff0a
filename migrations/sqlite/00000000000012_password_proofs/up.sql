-- When the password was last given again in an administrator's session. No check reads it.
ALTER TABLE sessions ADD COLUMN proven_at INTEGER;

UPDATE schema_info SET version = 12;
