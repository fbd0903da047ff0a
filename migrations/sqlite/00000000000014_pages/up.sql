-- Sessions of the pages are of the kinds 'admin_page' and 'account_page'. A program of an earlier version cannot read
-- them, so it accepts none of their tokens; but it would leave the 'admin_page' sessions of a user who is an
-- administrator no longer, and they would be good again if the flag came back. So it is not to run beside newer ones.
UPDATE schema_info SET version = 14, compatible_from = 14;
