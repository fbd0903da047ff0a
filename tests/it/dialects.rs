//! Every dialect says word for word what its transcripts say, on both databases.

use diesel::connection::SimpleConnection as _;
use diesel::{Connection as _, SqliteConnection};
use knoxide::cause::{Actor, Cause, Origin, Reason};
use knoxide::dialect::Dialect;
use knoxide::session::SessionId;
use knoxide::store::{Connection, NewSession, NewToken, Opening, UserCreation};
use knoxide::time::Timestamp;
use knoxide::token::{TokenDigest, TokenKind};
use knoxide::user::{LoginName, NewUser, PasswordHash, UserId};
use serde_json::Value;

use crate::support::app::{App, on_each_database, start_of_time};
use crate::support::fixture;
use crate::support::transcript::Transcript;
use crate::support::transcript::player::{Caching, Player};

on_each_database! {
    fn the_transcripts_are_true(backend) {
        for dialect in Dialect::ALL {
            let folder = fixture::path("transcripts").join(dialect.as_str());
            let transcripts = Transcript::read_all(&folder).expect("readable transcripts");
            assert!(!transcripts.is_empty(), "{}: no transcripts", dialect.as_str());
            let differences: Vec<String> = transcripts
                .iter()
                .filter_map(|transcript| {
                    let app = App::start(backend);
                    settle(&app);
                    Player::new(app.address, Caching::NoStore, fixture::variables()).play(transcript).err()
                })
                .collect();
            assert!(differences.is_empty(), "{}", differences.join("\n\n"));
        }
    }
}

/// Fills a store with the users and tokens that the transcripts speak of.
fn settle(app: &App) {
    let connection = &mut *app.connection();
    let text = std::fs::read_to_string(fixture::users_file()).expect("the fixture can be read");
    let world: Value = serde_json::from_str(&text).expect("the fixture is JSON");
    let deleted = |user: &Value| user["deleted"] == true;
    let users = world["users"].as_array().expect("a list of users");
    for user in users.iter().filter(|user| !deleted(user)) {
        add_user(connection, user);
    }
    name_users(&app.database.url, users);
    let tokens = world["knox_tokens"].as_array().expect("a list of tokens");
    for (number, token) in (1..).zip(tokens) {
        let name = text_of(token, "user");
        if !users.iter().any(|user| deleted(user) && text_of(user, "username") == name) {
            open_session(connection, number, &name, token);
        }
    }
    for user in users.iter().filter(|user| user["is_active"] == false) {
        let id = UserId(user["id"].as_i64().expect("an id"));
        assert!(connection.set_active(id, false, &cause(Reason::Deactivated, start_of_time())).expect("a write"));
    }
}

fn add_user(connection: &mut dyn Connection, user: &Value) {
    let new = NewUser {
        id: user["id"].as_i64().map(UserId),
        username: format!("user {}", user["id"]),
        email: text_of(user, "email"),
        password: PasswordHash::from_stored(text_of(user, "password_hash")),
        is_active: true,
        is_staff: user["is_staff"] == true,
        created: start_of_time(),
    };
    let created = connection.create_user(&new, &cause(Reason::Imported, start_of_time())).expect("a write");
    assert!(matches!(created, UserCreation::Created(_)), "{}: {created:?}", new.username);
}

/// Gives the users their names, which look too much alike for anybody but an import.
fn name_users(url: &str, users: &[Value]) {
    let quoted = |name: String| format!("'{}'", name.replace('\'', "''"));
    let renamed = users.iter().map(|user| {
        format!("UPDATE users SET username = {} WHERE id = {};", quoted(text_of(user, "username")), user["id"])
    });
    let statements: String = renamed.collect();
    match url.strip_prefix("sqlite://") {
        Some(path) => SqliteConnection::establish(path).expect("a connection").batch_execute(&statements),
        #[cfg(feature = "postgres")]
        None => diesel::PgConnection::establish(url).expect("a connection").batch_execute(&statements),
        #[cfg(not(feature = "postgres"))]
        None => panic!("no SQLite file"),
    }
    .expect("the names are written");
}

fn open_session(connection: &mut dyn Connection, number: u8, name: &str, token: &Value) {
    let at = time_of(&text_of(token, "created"));
    let account = connection.find_account(&LoginName::Username(name.to_owned())).expect("a read").expect("a user");
    let digest = TokenDigest::from_hex(&text_of(token, "digest")).expect("a digest");
    let expires = token["expiry"].as_str().map(time_of);
    let new = NewSession {
        id: SessionId::new(at, &[number; 10]),
        user: account.user.id,
        epoch: account.user.epoch,
        dialect: Dialect::Knox,
        name: None,
        tokens: vec![NewToken { digest, kind: TokenKind::Access, expires }],
        limit: None,
        cause: cause(Reason::Imported, at),
    };
    assert_eq!(connection.open_session(&new).expect("a write"), Opening::Opened);
}

fn cause(reason: Reason, at: Timestamp) -> Cause {
    Cause { reason, actor: Actor::System, origin: Origin::default(), at }
}

fn text_of(value: &Value, key: &str) -> String {
    value[key].as_str().expect(key).to_owned()
}

fn time_of(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}
