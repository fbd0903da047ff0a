//! The settings of dialects and of JWTs, and which of them cannot be together.

use super::{Input, Settings, parse, show_duration, table};
use crate::dialect::{Dialect, PerDialect};
use crate::policy::{DialectPolicy, RefreshPolicy, TokenForm};

impl Settings {
    pub(super) fn read_dialects(&mut self, input: &mut Input) {
        input.set(&table::JWT_ALGORITHM, &mut self.jwt.algorithm, parse::algorithm);
        input.set(&table::JWT_SECRET, &mut self.jwt.secret, |text| parse::jwt_secret(text).map(Some));
        let mut enabled = Dialect::ALL.to_vec();
        input.set(&table::DIALECTS, &mut enabled, parse::dialects);
        for dialect in Dialect::ALL {
            let mount = self.http.dialects.get_mut(dialect);
            mount.enabled = enabled.contains(&dialect);
            let rows = table::dialects::COMMON.get(dialect);
            input.set(&rows.prefix, &mut mount.prefix, parse::path_prefix);
            input.set(&rows.keywords, &mut mount.keywords, parse::keywords);
            read_policy(dialect, self.tokens.dialects.get_mut(dialect), input);
        }
        judge(&self.tokens.dialects, input);
    }
}

fn read_policy(dialect: Dialect, policy: &mut DialectPolicy, input: &mut Input) {
    let rows = table::dialects::COMMON.get(dialect);
    input.set(&rows.form, &mut policy.form, parse::token_form);
    input.set(&rows.ttl, &mut policy.access_ttl, parse::time_to_live);
    if let Some(rows) = table::dialects::refresh(dialect) {
        input.set(&rows.rotate, &mut policy.rotate, parse::boolean);
        match &mut policy.refresh {
            RefreshPolicy::None => {}
            RefreshPolicy::Access { window } => input.set(&rows.window, window, parse::lifetime),
            RefreshPolicy::Pair { window, .. } => input.set(&rows.window, window, parse::time_to_live),
        }
    }
    if let (Some(row), RefreshPolicy::Pair { ttl, .. }) = (table::dialects::refresh_ttl(dialect), &mut policy.refresh) {
        input.set(row, ttl, parse::lifetime);
    }
}

/// Complains of what cannot be together.
fn judge(policies: &PerDialect<DialectPolicy>, input: &mut Input) {
    for dialect in Dialect::ALL {
        let policy = policies.get(dialect);
        let rows = table::dialects::COMMON.get(dialect);
        if policy.form == TokenForm::Jwt && policy.access_ttl.is_none() {
            let problem = format!(
                "is none, but a JWT needs an end, since who verifies it offline cannot learn that it was revoked: write a \
                 duration, or opaque into {}",
                rows.form.name
            );
            input.complain(rows.ttl.name, problem);
        } else if let (RefreshPolicy::Pair { ttl, .. }, Some(row)) =
            (policy.refresh, table::dialects::refresh_ttl(dialect))
            && policy.access_ttl.is_none_or(|access| access > ttl)
        {
            let access = policy.access_ttl.map_or_else(|| "none".to_owned(), show_duration);
            let problem = format!(
                "is {}, less than the access token's {access}: write more, or less into {}",
                show_duration(ttl),
                rows.ttl.name
            );
            input.complain(row.name, problem);
        }
    }
}
