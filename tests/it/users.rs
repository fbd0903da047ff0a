//! An administrator's changes to a user, and their effect on the user's logins and sessions.

use std::time::Duration;

use knoxide::domain::policy::Policy;
use knoxide::domain::session::SessionKind;
use knoxide::domain::token::Token;
use knoxide::domain::user::{PasswordHash, User};
use knoxide::service::admin::{Admin, AdminError, NewPassword};
use knoxide::service::{Activity, Resolver as _};
use knoxide::store::SharedEmail;

use crate::harness::app::{App, Database, Setup, on_each_database};
use crate::harness::wire::{Framing, Reply, Request};

const PASSWORD: &str = "correct horse";

/// An administrator who uses another database connection than the server.
fn administrator(app: &App) -> Admin {
    crate::harness::admin::administrator(app.database.store(), app.clock.clone())
}

/// The owner of a token, according to the next check.
fn owner(app: &App, token: &str) -> User {
    let token = Token::parse(token.as_bytes()).expect("a token");
    let resolved = actix_web::rt::System::new().block_on(app.auth.resolve(token, Activity::Ignored));
    (*resolved.expect("a good token").user).clone()
}

fn log_in_by_email(app: &App, email: &str) -> Reply {
    let body = serde_json::json!({ "email": email, "password": PASSWORD }).to_string();
    let request = Request::new("POST", "/api/token/").header("Content-Type", "application/json");
    app.client().ask(&request.body(body, Framing::Length))
}

on_each_database! {
    fn the_next_check_sees_what_an_administrator_changed(backend) {
        let app = App::start(backend);
        app.add_user("alice", PASSWORD);
        let client = &mut app.client();
        let token = client.login("alice", PASSWORD);
        assert_eq!([client.check(&token), client.check(&token)], [200, 200], "it is cached");
        let admin = administrator(&app);
        let alice = admin.find_user("alice").expect("the user");
        admin.rename_user(&alice, "anna").expect("a write");
        assert_eq!(owner(&app, &token).username, "anna");
        admin.set_email(&alice, "anna@example.org", SharedEmail::Refuse).expect("a write");
        assert_eq!(owner(&app, &token).email, "anna@example.org");
        for is_staff in [true, false] {
            admin.set_staff(&alice, is_staff).expect("a write");
            assert_eq!(owner(&app, &token).is_staff, is_staff);
        }
        let reply = client.with_token("GET", "/auth/user/", &token);
        let body: serde_json::Value = serde_json::from_str(&reply.text()).expect("JSON");
        assert_eq!((&body["username"], &body["email"]), (&"anna".into(), &"anna@example.org".into()));
        assert_eq!(client.try_login("alice", PASSWORD).status, 400);
        assert_eq!(client.try_login("anna", PASSWORD).status, 200);
        assert_eq!(log_in_by_email(&app, "anna@example.org").status, 200);
        assert_eq!(log_in_by_email(&app, "alice@example.com").status, 401);
    }

    fn ends_of_all_sessions_reach_cached_tokens(backend) {
        let app = App::start(backend);
        let client = &mut app.client();
        let admin = administrator(&app);
        let token_of = |client: &mut crate::harness::app::Client, name: &str| {
            let token = client.login(name, PASSWORD);
            assert_eq!([client.check(&token), client.check(&token)], [200, 200], "it is cached");
            token
        };
        for name in ["alice", "bob"] {
            app.add_user(name, PASSWORD);
        }
        let tokens = ["alice", "bob"].map(|name| token_of(client, name));
        admin.end_everybody().expect("a write");
        assert_eq!(tokens.each_ref().map(|token| client.check(token)), [401, 401]);
        let old = token_of(client, "alice");
        app.clock.advance(Duration::from_secs(60));
        let new = token_of(client, "bob");
        let moment = app.auth.now();
        assert!(matches!(
            admin.end_issued_before(moment.saturating_add(Duration::from_secs(1))),
            Err(AdminError::FutureMoment)
        ));
        admin.end_issued_before(moment).expect("a write");
        assert_eq!([client.check(&old), client.check(&new)], [401, 200]);
        // A session for administration does not count as one of a client.
        admin.set_admin(&admin.find_user("alice").expect("the user"), true).expect("a write");
        let alice = admin.find_user("alice").expect("the user");
        let without_end = admin.create_token(&alice, "script".to_owned(), None, SessionKind::AdminScript);
        assert!(matches!(without_end, Err(AdminError::EndRequired)));
        let hour = Some(Duration::from_secs(3600));
        let made = admin.create_token(&alice, "script".to_owned(), hour, SessionKind::AdminScript).expect("a token");
        assert_eq!(client.check(made.token.expose()), 401);
        let bob = admin.find_user("bob").expect("the user");
        let refused = admin.create_token(&bob, "script".to_owned(), hour, SessionKind::AdminScript);
        assert!(matches!(refused, Err(AdminError::NotAdmin(_))));
    }

    fn the_owner_of_a_long_password_is_not_shut_out_by_a_login_with_another_end(backend) {
        let app = App::start(backend);
        let fixture: serde_json::Value = serde_json::from_str(include_str!("../fixtures/users.json")).expect("JSON");
        let users = fixture["users"].as_array().expect("users");
        let long = users.iter().find(|user| user["username"] == "h_bcrypt_long").expect("a plain bcrypt hash");
        let (hash, own) = (long["password_hash"].as_str(), long["password"].as_str().expect("a password"));
        let admin = administrator(&app);
        app.add_user("alice", PASSWORD);
        let hash = NewPassword::Hash(PasswordHash::from_stored(hash.expect("a hash").to_owned()));
        admin.set_password(&admin.find_user("alice").expect("the user"), hash).expect("a write");
        let client = &mut app.client();
        let another = format!("{}another end", &own[..72]);
        for _ in 0..3 {
            // Logging out is written after everything that the login still had to write.
            let token = client.login("alice", &another);
            assert_eq!(client.logout(&token), 200);
            client.login("alice", own);
        }
    }

    fn a_domain_may_be_typed_in_another_case_by_setting(backend) {
        for (any_case, expected) in [(true, 200), (false, 401)] {
            let policy = Policy { email_domain_any_case: any_case, ..Policy::default() };
            let app = App::on(Database::migrated(backend), Setup { policy, ..Setup::default() });
            app.add_user("alice", PASSWORD);
            assert_eq!(log_in_by_email(&app, "alice@example.com").status, 200);
            for typed in ["alice@Example.com", "alice@EXAMPLE.COM"] {
                assert_eq!(log_in_by_email(&app, typed).status, expected, "{typed} {any_case}");
            }
            assert_eq!(log_in_by_email(&app, "Alice@example.com").status, 401);
        }
    }
}
