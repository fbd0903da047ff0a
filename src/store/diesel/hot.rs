//! The statements that every check, login and logout runs.
//!
//! diesel prepares a statement only once if its type guarantees that its text never
//! changes; most of its own builders cannot guarantee that. These can: each is one type with one
//! text, the same on both databases.

/// Defines a statement: its values with their SQL types, the types of its result's columns if
/// it has any, and its text, in which a value is inserted at its name, a constant text in
/// parentheses, and a constant number in braces.
macro_rules! statement {
    (
        $(#[$meta:meta])*
        $name:ident { $($field:ident: $rust:ty as $sql:ty),* $(,)? } $(-> $row:ty)?,
        [$($piece:tt),* $(,)?]
    ) => {
        $(#[$meta])*
        pub(super) struct $name { $(pub(super) $field: $rust),* }

        impl $name {
            $(
                fn $field<'b, DB>(&'b self, out: &mut diesel::query_builder::AstPass<'_, 'b, DB>) -> diesel::QueryResult<()>
                where
                    DB: diesel::backend::Backend + diesel::sql_types::HasSqlType<$sql>,
                    $rust: diesel::serialize::ToSql<$sql, DB>,
                {
                    out.push_bind_param::<$sql, _>(&self.$field)
                }
            )*
        }

        impl<DB> diesel::query_builder::QueryFragment<DB> for $name
        where
            DB: diesel::backend::Backend,
            $(DB: diesel::sql_types::HasSqlType<$sql>, $rust: diesel::serialize::ToSql<$sql, DB>,)*
        {
            fn walk_ast<'b>(&'b self, mut out: diesel::query_builder::AstPass<'_, 'b, DB>) -> diesel::QueryResult<()> {
                $($crate::store::diesel::hot::statement!(@piece self, out, $piece);)*
                Ok(())
            }
        }

        impl diesel::query_builder::QueryId for $name {
            type QueryId = Self;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl<C> diesel::RunQueryDsl<C> for $name {}

        $(
            impl diesel::query_builder::Query for $name {
                type SqlType = $row;
            }
        )?
    };
    (@piece $this:ident, $out:ident, $text:literal) => { $out.push_sql($text) };
    (@piece $this:ident, $out:ident, ($text:expr)) => { $out.push_sql($text) };
    (@piece $this:ident, $out:ident, { $number:expr }) => { $out.push_sql(&$number.to_string()) };
    (@piece $this:ident, $out:ident, $field:ident) => { $this.$field(&mut $out)? };
}
pub(super) use statement;

#[cfg(feature = "postgres")]
use diesel::sql_types::Array;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, Text};

/// The expiry of a token without one.
pub(super) const NEVER: i64 = i64::MAX;

/// When the last unconsumed token of a row of `sessions` expires: [`NEVER`] if one never does,
/// NULL if there is no token. One index look-up for each of the two, however many tokens there
/// are. No `EXISTS`, which Postgres may answer by reading all tokens of all sessions.
pub(super) const LAST_END: &str = "coalesce(\
    (SELECT 9223372036854775807 FROM tokens t WHERE t.session_id = sessions.id AND t.consumed IS NULL \
    AND t.expires IS NULL LIMIT 1), \
    (SELECT t.expires FROM tokens t WHERE t.session_id = sessions.id AND t.consumed IS NULL \
    AND t.expires IS NOT NULL ORDER BY t.consumed DESC, t.expires DESC LIMIT 1))";

/// What every user's epoch is raised by: sessions carry the sum.
pub(super) const CUTOFF_EPOCH: &str = "(SELECT epoch FROM session_cutoff WHERE id = 1)";

/// Sessions that were opened before this moment are over.
pub(super) const ISSUED_BEFORE: &str = "(SELECT issued_before FROM session_cutoff WHERE id = 1)";

/// The columns of a user, as [`super::rows::UserRow`] reads them.
pub(super) type UserColumns = (BigInt, Text, Text, Bool, Bool, Bool, BigInt);

/// The columns of the record of a digest, as [`super::rows::TokenRow`] reads them. A session that
/// ended because its user was locked out seems not to have ended while the user is inactive, so that
/// holders of its tokens learn the reason; all other ended sessions are over before that is checked. A session from
/// before the cutoff has ended; when, does not matter here.
pub(super) type TokenColumns = (Binary, Text, BigInt, Nullable<BigInt>, Nullable<BigInt>, SessionColumns, UserColumns);

