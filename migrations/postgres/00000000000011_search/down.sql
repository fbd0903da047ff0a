DROP INDEX sessions_user;
CREATE INDEX sessions_user ON sessions (user_id, created);
DROP INDEX sessions_address;
ALTER TABLE sessions
    ALTER COLUMN name TYPE TEXT,
    ALTER COLUMN address TYPE TEXT,
    ALTER COLUMN user_agent TYPE TEXT;
UPDATE schema_info SET version = 10;
