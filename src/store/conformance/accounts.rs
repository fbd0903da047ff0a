//! Users, and what changes of users end.

use super::*;
use crate::store::UserChange;

pub(super) const CASES: &[Case] = &[
    ("names are compared exactly", names_are_exact),
    ("an e-mail address of two users finds no account", shared_email),
    ("the domain of an e-mail address is found in any case, exact ones first", domains_without_case),
    ("a better hash ends nothing and never overwrites a new password", hash_upgrade),
    ("shadow users follow their original", shadow_users),
    ("a name goes from one shadow user to another", shadow_names_move),
];

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("names and look-alikes are taken once", names_are_taken),
    ("an e-mail address is taken once, unless it may be shared", emails_are_taken),
    ("another name, e-mail address or staff flag ends no session", changed_users_stay),
    ("a changed user takes no name or e-mail address of another", changes_are_refused),
    ("ids are kept, and not used again", ids_are_kept),
    ("a new password ends the other sessions", password_change),
    ("deactivating refuses, activating revives nothing", deactivation),
    ("a login permitted before an activation is refused after it", activation_raises_the_epoch),
    ("setting what is already so changes nothing", activation_is_idempotent),
    ("only an administrator activates a shadow user", shadow_users_stay_inactive),
];

fn by_name(name: &str) -> LoginName {
    LoginName::Username(name.to_owned())
}

fn by_email(email: &str) -> LoginName {
    LoginName::Email(email.to_owned())
}

fn found_id(conn: &mut dyn Connection, login: &LoginName) -> Option<UserId> {
    conn.find_account(login).expect("a read").map(|account| account.user.id)
}

fn names_are_exact(store: &dyn Store) {
    let conn = &mut *connect(store);
    let alice = add_user(conn, "alice");
    let zoe = add_user(conn, "Zoë-日本-🦀");
    let quoted = add_user(conn, "o'brien \"the\" \\ <b>& %_");
    assert_eq!(found_id(conn, &by_name("alice")), Some(alice));
    assert_eq!(found_id(conn, &by_name("Zoë-日本-🦀")), Some(zoe));
    assert_eq!(found_id(conn, &by_name("o'brien \"the\" \\ <b>& %_")), Some(quoted));
    for stranger in ["a\0", "Alice", "alice ", "ALICE", "", "alic%", "alice@example.com", "Zoe\u{308}-日本-🦀"] {
        assert_eq!(found_id(conn, &by_name(stranger)), None, "{stranger:?}");
    }
    assert_eq!(found_id(conn, &by_email("alice@example.com")), Some(alice));
    assert_eq!(found_id(conn, &by_email("Alice@example.com")), None);
    let account = conn.find_account(&by_name("alice")).expect("a read").expect("alice");
    assert_eq!(account.password.expose(), "hash of alice");
    assert_eq!(conn.find_account_by_id(UserId(4711)).map(|found| found.is_none()), Ok(true));
}

fn shared_email(store: &dyn Store) {
    let conn = &mut *connect(store);
    for name in ["alice", "bob"] {
        let shared = NewUser { email: "both@example.com".to_owned(), ..new_user(name) };
        put_user(conn, &shared);
        let nameless = NewUser { email: String::new(), ..new_user(&format!("{name}2")) };
        put_user(conn, &nameless);
    }
    assert_eq!(found_id(conn, &by_email("both@example.com")), None);
    assert_eq!(found_id(conn, &by_email("")), None);
}

fn domains_without_case(store: &dyn Store) {
    let conn = &mut *connect(store);
    let mut add = |name: &str, email: &str| {
        put_user(conn, &NewUser { email: email.to_owned(), ..new_user(name) });
        found_id(conn, &by_name(name)).expect("the user")
    };
    let alice = add("alice", "Alice@Example.com");
    let (low, high) = (add("low", "casey@example.com"), add("high", "casey@EXAMPLE.com"));
    let odd = add("odd", "\"a@b\"@example.com");
    let plain = add("plain", "Without");
    let umlaut = add("umlaut", "zoë@ÖSTERREICH.example");
    let cases = [
        ("Alice@Example.com", Some(alice)),
        ("Alice@example.com", Some(alice)),
        ("Alice@EXAMPLE.COM", Some(alice)),
        ("alice@Example.com", None),
        ("ALICE@EXAMPLE.COM", None),
        ("Alice@Example.co", None),
        ("Alice@Example.com.", None),
        ("lice@Example.com", None),
        ("casey@example.com", Some(low)),
        ("casey@EXAMPLE.com", Some(high)),
        ("casey@Example.com", None),
        ("\"a@b\"@EXAMPLE.com", Some(odd)),
        ("\"a@B\"@EXAMPLE.com", None),
        ("Without", Some(plain)),
        ("without", None),
        ("zoë@ÖSTERREICH.EXAMPLE", Some(umlaut)),
        ("zoë@österreich.example", None),
        ("zoë", None),
        ("@", None),
        ("Alice@%", None),
        ("Alice@Example.com\0", None),
    ];
    for (typed, found) in cases {
        assert_eq!(found_id(conn, &by_email(typed)), found, "{typed:?}");
    }
}

