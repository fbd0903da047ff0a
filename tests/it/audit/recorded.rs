//! What is recorded of logins and refusals, and what users see of it at `GET /auth/events/`.

use std::time::Duration;

use knoxide::domain::audit::{Actor, Origin};
use knoxide::domain::dialect::Dialect;
use knoxide::domain::time::Clock as _;
use knoxide::domain::user::{LoginName, Password, UserId};
use knoxide::service::admin::{Admin, NewPassword};
use knoxide::store::LastAdmin;
use serde_json::{Value, json};

use super::all;
use crate::harness::app::{App, Client, login_request, on_each_database};
use crate::harness::wire::Request;

const MINUTE: Duration = Duration::from_secs(60);

/// An administrator at some address.
fn administrator(app: &App) -> Admin {
    Admin {
        actor: Actor::User(UserId(4711)),
        origin: Origin {
            address: Some([192, 0, 2, 99].into()),
            user_agent: Some("the administrator's".to_owned()),
            request_id: Some("secret-request".to_owned()),
        },
        ..app.admin()
    }
}

fn page(client: &mut Client, token: &str, query: &str) -> Value {
    let reply = client.with_token("GET", &format!("/auth/events/{query}"), token);
    assert_eq!(reply.status, 200, "{}", reply.text());
    serde_json::from_str(&reply.text()).expect("JSON")
}

fn names(page: &Value) -> Vec<&str> {
    let results = page["results"].as_array().expect("a list");
    results.iter().map(|event| event["event"].as_str().expect("a name")).collect()
}

