-- Sessions are found by the address that they were opened from, in the order of their ids.
CREATE INDEX sessions_address ON sessions (address, id);

-- A user's sessions are listed in the order of their ids, which is that of time: a page stops at its limit.
DROP INDEX sessions_user;
CREATE INDEX sessions_user ON sessions (user_id, id);

UPDATE schema_info SET version = 11;
