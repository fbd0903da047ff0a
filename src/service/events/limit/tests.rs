//! Tests of the bounds alone.

use super::*;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn after(seconds: u64) -> Timestamp {
    NOW.saturating_add(Duration::from_secs(seconds))
}

const fn user(number: i64) -> Subject {
    Subject::User(UserId(number))
}

fn network(number: u32) -> Subject {
    Subject::Network(Network::of(Some(std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into())))
}

/// Records events as the service does; returns how many became rows.
fn record(limiter: &EventLimiter, event: Event, subjects: &[Subject], (count, at): (u32, Timestamp)) -> u32 {
    let mut rows = 0;
    for _ in 0..count {
        if limiter.admits(event, subjects, at) {
            rows += 1;
        } else {
            limiter.count(event, subjects[0], "wrong_password", at);
        }
    }
    rows
}

fn total(limiter: &EventLimiter) -> u64 {
    limiter.take(NOW).iter().map(Count::total).sum()
}

#[test]
fn an_hour_has_sixty_rows_of_one_user_and_the_rest_is_one_count() {
    let limiter = EventLimiter::default();
    assert_eq!(record(&limiter, Event::Login, &[user(1)], (10_000, NOW)), 60);
    assert_eq!(record(&limiter, Event::Login, &[user(2)], (60, NOW)), 60, "another user");
    assert_eq!(record(&limiter, Event::LoginFailed, &[user(1), network(1)], (10_000, NOW)), 60, "another event");
    let mut rows: Vec<_> = limiter.take(after(1)).iter().map(|count| count.row(after(1))).collect();
    rows.sort_by_key(|row| row.audit.event.as_str());
    let seen: Vec<_> = rows.iter().map(|row| (row.audit.event, row.user, row.count)).collect();
    assert_eq!(seen, [(Event::Login, Some(UserId(1)), 9_940), (Event::LoginFailed, Some(UserId(1)), 9_940)]);
    assert_eq!(rows[1].audit.detail, Some(json!({ "since": NOW.to_string(), "reasons": { "wrong_password": 9_940 } })));
    assert_eq!((total(&limiter), record(&limiter, Event::Login, &[user(1)], (1, after(3_599)))), (0, 0));
    assert_eq!(record(&limiter, Event::Login, &[user(1)], (100, after(3_600))), 60, "the next hour");
    assert_eq!(record(&limiter, Event::Login, &[user(1)], (100, NOW)), 60, "the clock was set back");
}

#[test]
fn a_refusal_needs_a_row_of_its_account_and_of_its_network_whether_the_account_exists_or_not() {
    for account in [user(1), Subject::Name(1)] {
        let limiter = EventLimiter::default();
        assert_eq!(record(&limiter, Event::LoginFailed, &[account, network(1)], (60, NOW)), 60);
        assert_eq!(record(&limiter, Event::LoginFailed, &[account, network(2)], (1, NOW)), 0);
        assert_eq!(record(&limiter, Event::LoginFailed, &[Subject::Name(2), network(1)], (1, NOW)), 0);
        assert_eq!(record(&limiter, Event::LoginFailed, &[Subject::Name(2), network(2)], (1, NOW)), 1);
    }
}

#[test]
fn a_flood_from_many_networks_at_many_names_is_bounded_and_counted() {
    let limiter = EventLimiter::default();
    let mut rows = 0;
    for number in 0..50_000 {
        let subjects = [Subject::Network(Network::of(Some(std::net::Ipv4Addr::from_bits(number).into())))];
        rows += record(&limiter, Event::LoginFailed, &subjects, (1, NOW));
    }
    assert_eq!(rows, ROWS_OF_REFUSALS);
    let entries = |limiter: &EventLimiter| limiter.lock().sets.values().map(HashMap::len).sum::<usize>();
    assert!(entries(&limiter) <= WAYS * usize::try_from(SETS).expect("a small number"));
    let counts = limiter.take(NOW);
    assert!(counts.len() <= COUNTS_AT_ONCE + 1, "{}", counts.len());
    assert_eq!(counts.iter().map(Count::total).sum::<u64>(), u64::from(50_000 - rows));
    limiter.take(after(3_600));
    assert_eq!(entries(&limiter), 0, "nothing is kept after the hour");
    // Logins are bounded for each user only.
    let logins: u32 = (0..7_000).map(|id| record(&limiter, Event::Login, &[user(id)], (1, NOW))).sum();
    assert_eq!(logins, 7_000);
}

#[test]
fn a_public_flood_takes_no_row_of_administrators_or_of_changes_of_passwords() {
    let limiter = EventLimiter::default();
    let mut rows = 0;
    for number in 0..ROWS_OF_REFUSALS + 1 {
        rows += record(&limiter, Event::LoginFailed, &[network(number)], (1, NOW));
    }
    assert_eq!(rows, ROWS_OF_REFUSALS);
    for event in [Event::AdminLoginFailed, Event::PasswordChangeRefused] {
        assert_eq!(record(&limiter, event, &[user(1), network(1)], (1, NOW)), 1, "{event:?}");
    }
}

#[test]
fn greater_counts_of_networks_do_not_hide_that_of_a_user() {
    let limiter = EventLimiter::default();
    limiter.count(Event::LoginFailed, user(1), "wrong_password", NOW);
    let many = u32::try_from(COUNTS_AT_ONCE).expect("a small number") + 50;
    for number in 0..many {
        for _ in 0..2 {
            limiter.count(Event::LoginFailed, network(number), "unknown_user", NOW);
        }
    }
    let counts = limiter.take(NOW);
    let of_user: Vec<_> = counts.iter().filter(|count| count.subject == Some(user(1))).map(Count::total).collect();
    assert_eq!((of_user, counts.len()), (vec![1], COUNTS_AT_ONCE + 1));
    assert_eq!(counts.iter().map(Count::total).sum::<u64>(), u64::from(many) * 2 + 1);
    // Nor do more networks than there is room for.
    limiter.count(Event::LoginFailed, user(1), "wrong_password", NOW);
    for number in 0..100_000 {
        record(&limiter, Event::LoginFailed, &[network(number)], (1, NOW));
    }
    assert!(limiter.take(NOW).iter().any(|count| count.subject == Some(user(1))));
}

#[test]
fn a_count_that_could_not_be_written_is_written_later() {
    let limiter = EventLimiter::default();
    record(&limiter, Event::LoginFailed, &[user(1), network(1)], (100, NOW));
    let taken = limiter.take(after(1));
    limiter.count(Event::LoginFailed, user(1), "inactive_user", after(2));
    taken.into_iter().for_each(|count| limiter.put_back(count, after(3)));
    let [count] = &limiter.take(after(3))[..] else { panic!("one count") };
    assert_eq!((count.total(), count.since), (41, NOW));
}
