//! An explanation says what became of a token or a session, before and after the sweeper has deleted the rows.

use std::time::Duration;

use knoxide::domain::audit::Event;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::policy::{LimitPolicy, Policy, RefreshPolicy, TokenForm};
use knoxide::domain::session::SessionId;
use knoxide::domain::time::Clock as _;
use knoxide::domain::user::Password;
use knoxide::service::admin::NewPassword;
use serde_json::json;

use crate::harness::app::{Backend, Database, on_each_database, start_of_time};
use crate::harness::dialects::members;

mod ends;
mod keys;
mod stage;

use stage::{RETENTION, Stage, assert_members, by_hand, count};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn after(time: Duration) -> String {
    start_of_time().saturating_add(time).to_string()
}

/// Ends all sessions, by this token or otherwise.
type End<'a> = &'a dyn Fn(&str);

/// A knox token that lives for an hour.
fn short_lived(policy: &mut Policy) {
    policy.dialects.get_mut(Dialect::Knox).access_ttl = Some(HOUR);
}

fn rotating(policy: &mut Policy) {
    policy.dialects.get_mut(Dialect::Simplejwt).rotate = true;
}

on_each_database! {
    fn what_is_good_is_said_to_be_good(backend) {
        let stage = Stage::set(backend, short_lived);
        let token = stage.log_in(Dialect::Knox).access;
        let session = json!({
            "id": stage.session(), "user_id": stage.alice.0, "username": "alice", "dialect": "knox", "name": null,
            "created": after(Duration::ZERO), "last_seen": after(Duration::ZERO), "opened_from": "127.0.0.1",
            "user_agent": null, "end": null,
        });
        let wanted = json!({ "about": "token", "kind": "access", "state": "live", "expires": after(HOUR),
                             "session": session });
        assert_eq!(stage.of_token(&token), wanted);
        assert_eq!(stage.of_token(&format!(" {token}\n")), wanted, "white space around a token is ignored");
        let wanted = json!({ "about": "session", "kind": null, "state": "live", "expires": after(HOUR),
                             "session": session });
        assert_eq!(stage.of_session(&stage.session()), wanted);
        let pair = stage.log_in(Dialect::Simplejwt);
        let of_refresh = stage.of_token(&pair.refresh.expect("a refresh token"));
        assert_members(&of_refresh, &json!({ "kind": "refresh", "state": "live" }), "a refresh token");
    }

    fn an_opaque_token_expires(backend) {
        let stage = Stage::set(backend, short_lived);
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.wait(HOUR);
        let wanted = json!({ "state": "expired", "at": after(HOUR), "known_from": "database" });
        stage.expect_both(&token, &session, &wanted);
        assert_eq!(stage.count("tokens"), 1, "not old enough");
        stage.wait(DAY + HOUR);
        stage.expect_both(&token, &session, &wanted);
        assert_eq!((stage.count("tokens"), stage.count("token_traces")), (0, 1));
        assert_eq!(stage.of_token(&token)["session"]["end"]["state"], "expired");
        stage.wait(RETENTION);
        stage.sweep();
        assert_eq!((stage.count("sessions"), stage.count("token_traces")), (0, 0));
        stage.expect_both(&token, &session, &json!({ "state": "unknown", "days": 30, "session": null }));
    }

    fn a_jwt_says_itself_that_it_expired(backend) {
        let stage = Stage::set(backend, |_| {});
        let pair = stage.log_in(Dialect::Simplejwt);
        stage.wait(Duration::from_secs(300));
        let end = start_of_time().whole_seconds().saturating_add(Duration::from_secs(300)).to_string();
        let of_row = stage.of_token(&pair.access);
        assert_members(&of_row, &json!({ "kind": "access", "state": "expired", "known_from": "database" }), "the row");
        assert_eq!(of_row["session"]["end"], json!(null), "the refresh token is live");
        stage.wait(RETENTION);
        stage.sweep();
        stage.wait(RETENTION);
        stage.sweep();
        assert_eq!((stage.count("sessions"), stage.count("token_traces")), (0, 0));
        let wanted = json!({ "about": "token", "kind": null, "state": "expired", "at": end, "known_from": "claim",
                             "session": null });
        assert_eq!(stage.of_token(&pair.access), wanted);
        // A JWT that another server signed is not explained, nor is one of ours whose text was changed.
        let (rest, signature) = pair.access.rsplit_once('.').expect("a JWT");
        let changed: String = signature.chars().rev().collect();
        assert_eq!(stage.of_token(&format!("{rest}.{changed}"))["state"], "unknown");
    }

    fn a_session_is_idle(backend) {
        let stage = Stage::set(backend, |policy| policy.idle_limit = Some(HOUR));
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        let limit = HOUR + Duration::from_secs(60);
        stage.wait(limit);
        assert_eq!(stage.of_token(&token)["state"], "live", "another node may know of a later use");
        stage.wait(HOUR);
        let wanted = json!({ "state": "idle", "at": after(limit), "last_seen": after(Duration::ZERO),
                             "limit_seconds": 3600 });
        stage.expect_both(&token, &session, &wanted);
        assert_eq!(stage.app.client().check(&token), 401);
        let wanted = json!({ "state": "idle", "at": after(limit + HOUR), "last_seen": after(Duration::ZERO) });
        stage.expect_both(&token, &session, &wanted);
    }

    fn a_client_logs_out(backend) {
        let stage = Stage::set(backend, short_lived);
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.wait(Duration::from_secs(60));
        assert_eq!(stage.app.client().logout(&token), 200);
        let wanted = json!({ "state": "ended", "at": after(Duration::from_secs(60)), "reason": "logout",
                             "actor": format!("user:{}", stage.alice), "address": "127.0.0.1" });
        stage.expect_both(&token, &session, &wanted);
        assert!(stage.of_token(&token)["request_id"].is_string());
        // Long after the token would have expired, this is still named as its end.
        stage.wait(DAY * 20);
        stage.expect_both(&token, &session, &wanted);
        // The event outlives the session.
        stage.wait(DAY * 20);
        stage.sweep();
        stage.expect(&token, &session, &json!({ "state": "unknown", "days": 30 }), &wanted);
        stage.by_hand("DELETE FROM audit_events");
        stage.expect_both(&token, &session, &json!({ "state": "unknown", "days": 30 }));
    }

    fn an_administrator_ends_a_session(backend) {
        let stage = Stage::set(backend, |_| {});
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.admin.end_session(SessionId::parse(&session).expect("an id")).expect("an end");
        let wanted = json!({ "state": "ended", "reason": "revoked", "actor": "user:77", "address": "192.0.2.7",
                             "request_id": "r-77", "session": { "username": "alice" } });
        stage.expect_both(&token, &session, &wanted);
        stage.by_hand("DELETE FROM audit_events");
        let wanted = json!({ "state": "ended", "at": after(Duration::ZERO), "reason": "revoked", "actor": "user:77",
                             "address": null });
        stage.expect_both(&token, &session, &wanted);
    }

    fn a_newer_login_takes_the_place(backend) {
        let stage = Stage::set(backend, |policy| {
            policy.token_limit = Some(1);
            policy.limit_policy = LimitPolicy::EvictOldest;
        });
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.wait(HOUR);
        let newer = stage.log_in(Dialect::Knox).access;
        let wanted = json!({ "state": "evicted", "at": after(HOUR), "reason": "limit_reached",
                             "actor": format!("user:{}", stage.alice), "address": "127.0.0.1" });
        stage.expect_both(&token, &session, &wanted);
        assert_eq!(stage.of_token(&newer)["state"], "live");
    }

    fn a_token_gives_way_to_newer_ones_of_its_session(backend) {
        let stage = Stage::set(backend, |policy| {
            policy.access_tokens = Some(1);
            let refresh = RefreshPolicy::Pair { ttl: DAY * 100, window: None };
            let simplejwt = policy.dialects.get_mut(Dialect::Simplejwt);
            (simplejwt.refresh, simplejwt.access_ttl) = (refresh, Some(DAY * 90));
        });
        let pair = stage.log_in(Dialect::Simplejwt);
        let session = stage.session();
        stage.wait(Duration::from_secs(20));
        let refresh = pair.refresh.expect("a refresh token");
        assert_eq!(stage.refresh(Dialect::Simplejwt, &refresh).status, 200);
        let wanted = json!({ "kind": "access", "state": "gave_way", "at": after(Duration::from_secs(20)),
                             "session": { "end": null } });
        stage.expect(&pair.access, &session, &wanted, &json!({ "state": "live" }));
        assert_eq!(stage.count("token_traces"), 1);
        // The session has no expiry, but its trace does.
        stage.wait(RETENTION + HOUR);
        stage.sweep();
        assert_eq!(stage.count("token_traces"), 0);
        assert_eq!(stage.of_token(&pair.access)["state"], "unknown");
        assert_eq!(stage.of_session(&session)["state"], "live");
    }

    fn a_refresh_consumes_and_a_reuse_ends_the_session(backend) {
        let stage = Stage::set(backend, rotating);
        let first = stage.log_in(Dialect::Simplejwt).refresh.expect("a refresh token");
        let session = stage.session();
        stage.wait(HOUR);
        let reply = stage.refresh(Dialect::Simplejwt, &first);
        let second = members(&reply)["refresh"].as_str().expect("a refresh token").to_owned();
        let wanted = json!({ "kind": "refresh", "state": "consumed", "at": after(HOUR), "session": { "end": null } });
        stage.expect(&first, &session, &wanted, &json!({ "state": "live" }));
        stage.wait(HOUR);
        assert_eq!(stage.refresh(Dialect::Simplejwt, &first).status, 401);
        let replayed = json!({ "state": "replayed", "at": after(HOUR * 2), "reason": "refresh_reused",
                               "address": "127.0.0.1" });
        let wanted = json!({ "kind": "refresh", "state": "consumed", "at": after(HOUR), "session": { "end": replayed } });
        stage.expect(&first, &session, &wanted, &replayed);
        stage.expect_both(&second, &session, &replayed);
    }

    fn all_sessions_of_a_user_end(backend) {
        let stage = Stage::set(backend, |_| {});
        let password = || NewPassword::Text(Password::new("another horse".to_owned()));
        let ends: [(&str, End<'_>); 6] = [
            ("logout_all", &|token| assert_eq!(stage.app.client().logout_all(token), 200)),
            ("revoked", &|_| stage.admin.end_all_sessions(&stage.alice()).expect("an end")),
            ("deactivated", &|_| {
                stage.admin.set_active(&stage.alice(), false).expect("a change");
                stage.admin.set_active(&stage.alice(), true).expect("a change");
            }),
            ("old_sessions_ended", &|_| {
                stage.wait(HOUR);
                stage.admin.end_issued_before(stage.app.clock.now()).expect("an end");
            }),
            ("all_sessions_ended", &|_| stage.admin.end_everybody().expect("an end")),
            ("password_changed", &|_| stage.admin.set_password(&stage.alice(), password()).expect("a change")),
        ];
        let mut ended = Vec::new();
        for (reason, end) in ends {
            stage.wait(HOUR);
            let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
            end(&token);
            let is_own = reason == "logout_all";
            let actor = if is_own { format!("user:{}", stage.alice) } else { "user:77".to_owned() };
            let address = if is_own { "127.0.0.1" } else { "192.0.2.7" };
            let wanted = json!({ "state": "all_ended", "at": stage.app.clock.now().to_string(), "reason": reason,
                                 "actor": actor, "address": address });
            stage.expect_both(&token, &session, &wanted);
            ended.push((token, session, wanted));
        }
        // Each is explained by its own end, not by the latest.
        for (token, session, wanted) in ended {
            stage.expect_both(&token, &session, &wanted);
        }
    }

    fn a_user_is_inactive(backend) {
        let stage = Stage::set(backend, |_| {});
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.wait(HOUR);
        stage.admin.set_active(&stage.alice(), false).expect("a change");
        let wanted = json!({ "state": "user_inactive", "at": after(HOUR), "reason": "deactivated", "actor": "user:77",
                             "address": "192.0.2.7", "session": { "username": "alice" } });
        stage.expect_both(&token, &session, &wanted);
        stage.admin.set_active(&stage.alice(), true).expect("a change");
        let wanted = json!({ "state": "all_ended", "at": after(HOUR), "reason": "deactivated", "actor": "user:77" });
        stage.expect_both(&token, &session, &wanted);
    }

    fn a_user_is_gone(backend) {
        let stage = Stage::set(backend, |_| {});
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.wait(Duration::from_secs(1));
        let second = stage.log_in(Dialect::Knox).access;
        let logged_out = stage.session();
        assert_eq!(stage.app.client().logout(&second), 200);
        stage.wait(HOUR - Duration::from_secs(1));
        stage.admin.delete_user(&stage.alice()).expect("a deletion");
        let wanted = json!({ "state": "user_gone", "at": after(HOUR), "reason": "user_deleted", "actor": "user:77",
                             "address": "192.0.2.7", "session": { "user_id": stage.alice.0, "username": null } });
        stage.expect_both(&token, &session, &wanted);
        let wanted = json!({ "state": "ended", "at": after(Duration::from_secs(1)), "reason": "logout" });
        stage.expect_both(&second, &logged_out, &wanted);
        stage.by_hand("DELETE FROM audit_events");
        let wanted = json!({ "state": "user_gone", "at": after(HOUR), "reason": "user_deleted", "actor": null });
        stage.expect_both(&token, &session, &wanted);
        stage.wait(RETENTION + HOUR);
        stage.sweep();
        assert_eq!((stage.count("removed_sessions"), stage.count("token_traces")), (0, 0));
        stage.expect_both(&token, &session, &json!({ "state": "unknown", "days": 30 }));
    }

    fn what_is_done_with_sql_is_not_hidden(backend) {
        let stage = Stage::set(backend, |_| {});
        let nothing = json!({ "at": null, "reason": null, "actor": null, "address": null, "request_id": null });
        let with_state = |state: &str| {
            let mut wanted = nothing.clone();
            wanted["state"] = json!(state);
            wanted
        };
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.by_hand("UPDATE users SET is_active = FALSE");
        stage.expect_both(&token, &session, &with_state("user_inactive"));
        stage.by_hand("UPDATE users SET is_active = TRUE, auth_epoch = auth_epoch + 1");
        assert_members(&stage.of_token(&token), &with_state("all_ended"), "the epoch");
        stage.wait(SECOND);
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.by_hand("UPDATE sessions SET ended_at = created + 7 WHERE ended_at IS NULL");
        let wanted = json!({ "state": "ended", "at": after(SECOND + Duration::from_micros(7)), "reason": null, "actor": null });
        stage.expect_both(&token, &session, &wanted);
        stage.wait(SECOND);
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.by_hand("DELETE FROM tokens");
        stage.expect(&token, &session, &json!({ "state": "unknown" }), &with_state("ended"));
    }

    fn what_was_never_here_is_not_said_to_be_unissued(backend) {
        let stage = Stage::set(backend, |_| {});
        let stranger = "0123456789abcdef0123456789abcdef01234567";
        let id = "018cc251-f400-7000-8000-000000000000";
        stage.expect_both(stranger, id, &json!({ "state": "unknown", "days": 30, "expired_days": null, "session": null }));
        for malformed in ["", "two words", "é"] {
            let wanted = json!({ "about": "token", "kind": null, "state": "malformed", "session": null });
            assert_eq!(stage.of_token(malformed), wanted);
        }
        let opaque = Stage::set(backend, |policy| {
            policy.dialects.get_mut(Dialect::Simplejwt).form = TokenForm::Opaque;
        });
        assert_eq!(opaque.of_token(stranger)["expired_days"], 1);
        // Such a token expires before its session.
        let access = opaque.log_in(Dialect::Simplejwt).access;
        opaque.wait(DAY - HOUR);
        assert_eq!(opaque.of_token(&access)["state"], "expired");
        opaque.by_hand("UPDATE tokens SET expires = NULL WHERE kind = 'refresh'");
        opaque.wait(DAY);
        opaque.sweep();
        assert_eq!((opaque.of_token(&access)["state"].as_str(), opaque.count("token_traces")), (Some("unknown"), 0));
    }
}

/// An inactive user's token can be explained as soon as it is imported.
#[test]
fn an_imported_token_of_an_inactive_user_is_explained() {
    use knoxide::domain::import::ImportData;

    let stage = Stage::set(Backend::Sqlite, |_| {});
    let token = "e11cf4c10a2fd69d6f8576bc919cd2acc9481db5";
    let digest = "69109e28d949d1dc99f2aeb6c1c216a169592f91c5b26f9d627d429b02540592\
                  d26601c2eaf6d0e9036c9dcbe19ce18e762dd79dc96e3fc1b40974689a369624";
    let data = json!({
        "format": 1,
        "users": [{ "id": 50, "username": "bob", "password_hash": "!", "is_active": false }],
        "knox_tokens": [{ "digest": digest, "user": "bob", "created": "2026-01-01T00:00:00Z" }],
    });
    let data = ImportData::from_bytes(data.to_string().as_bytes()).expect("data");
    stage.admin.import(&data).expect("an import");
    let session = stage.session();
    let wanted = json!({ "state": "user_inactive", "at": after(Duration::ZERO), "reason": "imported" });
    stage.expect_both(token, &session, &wanted);
    assert_eq!(Event::from_name("imported"), Some(Event::Imported));
}
