//! All dialects over the same users, sessions and revocation.

use std::collections::HashSet;
use std::time::Duration;

use knoxide::domain::audit::Event;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::password::one_time::OneTimePassword;
use knoxide::domain::random::SystemRandom;
use knoxide::domain::session::SessionId;
use knoxide::domain::time::Clock as _;
use knoxide::domain::user::{PasswordHash, UserId};
use knoxide::http::Compat;
use knoxide::store::AdminStore as _;
use knoxide::store::{LastAdmin, UserChanged};
use serde_json::{Value, json};

use crate::harness::app::{App, Client, Database, Setup, on_each_database};
use crate::harness::dialects::{ALL, Speech, Tokens, members};
use crate::harness::wire::{Framing, Request};

/// A way of ending a session.
type Ending = (&'static str, fn(&App, &mut Client, &Speech, &Tokens, UserId));

fn session_of(client: &mut Client, speech: &Speech, access: &str) -> SessionId {
    let body = members(&speech.ask(client, "GET", "/auth/user/", access));
    SessionId::parse(body["session"]["id"].as_str().expect("an id")).expect("a session id")
}

/// The ending that only some dialects have.
const BLACKLIST: &str = "logout by the refresh token";

const ENDINGS: [Ending; 13] = [
    ("logout", |_, client, speech, tokens, _| {
        assert_eq!(speech.ask(client, "POST", "/auth/logout/", &tokens.access).status, 200);
    }),
    (BLACKLIST, |_, client, speech, tokens, _| {
        let refresh = tokens.refresh.as_ref().expect("a refresh token");
        let reply = speech.blacklist(client, refresh).expect("an endpoint");
        assert_eq!((reply.status, reply.text().as_str()), (200, "{}"));
    }),
    ("logout of all", |_, client, speech, tokens, _| {
        assert_eq!(speech.ask(client, "POST", "/auth/logoutall/", &tokens.access).status, 200);
    }),
    ("logout of all in another dialect", |_, client, speech, tokens, _| {
        let name = name_of(client, speech, tokens);
        let other = Speech::of(if speech.dialect == Dialect::Knox { Dialect::Djoser } else { Dialect::Knox });
        let others = other.login(client, &name, "correct horse");
        assert_eq!(other.ask(client, "POST", "/auth/logoutall/", &others.access).status, 200);
    }),
    ("password change", |app, _, _, _, user| {
        let (new, audit) = (PasswordHash::unusable(), app.audit(Event::PasswordChanged));
        assert_eq!(app.store.set_password(user, &new, None, &audit), Ok(UserChanged::Done));
    }),
    ("deactivation", |app, _, _, _, user| {
        assert_eq!(
            app.store.set_active(user, false, LastAdmin::MayGo, &app.audit(Event::Deactivated)),
            Ok(UserChanged::Done)
        );
    }),
    ("an admin's revocation", |app, client, speech, tokens, _| {
        let session = session_of(client, speech, &tokens.access);
        assert_eq!(app.connection().end_session(session, &app.audit(Event::Revoked)), Ok(true));
    }),
    ("the user, from another session", |_, client, speech, tokens, _| {
        let session = session_of(client, speech, &tokens.access);
        let other = Speech::of(Dialect::Djoser);
        let name = name_of(client, speech, tokens);
        let others = other.login(client, &name, "correct horse");
        let path = format!("/auth/sessions/{session}/");
        assert_eq!(other.ask(client, "DELETE", &path, &others.access).status, 204);
    }),
    ("the user, for all sessions but another one", |_, client, speech, tokens, _| {
        let other = Speech::of(Dialect::Simplejwt);
        let name = name_of(client, speech, tokens);
        let others = other.login(client, &name, "correct horse");
        assert_eq!(other.ask(client, "POST", "/auth/sessions/revoke-others/", &others.access).status, 204);
    }),
    ("the user, by the password", |_, client, speech, tokens, _| {
        let body = json!({ "username": name_of(client, speech, tokens), "password": "correct horse" });
        assert_eq!(post(client, "/auth/sessions/revoke-all/", &body), 204);
    }),
    ("a password change by the user", |_, client, speech, tokens, _| {
        let name = name_of(client, speech, tokens);
        let body = json!({ "username": name, "current_password": "correct horse", "new_password": "battery staple" });
        assert_eq!(post(client, "/auth/password/change/", &body), 204);
    }),
    ("a one-time password", |app, _, _, _, user| {
        let made = OneTimePassword::generate(&SystemRandom, app.clock.now()).expect("random bytes");
        let audit = app.audit(Event::PasswordReset);
        assert_eq!(app.store.set_password(user, &made.stored, None, &audit), Ok(UserChanged::Done));
    }),
    ("deletion of the user", |app, _, _, _, user| {
        assert_eq!(
            app.store.delete_user(user, LastAdmin::MayGo, &app.audit(Event::UserDeleted)),
            Ok(UserChanged::Done)
        );
    }),
];

fn name_of(client: &mut Client, speech: &Speech, tokens: &Tokens) -> String {
    let body = members(&speech.ask(client, "GET", "/auth/user/", &tokens.access));
    body["username"].as_str().expect("a name").to_owned()
}

/// The status of a request without a token.
fn post(client: &mut Client, path: &str, body: &Value) -> u16 {
    let request = Request::new("POST", path).header("Content-Type", "application/json");
    client.ask(&request.body(body.to_string(), Framing::Length)).status
}

/// All requests with a token: those that succeed with a live one must refuse a dead one.
fn uses(client: &mut Client, speech: &Speech, tokens: &Tokens) -> Vec<(&'static str, u16)> {
    let mut uses = vec![("check", speech.check(client, &tokens.access))];
    let verified = speech.verify(client, &tokens.access).map(|reply| ("verify access", reply.status));
    uses.extend(verified);
    if let Some(refresh) = &tokens.refresh {
        uses.extend(speech.verify(client, refresh).map(|reply| ("verify refresh", reply.status)));
    }
    let refreshable = speech.refreshable(tokens);
    uses.extend(speech.refresh(client, &refreshable).map(|reply| ("refresh", reply.status)));
    uses
}

on_each_database! {
    fn every_way_of_ending_reaches_every_token_of_every_dialect(backend) {
        let app = App::start(backend);
        let client = &mut app.client();
        let mut cells = 0;
        for (ending, end) in ENDINGS {
            let has_it = |speech: &Speech| ending != BLACKLIST || speech.dialect == Dialect::Simplejwt;
            for speech in ALL.into_iter().filter(has_it) {
                let name = format!("alice{cells}x");
                let user = app.add_user(&name, "correct horse");
                let bob = format!("bob{cells}x");
                app.add_user(&bob, "battery staple");
                let tokens = speech.login(client, &name, "correct horse");
                let bobs = speech.login(client, &bob, "battery staple");
                for (what, status) in uses(client, &speech, &tokens) {
                    assert_eq!(status, 200, "{what} before, {:?}", speech.dialect);
                }
                end(&app, client, &speech, &tokens, user);
                for (what, status) in uses(client, &speech, &tokens) {
                    assert!(matches!(status, 400 | 401), "{what} after {ending}, {:?}: {status}", speech.dialect);
                    cells += 1;
                }
                for (what, status) in uses(client, &speech, &bobs) {
                    assert_eq!(status, 200, "{what} of another user after {ending}, {:?}", speech.dialect);
                }
            }
        }
        // Knox has 1 use, two dialects have 3, two have 4; the blacklist is one dialect's.
        assert_eq!(cells, (ENDINGS.len() - 1) * (1 + 2 * 3 + 2 * 4) + 4);
    }

    fn a_deactivated_user_refreshes_nothing_and_an_activated_one_nothing_old(backend) {
        let app = App::start(backend);
        let client = &mut app.client();
        for speech in ALL.into_iter().filter(|speech| speech.dialect != Dialect::Knox) {
            let name = format!("alice{:?}", speech.dialect);
            let user = app.add_user(&name, "correct horse");
            let refreshable = speech.refreshable(&speech.login(client, &name, "correct horse"));
            app.store.set_active(user, false, LastAdmin::MayGo, &app.audit(Event::Deactivated)).expect("a write");
            let reply = speech.refresh(client, &refreshable).expect("an endpoint");
            let words = match speech.dialect {
                Dialect::Simplejwt | Dialect::Djoser => "No active account found for the given token.",
                Dialect::Knox | Dialect::DrfJwt | Dialect::AccessToken => "User account is disabled.",
            };
            assert!(reply.status >= 400 && reply.text().contains(words), "{}", reply.text());
            app.store.set_active(user, true, LastAdmin::MayGo, &app.audit(Event::Activated)).expect("a write");
            let reply = speech.refresh(client, &refreshable).expect("an endpoint");
            assert!(matches!(reply.status, 400 | 401) && !reply.text().contains(words), "{}", reply.text());
            assert_eq!(speech.try_login(client, &name, "correct horse").status, 200);
        }
    }

    fn logins_of_one_moment_give_different_tokens_each_revocable_alone(backend) {
        // The clock does not advance, so all logins happen in the same microsecond.
        const LOGINS: usize = 1000;
        let app = App::start(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        for speech in ALL {
            let tokens: Vec<Tokens> =
                (0..LOGINS).map(|_| speech.login(client, "alice", "correct horse")).collect();
            let texts = tokens.iter().flat_map(|t| [Some(&t.access), t.refresh.as_ref()]).flatten();
            let different: HashSet<&String> = texts.collect();
            let per_login = if speech.has_refresh_token { 2 } else { 1 };
            assert_eq!(different.len(), LOGINS * per_login, "{:?}", speech.dialect);
            let (ended, kept) = tokens.split_at(LOGINS / 2);
            for tokens in ended {
                assert_eq!(speech.ask(client, "POST", "/auth/logout/", &tokens.access).status, 200);
            }
            assert!(ended.iter().all(|tokens| speech.check(client, &tokens.access) == 401));
            assert!(kept.iter().all(|tokens| speech.check(client, &tokens.access) == 200));
        }
    }

    fn a_token_is_good_under_its_own_keywords_and_at_its_own_endpoints(backend) {
        let app = App::start(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        for owner in ALL {
            let tokens = owner.login(client, "alice", "correct horse");
            for (keyword, dialects) in [
                ("Token", &[Dialect::Knox, Dialect::AccessToken][..]),
                ("JWT", &[Dialect::DrfJwt, Dialect::Djoser]),
                ("Bearer", &[Dialect::Simplejwt, Dialect::Djoser]),
            ] {
                let expected = if dialects.contains(&owner.dialect) { 200 } else { 401 };
                let request = crate::harness::wire::Request::new("GET", "/auth/user/");
                let reply = client.ask(&request.header("Authorization", format!("{keyword} {}", tokens.access)));
                assert_eq!(reply.status, expected, "{keyword} {:?}", owner.dialect);
                if let Some(refresh) = &tokens.refresh {
                    let request = crate::harness::wire::Request::new("GET", "/auth/user/");
                    let reply = client.ask(&request.header("Authorization", format!("{keyword} {refresh}")));
                    assert_eq!(reply.status, 401, "a refresh token under {keyword}");
                }
            }
            for other in ALL.into_iter().filter(|other| other.dialect != owner.dialect) {
                for token in [Some(&tokens.access), tokens.refresh.as_ref()].into_iter().flatten() {
                    for reply in [other.verify(client, token), other.refresh(client, token)].into_iter().flatten() {
                        assert!(matches!(reply.status, 400 | 401), "{:?} at {:?}", owner.dialect, other.dialect);
                    }
                }
            }
        }
    }

    fn refreshing_stops_at_the_window(backend) {
        let app = App::start(backend);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        const DAY: u64 = 24 * 3600;
        for (dialect, window) in [(Dialect::DrfJwt, 7 * DAY), (Dialect::AccessToken, 10 * DAY)] {
            let speech = Speech::of(dialect);
            let mut token = speech.login(client, "alice", "correct horse").access;
            // A day at a time, so that the token itself stays valid.
            for _ in 0..window / DAY {
                app.clock.advance(Duration::from_secs(DAY));
                token = speech.refreshed(&speech.refresh(client, &token).expect("an endpoint"));
            }
            app.clock.advance(Duration::from_secs(1));
            let reply = speech.refresh(client, &token).expect("an endpoint");
            assert_eq!((reply.status, reply.text().as_str()), (400, r#"{"non_field_errors":["Refresh has expired."]}"#));
            assert_eq!(speech.check(client, &token), 200);
        }
    }

    fn the_packages_own_answers_are_a_setting(backend) {
        let mut setup = Setup::default();
        setup.http.options.compat = Compat::Package;
        let app = App::on(Database::migrated(backend), setup);
        app.add_user("alice", "correct horse");
        let client = &mut app.client();
        let simplejwt = Speech::of(Dialect::Simplejwt);
        let tokens = simplejwt.login(client, "alice", "correct horse");
        assert_eq!(simplejwt.verify(client, &tokens.access).expect("an endpoint").text(), "{}");
        assert_eq!(simplejwt.ask(client, "POST", "/auth/logout/", &tokens.access).status, 204);
        let djoser = Speech::of(Dialect::Djoser);
        let refused = [
            (djoser.try_login(client, "alice", "wrong horse"), r#"{"detail":"No active account found with the given credentials"}"#),
            (
                djoser.verify(client, "x").expect("an endpoint"),
                r#"{"detail":"Token is invalid or expired","code":"token_not_valid"}"#,
            ),
            (
                djoser.refresh(client, "x").expect("an endpoint"),
                r#"{"detail":"Token is invalid or expired","code":"token_not_valid"}"#,
            ),
        ];
        for (reply, body) in refused {
            assert_eq!((reply.status, reply.text().as_str()), (401, body));
            assert_eq!(reply.header("WWW-Authenticate").as_deref(), Some("Bearer realm=\"api\""));
        }
    }
}
