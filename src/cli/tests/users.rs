use super::{HASH, Machine, Typist};
use crate::domain::user::{LoginName, UserId};
use crate::store::{AdminStore, SharedEmail};

#[test]
fn a_user_is_added_listed_shown_and_deleted() {
    let machine = Machine::with_alice();
    let users = machine.json(&["user", "list"]);
    let expected = serde_json::json!([{
        "id": 1, "username": "alice", "email": "a@example.org", "is_active": true, "is_staff": false, "is_admin": false,
        "last_login": null, "created": "2023-11-14T22:13:20Z",
    }]);
    assert_eq!(users, expected);
    let table = machine.done(&["user", "list"]);
    assert!(table.starts_with("ID  NAME") && table.contains("alice"), "{table}");
    assert!(machine.done(&["user", "show", "alice"]).contains("a@example.org"));
    assert_eq!(machine.json(&["user", "show", "id:1"])["username"], "alice");
    assert!(machine.done(&["user", "delete", "alice", "--yes"]).contains("deleted"));
    machine.refused(3, &["user", "show", "alice"]);
}

#[test]
fn acts_on_users_who_are_not_there_are_recorded() {
    let machine = Machine::with_alice();
    let acts: [(u8, &[&str], &str); 7] = [
        (3, &["user", "delete", "nobody", "--yes"], "user_deleted"),
        (3, &["user", "passwd", "nobody", "--password-hash", HASH], "password_changed"),
        (3, &["user", "set-admin", "nobody", "no"], "admin_withdrawn"),
        (3, &["user", "reset-password", "nobody"], "password_reset"),
        (3, &["token", "create", "nobody", "--name", "x"], "token_created"),
        (3, &["session", "revoke", "--user", "nobody", "--yes"], "revoked"),
        (4, &["user", "add", "", "--password-hash", HASH], "user_created"),
    ];
    for (code, arguments, act) in acts {
        let refused = || machine.json(&["audit", "list", "--event", "act_refused"]).as_array().expect("a list").clone();
        let before = refused().len();
        machine.refused(code, arguments);
        let events = refused();
        assert_eq!((events.len() - before, events[0]["detail"]["act"].as_str()), (1, Some(act)), "{arguments:?}");
        assert!(!events[0].to_string().contains("nobody"), "{}", events[0]);
    }
    let all = machine.json(&["audit", "list"]).as_array().expect("a list").len();
    machine.refused(3, &["user", "show", "nobody"]);
    machine.refused(3, &["session", "revoke", "--user", "nobody", "--dry-run"]);
    assert_eq!(machine.json(&["audit", "list"]).as_array().expect("a list").len(), all);
}

#[test]
fn flags_become_the_users_properties() {
    let machine = Machine::new();
    machine.done(&["user", "add", "root", "--staff", "--inactive", "--password-hash", "!"]);
    let account = machine.connection().find_account_by_id(UserId(1)).expect("an answer").expect("a user");
    assert!(account.user.is_staff && !account.user.is_active);
    assert_eq!(account.password.expose(), "!");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let machine = Machine::with_alice();
    let add = |name| machine.refused(4, &["user", "add", name, "--password-hash", HASH]);
    assert!(add("alice").contains("taken"));
    assert!(add("Alice").contains("could be taken for"));
    assert!(add("").contains("empty"));
    assert!(add("a\nb").contains("invisible"));
    let email = machine.refused(4, &["user", "add", "bob", "--email", "x\r\n@y", "--password-hash", HASH]);
    assert!(email.contains("e-mail"));
    machine.refused(3, &["user", "show", "bob"]);
}

#[test]
fn names_and_addresses_are_stored_as_keyboards_write_them() {
    let machine = Machine::new();
    let typed = [("zoe\u{308}", "zo\u{eb}"), ("\u{ff42}ob", "bob"), ("o\u{fb03}ce", "office")];
    for (decomposed, composed) in typed {
        let email = format!("{decomposed}@example.org");
        let said = machine.done(&["user", "add", decomposed, "--email", &email, "--password-hash", HASH]);
        assert!(said.contains(composed), "{said}");
        let shown = machine.json(&["user", "show", composed]);
        assert_eq!(shown["email"], format!("{composed}@example.org"));
        if decomposed.starts_with("zoe") {
            assert_eq!(machine.json(&["user", "show", decomposed])["id"], shown["id"], "the same letters");
        } else {
            // Different letters: an imported user may have exactly this name.
            machine.refused(3, &["user", "deactivate", decomposed]);
        }
        machine.refused(4, &["user", "add", decomposed, "--password-hash", HASH]);
    }
    let number = machine.json(&["user", "show", "bob"])["id"].clone();
    assert_eq!(
        machine.json(&["user", "show", &format!("id:{number}")])["name"],
        machine.json(&["user", "show", "bob"])["name"]
    );
    machine.refused(4, &["user", "add", &format!("id:{number}"), "--password-hash", HASH]);
    machine.refused(4, &["user", "rename", "bob", "id:9"]);
    machine.done(&["user", "rename", "bob", "re\u{301}gis"]);
    machine.done(&["user", "set-email", "r\u{e9}gis", "re\u{301}gis@example.org"]);
    assert_eq!(machine.json(&["user", "show", "r\u{e9}gis"])["email"], "r\u{e9}gis@example.org");
    // Its normal form is judged too.
    assert!(machine.refused(4, &["user", "add", "\u{a8}x", "--password-hash", HASH]).contains("white space"));
}

