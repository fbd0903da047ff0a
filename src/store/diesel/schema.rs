//! The tables for diesel's query builder: the columns that it is used for.

diesel::table! {
    /// Users.
    users (id) {
        id -> BigInt,
        username -> Text,
        lookalike_key -> Text,
        email -> Text,
        password_hash -> Text,
        is_active -> Bool,
        is_staff -> Bool,
        is_admin -> Bool,
        auth_epoch -> BigInt,
        last_login -> Nullable<BigInt>,
        created -> BigInt,
    }
}

diesel::table! {
    /// Sessions.
    sessions (id) {
        id -> Binary,
        user_id -> BigInt,
        kind -> Text,
        name -> Nullable<Text>,
        created -> BigInt,
        last_seen -> BigInt,
        auth_epoch -> BigInt,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        request_id -> Nullable<Text>,
        opened_reason -> Text,
        opened_by -> Text,
        ended_at -> Nullable<BigInt>,
        ended_reason -> Nullable<Text>,
        ended_by -> Nullable<Text>,
        proven_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// Tokens.
    tokens (digest) {
        digest -> Binary,
        session_id -> Binary,
        kind -> Text,
        created -> BigInt,
        expires -> Nullable<BigInt>,
        consumed -> Nullable<BigInt>,
        key_id -> Nullable<BigInt>,
        successor -> Nullable<Binary>,
    }
}

diesel::table! {
    /// The row that ends the sessions of all users.
    session_cutoff (id) {
        id -> BigInt,
        epoch -> BigInt,
        issued_before -> BigInt,
    }
}

diesel::table! {
    /// Registered clients.
    clients (id) {
        id -> Binary,
        name -> Text,
        secret -> Binary,
        old_secret -> Nullable<Binary>,
        old_secret_until -> Nullable<BigInt>,
        rights -> Text,
        request_limit -> Nullable<BigInt>,
        created -> BigInt,
        rotated -> Nullable<BigInt>,
        last_used -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// Signing keys.
    signing_keys (id) {
        id -> BigInt,
        purpose -> Text,
        algorithm -> Text,
        secret -> Nullable<Binary>,
        fingerprint -> Binary,
        created -> BigInt,
        retired -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// When the last sweep was.
    sweep_clock (id) {
        id -> BigInt,
        swept_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    /// Audit events.
    audit_events (id) {
        id -> BigInt,
        at -> BigInt,
        event -> Text,
        actor -> Text,
        user_id -> Nullable<BigInt>,
        session_id -> Nullable<Binary>,
        auth_epoch -> Nullable<BigInt>,
        issued_before -> Nullable<BigInt>,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        request_id -> Nullable<Text>,
        detail -> Nullable<Text>,
        count -> BigInt,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, sessions, tokens, session_cutoff, audit_events);
