-- The earlier version knows no sessions of the pages.
DELETE FROM sessions WHERE kind IN ('admin_page', 'account_page');

UPDATE schema_info SET version = 13, compatible_from = 7;
