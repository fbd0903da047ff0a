//! Sessions with many tokens: a session keeps a bounded number of them, can be refreshed at a limited rate, and ends at
//! once.

use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::{Policy, RefreshRate};

use crate::harness::app::{App, Backend, Client, Database, Setup, on_each_database};
use crate::harness::dialects::{ALL, Speech, Tokens, members};

#[cfg(feature = "postgres")]
mod plans;
mod soak;

/// How many access tokens a session keeps, and how many refreshes it allows in a burst.
const KEPT: u64 = 50;
const BURST: usize = 60;

/// A session may be refreshed once more after this time.
const INTERVAL: Duration = Duration::from_secs(10);

fn app(backend: Backend, rotate: bool) -> App {
    let mut policy = Policy::default();
    for dialect in Dialect::ALL {
        policy.dialects.get_mut(dialect).rotate = rotate;
    }
    App::on(Database::migrated(backend), Setup { policy, ..Setup::default() })
}

/// Sessions with rotation that allow this burst of refreshes and then no more.
fn app_with_burst(backend: Backend, burst: u32) -> App {
    let refresh_rate = RefreshRate { burst: Some(burst), interval: Duration::from_secs(3600) };
    let mut policy = Policy { refresh_rate, ..Policy::default() };
    policy.dialects.get_mut(Dialect::Simplejwt).rotate = true;
    App::on(Database::migrated(backend), Setup { policy, ..Setup::default() })
}

/// Runs `work` while another process holds the locks that every write needs.
fn while_writes_are_blocked<T>(app: &App, work: impl FnOnce() -> T) -> T {
    let url = app.database.url.as_str();
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut other = connect::<diesel::SqliteConnection>(path);
            other.batch_execute("PRAGMA busy_timeout = 30000; BEGIN IMMEDIATE").expect("a lock");
            work()
        }
        #[cfg(feature = "postgres")]
        None => {
            let mut other = connect::<diesel::PgConnection>(url);
            other.batch_execute("BEGIN; LOCK TABLE tokens IN SHARE MODE").expect("a lock");
            work()
        }
        #[cfg(not(feature = "postgres"))]
        None => panic!("no SQLite file"),
    }
}

fn log_in(app: &App, speech: &Speech, name: &str) -> (Client, Tokens) {
    let mut client = app.client();
    let tokens = speech.login(&mut client, name, "correct horse");
    (client, tokens)
}

/// Refreshes and returns the access token.
fn refreshed(speech: &Speech, client: &mut Client, token: &str) -> String {
    speech.refreshed(&speech.refresh(client, token).expect("an endpoint"))
}

/// Runs a statement as if in the database's shell.
fn by_hand(app: &App, sql: &str) {
    let url = app.database.url.as_str();
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            // Other connections may be writing.
            let patient = format!("PRAGMA busy_timeout = 30000; {sql}");
            connect::<diesel::SqliteConnection>(path).batch_execute(&patient).expect("a statement");
        }
        #[cfg(feature = "postgres")]
        None => connect::<diesel::PgConnection>(url).batch_execute(sql).expect("a statement"),
        #[cfg(not(feature = "postgres"))]
        None => panic!("no SQLite file"),
    }
}

fn connect<C: diesel::Connection>(url: &str) -> C {
    C::establish(url).expect("a connection")
}

/// Adds this many access tokens to the only session, good for an hour.
fn fill(app: &App, tokens: u64) {
    let now = knoxide::domain::time::Clock::now(&app.clock).as_micros();
    let digest = if app.database.url.starts_with("sqlite") {
        "randomblob(64)".to_owned()
    } else {
        format!("decode({}, 'hex')", [1, 2, 3, 4].map(|salt| format!("md5(i || ' {salt}')")).join(" || "))
    };
    by_hand(
        app,
        &format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {tokens})
             INSERT INTO tokens (digest, session_id, kind, created, expires)
             SELECT {digest}, (SELECT id FROM sessions), 'access', {now} + i, {now} + 3600000000 + i FROM n"
        ),
    );
}