fn emails_are_taken(store: &dyn AdminStore) {
    let create = |name: &str, email: &str, shared| {
        let new = NewUser { email: email.to_owned(), ..new_user(name) };
        store.create_user(&new, shared, &audit(Event::UserCreated)).expect("a write")
    };
    let is_created = |creation| matches!(creation, UserCreation::Created(_));
    assert!(is_created(create("alice", "both@example.com", SharedEmail::Refuse)));
    for alike in ["both@example.com", "both@EXAMPLE.com", "Both@example.com"] {
        assert_eq!(create("bob", alike, SharedEmail::Refuse), UserCreation::EmailTaken("alice".to_owned()), "{alike}");
    }
    assert!(is_created(create("bob", "both@example.com", SharedEmail::Allow)));
    assert!(is_created(create("carol", "another@example.com", SharedEmail::Refuse)));
    for nameless in ["dave", "erin"] {
        assert!(is_created(create(nameless, "", SharedEmail::Refuse)), "no address is no shared one");
    }
}

fn change(store: &dyn AdminStore, user: UserId, change: &UserChange) -> UserChanged {
    store.change_user(user, change, &audit(Event::UserRenamed)).expect("a write")
}

fn changed_users_stay(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_and_log_in(conn, "alice", 1), add_and_log_in(conn, "bob", 2));
    let epoch = epoch_of(conn, alice);
    let changes = [
        UserChange::Username("ALICE".to_owned()),
        UserChange::Username("anna".to_owned()),
        UserChange::Email("Alice@example.com".to_owned(), SharedEmail::Refuse),
        UserChange::Email("anna@example.org".to_owned(), SharedEmail::Refuse),
        UserChange::Staff(true),
        // What is so already.
        UserChange::Username("anna".to_owned()),
        UserChange::Email("anna@example.org".to_owned(), SharedEmail::Refuse),
        UserChange::Staff(true),
        UserChange::Admin(true, LastAdmin::Keep),
        UserChange::Admin(false, LastAdmin::MayGo),
    ];
    for wanted in changes {
        assert_eq!(change(store, alice, &wanted), UserChanged::Done, "{wanted:?}");
        assert!(is_live(conn, 1), "{wanted:?}");
        let seen = record_of(conn, 1).user;
        let is_seen = match &wanted {
            UserChange::Username(name) => seen.username == *name,
            UserChange::Email(email, _) => seen.email == *email,
            UserChange::Staff(is_staff) => seen.is_staff == *is_staff,
            UserChange::Admin(is_admin, _) => seen.is_admin == *is_admin,
        };
        assert!(is_seen, "{wanted:?} of {seen:?}");
    }
    assert_eq!(epoch_of(conn, alice), epoch);
    assert_eq!((found_id(conn, &by_name("anna")), found_id(conn, &by_name("alice"))), (Some(alice), None));
    assert_eq!(found_id(conn, &by_email("anna@example.org")), Some(alice));
    let other = account_of(conn, bob).user;
    assert_eq!((other.username.as_str(), other.email.as_str(), other.is_staff), ("bob", "bob@example.com", false));
    assert_eq!(change(store, alice, &UserChange::Email(String::new(), SharedEmail::Refuse)), UserChanged::Done);
    assert_eq!(change(store, alice, &UserChange::Staff(false)), UserChanged::Done);
    assert!(is_live(conn, 1));
}

fn changes_are_refused(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    let name = |text: &str| UserChange::Username(text.to_owned());
    let email = |text: &str, shared| UserChange::Email(text.to_owned(), shared);
    let bobs = || "bob".to_owned();
    assert_eq!(change(store, alice, &name("bob")), UserChanged::NameTaken);
    assert_eq!(change(store, alice, &name("BOB")), UserChanged::Lookalike(bobs()));
    for taken in ["bob@example.com", "bob@EXAMPLE.com", "BOB@example.com"] {
        let refused = change(store, alice, &email(taken, SharedEmail::Refuse));
        assert_eq!(refused, UserChanged::EmailTaken(bobs()), "{taken}");
    }
    let unchanged = account_of(conn, alice).user;
    assert_eq!((unchanged.username.as_str(), unchanged.email.as_str()), ("alice", "alice@example.com"));
    assert_eq!(change(store, alice, &email("bob@example.com", SharedEmail::Allow)), UserChanged::Done);
    assert_eq!(found_id(conn, &by_email("bob@example.com")), None);
    // The name of one becomes free for the other.
    assert_eq!(change(store, bob, &name("carol")), UserChanged::Done);
    assert_eq!(change(store, alice, &name("bob")), UserChanged::Done);
    for wanted in [name("zoe"), email("zoe@example.com", SharedEmail::Refuse), UserChange::Staff(true)] {
        assert_eq!(change(store, UserId(4711), &wanted), UserChanged::NoSuchUser);
    }
}

