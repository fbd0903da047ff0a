//! The settings of login throttling.

use super::{Setting, plain};

/// Whether there is any.
pub static THROTTLE: Setting = plain(
    "KNOXIDE_THROTTLE",
    "true",
    "true or false",
    "Whether wrong passwords are counted and logins refused with 429 when there were too many (docs/throttling.md). \
     With `false`, guessing is limited by the time that a hash takes and by nothing else.",
);

/// One account, one address.
pub static PAIR: [Setting; 2] = [
    plain(
        "KNOXIDE_THROTTLE_PAIR_BURST",
        "10",
        "number, 1 to 1000000",
        "How many wrong passwords for one account are taken at once from one address (IPv6: one /64 network).",
    ),
    plain(
        "KNOXIDE_THROTTLE_PAIR_INTERVAL",
        "1m",
        "duration, 100ms to 1d",
        "After that, one more is taken from there each time this has passed.",
    ),
];

/// One account, all addresses that it does not know.
pub static ACCOUNT: [Setting; 2] = [
    plain(
        "KNOXIDE_THROTTLE_ACCOUNT_BURST",
        "20",
        "number, 1 to 1000000",
        "How many wrong passwords for one account are taken at once from all those addresses together from which it \
         has not logged in lately.",
    ),
    plain(
        "KNOXIDE_THROTTLE_ACCOUNT_INTERVAL",
        "1m",
        "duration, 100ms to 1d",
        "After that, one more is taken from all of them together each time this has passed.",
    ),
];

/// One address, all accounts.
pub static ADDRESS: [Setting; 2] = [
    plain(
        "KNOXIDE_THROTTLE_ADDRESS_BURST",
        "60",
        "number, 1 to 1000000",
        "How many wrong passwords for all accounts together are taken at once from one address.",
    ),
    plain(
        "KNOXIDE_THROTTLE_ADDRESS_INTERVAL",
        "10s",
        "duration, 100ms to 1d",
        "After that, one more is taken from there each time this has passed.",
    ),
];

/// For how long an address stays known.
pub static KNOWN_FOR: Setting = plain(
    "KNOXIDE_THROTTLE_KNOWN_FOR",
    "30d",
    "duration, 1h to 3650d",
    "For how long after a login its address is known to the account, so that what others guess from elsewhere does \
     not count there.",
);

/// Who is not counted by address.
pub static EXEMPT: Setting = plain(
    "KNOXIDE_THROTTLE_EXEMPT",
    "",
    "comma list of networks such as 10.0.0.0/8, addresses, and `unix`",
    "Networks whose wrong passwords for all accounts together are not counted, such as that of a backend that posts \
     its users' logins. Each account is counted there as everywhere; `unix` stands for whoever connects through a \
     Unix socket.",
);
