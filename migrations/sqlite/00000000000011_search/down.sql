DROP INDEX sessions_user;
CREATE INDEX sessions_user ON sessions (user_id, created);
DROP INDEX sessions_address;
UPDATE schema_info SET version = 10;
