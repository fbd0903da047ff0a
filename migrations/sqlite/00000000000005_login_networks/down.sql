DROP TABLE login_networks;
UPDATE schema_info SET version = 4;
