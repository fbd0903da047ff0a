//! A server whose synchronous standby is lost: what only this server has is not acknowledged, however often a client
//! repeats its request.

use std::sync::atomic::{AtomicBool, Ordering};

use diesel::connection::SimpleConnection as _;
use knoxide::domain::audit::Event;
use knoxide::domain::client::Rights;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::Policy;
use knoxide::domain::user::UserId;
use knoxide::service::admin::AdminError;
use knoxide::store::AdminStore as _;
use knoxide::store::{LastAdmin, UserChanged};

use super::{PASSWORD, USER};
use crate::harness::app::{App, Client, Database, Setup};
use crate::harness::dialects::Speech;
use crate::harness::postgres::cluster::Cluster;
use crate::harness::postgres::{connect, shared};

struct Alone {
    app: App,
    user: UserId,
    cluster: Cluster,
}

impl Alone {
    /// `None` if the Postgres half of the tests is omitted.
    fn start() -> Option<Self> {
        shared()?;
        let cluster = Cluster::start().expect("a server");
        let mut policy = Policy::default();
        policy.dialects.get_mut(Dialect::DrfJwt).rotate = true;
        let app = App::on(Database::at(cluster.url()), Setup { policy, ..Setup::default() });
        let user = app.add_user(USER, PASSWORD);
        Some(Self { app, user, cluster })
    }

    fn name_standby(&self, name: &str) {
        let mut connection = connect(&self.cluster.url());
        // Two separate commands, because the first cannot run in a transaction.
        for command in [&format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'"), "SELECT pg_reload_conf()"] {
            connection.batch_execute(command).expect("a setting");
        }
    }

    /// Returns when commits are no longer answered.
    fn lose_standby(&self) {
        self.name_standby("gone");
        let url = self.cluster.url();
        // Ends when its connection does.
        self.break_off(|| {
            let mut connection = connect(&url);
            while connection.batch_execute("SELECT pg_logical_emit_message(true, 'test', '')").is_ok() {}
        });
    }

    /// Runs `work`, and terminates the first server process that waits for the standby meanwhile.
    fn break_off<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let terminate = "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity, \
                         (SELECT pg_sleep(0.01)) AS pause WHERE wait_event = 'SyncRep') AS terminated";
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let working = scope.spawn(|| {
                let outcome = work();
                is_done.store(true, Ordering::SeqCst);
                outcome
            });
            let mut connection = connect(&self.cluster.url());
            let mut terminated = 0;
            while terminated == 0 && !is_done.load(Ordering::SeqCst) {
                terminated = super::number(&mut connection, terminate);
            }
            working.join().expect("no panic")
        })
    }
}

#[test]
fn what_the_standby_does_not_have_is_acknowledged_to_nobody() {
    let Some(alone) = Alone::start() else { return };
    let (app, speech) = (&alone.app, Speech::of(Dialect::DrfJwt));
    let client = &mut app.client();
    let token = client.login(USER, PASSWORD);
    let refreshable = speech.refreshable(&speech.login(client, USER, PASSWORD));

    // The first attempt ends the session; the second finds it ended.
    alone.lose_standby();
    assert_eq!(alone.break_off(|| client.logout(&token)), 503, "a logout");
    alone.name_standby("");
    assert_eq!(app.client().check(&token), 401);

    // A client that repeats its refresh when the successor already exists.
    alone.lose_standby();
    let refresh = |client: &mut Client| speech.refresh(client, &refreshable).expect("an endpoint").status;
    assert_eq!(alone.break_off(|| refresh(&mut app.client())), 503, "a refresh");
    assert_eq!(refresh(&mut app.client()), 503, "the same refresh");
    alone.name_standby("");
    assert_eq!(refresh(&mut app.client()), 200);

    // An administrator who repeats a command.
    alone.lose_standby();
    let deactivate = || app.store.set_active(alone.user, false, LastAdmin::MayGo, &app.audit(Event::Deactivated));
    assert!(alone.break_off(deactivate).is_err(), "a deactivation");
    assert!(alone.break_off(deactivate).is_err(), "the same deactivation");
    alone.name_standby("");
    assert_eq!(deactivate(), Ok(UserChanged::Done));

    // The deletion of a client, which the second attempt finds done.
    let admin = app.admin();
    let client = admin.add_client("shop".to_owned(), Rights::USUAL, None).expect("a client").id;
    alone.lose_standby();
    let delete = || admin.delete_client(client);
    assert!(matches!(alone.break_off(delete), Err(AdminError::Store(_))), "a deletion");
    assert!(matches!(alone.break_off(delete), Err(AdminError::Store(_))), "the same deletion");
    alone.name_standby("");
    assert!(matches!(delete(), Err(AdminError::NoSuchClient(_))));
}
