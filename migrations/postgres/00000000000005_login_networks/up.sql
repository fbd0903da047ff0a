-- From which networks each user logged in lately, and when last: guesses from there count apart.
CREATE TABLE login_networks (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    -- An IPv4 address, the first 64 bits of an IPv6 address, or `-` for a Unix socket.
    network TEXT COLLATE "C" NOT NULL,
    seen BIGINT NOT NULL,
    PRIMARY KEY (user_id, network)
);
CREATE INDEX login_networks_seen ON login_networks (seen);

UPDATE schema_info SET version = 5;
