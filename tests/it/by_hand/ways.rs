//! The statements. In braces: the user's id and name, the session, the token's digest, and the same of another user.

use crate::harness::app::Backend;

/// A way to make a token bad.
pub(super) struct Way {
    /// The database that has it; `None`: both.
    on: Option<&'static str>,
    pub(super) sql: &'static str,
}

impl Way {
    pub(super) fn works_on(&self, backend: Backend) -> bool {
        self.on.is_none_or(|name| name == format!("{backend:?}"))
    }
}

pub(super) const fn both(sql: &'static str) -> Way {
    Way { on: None, sql }
}

pub(super) const fn sqlite(sql: &'static str) -> Way {
    Way { on: Some("Sqlite"), sql }
}

pub(super) const fn postgres(sql: &'static str) -> Way {
    Way { on: Some("Postgres"), sql }
}

/// Changes that are noticed at once.
pub(super) const ALL: &[Way] = &[
    // The user.
    both("UPDATE users SET is_active = FALSE WHERE id = {user}"),
    both("UPDATE users SET auth_epoch = auth_epoch + 1 WHERE id = {user}"),
    both("BEGIN; UPDATE users SET is_active = FALSE WHERE id = {user}; COMMIT"),
    both("DELETE FROM users WHERE id = {user}"),
    both(
        "INSERT INTO users (id, username, lookalike_key, email, password_hash, is_active, is_staff, created) \
         SELECT id, username, lookalike_key, email, password_hash, is_active, is_staff, created FROM users \
         WHERE id = {user} ON CONFLICT (id) DO UPDATE SET is_active = FALSE",
    ),
    sqlite("UPDATE users SET id = id + 1000000 WHERE id = {user}"),
    sqlite("UPDATE users SET rowid = rowid + 1000000 WHERE id = {user}"),
    sqlite(
        "REPLACE INTO users SELECT id, username, lookalike_key, email, password_hash, 0, is_staff, auth_epoch, \
         last_login, created, is_admin FROM users WHERE id = {user}",
    ),
    sqlite(
        "INSERT OR REPLACE INTO users (username, lookalike_key, email, password_hash, is_active, is_staff, created) \
         SELECT username, lookalike_key, email, password_hash, is_active, is_staff, created FROM users \
         WHERE id = {user}",
    ),
    sqlite("UPDATE OR REPLACE users SET username = '{name}' WHERE username = '{other_name}'"),
    sqlite("UPDATE OR REPLACE users SET id = {user}, is_active = 0 WHERE id = {other_user}"),
    sqlite("UPDATE OR REPLACE users SET rowid = {user}, is_active = 0 WHERE id = {other_user}"),
    // The session.
    both("UPDATE sessions SET ended_at = 1 WHERE id = {session}"),
    both("UPDATE sessions SET ended_at = 1, ended_reason = 'expired' WHERE id = {session}"),
    both("UPDATE sessions SET ended_at = 9000000000000000000, ended_reason = 'expired' WHERE id = {session}"),
    both("UPDATE sessions SET auth_epoch = -1 WHERE id = {session}"),
    both("UPDATE sessions SET last_seen = 0 WHERE id = {session}"),
    both("UPDATE sessions SET kind = 'djoser' WHERE id = {session}"),
    both("DELETE FROM sessions WHERE id = {session}"),
    both(
        "BEGIN; UPDATE users SET auth_epoch = 5 WHERE id = {other_user}; \
          UPDATE sessions SET user_id = {other_user} WHERE id = {session}; COMMIT",
    ),
    sqlite(
        "REPLACE INTO sessions (id, user_id, kind, created, last_seen, auth_epoch, opened_reason, opened_by, \
         ended_at) SELECT id, user_id, kind, created, last_seen, auth_epoch, opened_reason, opened_by, 1 \
         FROM sessions WHERE id = {session}",
    ),
    sqlite("UPDATE OR REPLACE sessions SET id = {session}, ended_at = 1 WHERE id = {other_session}"),
    // The token.
    both("UPDATE tokens SET expires = 1 WHERE digest = {digest}"),
    both("UPDATE tokens SET consumed = 1 WHERE digest = {digest}"),
    both("UPDATE tokens SET kind = 'refresh' WHERE digest = {digest}"),
    both("DELETE FROM tokens WHERE digest = {digest}"),
    sqlite("UPDATE tokens SET digest = randomblob(64) WHERE digest = {digest}"),
    postgres("UPDATE tokens SET digest = sha512(digest) WHERE digest = {digest}"),
    sqlite(
        "REPLACE INTO tokens (digest, session_id, kind, created, expires) \
         SELECT digest, session_id, kind, created, 1 FROM tokens WHERE digest = {digest}",
    ),
    sqlite("UPDATE OR REPLACE tokens SET digest = {digest}, expires = 1 WHERE digest = {other_digest}"),
    // The log, in the same transaction.
    both("BEGIN; UPDATE users SET is_active = FALSE WHERE id = {user}; DELETE FROM revocation_log; COMMIT"),
    both(
        "BEGIN; UPDATE users SET is_active = FALSE WHERE id = {user}; DELETE FROM revocation_log; \
          DELETE FROM revocation_log; COMMIT",
    ),
    both("BEGIN; UPDATE users SET is_active = FALSE WHERE id = {user}; UPDATE revocation_log SET user_id = 0; COMMIT"),
    both(
        "BEGIN; UPDATE users SET is_active = FALSE WHERE id = {user}; \
          DELETE FROM revocation_log WHERE user_id = {user}; COMMIT",
    ),
    sqlite(
        "BEGIN; UPDATE users SET is_active = FALSE WHERE id = {user}; DELETE FROM revocation_log; \
            DELETE FROM sqlite_sequence WHERE name = 'revocation_log'; COMMIT",
    ),
    sqlite(
        "BEGIN; UPDATE users SET is_active = FALSE WHERE id = {user}; \
            REPLACE INTO revocation_log (seq, user_id) SELECT max(seq), 0 FROM revocation_log; COMMIT",
    ),
    // While the triggers were different.
    sqlite(
        "BEGIN; DROP TRIGGER users_changed; UPDATE users SET is_active = FALSE WHERE id = {user}; \
            CREATE TRIGGER users_changed AFTER UPDATE ON users \
            WHEN (OLD.id, OLD.username, OLD.email, OLD.is_active, OLD.is_staff, OLD.is_admin, OLD.auth_epoch) \
            IS NOT (NEW.id, NEW.username, NEW.email, NEW.is_active, NEW.is_staff, NEW.is_admin, NEW.auth_epoch) \
            BEGIN INSERT INTO revocation_log (user_id) VALUES (OLD.id); END; COMMIT",
    ),
    // As a replica applies changes.
    postgres(
        "SET session_replication_role = replica; UPDATE users SET is_active = FALSE WHERE id = {user}; \
              RESET session_replication_role",
    ),
    postgres(
        "SET session_replication_role = replica; DELETE FROM sessions WHERE id = {session}; \
              RESET session_replication_role",
    ),
    postgres(
        "SET session_replication_role = replica; DELETE FROM tokens WHERE digest = {digest}; \
              RESET session_replication_role",
    ),
    // With another log that shadows it.
    postgres(
        "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.revocation_log (user_id BIGINT, session_id BYTEA); \
              SET search_path = elsewhere, public; UPDATE users SET is_active = FALSE WHERE id = {user}; \
              RESET search_path",
    ),
    postgres(
        "CREATE TEMPORARY TABLE revocation_log (user_id BIGINT, session_id BYTEA); \
              UPDATE users SET is_active = FALSE WHERE id = {user}; DROP TABLE pg_temp.revocation_log",
    ),
    // MERGE, if the server supports it.
    postgres(
        "DO $$ BEGIN IF current_setting('server_version_num')::integer >= 150000 THEN EXECUTE $m$MERGE INTO tokens t \
         USING (SELECT 1) o ON t.digest = {digest} WHEN MATCHED THEN DELETE$m$; ELSE \
         DELETE FROM tokens WHERE digest = {digest}; END IF; END $$",
    ),
    // All at once.
    postgres("BEGIN; UPDATE users SET is_active = FALSE WHERE id = {user}; TRUNCATE revocation_log; COMMIT"),
    postgres(
        "BEGIN; UPDATE users SET is_active = FALSE WHERE id = {user}; TRUNCATE revocation_log; \
              DELETE FROM revocation_log; COMMIT",
    ),
    postgres(
        "BEGIN; SET LOCAL session_replication_role = replica; UPDATE users SET is_active = FALSE \
              WHERE id = {user}; TRUNCATE revocation_log; COMMIT",
    ),
    postgres("TRUNCATE tokens"),
    postgres("TRUNCATE sessions CASCADE"),
    postgres("TRUNCATE users CASCADE"),
    both("UPDATE users SET auth_epoch = auth_epoch + 1"),
    both("DELETE FROM tokens"),
    both("DELETE FROM sessions"),
    both("DELETE FROM users"),
];

