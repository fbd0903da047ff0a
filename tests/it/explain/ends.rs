//! A token that expired after its session had ended is explained by the end of the session, even when its row is gone.

use knoxide::store::SessionMatch;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// Opens two sessions, one with an opaque token and one with a JWT; both expire an hour after the start.
fn log_in_twice(stage: &Stage) -> [(String, String); 2] {
    [Dialect::Knox, Dialect::Simplejwt].map(|dialect| {
        stage.wait(MINUTE);
        (stage.log_in(dialect).access, stage.session())
    })
}

fn with_an_hour(policy: &mut Policy) {
    short_lived(policy);
    let simplejwt = policy.dialects.get_mut(Dialect::Simplejwt);
    (simplejwt.access_ttl, simplejwt.refresh) = (Some(HOUR), RefreshPolicy::Pair { ttl: HOUR, window: None });
}

/// Requires this explanation of both tokens and sessions, before and after the sweep that deletes the rows three days
/// later.
fn expect_for_good(stage: &Stage, tokens: &[(String, String)], wanted: &serde_json::Value) {
    for (token, session) in tokens {
        assert_members(&stage.of_token(token), wanted, "the token at once");
        assert_members(&stage.of_session(session), wanted, "the session at once");
    }
    stage.wait(DAY * 3);
    for (token, session) in tokens {
        stage.expect_both(token, session, wanted);
    }
    assert_eq!(stage.count("tokens"), 0);
}

on_each_database! {
    fn a_deactivation_explains_what_expired_after_it(backend) {
        let stage = Stage::set(backend, with_an_hour);
        let tokens = log_in_twice(&stage);
        stage.admin.set_active(&stage.alice(), false).expect("a change");
        let wanted = json!({ "state": "user_inactive", "at": after(MINUTE * 2), "reason": "deactivated",
                             "actor": "user:77", "address": "192.0.2.7" });
        stage.sweep();
        expect_for_good(&stage, &tokens, &wanted);
        stage.wait(RETENTION);
        stage.sweep();
        assert_eq!((stage.count("sessions"), stage.count("token_traces")), (0, 0));
    }

    fn an_end_of_all_sessions_explains_what_expired_before_the_next_sweep(backend) {
        let stage = Stage::set(backend, with_an_hour);
        let tokens = log_in_twice(&stage);
        stage.admin.end_everybody().expect("an end");
        let wanted = json!({ "state": "all_ended", "at": after(MINUTE * 2), "reason": "all_sessions_ended",
                             "actor": "user:77", "address": "192.0.2.7" });
        expect_for_good(&stage, &tokens, &wanted);
    }

    fn an_end_of_old_sessions_explains_what_expired_before_the_next_sweep(backend) {
        let stage = Stage::set(backend, with_an_hour);
        let tokens = log_in_twice(&stage);
        stage.wait(MINUTE);
        stage.admin.end_issued_before(stage.app.clock.now()).expect("an end");
        let wanted = json!({ "state": "all_ended", "at": after(MINUTE * 3), "reason": "old_sessions_ended",
                             "actor": "user:77", "address": "192.0.2.7" });
        expect_for_good(&stage, &tokens, &wanted);
    }

    fn a_session_expires_with_the_last_of_its_tokens(backend) {
        let stage = Stage::set(backend, |policy| {
            let simplejwt = policy.dialects.get_mut(Dialect::Simplejwt);
            (simplejwt.form, simplejwt.access_ttl) = (TokenForm::Opaque, Some(HOUR));
            simplejwt.refresh = RefreshPolicy::Pair { ttl: HOUR * 2, window: None };
        });
        let pair = stage.log_in(Dialect::Simplejwt);
        let session = stage.session();
        stage.wait(DAY * 3);
        let expired = |at| json!({ "state": "expired", "at": after(at) });
        stage.expect(&pair.access, &session, &expired(HOUR), &expired(HOUR * 2));
        stage.expect_both(&pair.refresh.expect("a refresh token"), &session, &expired(HOUR * 2));
    }

    fn the_end_of_a_set_of_sessions_is_explained(backend) {
        let stage = Stage::set(backend, |_| {});
        let tokens = log_in_twice(&stage);
        let of_alice = SessionMatch::of_user(stage.alice);
        let found = stage.admin.dry_run(&of_alice).expect("a count");
        assert_eq!(stage.admin.end_filtered(&of_alice, found.shown(), &mut |_| {}).expect("an end"), 2);
        let wanted = |at| json!({ "state": "all_ended", "at": after(at), "reason": "revoked", "actor": "user:77",
                                  "address": "192.0.2.7", "request_id": "r-77" });
        for (token, session) in &tokens {
            stage.expect_both(token, session, &wanted(MINUTE * 2));
        }
        // In a large mass end, sessions end some time after it began.
        stage.by_hand("UPDATE sessions SET ended_at = ended_at + 60000000");
        for (token, session) in &tokens {
            stage.expect_both(token, session, &wanted(MINUTE * 3));
        }
        // Another administrator's end of one session is not attributed to the mass end.
        stage.wait(MINUTE);
        let (token, session) = (stage.log_in(Dialect::Knox).access, stage.session());
        stage.by_hand("UPDATE sessions SET ended_at = created, ended_reason = 'revoked', ended_by = 'cli' \
                       WHERE ended_at IS NULL");
        stage.expect_both(&token, &session, &json!({ "state": "ended", "reason": "revoked", "address": null }));
    }
}
