//! The settings of login throttling.

use std::time::Duration;

use super::table::throttle as table;
use super::{Input, parse};
use crate::policy::{Allowance, ExemptNetworks, ThrottlePolicy};

/// Reads them.
pub(super) fn read(throttle: &mut ThrottlePolicy, input: &mut Input) {
    input.set(&table::THROTTLE, &mut throttle.enabled, parse::boolean);
    let buckets: [(&mut Allowance, _); 3] = [
        (&mut throttle.pair, &table::PAIR),
        (&mut throttle.account, &table::ACCOUNT),
        (&mut throttle.address, &table::ADDRESS),
    ];
    let (least, most) = (Duration::from_millis(100), Duration::from_secs(86_400));
    for (allowance, [burst, interval]) in buckets {
        input.set(burst, &mut allowance.burst, |text| parse::number(text, 1..=1_000_000));
        input.set(interval, &mut allowance.interval, |text| parse::duration_in(text, least..=most));
    }
    let (hour, years) = (Duration::from_secs(3600), Duration::from_secs(10 * 365 * 86_400));
    input.set(&table::KNOWN_FOR, &mut throttle.known_for, |text| parse::duration_in(text, hour..=years));
    input.set(&table::EXEMPT, &mut throttle.exempt, |text| {
        let exempt = parse::trusted_proxies(text)?;
        Ok(ExemptNetworks { networks: exempt.networks, unix: exempt.unix })
    });
}
