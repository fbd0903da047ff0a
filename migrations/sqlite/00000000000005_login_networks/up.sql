-- From which networks each user logged in lately, and when last: guesses from there count apart.
CREATE TABLE login_networks (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- An IPv4 address, the first 64 bits of an IPv6 address, or `-` for a Unix socket.
    network TEXT NOT NULL,
    seen INTEGER NOT NULL,
    PRIMARY KEY (user_id, network)
) STRICT, WITHOUT ROWID;
CREATE INDEX login_networks_seen ON login_networks (seen);

UPDATE schema_info SET version = 5;