fn names_are_taken(store: &dyn AdminStore) {
    add_user(&mut *connect(store), "casey");
    let create = |name: &str| {
        store.create_user(&new_user(name), SharedEmail::Allow, &audit(Event::UserCreated)).expect("a write")
    };
    assert_eq!(create("casey"), UserCreation::Taken);
    for alike in ["Casey", "cаsey", "ｃasey"] {
        assert_eq!(create(alike), UserCreation::Lookalike("casey".to_owned()), "{alike}");
    }
    assert!(matches!(create("casey2"), UserCreation::Created(_)));
}

fn ids_are_kept(store: &dyn AdminStore) {
    let with_id = |id, name: &str| NewUser { id: Some(UserId(id)), ..new_user(name) };
    let create =
        |new: &NewUser| store.create_user(new, SharedEmail::Allow, &audit(Event::UserCreated)).expect("a write");
    assert_eq!(create(&with_id(900, "alice")), UserCreation::Created(UserId(900)));
    assert_eq!(create(&with_id(900, "bob")), UserCreation::Taken);
    assert!(matches!(create(&new_user("carol")), UserCreation::Created(UserId(id)) if id > 900));
}

fn password_change(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    log_in(conn, alice, 1);
    log_in(conn, alice, 2);
    log_in(conn, bob, 3);
    let before = epoch_of(conn, alice);
    let new = PasswordHash::from_stored("new hash".to_owned());
    let changed = audit(Event::PasswordChanged);
    assert_eq!(store.set_password(alice, &new, Some(session_id(2)), &changed), Ok(UserChanged::Done));
    assert_eq!((is_live(conn, 1), is_live(conn, 2), is_live(conn, 3)), (false, true, true));
    assert_eq!(conn.open_session(&new_session(4, alice, before)), Ok(Opening::Denied));
    let stored = account_of(conn, alice).password;
    assert_eq!(stored.expose(), "new hash");
    // A session of another user, or a dead one, cannot be kept alive.
    assert_eq!(store.set_password(alice, &new, Some(session_id(3)), &changed), Ok(UserChanged::Done));
    assert_eq!((is_live(conn, 2), is_live(conn, 3)), (false, true));
    assert_eq!(store.set_password(alice, &new, Some(session_id(1)), &changed), Ok(UserChanged::Done));
    assert!(!is_live(conn, 1));
    assert_eq!(store.set_password(UserId(4711), &new, None, &changed), Ok(UserChanged::NoSuchUser));
}

fn hash_upgrade(store: &dyn Store) {
    let conn = &mut *connect(store);
    let alice = add_and_log_in(conn, "alice", 1);
    let hash = |text: &str| PasswordHash::from_stored(text.to_owned());
    let (old, better) = (hash("hash of alice"), hash("better hash"));
    assert_eq!(conn.upgrade_password_hash(alice, &old, &better), Ok(true));
    assert!(is_live(conn, 1));
    assert_eq!(conn.upgrade_password_hash(alice, &old, &hash("late")), Ok(false));
    let stored = account_of(conn, alice).password;
    assert_eq!(stored.expose(), "better hash");
}

fn deactivation(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let alice = add_and_log_in(conn, "alice", 1);
    add_and_log_in(conn, "bob", 2);
    switch(store, alice, false);
    // The rows stay, so that the client can learn the reason.
    assert_eq!(verdict(conn, 1), Some(Refusal::InactiveUser));
    assert!(is_live(conn, 2));
    switch(store, alice, true);
    assert_eq!(verdict(conn, 1), Some(Refusal::OldEpoch));
    log_in(conn, alice, 3);
    assert_eq!((is_live(conn, 1), is_live(conn, 3)), (false, true));
    switch(store, alice, false);
    assert_eq!((verdict(conn, 1), verdict(conn, 3)), (Some(Refusal::OldEpoch), Some(Refusal::InactiveUser)));
    let nobody = store.set_active(UserId(4711), false, LastAdmin::MayGo, &audit(Event::Deactivated));
    assert_eq!(nobody, Ok(UserChanged::NoSuchUser));
}

