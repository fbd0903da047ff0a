//! Mass ends: exactly the sessions that were shown end, and no check accepts their tokens afterwards.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use diesel::RunQueryDsl as _;
use diesel::dsl::sql;
use diesel::sql_types::BigInt;
use ipnet::IpNet;
use knoxide::domain::audit::{Event, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::session::SessionId;
use knoxide::domain::time::{Clock as _, Timestamp};
use knoxide::domain::token::{TokenDigest, TokenKind};
use knoxide::domain::user::{Epoch, UserId};
use knoxide::service::admin::AdminError;
use knoxide::store::{NewSession, NewToken, Opening, SessionMatch};

use crate::harness::app::{App, login_request, on_each_database, token_of};

#[cfg(feature = "postgres")]
mod plans;

fn device(part: &str) -> SessionMatch {
    SessionMatch { device: Some(part.to_owned()), ..SessionMatch::default() }
}

fn of_network(network: &str) -> SessionMatch {
    SessionMatch { address: Some(network.parse::<IpNet>().expect("a network")), ..SessionMatch::default() }
}

/// Opens a session at this time, as a node whose clock shows it would.
fn open(app: &App, user: UserId, number: u8, at: Timestamp) -> SessionId {
    let mut unique = [0; 10];
    unique[9] = number;
    open_as(app, user, SessionId::new(at, &unique), (number, at))
}

fn open_as(app: &App, user: UserId, id: SessionId, (number, at): (u8, Timestamp)) -> SessionId {
    let origin = Origin { address: Some([192, 0, 2, number].into()), ..Origin::default() };
    let digest = TokenDigest::from_bytes([number; 64]);
    let new = NewSession {
        id,
        user,
        epoch: Epoch(0),
        kind: Dialect::Knox.into(),
        name: None,
        tokens: vec![NewToken { digest, kind: TokenKind::Access, expires: None, key: None }],
        limit: None,
        network: None,
        with_event: true,
        audit: knoxide::domain::audit::AuditContext { origin, at, ..app.audit(Event::Login) },
    };
    assert_eq!(app.connection().open_session(&new), Ok(Opening::Opened));
    new.id
}

/// The number of rows.
fn count(app: &App, rows: &str) -> i64 {
    use diesel::Connection as _;

    let (url, query) = (app.database.url.as_str(), sql::<BigInt>(&format!("(SELECT count(*) FROM {rows})")));
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut shell = diesel::SqliteConnection::establish(path).expect("a connection");
            diesel::select(query).get_result(&mut shell).expect("a number")
        }
        #[cfg(feature = "postgres")]
        None => {
            let mut shell = diesel::PgConnection::establish(url).expect("a connection");
            diesel::select(query).get_result(&mut shell).expect("a number")
        }
        #[cfg(not(feature = "postgres"))]
        None => panic!("no SQLite file"),
    }
}

/// How many mass ends were started, and how many were completed.
fn events(app: &App) -> (i64, i64) {
    let of = |event: &str| count(app, &format!("audit_events WHERE event = '{event}' AND actor = 'cli'"));
    (of("mass_end_started"), of("mass_end_done"))
}