on_each_database! {
    fn refusals_are_recorded_with_their_reason_and_no_unknown_name(backend) {
        let app = App::start(backend);
        let alice = app.add_user("alice", "correct horse");
        let bob = app.add_user("bob", "correct horse");
        administrator(&app).set_active(&app.connection().find_account_by_id(bob).expect("a read").expect("bob").user, false)
            .expect("a write");
        let client = &mut app.client();
        for (name, password) in [("alice", "wrong"), ("bob", "correct horse"), ("My-Pass-w0rd!", "x")] {
            let request = login_request(name, password).header("User-Agent", "curl/8");
            assert_eq!(client.ask(&request).status, 400);
        }
        let refused: Vec<_> = all(&mut *app.connection()).into_iter().filter(|e| e.event == "login_failed").collect();
        let seen: Vec<_> = refused.iter().map(|event| (event.user_id, event.detail.clone())).collect();
        let because = |reason: &str| Some(json!({ "reason": reason }));
        assert_eq!(seen, [
            (Some(alice), because("wrong_password")),
            (Some(bob), because("inactive_user")),
            (None, because("unknown_user")),
        ]);
        for event in &refused {
            assert_eq!((event.actor.as_str(), event.address.as_deref(), event.count), ("anonymous", Some("127.0.0.1"), 1));
            assert_eq!(event.user_agent.as_deref(), Some("curl/8"));
            assert!(event.request_id.is_some());
            assert!(!serde_json::to_string(event).expect("JSON").contains("My-Pass"));
        }
    }

    fn users_see_their_own_events_and_no_administrator(backend) {
        let app = App::start(backend);
        let [alice, _] = ["alice", "bob"].map(|name| app.add_user(name, "correct horse"));
        let client = &mut app.client();
        let first = client.login("alice", "correct horse");
        client.login("bob", "correct horse");
        assert_eq!(client.try_login("alice", "wrong").status, 400);
        let mine = client.login("alice", "correct horse");
        assert_eq!(client.logout(&first), 200);
        let account = app.connection().find_account(&LoginName::Username("alice".to_owned()));
        let user = account.expect("a read").expect("alice").user;
        administrator(&app).set_email(&user, "a@example.net", knoxide::store::SharedEmail::Refuse).expect("a write");
        let refused = administrator(&app).set_password(&user, NewPassword::Text(Password::new("alice".to_owned())));
        assert!(refused.is_err());

        let events = page(client, &mine, "");
        let expected = ["act_refused", "email_changed", "logout", "login", "login_failed", "login", "user_created"];
        assert_eq!((names(&events), &events["next"]), (expected.to_vec(), &Value::Null));
        let shown = |at: usize, key: &str| events["results"][at][key].clone();
        let actors: Vec<_> = (0..7).map(|at| shown(at, "actor")).collect();
        assert_eq!(actors, ["admin", "admin", "self", "self", "anonymous", "self", "admin"]);
        for at in [0, 1] {
            let hidden = ["address", "user_agent", "request_id", "detail", "session"].map(|key| shown(at, key));
            assert_eq!(hidden, [(); 5].map(|()| Value::Null));
        }
        assert!(!events.to_string().contains("4711") && !events.to_string().contains(&format!("user:{alice}")));
        assert_eq!((shown(4, "address"), shown(4, "detail")), (json!("127.0.0.1"), json!({ "reason": "wrong_password" })));

        let one = page(client, &mine, "?limit=3");
        let cursor = one["next"].as_str().expect("a cursor");
        assert_eq!(names(&one), expected[..3]);
        client.login("alice", "correct horse");
        let two = page(client, &mine, &format!("?limit=4&cursor={cursor}"));
        assert_eq!((names(&two), &two["next"]), (expected[3..].to_vec(), &Value::Null));
        for (query, field) in [("?limit=0", "limit"), ("?limit=x", "limit"), ("?cursor=x", "cursor")] {
            let reply = client.with_token("GET", &format!("/auth/events/{query}"), &mine);
            assert_eq!(reply.status, 400);
            assert!(reply.text().starts_with(&format!("{{\"{field}\":[\"")), "{}", reply.text());
        }
        assert_eq!(client.ask(&Request::new("GET", "/auth/events/")).status, 401);
        assert_eq!(client.with_token("GET", "/auth/events/", &first).status, 401);
    }

    fn each_act_of_an_administrator_is_one_event_also_if_it_is_refused(backend) {
        let app = App::start(backend);
        app.add_user("alice", "correct horse");
        let admin = administrator(&app);
        let forced = Admin { last_admin: LastAdmin::MayGo, ..admin.clone() };
        let user = admin.find_user("alice").expect("alice");
        let session = knoxide::domain::session::SessionId::from_bytes([7; 16]);
        let weak = || NewPassword::Text(Password::new("alice".to_owned()));
        let acts: [(&str, &dyn Fn() -> bool); 14] = [
            ("user_renamed", &|| admin.rename_user(&user, "anna").is_ok()),
            ("act_refused", &|| admin.rename_user(&user, "").is_err()),
            ("password_changed", &|| admin.set_password(&user, NewPassword::Text(Password::new("Tr0ub4dor-&3".to_owned()))).is_ok()),
            ("act_refused", &|| admin.set_password(&user, weak()).is_err()),
            ("token_created", &|| admin.create_token(&admin.find_user("anna").expect("anna"), "ci".to_owned(), None, Dialect::Knox.into()).is_ok()),
            ("act_refused", &|| admin.create_token(&user, String::new(), None, Dialect::Knox.into()).is_err()),
            ("act_refused", &|| admin.end_session(session).is_err()),
            ("revoked", &|| admin.end_all_sessions(&user).is_ok()),
            ("all_sessions_ended", &|| admin.end_everybody().is_ok()),
            ("old_sessions_ended", &|| admin.end_issued_before(app.clock.now()).is_ok()),
            ("act_refused", &|| admin.end_issued_before(app.clock.now().saturating_add(MINUTE)).is_err()),
            ("admin_granted", &|| admin.set_admin(&user, true).is_ok()),
            ("act_refused", &|| admin.set_admin(&user, false).is_err()),
            ("user_deleted", &|| forced.delete_user(&user).is_ok()),
        ];
        for (event, act) in acts {
            let before = all(&mut *app.connection()).len();
            assert!(act(), "{event}");
            let events = all(&mut *app.connection());
            let new: Vec<_> = events.iter().skip(before).collect();
            assert_eq!(new.iter().map(|event| event.event.as_str()).collect::<Vec<_>>(), [event]);
            assert_eq!((new[0].actor.as_str(), new[0].address.as_deref()), ("user:4711", Some("192.0.2.99")));
            assert!(!serde_json::to_string(new[0]).expect("JSON").contains("anna"), "no name stays");
        }
    }
}