type SessionColumns = (Binary, Text, BigInt, BigInt, BigInt, Nullable<BigInt>);

/// These columns, and where they are from; what the digest has to be follows.
pub(super) const RECORD: &str = "\
    t.digest, t.kind, t.created, t.expires, t.consumed, s.id, s.kind, s.created, s.last_seen, s.auth_epoch, \
    CASE WHEN s.created < (SELECT issued_before FROM session_cutoff WHERE id = 1) THEN s.created \
    WHEN u.is_active OR s.ended_reason IS NULL OR s.ended_reason NOT IN ('deactivated', 'imported') \
    THEN s.ended_at END, u.id, u.username, u.email, u.is_active, u.is_staff, u.is_admin, \
    u.auth_epoch + (SELECT epoch FROM session_cutoff WHERE id = 1) \
    FROM tokens t JOIN sessions s ON s.id = t.session_id JOIN users u ON u.id = s.user_id WHERE t.digest";

/// As many columns without values, of the same types.
#[cfg(feature = "postgres")]
pub(super) const NO_RECORD: &str = "\
    NULL::bytea, NULL::text, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bytea, NULL::text, NULL::bigint, \
    NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, NULL::text, NULL::text, NULL::boolean, NULL::boolean, \
    NULL::boolean, NULL::bigint";

/// The columns of an account, as [`super::rows::AccountRow`] reads them.
pub(super) type AccountColumns = (UserColumns, Text);

/// These columns, and where they are from; a condition follows.
const ACCOUNT: &str = "\
    SELECT id, username, email, is_active, is_staff, is_admin, \
    auth_epoch + (SELECT epoch FROM session_cutoff WHERE id = 1), password_hash FROM users WHERE ";

#[cfg(feature = "sqlite")]
statement! {
    /// The record of one digest: a look-up by primary keys.
    FindToken { digest: [u8; 64] as Binary } -> TokenColumns,
    [
        "SELECT ", (RECORD), " = ", digest,
    ]
}

#[cfg(feature = "postgres")]
statement! {
    /// The records of many digests, in one round trip and one snapshot.
    FindTokens { digests: Vec<[u8; 64]> as Array<Binary> } -> TokenColumns,
    [
        "SELECT ", (RECORD), " = ANY(", digests, ")",
    ]
}

statement! {
    /// The account of this name.
    FindByName { username: String as Text } -> AccountColumns,
    [(ACCOUNT), "username = ", username]
}

statement! {
    /// Up to two accounts whose addresses have this key and begin with this local part, exact ones first.
    FindByEmail {
        key: String as Text, length: i32 as Integer, local: String as Text, email: String as Text,
    } -> AccountColumns,
    [
        (ACCOUNT), "lower(email) = ", key, " AND substr(email, 1, ", length, ") = ", local, " ORDER BY email <> ", email, " LIMIT 2",
    ]
}

statement! {
    /// The account of this number.
    FindById { id: i64 as BigInt } -> AccountColumns,
    [(ACCOUNT), "id = ", id]
}

statement! {
    /// A login's first statement. A returned row is the permission, and locks the user until the
    /// commit: limits are counted correctly, and no login outlives a change that it did not see.
    AdmitLogin { at: i64 as BigInt, user: i64 as BigInt, epoch: i64 as BigInt },
    ["UPDATE users SET last_login = ", at, " WHERE id = ", user, " AND auth_epoch + ", (CUTOFF_EPOCH), " = ",
     epoch, " AND is_active"]
}

statement! {
    /// The same for a session for administration.
    AdmitAdministrator { at: i64 as BigInt, user: i64 as BigInt, epoch: i64 as BigInt },
    ["UPDATE users SET last_login = ", at, " WHERE id = ", user, " AND auth_epoch + ", (CUTOFF_EPOCH), " = ",
     epoch, " AND is_active AND is_admin"]
}

statement! {
    /// The sessions that count against a limit, oldest first.
    LiveSessions {
        user: i64 as BigInt, epoch: i64 as BigInt, seen_from: i64 as BigInt, now: i64 as BigInt,
    } -> Binary,
    [
        "SELECT id FROM sessions WHERE user_id = ", user, " AND auth_epoch = ", epoch,
        " AND ended_at IS NULL AND created >= ", (ISSUED_BEFORE), " AND kind NOT IN \
         ('admin', 'admin_script', 'admin_page', 'account_page') \
         AND last_seen >= ", seen_from, " AND ", (LAST_END), " > ", now,
        " ORDER BY created, id",
    ]
}

