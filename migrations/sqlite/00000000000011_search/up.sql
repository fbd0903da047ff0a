-- Sessions are found by the address that they were opened from, in the order of their ids.
CREATE INDEX sessions_address ON sessions (address, id);

UPDATE schema_info SET version = 11;
