//! What the document for operators tells them to do.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};

use crate::support::app::{App, Backend, Database, Setup, on_each_database};

/// Runs SQL as an operator would, past the program.
fn run(database: &Database, statement: &str) {
    match database.url.strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path).expect("a connection").batch_execute(statement),
        #[cfg(feature = "postgres")]
        None => diesel::PgConnection::establish(&database.url).expect("a connection").batch_execute(statement),
        #[cfg(not(feature = "postgres"))]
        None => panic!("no SQLite file"),
    }
    .expect(statement);
}

on_each_database! {
    fn raising_all_epochs_by_hand_ends_all_sessions_of_a_running_server(backend) {
        let app = App::start(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let token = client.login("alice", "correct horse");
        assert_eq!(client.check(&token), 200);
        run(&app.database, "UPDATE users SET auth_epoch = auth_epoch + 1");
        assert_eq!(client.check(&token), 401);
        let token = client.login("alice", "correct horse");
        assert_eq!(client.check(&token), 200);
    }
}

#[test]
fn a_restored_backup_revives_nothing_once_all_epochs_are_raised() {
    let app = App::start(Backend::Sqlite);
    app.add_user("alice", "correct horse");
    let client = &mut app.client();
    let token = client.login("alice", "correct horse");
    let restored = Database::empty(Backend::Sqlite);
    let file = restored.url.strip_prefix("sqlite://").expect("a file");
    run(&app.database, &format!("VACUUM INTO '{file}'"));
    assert_eq!(client.logout(&token), 200);

    let restored = App::on(restored, Setup::default());
    assert_eq!(restored.client().check(&token), 200, "what the document warns of");
    run(&restored.database, "UPDATE users SET auth_epoch = auth_epoch + 1");
    assert_eq!(restored.client().check(&token), 401);
}
