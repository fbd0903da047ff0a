DROP TABLE sweep_clock;
UPDATE schema_info SET version = 3;
