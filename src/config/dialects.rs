//! Combinations of settings of one dialect that are not allowed.

use super::table::name_of;
use super::{Input, show_duration};
use crate::domain::dialect::{Dialect, PerDialect};
use crate::domain::policy::{DialectPolicy, RefreshPolicy, TokenForm};

/// Reports the combinations that are not allowed.
pub(super) fn check(policies: &PerDialect<DialectPolicy>, input: &mut Input) {
    for dialect in Dialect::ALL {
        let policy = policies.get(dialect);
        let name = |setting| name_of(dialect, setting);
        if policy.form == TokenForm::Jwt && policy.access_ttl.is_none() {
            let problem = format!(
                "is none, but a JWT needs an end, since a service that verifies it offline cannot learn that it was \
                 revoked: write a duration, or opaque into {}",
                name("FORM")
            );
            input.complain(name("TTL"), problem);
        } else if let RefreshPolicy::Pair { ttl, .. } = policy.refresh
            && policy.access_ttl.is_none_or(|access| access > ttl)
        {
            let access = policy.access_ttl.map_or_else(|| "none".to_owned(), show_duration);
            let problem = format!(
                "is {}, less than the access token's {access}: write more, or less into {}",
                show_duration(ttl),
                name("TTL")
            );
            input.complain(name("REFRESH_TTL"), problem);
        }
    }
}