statement! {
    /// A new session.
    InsertSession {
        id: [u8; 16] as Binary,
        user: i64 as BigInt,
        kind: String as Text,
        name: Option<String> as Nullable<Text>,
        at: i64 as BigInt,
        epoch: i64 as BigInt,
        address: Option<String> as Nullable<Text>,
        user_agent: Option<String> as Nullable<Text>,
        request_id: Option<String> as Nullable<Text>,
        reason: String as Text,
        actor: String as Text,
    },
    [
        "INSERT INTO sessions (id, user_id, kind, name, created, last_seen, auth_epoch, address, user_agent, \
         request_id, opened_reason, opened_by) VALUES (",
        id, ", ", user, ", ", kind, ", ", name, ", ", at, ", ", at, ", ", epoch, ", ", address, ", ", user_agent,
        ", ", request_id, ", ", reason, ", ", actor, ")",
    ]
}

statement! {
    /// A new token.
    InsertToken {
        digest: [u8; 64] as Binary,
        session: [u8; 16] as Binary,
        kind: String as Text,
        created: i64 as BigInt,
        expires: Option<i64> as Nullable<BigInt>,
        key: Option<i64> as Nullable<BigInt>,
    },
    [
        "INSERT INTO tokens (digest, session_id, kind, created, expires, key_id) VALUES (",
        digest, ", ", session, ", ", kind, ", ", created, ", ", expires, ", ", key, ")",
    ]
}

statement! {
    /// The session of a token that may be refreshed. The added tokens are judged by the
    /// session's and the user's rows, so no lock is needed.
    Refreshable { digest: [u8; 64] as Binary, at: i64 as BigInt } -> Binary,
    [
        "SELECT t.session_id FROM tokens t JOIN sessions s ON s.id = t.session_id \
         JOIN users u ON u.id = s.user_id WHERE t.digest = ", digest, " AND (t.expires IS NULL OR t.expires > ", at,
        ") AND u.is_active AND s.ended_at IS NULL AND s.auth_epoch = u.auth_epoch + ", (CUTOFF_EPOCH), " AND s.created >= ",
        (ISSUED_BEFORE),
    ]
}

statement! {
    /// Consumes an unconsumed token: a changed row is the permission to add its successor.
    Consume { at: i64 as BigInt, successor: [u8; 64] as Binary, digest: [u8; 64] as Binary } -> Binary,
    [
        "UPDATE tokens SET consumed = ", at, ", successor = ", successor, " WHERE digest = ", digest,
        " AND consumed IS NULL AND (expires IS NULL OR expires > ", at, ") AND EXISTS (\
         SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = tokens.session_id \
         AND u.is_active AND s.ended_at IS NULL AND s.auth_epoch = u.auth_epoch + ", (CUTOFF_EPOCH), " AND s.created >= ",
        (ISSUED_BEFORE), ") RETURNING session_id",
    ]
}

statement! {
    /// A session's unconsumed access tokens, those that expire first before the others.
    FindAccess { session: [u8; 16] as Binary, limit: i64 as BigInt } -> (Binary, BigInt, Nullable<BigInt>),
    [
        "SELECT digest, created, expires FROM tokens WHERE session_id = ", session,
        " AND consumed IS NULL AND kind = 'access' ORDER BY consumed, expires LIMIT ", limit,
    ]
}

/// How many successors are looked at: more have not been issued within a grace time.
const RECENT_SUCCESSORS: usize = 1_000;

statement! {
    /// The access tokens that replaced others of their session from a moment on.
    FindRecentSuccessors { session: [u8; 16] as Binary, from: i64 as BigInt } -> Nullable<Binary>,
    [
        "SELECT successor FROM tokens WHERE session_id = ", session, " AND consumed >= ", from,
        " AND kind = 'access' ORDER BY consumed DESC LIMIT ", {RECENT_SUCCESSORS},
    ]
}

statement! {
    /// The token that replaced another one, while their session lives.
    FindSuccessor { digest: [u8; 64] as Binary } -> (Binary, BigInt, Nullable<BigInt>, Nullable<BigInt>),
    [
        "SELECT n.digest, n.created, n.expires, n.key_id FROM tokens o JOIN tokens n ON n.digest = o.successor \
         JOIN sessions s ON s.id = n.session_id JOIN users u ON u.id = s.user_id WHERE o.digest = ", digest,
        " AND u.is_active AND s.ended_at IS NULL AND s.auth_epoch = u.auth_epoch + ", (CUTOFF_EPOCH), " AND s.created >= ",
        (ISSUED_BEFORE),
    ]
}