on_each_database! {
    fn no_check_accepts_what_a_mass_end_has_ended(backend) {
        let app = App::start(backend);
        let admin = app.admin();
        let mut client = app.client();
        let tokens: Vec<Vec<String>> = ["alice", "bob"]
            .map(|name| {
                app.add_user(name, "correct horse");
                ["Firefox 1", "curl", "firefox 2"]
                    .map(|device| {
                        let request = login_request(name, "correct horse").header("User-Agent", device);
                        token_of(&client.ask(&request))
                    })
                    .to_vec()
            })
            .to_vec();
        // Each node remembers the tokens that it has checked.
        tokens.iter().flatten().for_each(|token| assert_eq!(client.check(token), 200));
        let found = admin.dry_run(&device("FIREFOX")).expect("a count");
        assert_eq!((found.count, found.sample.len()), (4, 4));
        let mut told = Vec::new();
        let ended = admin.end_filtered(&device("FIREFOX"), found.shown(), &mut |ended| told.push(ended));
        assert_eq!(ended.expect("an end"), 4);
        assert_eq!(told.last(), Some(&4));
        for of_user in &tokens {
            assert_eq!([0, 1, 2].map(|index| client.check(&of_user[index])), [401, 200, 401]);
        }
        assert_eq!(events(&app), (1, 1));
        assert_eq!(count(&app, "audit_events WHERE event = 'revoked'"), 0, "the act has its events, not each session");
        // Their tokens are deleted later.
        assert_eq!(app.store.empty_ended_sessions(&|| true).expect("a sweep"), 4);
        let matching = device("curl");
        assert_eq!(admin.dry_run(&matching).expect("a count").count, 2);
    }

    fn more_than_was_shown_is_refused(backend) {
        let app = App::start(backend);
        let admin = app.admin();
        let alice = app.add_user("alice", "correct horse");
        let now = app.clock.now();
        let second = Duration::from_secs(1);
        open(&app, alice, 1, now);
        let found = admin.dry_run(&of_network("192.0.2.0/24")).expect("a count");
        assert_eq!((found.count, found.moment), (1, now));
        // A session opened later is not part of the set, whatever its node's clock says.
        app.clock.advance(second);
        open(&app, alice, 2, now.saturating_add(second));
        // This one is: it is opened by a node whose clock is behind.
        let late = open(&app, alice, 3, now.saturating_sub(second));
        let refused = admin.end_filtered(&of_network("192.0.2.0/24"), found.shown(), &mut |_| {});
        assert!(matches!(refused, Err(AdminError::MoreThanShown { shown: 1, found: 2 })), "{refused:?}");
        assert_eq!((count(&app, "sessions WHERE ended_at IS NULL"), events(&app)), (3, (0, 0)));
        assert_eq!(app.connection().end_session(late, &app.audit(Event::Revoked)), Ok(true));
        let ended = admin.end_filtered(&of_network("192.0.2.0/24"), found.shown(), &mut |_| {});
        assert_eq!(ended.expect("an end"), 1);
        assert_eq!(count(&app, "sessions WHERE ended_at IS NULL AND address = '192.0.2.2'"), 1);
        let no_condition = admin.end_filtered(&SessionMatch::default(), found.shown(), &mut |_| {});
        assert!(matches!(no_condition, Err(AdminError::NoCondition)));
    }

    fn sessions_of_a_node_whose_clock_is_ahead_are_part_of_the_set(backend) {
        let app = App::start(backend);
        let admin = app.admin();
        let alice = app.add_user("alice", "correct horse");
        let ahead = app.clock.now().saturating_add(Duration::from_secs(60));
        open(&app, alice, 1, ahead);
        let found = admin.dry_run(&of_network("192.0.2.1/32")).expect("a count");
        assert_eq!((found.count, found.moment), (1, ahead));
        assert_eq!(admin.end_filtered(&of_network("192.0.2.1/32"), found.shown(), &mut |_| {}).expect("an end"), 1);
    }

    fn a_session_whose_id_is_no_time_ends_as_shown(backend) {
        let app = App::start(backend);
        let admin = app.admin();
        let alice = app.add_user("alice", "correct horse");
        open_as(&app, alice, SessionId::from_bytes([0xff; 16]), (1, app.clock.now()));
        let found = admin.dry_run(&of_network("192.0.2.1/32")).expect("a count");
        assert_eq!(found.count, 1);
        assert_eq!(admin.end_filtered(&of_network("192.0.2.1/32"), found.shown(), &mut |_| {}).expect("an end"), 1);
    }

    fn each_part_of_a_mass_end_has_its_own_time(backend) {
        let app = App::start(backend);
        let admin = app.admin();
        let alice = app.add_user("alice", "correct horse");
        for number in 1..=25 {
            open(&app, alice, number, app.clock.now());
        }
        let found = admin.dry_run(&of_network("192.0.2.0/24")).expect("a count");
        let begun = app.clock.now();
        let mut parts = Vec::new();
        let ended = admin.end_filtered(&of_network("192.0.2.0/24"), found.shown(), &mut |ended| {
            parts.push((app.clock.now(), ended));
            app.clock.advance(Duration::from_secs(1));
        });
        assert_eq!(ended.expect("an end"), 25);
        assert!(parts.len() > 1, "{parts:?}");
        for (at, ended) in parts {
            let until = format!("sessions WHERE ended_at <= {}", at.as_micros());
            assert_eq!(count(&app, &until), i64::try_from(ended).expect("a small number"));
        }
        let at = |event: &str, at: Timestamp| {
            count(&app, &format!("audit_events WHERE event = '{event}' AND at = {}", at.as_micros()))
        };
        assert_eq!((at("mass_end_started", begun), at("mass_end_done", app.clock.now())), (1, 1));
    }

    fn a_mass_end_that_broke_off_goes_on_when_it_is_repeated(backend) {
        let app = App::start(backend);
        let admin = app.admin();
        let alice = app.add_user("alice", "correct horse");
        for number in 1..=25 {
            open(&app, alice, number, app.clock.now());
        }
        let matching = of_network("192.0.2.0/24");
        let found = admin.dry_run(&matching).expect("a count");
        let crash = catch_unwind(AssertUnwindSafe(|| {
            admin.end_filtered(&matching, found.shown(), &mut |_| panic!("a crash after the first part"))
        }));
        assert!(crash.is_err());
        let left = count(&app, "sessions WHERE ended_at IS NULL");
        assert!(left > 0 && left < 25, "{left}");
        assert_eq!(events(&app), (1, 0));
        let ended = admin.end_filtered(&matching, found.shown(), &mut |_| {}).expect("an end");
        assert_eq!(i64::try_from(ended), Ok(left));
        assert_eq!((count(&app, "sessions WHERE ended_at IS NULL"), events(&app)), (0, (2, 1)));
    }
}
