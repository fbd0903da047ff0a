//! A server and an administrator, and the queries that the tests of explanations use.

use std::time::Duration;

use knoxide::domain::audit::{Actor, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::Policy;
use knoxide::domain::session::SessionId;
use knoxide::domain::time::Clock as _;
use knoxide::domain::user::UserId;
use knoxide::service::admin::{Admin, ExplainSettings, Question, SessionQuery};
use knoxide::store::{LastAdmin, SweepPolicy};
use serde_json::Value;

use crate::harness::app::{App, Backend, Database, Setup};
use crate::harness::dialects::{Speech, Tokens};

/// How long ended sessions are kept by default.
pub(super) const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// A server, and an administrator who acts without it.
pub(super) struct Stage {
    pub(super) app: App,
    pub(super) admin: Admin,
    pub(super) alice: UserId,
}

impl Stage {
    pub(super) fn set(backend: Backend, change: impl FnOnce(&mut Policy)) -> Self {
        Self::on(Database::migrated(backend), change)
    }

    pub(super) fn on(database: Database, change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = Policy::default();
        change(&mut policy);
        let app = App::on(database, Setup { policy: policy.clone(), ..Setup::default() });
        let alice = app.add_user("alice", "correct horse");
        let admin = Admin {
            policy,
            actor: Actor::User(UserId(77)),
            origin: Origin {
                address: Some([192, 0, 2, 7].into()),
                request_id: Some("r-77".to_owned()),
                ..Origin::default()
            },
            last_admin: LastAdmin::MayGo,
            ..app.admin()
        };
        Self { app, admin, alice }
    }

    pub(super) fn log_in(&self, dialect: Dialect) -> Tokens {
        Speech::of(dialect).login(&mut self.app.client(), "alice", "correct horse")
    }

    pub(super) fn refresh(&self, dialect: Dialect, token: &str) -> crate::harness::wire::Reply {
        Speech::of(dialect).refresh(&mut self.app.client(), token).expect("an endpoint")
    }

    pub(super) fn ask(&self, question: &Question) -> Value {
        let settings = ExplainSettings { session_retention: RETENTION, jwt_secret: None };
        let explanation = self.admin.explain(question, &settings).expect("an explanation");
        serde_json::to_value(explanation).expect("JSON")
    }

    pub(super) fn of_token(&self, token: &str) -> Value {
        self.ask(&Question::token(token))
    }

    pub(super) fn of_session(&self, id: &str) -> Value {
        self.ask(&Question::Session(SessionId::parse(id).expect("an id")))
    }

    pub(super) fn sweep(&self) {
        self.app.store.sweep(self.app.clock.now(), &SweepPolicy::default(), &|| true).expect("a sweep");
    }

    pub(super) fn wait(&self, time: Duration) {
        self.app.clock.advance(time);
    }

    /// The id of the newest session. Of two that were opened at the same moment, either may be returned.
    pub(super) fn session(&self) -> String {
        let query = SessionQuery { with_ended: true, limit: 1, ..SessionQuery::default() };
        self.admin.search_sessions(query).expect("a list").remove(0).session.id.to_string()
    }

    pub(super) fn alice(&self) -> knoxide::domain::user::User {
        self.admin.find_user("alice").expect("the user")
    }

    /// Requires the answers about a token and about its session, now and after a sweep, to have these members.
    pub(super) fn expect(&self, token: &str, session: &str, of_token: &Value, of_session: &Value) {
        for when in ["before", "after"] {
            assert_members(&self.of_token(token), of_token, &format!("the token, {when} a sweep"));
            assert_members(&self.of_session(session), of_session, &format!("the session, {when} a sweep"));
            self.sweep();
        }
    }

    /// The same, where both answers have these members.
    pub(super) fn expect_both(&self, token: &str, session: &str, expected: &Value) {
        self.expect(token, session, expected, expected);
    }

    /// The number of rows.
    pub(super) fn count(&self, table: &str) -> i64 {
        count(&self.app.database.url, table)
    }

    /// Runs a statement as if in the database's shell.
    pub(super) fn by_hand(&self, sql: &str) {
        by_hand(&self.app.database.url, sql);
    }
}

/// Requires `found` to have all members of `wanted`, at every depth.
pub(super) fn assert_members(found: &Value, wanted: &Value, what: &str) {
    for (name, value) in wanted.as_object().expect("members") {
        if value.is_object() {
            assert_members(&found[name], value, &format!("{what}, {name}"));
        } else {
            assert_eq!(&found[name], value, "{what}, {name}: {found:#}");
        }
    }
}

pub(super) fn by_hand(url: &str, sql: &str) {
    use diesel::Connection as _;
    use diesel::connection::SimpleConnection as _;

    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let patient = format!("PRAGMA busy_timeout = 30000; {sql}");
            diesel::SqliteConnection::establish(path).expect("a connection").batch_execute(&patient).expect(sql);
        }
        #[cfg(feature = "postgres")]
        None => diesel::PgConnection::establish(url).expect("a connection").batch_execute(sql).expect(sql),
        #[cfg(not(feature = "postgres"))]
        None => panic!("no SQLite file"),
    }
}

/// The number of rows in a table, or in a part of one.
pub(super) fn count(url: &str, table: &str) -> i64 {
    use diesel::dsl::sql;
    use diesel::{Connection as _, RunQueryDsl as _};

    let query = diesel::select(sql::<diesel::sql_types::BigInt>(&format!("(SELECT count(*) FROM {table})")));
    match url.strip_prefix("sqlite://") {
        Some(path) => query.get_result(&mut diesel::SqliteConnection::establish(path).expect("a connection")),
        #[cfg(feature = "postgres")]
        None => query.get_result(&mut diesel::PgConnection::establish(url).expect("a connection")),
        #[cfg(not(feature = "postgres"))]
        None => panic!("no SQLite file"),
    }
    .expect("a count")
}
