DROP INDEX users_email_without_case;
UPDATE schema_info SET version = 5;
