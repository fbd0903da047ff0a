DROP INDEX sessions_address;
UPDATE schema_info SET version = 10;