#[test]
fn what_is_no_address_is_refused() {
    let machine = Machine::with_alice();
    let long = format!("{}@x.org", "a".repeat(250));
    let bad = [
        "a@",
        "@x",
        "@",
        "a",
        "a@b@c",
        "a@x..org",
        "a@.org",
        "a@x.",
        "a b@x.org",
        "a@x org",
        " a@x.org",
        "a\u{200b}@x",
        &long,
    ];
    for bad in bad {
        for arguments in [&["add", "bob", "--password-hash", HASH, "--email", bad][..], &["set-email", "alice", bad]] {
            let refused = machine.refused(4, &[&["user"], arguments].concat());
            assert!(refused.contains("not an e-mail address"), "{bad:?}: {refused}");
        }
    }
    for good in ["a@localhost", "a+b@x.org", "\"a@b\"@x.org", "zo\u{eb}@\u{f6}.example"] {
        machine.done(&["user", "set-email", "alice", good]);
    }
}

#[test]
fn an_address_is_taken_once_unless_it_may_be_shared() {
    let machine = Machine::with_alice();
    for taken in ["a@example.org", "A@example.org", "a@EXAMPLE.ORG"] {
        let add = ["user", "add", "bob", "--email", taken, "--password-hash", HASH];
        let refused = machine.refused(4, &add);
        assert!(refused.contains("alice") && refused.contains("--shared-email"), "{refused}");
        machine.refused(3, &["user", "show", "bob"]);
    }
    machine.done(&["user", "add", "bob", "--email", "a@example.org", "--shared-email", "--password-hash", HASH]);
    machine.done(&["user", "add", "carol", "--password-hash", HASH]);
    assert!(machine.refused(4, &["user", "set-email", "carol", "a@example.org"]).contains("--shared-email"));
    machine.done(&["user", "set-email", "carol", "a@example.org", "--shared-email"]);
}

#[test]
fn name_address_and_staff_flag_are_changed_and_sessions_live_on() {
    let machine = Machine::with_alice();
    machine.done(&["token", "create", "alice", "--name", "script"]);
    machine.done(&["user", "add", "bob", "--password-hash", HASH]);
    assert!(machine.done(&["user", "rename", "alice", "anna"]).contains("anna"));
    machine.done(&["user", "set-email", "anna", "anna@example.org"]);
    machine.done(&["user", "set-staff", "anna", "yes"]);
    let anna = machine.json(&["user", "show", "anna"]);
    assert_eq!((&anna["id"], &anna["email"], &anna["is_staff"]), (&1.into(), &"anna@example.org".into(), &true.into()));
    assert_eq!(anna["sessions"].as_array().map(Vec::len), Some(1));
    machine.done(&["user", "set-staff", "anna", "no"]);
    machine.done(&["user", "set-email", "anna", ""]);
    let anna = machine.json(&["user", "show", "anna"]);
    assert_eq!((&anna["email"], &anna["is_staff"]), (&"".into(), &false.into()));
    for (name, why) in [("bob", "taken"), ("BOB", "could be taken for"), (" anna", "white space"), ("", "empty")] {
        assert!(machine.refused(4, &["user", "rename", "anna", name]).contains(why), "{name}");
    }
    assert!(machine.refused(4, &["user", "set-email", "anna", "nowhere"]).contains("e-mail"));
    machine.refused(2, &["user", "set-staff", "anna", "perhaps"]);
    for gone in [&["rename", "alice", "zoe"], &["set-email", "alice", "z@x.org"], &["set-staff", "alice", "yes"]] {
        machine.refused(3, &[&["user"], &gone[..]].concat());
    }
    assert_eq!(machine.json(&["user", "show", "anna"])["username"], "anna");
}

#[test]
fn shutting_out_ends_sessions_and_letting_in_revives_none() {
    let machine = Machine::with_alice();
    machine.done(&["token", "create", "alice", "--name", "script"]);
    machine.done(&["user", "deactivate", "alice"]);
    assert_eq!(machine.json(&["user", "show", "alice"])["is_active"], false);
    machine.done(&["user", "activate", "alice"]);
    let alice = machine.json(&["user", "show", "alice"]);
    assert_eq!((&alice["is_active"], &alice["sessions"]), (&true.into(), &serde_json::json!([])));
}