statement! {
    /// Ends a session that is neither ended nor of an old epoch. If a password change that
    /// keeps this very session commits at the same time, Postgres shows the new session but the
    /// old user, so the session's epoch may seem to be greater: it lives.
    /// If it has more than `room` tokens, the sweeper empties it.
    EndSession {
        at: i64 as BigInt, reason: String as Text, actor: String as Text, room: i64 as BigInt,
        id: [u8; 16] as Binary,
    } -> BigInt,
    [
        "UPDATE sessions SET ended_at = ", at, ", ended_reason = ", reason, ", ended_by = ", actor,
        ", emptied = NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.session_id = sessions.id LIMIT 1 OFFSET ", room,
        ") WHERE id = ", id,
        " AND ended_at IS NULL AND created >= ", (ISSUED_BEFORE), " AND auth_epoch >= (SELECT u.auth_epoch FROM users u \
         WHERE u.id = sessions.user_id) + ", (CUTOFF_EPOCH), " RETURNING user_id",
    ]
}

statement! {
    /// As [`EndSession`], if the session was not used since.
    EndIdleSession {
        at: i64 as BigInt, reason: String as Text, actor: String as Text, room: i64 as BigInt,
        id: [u8; 16] as Binary, last_seen: i64 as BigInt,
    } -> BigInt,
    [
        "UPDATE sessions SET ended_at = ", at, ", ended_reason = ", reason, ", ended_by = ", actor,
        ", emptied = NOT EXISTS (SELECT 1 FROM tokens WHERE tokens.session_id = sessions.id LIMIT 1 OFFSET ", room,
        ") WHERE id = ", id,
        " AND ended_at IS NULL AND created >= ", (ISSUED_BEFORE), " AND auth_epoch >= (SELECT u.auth_epoch FROM users u \
         WHERE u.id = sessions.user_id) + ", (CUTOFF_EPOCH), " AND last_seen = ", last_seen, " RETURNING user_id",
    ]
}

statement! {
    /// Records an audit event.
    InsertAudit {
        at: i64 as BigInt,
        event: String as Text,
        actor: String as Text,
        user: Option<i64> as Nullable<BigInt>,
        session: Option<[u8; 16]> as Nullable<Binary>,
        epoch: Option<i64> as Nullable<BigInt>,
        issued_before: Option<i64> as Nullable<BigInt>,
        address: Option<String> as Nullable<Text>,
        user_agent: Option<String> as Nullable<Text>,
        request_id: Option<String> as Nullable<Text>,
        detail: Option<String> as Nullable<Text>,
        count: i64 as BigInt,
    },
    [
        "INSERT INTO audit_events (at, event, actor, user_id, session_id, auth_epoch, issued_before, address, user_agent, \
         request_id, detail, count) VALUES (",
        at, ", ", event, ", ", actor, ", ", user, ", ", session, ", ", epoch, ", ", issued_before, ", ", address,
        ", ", user_agent, ", ", request_id, ", ", detail, ", ", count, ")",
    ]
}

#[cfg(feature = "sqlite")]
statement! {
    /// Records when one session was last used.
    TouchSession { at: i64 as BigInt, id: [u8; 16] as Binary },
    ["UPDATE sessions SET last_seen = ", at, " WHERE id = ", id, " AND ended_at IS NULL AND last_seen < ", at]
}

#[cfg(feature = "postgres")]
statement! {
    /// Records when sessions were last used. The rows are locked in the order of their ids, so
    /// that two nodes cannot deadlock.
    TouchSessions { ids: Vec<[u8; 16]> as Array<Binary>, times: Vec<i64> as Array<BigInt> },
    [
        "UPDATE sessions SET last_seen = seen.at FROM (\
         SELECT s.id, v.at FROM unnest(", ids, ", ", times, ") AS v(id, at) JOIN sessions s ON s.id = v.id \
         WHERE s.ended_at IS NULL AND s.last_seen < v.at ORDER BY s.id FOR NO KEY UPDATE OF s) AS seen \
         WHERE sessions.id = seen.id AND sessions.last_seen < seen.at",
    ]
}
