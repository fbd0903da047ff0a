//! The settings of login throttling.

use super::*;

#[test]
fn the_throttle_is_set_and_switched_off() {
    let settings = read(&[
        ("KNOXIDE_THROTTLE", "false"),
        ("KNOXIDE_THROTTLE_PAIR_BURST", "3"),
        ("KNOXIDE_THROTTLE_PAIR_INTERVAL", "2m"),
        ("KNOXIDE_THROTTLE_ACCOUNT_BURST", "4"),
        ("KNOXIDE_THROTTLE_ACCOUNT_INTERVAL", "30s"),
        ("KNOXIDE_THROTTLE_ADDRESS_BURST", "500"),
        ("KNOXIDE_THROTTLE_ADDRESS_INTERVAL", "500ms"),
        ("KNOXIDE_THROTTLE_KNOWN_FOR", "90d"),
        ("KNOXIDE_THROTTLE_EXEMPT", "10.1.2.3, fd00::/8, unix"),
    ]);
    let throttle = settings.expect("settings").throttle;
    assert!(!throttle.enabled);
    let numbers = [throttle.pair, throttle.account, throttle.address].map(|bucket| (bucket.burst, bucket.interval));
    assert_eq!(numbers, [(3, secs(120)), (4, secs(30)), (500, Duration::from_millis(500))]);
    assert_eq!(throttle.known_for, secs(90 * 86_400));
    for (address, exempt) in [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("fd00::1", true), ("10.1.2.4", false)] {
        assert_eq!(throttle.exempt.contains(address.parse().ok()), exempt, "{address}");
    }
    assert!(throttle.exempt.contains(None));
}

#[test]
fn mistakes_name_their_cure() {
    for (name, value, remedy) in [
        ("KNOXIDE_THROTTLE", "perhaps", "write true or false"),
        ("KNOXIDE_THROTTLE_PAIR_BURST", "0", "write a whole number from 1 to 1000000"),
        ("KNOXIDE_THROTTLE_ADDRESS_INTERVAL", "0s", "write a duration from 100ms to 1d"),
        ("KNOXIDE_THROTTLE_KNOWN_FOR", "1m", "write a duration from 1h to 3650d"),
        ("KNOXIDE_THROTTLE_EXEMPT", "everybody", "which is not a network"),
    ] {
        let told = mistake(&[(name, value)]);
        assert!(told.contains(name) && told.contains(remedy), "{told}");
    }
}
