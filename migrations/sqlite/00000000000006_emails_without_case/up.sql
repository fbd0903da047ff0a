-- E-mail addresses are found without regard to the case of A to Z, which `lower` folds in this way on both
-- databases. The index on `email` is no longer used, and goes in a later release.
CREATE INDEX users_email_without_case ON users (lower(email), id);

UPDATE schema_info SET version = 6;
