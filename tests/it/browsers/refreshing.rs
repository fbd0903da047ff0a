//! Verifying and refreshing the token in a cookie.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::harness::app::Backend;
use crate::harness::dialects::posting;

/// The cookie that is refreshed, and the other cookies that the browser sends with it.
fn refreshable(access: &Cookie, refresh: Option<&Cookie>) -> String {
    refresh.map_or_else(|| access.sent(), |refresh| format!("{}; {}", access.sent(), refresh.sent()))
}

fn exchanging() -> impl Iterator<Item = (Speech, (&'static str, &'static str, &'static str))> {
    ALL.into_iter().filter_map(|speech| Some((speech, speech.exchange?)))
}

on_each_database! {
    fn a_refresh_by_cookie_answers_in_cookies(backend) {
        for rotate in [false, true] {
            let mut setup = setup(CookieMode::Lax);
            for (speech, _) in exchanging() {
                setup.policy.dialects.get_mut(speech.dialect).rotate = rotate;
            }
            let app = serve(backend, setup);
            let client = &mut app.client();
            for (speech, (_, path, field)) in exchanging() {
                let what = format!("{:?}, rotating: {rotate}", speech.dialect);
                let (access, refresh) = log_in(client, &speech);
                let sent = refreshable(&access, refresh.as_ref());
                app.clock.advance(Duration::from_secs(2));
                // A client that was sent null sends null back.
                for body in [json!({}), json!({ field: null })] {
                    let request = posting(path, &body).header("Cookie", sent.clone());
                    assert_eq!(client.ask(&request).status, 403, "{what}");
                    let reply = client.ask(&request.header("Origin", LISTED));
                    assert_eq!(reply.status, 200, "{what}: {}", reply.text());
                    let shown = members(&reply);
                    assert!(shown[speech.refreshed].is_null(), "{what}: {shown}");
                    let renewed = speech.has_refresh_token && rotate;
                    assert_eq!(shown.as_object().expect("an object").get("refresh"), renewed.then_some(&Value::Null), "{what}");
                    let (new, successor) = both(&reply);
                    assert_ne!(new.value, access.value, "{what}");
                    assert_eq!((new.path.as_str(), new.rest.as_str()), ("/", access.rest.as_str()), "{what}");
                    assert_eq!(check(client, &new), 200, "{what}");
                    assert_eq!(successor.is_some(), renewed, "{what}");
                    if let (Some(successor), Some(refresh)) = (successor, &refresh) {
                        assert_eq!((&successor.name, &successor.path), (&refresh.name, &refresh.path), "{what}");
                        assert_ne!(successor.value, refresh.value, "{what}");
                    }
                    assert_eq!(cleared(&reply).iter().filter(|(name, _)| *name == access.name).count(), 0, "{what}");
                    // The texts of the tokens are nowhere in the body.
                    let mut said = Vec::new();
                    texts(&shown, &mut said);
                    assert!(kept(&reply).iter().all(|cookie| !said.contains(&cookie.value)), "{what}: {said:?}");
                }
            }
        }
    }

    fn a_body_with_a_token_is_answered_in_the_body_and_never_goes_with_a_cookie(backend) {
        let app = serve(backend, setup(CookieMode::Lax));
        let client = &mut app.client();
        for (speech, (verify, path, field)) in exchanging() {
            let what = format!("{:?}", speech.dialect);
            let (access, refresh) = log_in(client, &speech);
            let token = refresh.as_ref().map_or(&access.value, |refresh| &refresh.value).clone();
            let by_body = posting(path, &json!({ field: token }));
            let reply = client.ask(&by_body);
            assert_eq!((reply.status, cookies(&reply)), (200, vec![]), "{what}: {}", reply.text());
            assert_eq!(speech.check(client, &speech.refreshed(&reply)), 200, "{what}");
            let sent = refreshable(&access, refresh.as_ref());
            let both_ways = by_body.header("Cookie", sent.clone()).header("Origin", LISTED);
            assert_eq!(client.ask(&both_ways).status, 400, "{what}");
            let verifying = posting(verify, &json!({ "token": access.value })).header("Cookie", sent.clone());
            assert_eq!(client.ask(&verifying).status, 400, "{what}");
            let with_header = posting(path, &json!({})).header("Cookie", sent.clone()).header("Origin", LISTED);
            assert_eq!(client.ask(&with_header.header("Authorization", "Token x")).status, 400, "{what}");
            let name = refresh.as_ref().map_or(&access, |refresh| refresh).sent();
            let twice = posting(path, &json!({})).header("Cookie", format!("{name}; {name}")).header("Origin", LISTED);
            assert_eq!(client.ask(&twice).status, 400, "{what}");
            // Without either, the field is reported as missing, as without cookies.
            let reply = client.ask(&posting(path, &json!({})));
            let missing = json!({ field: ["This field is required."] });
            assert_eq!((reply.status, members(&reply)), (400, missing), "{what}");
            let list = client.ask(&posting(path, &json!([])).header("Cookie", sent).header("Origin", LISTED));
            assert_eq!(list.status, 400, "{what}: {}", list.text());
        }
    }

    fn verifying_a_cookie_never_shows_its_token(backend) {
        let app = serve(backend, setup(CookieMode::Strict));
        let client = &mut app.client();
        for (speech, (verify, ..)) in exchanging() {
            let (access, _) = log_in(client, &speech);
            let request = posting(verify, &json!({})).header("Cookie", access.sent());
            assert_eq!(client.ask(&request).status, 403);
            let request = request.header("Sec-Fetch-Site", "same-origin");
            let reply = client.ask(&request);
            assert_eq!((reply.status, cookies(&reply)), (200, vec![]), "{:?}: {}", speech.dialect, reply.text());
            assert!(!reply.text().contains(&access.value));
            if !speech.has_refresh_token {
                assert!(members(&reply)["token"].is_null(), "{}", reply.text());
            }
            assert_eq!(client.ask(&with("POST", "/auth/logout/", &access.sent()).header("Origin", LISTED)).status, 200);
            let reply = client.ask(&request);
            assert!(matches!(reply.status, 400 | 401) && !reply.text().contains(&access.value), "{}", reply.text());
        }
    }
}

/// Neither kind of token is accepted in place of the other, nor in place of another dialect's.
#[test]
fn a_cookie_has_the_kind_of_token_that_its_name_says() {
    let app = serve(Backend::Sqlite, setup(CookieMode::Lax));
    let client = &mut app.client();
    for speech in ALL.into_iter().filter(|speech| speech.has_refresh_token) {
        let (_, path, _) = speech.exchange.expect("endpoints");
        let (access, refresh) = log_in(client, &speech);
        let refresh = refresh.expect("a refresh token");
        let swapped = format!("{}={}", access.name, refresh.value);
        assert_eq!(client.ask(&with("GET", "/auth/user/", &swapped)).status, 401, "a refresh token");
        for other in ALL {
            let (foreign, _) = log_in(client, &other);
            let wrong = format!("{}={}", refresh.name, foreign.value);
            let reply = client.ask(&posting(path, &json!({})).header("Cookie", wrong).header("Origin", LISTED));
            assert!(matches!(reply.status, 400 | 401), "{:?} at {:?}", other.dialect, speech.dialect);
            assert_eq!(cookies(&reply), []);
        }
    }
}
