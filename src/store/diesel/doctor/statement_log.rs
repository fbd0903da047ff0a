//! Whether Postgres writes values of our statements to its log. They include password hashes and signing
//! keys, but never tokens or passwords.

use diesel::sql_types::{Bool, Text};
use diesel::{PgConnection, QueryResult, RunQueryDsl};

use super::super::hot::statement;

statement! {
    /// The settings that apply to this role: whether statements are logged in general, for their
    /// duration, or as a sample; whether values are added to them; the same for errors and for
    /// `auto_explain`, which has a setting for values since Postgres 16 and writes some into verbose
    /// plans; and the role's name, quoted for a statement.
    LogSettings {} -> (Text, Bool, Bool, Bool, Bool, Text),
    [
        "SELECT CASE \
             WHEN current_setting('log_statement') IN ('mod', 'all') THEN 'log_statement' \
             WHEN current_setting('log_min_duration_statement') <> '-1' THEN 'log_min_duration_statement' \
             WHEN current_setting('log_min_duration_sample') <> '-1' THEN 'log_min_duration_sample' \
             WHEN current_setting('log_transaction_sample_rate') <> '0' THEN 'log_transaction_sample_rate' \
             ELSE '' END, \
         current_setting('log_parameter_max_length') <> '0', \
         current_setting('log_parameter_max_length_on_error') <> '0', \
         COALESCE(current_setting('auto_explain.log_min_duration', true), '-1') NOT IN ('-1', ''), \
         COALESCE(current_setting('auto_explain.log_parameter_max_length', true), '0') <> '0' \
             OR COALESCE(current_setting('auto_explain.log_verbose', true), 'off') = 'on', \
         quote_ident(current_user)",
    ]
}

/// Which log entries show values, and the SQL that prevents it; `None` if none does.
pub(super) fn exposure(connection: &mut PgConnection) -> QueryResult<Option<(String, String)>> {
    let (statements, values, error_values, explains, explained_values, role): (String, bool, bool, bool, bool, String) =
        LogSettings {}.get_result(connection)?;
    let mut shown = Vec::new();
    let mut repairs = Vec::new();
    if !statements.is_empty() && values {
        shown.push(statements);
        repairs.push(format!("ALTER ROLE {role} SET log_parameter_max_length = 0"));
    }
    if error_values {
        shown.push("log_parameter_max_length_on_error".to_owned());
        repairs.push(format!("ALTER ROLE {role} SET log_parameter_max_length_on_error = 0"));
    }
    if explains && explained_values {
        shown.push("auto_explain".to_owned());
        repairs.push(format!("ALTER ROLE {role} SET auto_explain.log_min_duration = -1"));
    }
    let shown = shown.join(", ");
    Ok((!shown.is_empty()).then(|| (shown, repairs.join("; "))))
}