#[test]
fn deleting_asks_first() {
    let machine = Machine::with_alice();
    assert!(machine.refused(2, &["user", "delete", "alice"]).contains("--yes"));
    for (line, code) in [("no", 4), ("yes", 0), ("yes", 3)] {
        let typist = Typist { lines: vec![line], input: "" };
        assert_eq!(machine.run_with(&["user", "delete", "alice"], typist, &[]).code, code, "{line}");
    }
}

#[test]
fn lists_are_searched_and_come_in_pages() {
    let machine = Machine::with_alice();
    for name in ["bob", "carol"] {
        machine.done(&["user", "add", name, "--password-hash", HASH]);
    }
    let names = |arguments: &[&str]| {
        let users = machine.json(&[&["user", "list"], arguments].concat());
        users.as_array().expect("a list").iter().map(|user| user["username"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--limit", "2"]), ["alice", "bob"]);
    assert_eq!(names(&["--limit", "2", "--after", "2"]), ["carol"]);
    assert_eq!(names(&["--search", "example.org"]), ["alice"]);
    assert_eq!(names(&["--search", "o"]), ["alice", "bob", "carol"]);
}

#[test]
fn what_others_wrote_cannot_disturb_the_terminal() {
    let machine = Machine::with_alice();
    let new = crate::domain::user::NewUser {
        id: None,
        username: "eve\u{1b}[2J\nroot".to_owned(),
        email: String::new(),
        password: crate::domain::user::PasswordHash::unusable(),
        is_active: true,
        is_staff: false,
        is_admin: false,
        created: super::START,
    };
    let audit = crate::domain::audit::AuditContext {
        event: crate::domain::audit::Event::Imported,
        actor: crate::domain::audit::Actor::System,
        origin: crate::domain::audit::Origin::default(),
        at: super::START,
        detail: None,
    };
    machine.store().create_user(&new, SharedEmail::Allow, &audit).expect("an imported user");
    let table = machine.done(&["user", "list"]);
    assert!(table.contains("eve\\u001b[2J\\nroot"), "{table}");
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(!machine.done(&["user", "show", "id:2"]).contains('\u{1b}'));
    assert!(!machine.done(&["user", "deactivate", "id:2"]).contains('\u{1b}'));
}

#[test]
fn the_database_can_be_missing() {
    let machine = Machine::new();
    assert!(machine.refused(5, &["user", "list"]).contains("knoxide migrate"));
    assert!(!machine.folder.path().join("knoxide.db").exists(), "no file is made by looking");
    let strict = [("KNOXIDE_CREATE", "false")];
    let add = ["user", "add", "alice", "--password-hash", HASH];
    assert_eq!(machine.run_with(&add, Typist::default(), &strict).code, 5);
    machine.done(&add);
    let found = machine.connection().find_account(&LoginName::Username("alice".to_owned()));
    assert!(found.expect("an answer").is_some());
}

#[test]
fn a_one_time_password_is_shown_once_and_takes_the_place_of_the_password() {
    let machine = Machine::with_alice();
    let reset = machine.json(&["user", "reset-password", "alice"]);
    let value = reset["one_time_password"].as_str().expect("a text");
    assert_eq!((value.len(), &reset["username"]), (32, &serde_json::json!("alice")));
    assert_eq!(reset["expires"], "2023-11-15T22:13:20Z");
    let stored = || {
        let account = machine.connection().find_account_by_id(UserId(1)).expect("an answer").expect("a user");
        account.password
    };
    assert!(stored().is_unusable() && !stored().expose().contains(value));
    let said = machine.done(&["user", "reset-password", "id:1"]);
    let (shown, rest) = said.split_once('\n').expect("lines");
    assert!(shown.len() == 32 && shown != value && rest.contains("/auth/password/change/"), "{said}");
    machine.refused(3, &["user", "reset-password", "bob"]);
}

#[test]
fn the_last_administrator_goes_by_force_alone_and_that_is_told() {
    let machine = Machine::new();
    machine.done(&["user", "add", "root", "--admin", "--password-hash", HASH]);
    let acts = [
        &["user", "set-admin", "root", "no"][..],
        &["user", "deactivate", "root"],
        &["user", "delete", "root", "--yes"],
    ];
    for act in acts {
        let refusal = machine.refused(4, act);
        assert!(refusal.contains("an administrator first, or say --force"), "{act:?}: {refusal}");
    }
    // This command has no such option.
    let refusal = machine.refused(4, &["user", "passwd", "root", "--password-hash", "!"]);
    assert!(refusal.contains("an administrator first") && !refusal.contains("--force"), "{refusal}");
    for act in acts {
        machine.done(&[act, &["--force"]].concat());
    }
}