fn activation_raises_the_epoch(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let alice = create(store, &NewUser { is_active: false, ..new_user("alice") });
    let before = epoch_of(conn, alice);
    switch(store, alice, true);
    assert!(epoch_of(conn, alice) > before);
    assert_eq!(conn.open_session(&new_session(1, alice, before)), Ok(Opening::Denied));
    log_in(conn, alice, 2);
    assert!(is_live(conn, 2));
}

fn activation_is_idempotent(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let alice = add_and_log_in(conn, "alice", 1);
    switch(store, alice, true);
    assert!(is_live(conn, 1));
    switch(store, alice, false);
    let epoch = epoch_of(conn, alice);
    switch(store, alice, false);
    assert_eq!(epoch_of(conn, alice), epoch);
}

fn shadow_users(store: &dyn Store) {
    let conn = &mut *connect(store);
    let shadow = |name: &str, is_active| NewUser {
        id: Some(UserId(77)),
        password: PasswordHash::unusable(),
        is_active,
        ..new_user(name)
    };
    let epoch = conn.put_shadow_user(&shadow("remote", true), &audit(Event::Login)).expect("a write");
    assert_eq!(conn.open_session(&new_session(1, UserId(77), epoch)), Ok(Opening::Opened));
    // The same again, with a new name: nothing ends.
    let renamed = NewUser { is_staff: true, ..shadow("renamed", true) };
    assert_eq!(conn.put_shadow_user(&renamed, &audit(Event::Login)), Ok(epoch));
    let found = record_of(conn, 1);
    assert_eq!((found.user.username.as_str(), found.user.is_staff), ("renamed", true));
    assert!(is_live(conn, 1));
    conn.put_shadow_user(&shadow("renamed", false), &audit(Event::Login)).expect("a write");
    assert_eq!(verdict(conn, 1), Some(Refusal::InactiveUser));
    // No login activates it again.
    conn.put_shadow_user(&shadow("renamed", true), &audit(Event::Login)).expect("a write");
    assert_eq!(verdict(conn, 1), Some(Refusal::InactiveUser));
}

fn shadow_users_stay_inactive(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let shadow = |is_active| NewUser {
        id: Some(UserId(77)),
        password: PasswordHash::unusable(),
        is_active,
        ..new_user("remote")
    };
    let epoch = conn.put_shadow_user(&shadow(true), &audit(Event::Login)).expect("a write");
    assert_eq!(conn.open_session(&new_session(1, UserId(77), epoch)), Ok(Opening::Opened));
    put_user(conn, &shadow(false));
    put_user(conn, &shadow(true));
    assert_eq!(verdict(conn, 1), Some(Refusal::InactiveUser));
    switch(store, UserId(77), true);
    assert_eq!(verdict(conn, 1), Some(Refusal::OldEpoch));
}

fn shadow_names_move(store: &dyn Store) {
    let conn = &mut *connect(store);
    let shadow =
        |id, name: &str| NewUser { id: Some(UserId(id)), password: PasswordHash::unusable(), ..new_user(name) };
    let put = |conn: &mut dyn Connection, new: &NewUser| conn.put_shadow_user(new, &audit(Event::Login));
    for (id, name) in [(5, "bob"), (6, "carol")] {
        let epoch = put(conn, &shadow(id, name)).expect("a write");
        let opening = conn.open_session(&new_session(id.unsigned_abs(), UserId(id), epoch));
        assert_eq!(opening, Ok(Opening::Opened));
    }
    // A new user gets bob's name, and one that exists here already gets carol's.
    put(conn, &shadow(9, "bob")).expect("a write");
    assert_eq!(found_id(conn, &by_name("bob")), Some(UserId(9)));
    put(conn, &shadow(5, "carol")).expect("a write");
    assert_eq!(found_id(conn, &by_name("carol")), Some(UserId(5)));
    assert!(is_live(conn, 5) && is_live(conn, 6), "a name is no reason to end sessions");
    let former = conn.find_account_by_id(UserId(6)).expect("a read").expect("carol").user.username;
    assert!(crate::domain::user::validate_username(&former).is_err(), "no user can be called {former:?}");
    put(conn, &shadow(6, "caroline")).expect("a write");
    assert_eq!(found_id(conn, &by_name("caroline")), Some(UserId(6)));
    // A user with a password here is not a shadow.
    let dave = add_user(conn, "dave");
    assert!(put(conn, &shadow(77, "dave")).is_err());
    assert_eq!(found_id(conn, &by_name("dave")), Some(dave));
}
