DROP TABLE tokens;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE signing_keys;
DROP TABLE audit_events;
DROP TABLE revocation_log;
DROP TABLE revocation_horizon;
DROP TABLE sweep_state;
DROP TABLE schema_info;
DROP FUNCTION log_changed_users, log_removed_users, log_changed_sessions, log_removed_sessions,
    log_removed_tokens, log_changed_tokens, log_everything;
