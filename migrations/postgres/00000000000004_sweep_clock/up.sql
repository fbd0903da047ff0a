-- What is deleted for its age goes by the moment of an earlier sweep, so that one look at a wrong
-- clock deletes nothing.
CREATE TABLE sweep_clock (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    -- When the last sweep whose clock was believed took place; NULL: there was none.
    swept_at BIGINT
);
INSERT INTO sweep_clock VALUES (1, NULL);
UPDATE schema_info SET version = 4;
