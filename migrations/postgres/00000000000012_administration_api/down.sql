DROP INDEX sessions_scripts;
ALTER TABLE sessions DROP COLUMN proven_at;
UPDATE schema_info SET version = 11;
