//! Importing.

use super::*;
use crate::domain::import::{ImportData, ImportToken, ImportUser};
use crate::domain::user::LoginName;
use crate::store::{Clash, ImportError};

fn user(id: i64, name: &str, is_active: bool) -> ImportUser {
    ImportUser {
        id: UserId(id),
        username: name.to_owned(),
        email: String::new(),
        password: PasswordHash::from_stored("pbkdf2$1".to_owned()),
        is_active,
        is_staff: false,
        is_admin: false,
        created: None,
        last_login: None,
    }
}

fn token(n: u32, user: i64) -> ImportToken {
    ImportToken { digest: digest(n), user: UserId(user), created: NOW, expires: None }
}

#[test]
fn an_import_keeps_numbers_hashes_and_tokens() {
    for fixture in Fixture::all() {
        let mut c = fixture.connect();
        add_user(&mut *c, "ALICE");
        let data = ImportData {
            users: vec![user(40, "alice", true), user(50, "bob", false), user(45, "Bob", true)],
            tokens: vec![token(1, 40), token(2, 50), token(3, 40)],
        };
        let report = fixture.store.import(&data, &audit(Event::Imported)).expect("an import");
        assert_eq!((report.users, report.tokens, report.ended), (3, 3, 1));
        let pairs = [("alice", "ALICE"), ("Bob", "bob")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(report.lookalikes, pairs);
        assert_eq!((verdict(&mut *c, 1), verdict(&mut *c, 3)), (Ok(()), Ok(())));
        assert_eq!(verdict(&mut *c, 2), Err(Refusal::InactiveUser));
        fixture.set_active(UserId(50), true);
        assert_eq!(verdict(&mut *c, 2), Err(Refusal::SessionEnded));
        let bob = c.find_account(&LoginName::Username("bob".to_owned())).expect("an answer").expect("bob");
        assert_eq!((bob.user.id, bob.password.expose()), (UserId(50), "pbkdf2$1"));
        // The tokens of one user end one by one.
        let one = find(&mut *c, 1).expect("a record").session.id;
        assert_eq!(c.end_session(one, &audit(Event::Logout)), Ok(true));
        assert_eq!(verdict(&mut *c, 3), Ok(()));
        assert_eq!(add_user(&mut *c, "zoe"), UserId(51));
        assert_eq!(fixture.count("audit_events WHERE event = 'imported'"), 3);
        assert_eq!(fixture.count("revocation_log"), 2);
    }
}

#[test]
fn what_would_lock_out_others_or_itself_is_told_and_nothing_is_changed() {
    for fixture in Fixture::all() {
        let import = |users| fixture.store.import(&ImportData { users, tokens: Vec::new() }, &audit(Event::Imported));
        let long = ImportUser { email: "é".repeat(255), ..user(3, "carol", true) };
        let most = ImportUser { email: "é".repeat(254), ..user(4, &"x".repeat(254), true) };
        let greatest = user(Clash::GREATEST_ID, "dave", true);
        let users = vec![
            user(i64::MAX, "alice", true),
            user(2, &"x".repeat(1_000_000), true),
            long,
            user(Clash::GREATEST_ID + 1, "bob", true),
        ];
        let expected = vec![
            Clash::IdTooGreat(UserId(i64::MAX)),
            Clash::TooLong { user: UserId(2) },
            Clash::TooLong { user: UserId(3) },
            Clash::IdTooGreat(UserId(Clash::GREATEST_ID + 1)),
        ];
        assert_eq!(import(users), Err(ImportError::Clashes(expected)));
        assert_eq!(fixture.count("users"), 0);
        assert_eq!(import(vec![most, greatest]).expect("an import").users, 2);
        assert_eq!(add_user(&mut *fixture.connect(), "zoe"), UserId(Clash::GREATEST_ID + 1));
    }
}

#[test]
fn a_token_that_ends_with_the_year_9999_is_good_until_then() {
    for fixture in Fixture::all() {
        let end = Timestamp::parse("9999-12-31T23:59:59.999999Z");
        let tokens = vec![ImportToken { expires: Some(end.expect("a time")), ..token(1, 40) }];
        let data = ImportData { users: vec![user(40, "alice", true)], tokens };
        fixture.store.import(&data, &audit(Event::Imported)).expect("an import");
        let mut c = fixture.connect();
        assert_eq!(verdict(&mut *c, 1), Ok(()));
        assert_eq!(find(&mut *c, 1).expect("a record").expires, end);
    }
}

#[test]
fn every_clash_is_told_and_nothing_is_changed() {
    for fixture in Fixture::all() {
        let first = ImportData { users: vec![user(1, "alice", true), user(2, "bob", true)], tokens: vec![token(7, 1)] };
        fixture.store.import(&first, &audit(Event::Imported)).expect("an import");
        let data = ImportData {
            users: vec![
                user(1, "new", true),
                user(9, "bob", true),
                user(10, "twice", true),
                user(10, "other", true),
                user(11, "twice", true),
                user(12, "n\0l", true),
                user(13, "fine", true),
            ],
            tokens: vec![token(7, 13), token(8, 13), token(8, 13), token(9, 99)],
        };
        let Err(ImportError::Clashes(clashes)) = fixture.store.import(&data, &audit(Event::Imported)) else {
            panic!("clashes");
        };
        let expected = [
            Clash::Id(UserId(1)),
            Clash::Id(UserId(10)),
            Clash::Username("bob".to_owned()),
            Clash::Username("twice".to_owned()),
            Clash::Nul(UserId(12)),
            Clash::Token { number: 1, user: UserId(13) },
            Clash::Token { number: 3, user: UserId(13) },
            Clash::Orphan { number: 4, user: UserId(99) },
        ];
        assert_eq!(clashes.len(), expected.len(), "{clashes:?}");
        assert!(expected.iter().all(|clash| clashes.contains(clash)), "{clashes:?}");
        assert_eq!((fixture.count("users"), fixture.count("tokens")), (2, 1));
    }
}

/// The promise is 300,000 tokens in a minute. Unoptimised and on a busy machine a fifth of
/// them may take as long; more means that something became quadratic.
#[test]
fn a_large_import_is_a_matter_of_seconds() {
    for fixture in Fixture::all() {
        let users = (1..=1_000).map(|id| user(id, &format!("user {id}"), id % 10 != 0)).collect();
        let tokens = (0..60_000).map(|n| token(n, i64::from(n % 1_000) + 1)).collect();
        let started = std::time::Instant::now();
        let data = ImportData { users, tokens };
        let report = fixture.store.import(&data, &audit(Event::Imported)).expect("an import");
        let took = started.elapsed();
        assert_eq!((report.tokens, report.ended), (60_000, 6_000));
        assert!(took < Duration::from_secs(60), "{took:?}");
    }
}