on_each_database! {
    fn five_hundred_refreshes_leave_the_refresh_token_good(backend) {
        let app = app(backend, false);
        app.add_user("alice", "correct horse");
        let speech = Speech::of(Dialect::Simplejwt);
        let (mut client, tokens) = log_in(&app, &speech, "alice");
        let client = &mut client;
        let refresh = speech.refreshable(&tokens);
        let mut made = vec![tokens.access];
        for _ in 0..500 {
            app.clock.advance(INTERVAL);
            made.push(refreshed(&speech, client, &refresh));
        }
        assert_eq!(speech.refresh(client, &refresh).expect("an endpoint").status, 200);
        assert_eq!(count(&app, "kind = 'access'"), KEPT);
        assert_eq!(count(&app, "kind = 'refresh'"), 1);
        // The last ones are good; the earlier ones expired long ago.
        assert_eq!(made.iter().rev().take(20).filter(|token| speech.check(client, token) == 200).count(), 20);
        assert_eq!(speech.check(client, &made[0]), 401);
    }

    fn the_first_of_five_hundred_rotated_tokens_ends_the_session(backend) {
        let app = app(backend, true);
        app.add_user("alice", "correct horse");
        let speech = Speech::of(Dialect::Djoser);
        let (mut client, tokens) = log_in(&app, &speech, "alice");
        let client = &mut client;
        let first = speech.refreshable(&tokens);
        let mut newest = first.clone();
        for _ in 0..500 {
            app.clock.advance(INTERVAL);
            let reply = speech.refresh(client, &newest).expect("an endpoint");
            assert_eq!(reply.status, 200, "{}", reply.text());
            newest = members(&reply)["refresh"].as_str().expect("a refresh token").to_owned();
        }
        assert_eq!(count(&app, "kind = 'refresh'"), 501, "reuse of any of them must be noticed");
        assert_eq!(count(&app, "kind = 'access'"), KEPT);
        assert_eq!(speech.refresh(client, &first).expect("an endpoint").status, 400);
        assert_eq!(speech.refresh(client, &newest).expect("an endpoint").status, 400, "the session is over");
    }

    fn a_refresh_that_comes_to_nothing_is_not_counted(backend) {
        let app = app_with_burst(backend, 1);
        app.add_user("alice", "correct horse");
        let speech = Speech::of(Dialect::Simplejwt);
        let (mut client, tokens) = log_in(&app, &speech, "alice");
        let refresh = speech.refreshable(&tokens);
        let mut status = || speech.refresh(&mut client, &refresh).expect("an endpoint").status;
        for _ in 0..2 {
            assert_eq!(while_writes_are_blocked(&app, &mut status), 503);
        }
        assert_eq!([status(), status()], [200, 429]);
    }

    fn who_loses_a_race_is_counted_once(backend) {
        let clients = 8;
        let app = app_with_burst(backend, 8);
        app.add_user("alice", "correct horse");
        let speech = Speech::of(Dialect::Simplejwt);
        let (_, tokens) = log_in(&app, &speech, "alice");
        let (refresh, together) = (speech.refreshable(&tokens), std::sync::Barrier::new(clients));
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let asking = (0..clients).map(|_| {
                scope.spawn(|| {
                    let mut client = app.client();
                    together.wait();
                    speech.refresh(&mut client, &refresh).expect("an endpoint").status
                })
            });
            let asking: Vec<_> = asking.collect();
            asking.into_iter().map(|client| client.join().expect("no panic")).collect()
        });
        assert_eq!(statuses, vec![200; clients]);
        assert_eq!(speech.refresh(&mut app.client(), &refresh).expect("an endpoint").status, 429);
    }

    fn the_oldest_access_token_gives_way_and_is_refused_at_once(backend) {
        let app = app(backend, false);
        app.add_user("alice", "correct horse");
        for speech in [Speech::of(Dialect::Djoser), Speech::of(Dialect::DrfJwt)] {
            let (mut client, tokens) = log_in(&app, &speech, "alice");
            let client = &mut client;
            let refreshable = speech.refreshable(&tokens);
            let mut made = Vec::new();
            for _ in 0..BURST - 1 {
                app.clock.advance(Duration::from_micros(1));
                let access = refreshed(&speech, client, &refreshable);
                // From now on it is cached.
                assert_eq!(speech.check(client, &access), 200);
                made.push(access);
            }
            let good: Vec<bool> = made.iter().map(|token| speech.check(client, token) == 200).collect();
            // The presented token always stays, and counts if it is an access token.
            let kept = usize::try_from(KEPT).expect("a number") - usize::from(!speech.has_refresh_token);
            let expected: Vec<bool> = (0..made.len()).map(|index| index >= made.len() - kept).collect();
            assert_eq!(good, expected, "{:?}", speech.dialect);
            assert_eq!(speech.refresh(client, &refreshable).expect("an endpoint").status, 200);
        }
    }

    fn a_session_that_is_refreshed_too_often_has_to_wait_and_lives(backend) {
        let app = app(backend, false);
        app.add_user("alice", "correct horse");
        for speech in ALL.into_iter().filter(|speech| speech.dialect != Dialect::Knox) {
            let (mut client, tokens) = log_in(&app, &speech, "alice");
            let (mut others, other) = log_in(&app, &speech, "alice");
            let client = &mut client;
            let refreshable = speech.refreshable(&tokens);
            for _ in 0..BURST {
                assert_eq!(speech.refresh(client, &refreshable).expect("an endpoint").status, 200);
            }
            app.clock.advance(INTERVAL / 4);
            let reply = speech.refresh(client, &refreshable).expect("an endpoint");
            assert_eq!((reply.status, reply.header("retry-after").as_deref()), (429, Some("8")), "{}", reply.text());
            assert_eq!(reply.text(), r#"{"detail":"Request was throttled. Expected available in 8 seconds."}"#);
            // The limit is for this session, and only for refreshing it.
            assert_eq!(speech.check(client, &speech.refreshable(&other)), if speech.has_refresh_token { 401 } else { 200 });
            assert_eq!(speech.refresh(&mut others, &speech.refreshable(&other)).expect("an endpoint").status, 200);
            app.clock.advance(INTERVAL * 3 / 4);
            assert_eq!(speech.refresh(client, &refreshable).expect("an endpoint").status, 200);
            assert_eq!(speech.refresh(client, &refreshable).expect("an endpoint").status, 429);
            // Reuse is not a refresh: whatever the rate, it would end the session.
            app.clock.advance(INTERVAL * 1000);
            assert_eq!(speech.refresh(client, &refreshable).expect("an endpoint").status, 200);
        }
    }

    fn a_reuse_ends_the_session_whatever_the_rate(backend) {
        let app = app(backend, true);
        app.add_user("alice", "correct horse");
        let speech = Speech::of(Dialect::Simplejwt);
        let (mut client, tokens) = log_in(&app, &speech, "alice");
        let client = &mut client;
        let first = speech.refreshable(&tokens);
        assert_eq!(speech.refresh(client, &first).expect("an endpoint").status, 200);
        app.clock.advance(Duration::from_secs(30));
        let mut access = String::new();
        for _ in 0..BURST {
            // One refresh in ten seconds became available again meanwhile.
            access = refreshed(&speech, client, &first);
        }
        let throttled: Vec<u16> =
            (0..5).map(|_| speech.refresh(client, &first).expect("an endpoint").status).collect();
        assert_eq!(throttled, [429; 5]);
        assert_eq!(speech.check(client, &access), 200, "the limit ends no session");
        app.clock.advance(Duration::from_micros(1));
        let reuse = speech.refresh(client, &first).expect("an endpoint").status;
        assert!(matches!(reuse, 400 | 401), "{reuse}");
        assert_eq!(speech.check(client, &access), 401);
    }

    fn a_session_of_many_tokens_is_over_at_once_in_every_way(backend) {
        let app = app(backend, false);
        app.add_user("alice", "correct horse");
        let speech = Speech::of(Dialect::Djoser);
        let (mut client, tokens) = log_in(&app, &speech, "alice");
        let client = &mut client;
        let (access, refresh) = (tokens.access.clone(), speech.refreshable(&tokens));
        fill(&app, 5_000);
        assert_eq!(speech.check(client, &access), 200);
        by_hand(&app, "CREATE TABLE kept AS SELECT * FROM tokens ORDER BY created LIMIT 2");
        assert_eq!(speech.ask(client, "POST", "/auth/logout/", &access).status, 200);
        assert_eq!(count(&app, "TRUE"), 5_002 - 100);
        // Whichever rows were deleted, this leaves the state as if the tokens known here had not been among them.
        by_hand(&app, "INSERT INTO tokens SELECT * FROM kept WHERE digest NOT IN (SELECT digest FROM tokens)");
        assert_eq!(count(&app, "digest IN (SELECT digest FROM kept)"), 2);
        let gone = [speech.check(client, &access), speech.check(client, &refresh)];
        assert_eq!(gone, [401, 401]);
        let words = |client: &mut Client| {
            let asked = [speech.verify(client, &access), speech.verify(client, &refresh), speech.refresh(client, &refresh),
                speech.refresh(client, &access)];
            asked.map(|reply| reply.expect("an endpoint").text())
        };
        let before = words(client);
        by_hand(&app, "UPDATE users SET is_active = FALSE, auth_epoch = auth_epoch + 1");
        assert_eq!(words(client), before, "whatever happens to the user");
        app.store.empty_ended_sessions(&|| true).expect("a sweep");
        assert_eq!(count(&app, "TRUE"), 0);
        assert_eq!(words(client), before, "as if it were gone");
    }
}

/// The number of tokens that meet this condition.
fn count(app: &App, condition: &str) -> u64 {
    use diesel::RunQueryDsl as _;
    use diesel::dsl::sql;
    use diesel::sql_types::BigInt;

    let query = diesel::select(sql::<BigInt>(&format!("(SELECT count(*) FROM tokens WHERE {condition})")));
    let url = app.database.url.as_str();
    let count: i64 = match url.strip_prefix("sqlite://") {
        Some(path) => query.get_result(&mut connect::<diesel::SqliteConnection>(path)).expect("a count"),
        #[cfg(feature = "postgres")]
        None => query.get_result(&mut connect::<diesel::PgConnection>(url)).expect("a count"),
        #[cfg(not(feature = "postgres"))]
        None => panic!("no SQLite file"),
    };
    u64::try_from(count).expect("a count")
}
