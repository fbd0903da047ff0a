DROP TABLE tokens;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE signing_keys;
DROP TABLE audit_events;
DROP TABLE revocation_log;
DROP TABLE sweep_state;
DROP TABLE schema_info;
