DROP INDEX audit_events_mass_end;
DROP TABLE removed_sessions;
DROP TABLE token_traces;
UPDATE schema_info SET version = 8;