/// Changes that only the check of the triggers notices.
#[cfg(feature = "postgres")]
pub(super) const PAST_THE_TRIGGERS: &[&str] = &[
    // As `pg_restore --disable-triggers` does.
    "BEGIN; ALTER TABLE users DISABLE TRIGGER ALL; UPDATE users SET is_active = FALSE WHERE id = {user}; \
     ALTER TABLE users ENABLE TRIGGER ALL; COMMIT",
];

/// Changes of the triggers.
pub(super) fn sabotages(backend: Backend) -> &'static [&'static str] {
    match backend {
        Backend::Sqlite => &[
            "DROP TRIGGER users_changed",
            "DROP TRIGGER sessions_removed; CREATE TRIGGER sessions_removed AFTER DELETE ON sessions \
             WHEN FALSE BEGIN DELETE FROM revocation_log WHERE FALSE; END",
            "DROP TRIGGER tokens_replaced_by_insert; DROP TRIGGER revocation_log_marked",
            "DROP TRIGGER clients_changed",
            // Afterwards its text has other quotation marks.
            "ALTER TABLE users RENAME TO moved; ALTER TABLE moved RENAME TO users",
        ],
        #[cfg(feature = "postgres")]
        Backend::Postgres => &[
            "ALTER TABLE users DISABLE TRIGGER ALL; ALTER TABLE users ENABLE TRIGGER ALL",
            "ALTER TABLE tokens DISABLE TRIGGER tokens_removed",
            "ALTER TABLE sessions ENABLE REPLICA TRIGGER sessions_changed",
            "DROP TRIGGER users_removed ON users",
            "CREATE OR REPLACE FUNCTION log_changed_tokens() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RETURN NULL; END'",
            "ALTER FUNCTION log_changed_users() RESET search_path",
            "DROP FUNCTION log_shortened_log CASCADE",
            "ALTER TABLE clients DISABLE TRIGGER clients_removed",
        ],
    }
}
