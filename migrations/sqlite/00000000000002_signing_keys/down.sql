UPDATE schema_info SET version = 1;
DROP TRIGGER tokens_consumed;
ALTER TABLE tokens DROP COLUMN successor;
ALTER TABLE tokens DROP COLUMN key_id;
DROP TABLE signing_keys;
