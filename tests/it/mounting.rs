//! The settings of a dialect: whether and where it is mounted, and the format of its tokens.

use std::time::Duration;

use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::TokenForm;

use crate::harness::app::{App, Backend, Database, Setup, on_each_database};
use crate::harness::dialects::{ALL, members};
use crate::harness::wire::{Framing, Request};

fn status(app: &App, path: &str) -> u16 {
    app.client().ask(&Request::new("POST", path).body("", Framing::Length)).status
}

#[test]
fn a_dialect_is_where_it_was_moved_and_nowhere_else() {
    let mut setup = Setup::default();
    setup.http.options.dialects.djoser.prefix = "/v1/mobile".to_owned();
    let app = App::on(Database::migrated(Backend::Sqlite), setup);
    for path in ["create", "verify", "refresh"] {
        for slash in ["", "/"] {
            assert_eq!(status(&app, &format!("/v1/mobile/jwt/{path}{slash}")), 400);
            assert_eq!(status(&app, &format!("/jwt/{path}{slash}")), 404);
        }
    }
    assert_eq!(status(&app, "/api/token/"), 400, "the others stay");
}

#[test]
fn a_dialect_that_is_off_has_no_paths_and_its_tokens_count_nowhere() {
    let database = Database::migrated(Backend::Sqlite);
    let app = App::on(database, Setup::default());
    app.add_user("alice", "correct horse");
    let tokens = ALL.map(|speech| speech.login(&mut app.client(), "alice", "correct horse").access);
    for off in ALL {
        let mut setup = Setup::default();
        setup.http.options.dialects.get_mut(off.dialect).enabled = false;
        let without = app.beside(setup.http);
        let client = &mut without.client();
        for (speech, token) in ALL.iter().zip(&tokens) {
            let login = speech.try_login(client, "alice", "correct horse").status;
            assert_eq!(login, if speech.dialect == off.dialect { 404 } else { 200 }, "{:?}", speech.dialect);
            let check = match (off.dialect, speech.dialect == off.dialect) {
                // The endpoint of this check belongs to the knox dialect.
                (Dialect::Knox, _) => 404,
                (_, true) => 401,
                (_, false) => 200,
            };
            assert_eq!(speech.check(client, token), check, "{:?} without {:?}", speech.dialect, off.dialect);
        }
    }
}

on_each_database! {
    fn tokens_of_every_dialect_look_as_they_are_told_to(backend) {
        let mut setup = Setup::default();
        for dialect in Dialect::ALL {
            let policy = setup.policy.dialects.get_mut(dialect);
            policy.form = if dialect == Dialect::Knox { TokenForm::Jwt } else { TokenForm::Opaque };
            policy.access_ttl = Some(Duration::from_secs(300));
            policy.rotate = dialect != Dialect::Knox;
        }
        setup.policy.token_prefix = "kx_".to_owned();
        let app = App::on(Database::migrated(backend), setup);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        for speech in ALL {
            let tokens = speech.login(client, "alice", "correct horse");
            let all = [Some(&tokens.access), tokens.refresh.as_ref()];
            for token in all.into_iter().flatten() {
                let is_jwt = token.split('.').count() == 3;
                assert_eq!(is_jwt, speech.dialect == Dialect::Knox, "{token}");
                assert!(is_jwt || (token.len() == 43 && token.starts_with("kx_")), "{token}");
            }
            assert_eq!(speech.check(client, &tokens.access), 200);
            let refreshable = speech.refreshable(&tokens);
            let Some(reply) = speech.refresh(client, &refreshable) else { continue };
            let fresh = speech.refreshed(&reply);
            assert_eq!(speech.check(client, &fresh), 200);
            let again = speech.refresh(client, &refreshable).expect("an endpoint");
            assert_eq!((again.status, members(&again)["refresh"].clone()), (200, members(&reply)["refresh"].clone()));
            assert_eq!(speech.ask(client, "POST", "/auth/logout/", &fresh).status, 200);
            assert_eq!(speech.check(client, &fresh), 401);
        }
    }
}
