//! Searching for sessions and users, and ending the sessions of a set.

use std::ops::ControlFlow;

use super::*;
use crate::domain::policy::IdleLimits;
use crate::domain::session::SessionKind;
use crate::domain::time::ManualClock;
use crate::store::{Effort, LiveSet, SessionCount, SessionFilter, SessionList, SessionMatch, StoreResult, UserFilter};

pub(super) const ADMIN_CASES: &[AdminCase] = &[
    ("sessions are found by address, time, dialect, device and name", sessions_are_found),
    ("pages of a search follow each other while rows change", pages_follow_each_other),
    ("a search that stops goes on where it stopped", searches_go_on),
    ("a set of sessions ends whole, and no other", a_set_ends),
    ("each kind of session has its idle limit", kinds_have_limits),
    ("users are found by beginning, e-mail address, number and state", users_are_found),
];

/// A login of some client.
struct Client {
    number: u64,
    at: Timestamp,
    address: Option<&'static str>,
    device: &'static str,
    kind: SessionKind,
    name: Option<&'static str>,
}

fn client(number: u64) -> Client {
    let (address, device) = (Some("192.0.2.7"), "Mozilla/5.0 (X11) Firefox/140.0");
    Client { number, at: after(number), address, device, kind: Dialect::Knox.into(), name: None }
}

/// The id of the session that [`log_in_as`] opens, which follows from its time.
fn id_of(client: &Client) -> SessionId {
    session_id_at(client.number, client.at)
}

fn log_in_as(conn: &mut dyn Connection, user: UserId, client: &Client) -> SessionId {
    let epoch = epoch_of(conn, user);
    let mut new = new_session(client.number, user, epoch);
    new.id = id_of(client);
    new.kind = client.kind;
    new.name = client.name.map(str::to_owned);
    new.audit.at = client.at;
    new.audit.origin.address = client.address.map(|text| text.parse().expect("an address"));
    new.audit.origin.user_agent = Some(client.device.to_owned());
    assert_eq!(conn.open_session(&new), Ok(Opening::Opened));
    new.id
}

fn filter(matching: SessionMatch) -> SessionFilter {
    SessionFilter::live(matching, after(100))
}

fn counted(store: &dyn AdminStore, set: &LiveSet) -> StoreResult<SessionCount> {
    store.count_sessions(set, &mut |_| ControlFlow::Continue(()))
}

fn ids(store: &dyn AdminStore, filter: &SessionFilter) -> Vec<SessionId> {
    let sessions = store.list_sessions(filter).expect("a read").sessions;
    sessions.into_iter().map(|entry| entry.session.id).collect()
}

fn sessions_are_found(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    let clients = [
        client(1),
        Client { address: Some("192.0.2.71"), name: Some("Back-Up 100%"), ..client(2) },
        Client { address: Some("2001:db8::1:2"), device: "curl/8.0", ..client(3) },
        Client { address: None, device: "Knox_App É", kind: Dialect::Djoser.into(), ..client(4) },
        Client { address: Some("198.51.100.9"), ..client(5) },
    ];
    let [first, second, third, fourth, fifth] = &clients;
    let of_alice = [first, second, third, fourth].map(|client| log_in_as(conn, alice, client));
    let opened = [of_alice.as_slice(), &[log_in_as(conn, bob, fifth)]].concat();
    let find = |change: &dyn Fn(&mut SessionMatch)| {
        let mut matching = SessionMatch::default();
        change(&mut matching);
        let found = ids(store, &filter(matching));
        let number = |id| opened.iter().position(|other| *other == id).expect("a known session") + 1;
        let mut numbers: Vec<usize> = found.into_iter().map(number).collect();
        numbers.reverse();
        numbers
    };
    assert_eq!(find(&|_| {}), [1, 2, 3, 4, 5]);
    assert_eq!(find(&|m| m.user = Some(bob)), [5]);
    for (network, expected) in [
        ("192.0.2.7/32", vec![1]),
        ("192.0.2.0/24", vec![1, 2]),
        ("192.0.2.64/26", vec![2]),
        ("192.0.0.0/4", vec![1, 2, 5]),
        ("0.0.0.0/0", vec![1, 2, 5]),
        ("2001:db8::/32", vec![3]),
        ("2001:db8::1:0/112", vec![3]),
        ("::/0", vec![3]),
        ("203.0.113.0/24", vec![]),
    ] {
        assert_eq!(find(&|m| m.address = Some(network.parse().expect("a network"))), expected, "{network}");
    }
    assert_eq!(find(&|m| m.created_from = Some(after(4))), [4, 5]);
    assert_eq!(find(&|m| m.created_before = Some(after(2))), [1]);
    let just_after = Timestamp::from_micros(after(2).as_micros() + 1);
    assert_eq!(find(&|m| m.created_before = Some(just_after)), [1, 2]);
    assert_eq!(find(&|m| m.created_from = Some(just_after)), [3, 4, 5]);
    conn.touch(&[(id_of(second), after(50))]).expect("a write");
    assert_eq!(find(&|m| m.last_seen_before = Some(after(5))), [1, 3, 4]);
    assert_eq!(find(&|m| m.kind = Some(Dialect::Djoser.into())), [4]);
    assert_eq!(find(&|m| m.device = Some("FIREFOX".to_owned())), [1, 2, 5]);
    assert_eq!(find(&|m| m.device = Some("x_app é".to_owned())), Vec::<usize>::new(), "A to Z alone are folded");
    assert_eq!(find(&|m| m.device = Some("X_app É".to_owned())), [4]);
    assert_eq!(find(&|m| m.name = Some("back-up 100%".to_owned())), [2]);
    assert_eq!(find(&|m| m.name = Some("b_ck".to_owned())), Vec::<usize>::new());
    let both = |m: &mut SessionMatch| {
        m.device = Some("firefox".to_owned());
        m.created_from = Some(after(2));
        m.user = Some(alice);
    };
    assert_eq!(find(&both), [2], "all conditions hold together");
    let part = "192.0.2.64/26".parse().ok();
    assert_eq!(find(&|m| (m.user, m.address) = (Some(alice), part)), [2]);
    assert_eq!(find(&|m| (m.user, m.address) = (Some(bob), part)), Vec::<usize>::new());
}

fn pages_follow_each_other(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let alice = add_user(conn, "alice");
    let addresses = ["192.0.2.1", "192.0.2.200", "192.0.3.1"];
    let opened: [SessionId; 12] = std::array::from_fn(|number| {
        let address = addresses.get(number % 3).copied();
        log_in_as(conn, alice, &Client { address, ..client(u64::try_from(number).expect("a small number")) })
    });
    let mut filter = filter(SessionMatch { address: "192.0.2.0/25".parse().ok(), ..SessionMatch::default() });
    filter.limit = 2;
    let first = ids(store, &filter);
    assert_eq!(first, [opened[9], opened[6]]);
    // A new one and the end of one that was shown move nothing.
    log_in_as(conn, alice, &client(20));
    assert_eq!(conn.end_session(opened[6], &audit(Event::Revoked)), Ok(true));
    filter.before = Some(opened[6]);
    assert_eq!(ids(store, &filter), [opened[3], opened[0]]);
    filter.before = Some(opened[0]);
    assert_eq!(ids(store, &filter), []);
}

/// Whatever a store does with the bounds of a search: from where it stopped, nothing is lost and nothing comes twice.
fn searches_go_on(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    let addresses = ["192.0.2.1", "192.0.2.200", "192.0.3.1"];
    let opened: [SessionId; 24] = std::array::from_fn(|number| {
        let device = if number % 7 == 0 { "curl/8.0" } else { "Mozilla/5.0 (X11) Firefox/140.0" };
        let client = client(u64::try_from(number).expect("a small number"));
        let client = Client { address: addresses.get(number % 3).copied(), device, ..client };
        log_in_as(conn, if number % 2 == 0 { alice } else { bob }, &client)
    });
    let device = |name: &str| SessionMatch { device: Some(name.to_owned()), ..SessionMatch::default() };
    let network = |text: &str| SessionMatch { address: text.parse().ok(), ..SessionMatch::default() };
    let cases: [(SessionMatch, &dyn Fn(usize) -> bool); 8] = [
        (SessionMatch::default(), &|_| true),
        (device("curl"), &|number| number % 7 == 0),
        (device("no such device"), &|_| false),
        (SessionMatch { user: Some(alice), ..device("curl") }, &|number| number % 14 == 0),
        (network("192.0.2.0/25"), &|number| number % 3 == 0),
        (network("192.0.3.1/32"), &|number| number % 3 == 2),
        (SessionMatch { user: Some(bob), ..network("192.0.2.200/32") }, &|number| number % 6 == 1),
        (
            SessionMatch { created_from: Some(after(3)), created_before: Some(after(20)), ..network("192.0.2.0/24") },
            &|number| number % 3 < 2 && (3..20).contains(&number),
        ),
    ];
    for (matching, is_in) in cases {
        for (rows, limit) in [(1, 1), (3, 2), (5, 100), (30, 2)] {
            let effort = Effort { rows, time: Duration::ZERO };
            let mut filter = SessionFilter { effort, limit, ..filter(matching.clone()) };
            let mut found = Vec::new();
            loop {
                let SessionList { sessions, unsearched } = store.list_sessions(&filter).expect("a read");
                let last = sessions.last().map(|entry| entry.session.id);
                let is_full = u32::try_from(sessions.len()) == Ok(limit);
                assert!(!is_full || unsearched.is_none(), "it found enough");
                found.extend(sessions.into_iter().map(|entry| entry.session.id));
                let next = if is_full { last } else { unsearched };
                assert!(next.is_none() || filter.before.is_none() || next < filter.before, "it goes on");
                filter.before = next;
                if next.is_none() {
                    break;
                }
            }
            let expected: Vec<_> = opened.iter().enumerate().filter(|(number, _)| is_in(*number)).collect();
            let expected: Vec<_> = expected.into_iter().rev().map(|(_, id)| *id).collect();
            assert_eq!(found, expected, "{rows} rows, {limit} at most: {matching:?}");
        }
    }
}

fn a_set_ends(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let (alice, bob) = (add_user(conn, "alice"), add_user(conn, "bob"));
    for number in 1..=30 {
        let address = if number % 3 == 0 { "198.51.100.9" } else { "192.0.2.7" };
        log_in_as(
            conn,
            if number % 2 == 0 { alice } else { bob },
            &Client { address: Some(address), ..client(number) },
        );
    }
    assert_eq!(conn.end_session(id_of(&client(2)), &audit(Event::Logout)), Ok(true));
    let matching = SessionMatch {
        address: "192.0.2.0/24".parse().ok(),
        created_before: Some(after(20)),
        ..SessionMatch::default()
    };
    let set = LiveSet::at(after(100), matching);
    let opened_until = |seconds| counted(store, &LiveSet { opened_until: Some(after(seconds)), ..set.clone() });
    assert_eq!(opened_until(4), Ok(SessionCount { sessions: 2, newest: Some(after(4)) }));
    let is_in = |number: u64| !number.is_multiple_of(3) && number < 20 && number != 2;
    let count = u64::try_from((1..=30).filter(|number| is_in(*number)).count()).expect("a small number");
    assert_eq!(counted(store, &set), Ok(SessionCount { sessions: count, newest: Some(after(19)) }));
    let (mut told, clock) = (0, ManualClock::new(after(110)));
    let by = audit_at(Event::Revoked, after(100)).with_detail(serde_json::json!({}));
    let ended = store.end_sessions(&set, &by, &clock, &mut |number| told = number);
    assert_eq!((ended, told), (Ok(count), count));
    for number in 1..=30 {
        assert_eq!(is_live(conn, number), !is_in(number) && number != 2, "{number}");
    }
    let mut all = filter(SessionMatch::default());
    all.with_ended = true;
    for entry in store.list_sessions(&all).expect("a read").sessions {
        let revoked = (1..=30).any(|number| is_in(number) && id_of(&client(number)) == entry.session.id);
        assert_eq!(entry.end_reason == Some(Event::Revoked), revoked, "{}", entry.session.id);
        if revoked {
            assert_eq!((entry.session.ended, entry.ended_by.as_deref()), (Some(after(110)), Some("system")));
        }
    }
    assert_eq!(counted(store, &set), Ok(SessionCount::default()));
    assert_eq!(store.end_sessions(&set, &by, &clock, &mut |_| {}), Ok(0));
    let idle_limits = IdleLimits { others: Some(Duration::from_secs(1)), ..IdleLimits::NONE };
    let idle = LiveSet { idle_limits, matching: SessionMatch::of_user(alice), ..set };
    assert_eq!(counted(store, &idle), Ok(SessionCount::default()), "what is over by itself is not counted");
}

fn kinds_have_limits(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    put_user(conn, &NewUser { is_admin: true, ..new_user("alice") });
    let alice = conn.find_account(&LoginName::Username("alice".to_owned())).expect("a read").expect("the user").user.id;
    let [admin, script, login, admin_page, account_page] = [
        (1, SessionKind::Admin),
        (2, SessionKind::AdminScript),
        (3, Dialect::Knox.into()),
        (4, SessionKind::AdminPage),
        (5, SessionKind::AccountPage),
    ]
    .map(|(number, kind)| log_in_as(conn, alice, &Client { kind, ..client(number) }));
    let live = |attended, others| {
        let [attended, others] = [attended, others].map(|limit: Option<u64>| limit.map(Duration::from_secs));
        let idle_limits = IdleLimits { attended, others };
        let found = ids(store, &SessionFilter { idle_limits, ..filter(SessionMatch::default()) });
        let set = LiveSet { idle_limits, ..LiveSet::at(after(100), SessionMatch::default()) };
        let count = counted(store, &set).expect("a count").sessions;
        assert_eq!(usize::try_from(count), Ok(found.len()));
        found
    };
    assert_eq!(live(Some(99), None), [account_page, admin_page, login, script, admin]);
    assert_eq!(live(Some(98), None), [account_page, admin_page, login, script]);
    assert_eq!(live(Some(95), None), [account_page, login, script]);
    assert_eq!(live(Some(94), None), [login, script]);
    assert_eq!(live(Some(99), Some(90)), [account_page, admin_page, admin]);
    assert_eq!(live(None, Some(97)), [account_page, admin_page, login, admin]);
}

fn users_are_found(store: &dyn AdminStore) {
    let conn = &mut *connect(store);
    let [alice, alicia, bob] = ["alice", "Alicia", "bob"].map(|name| add_user(conn, name));
    put_user(conn, &NewUser { id: Some(UserId(900)), is_staff: true, is_admin: true, ..new_user("carol") });
    let carol = UserId(900);
    switch(store, bob, false);
    let find = |filter: UserFilter| {
        let users = store.list_users(&UserFilter { limit: 10, ..filter }).expect("a read");
        users.into_iter().map(|entry| entry.user.id).collect::<Vec<_>>()
    };
    let beginning = |text: &str| UserFilter { beginning: Some(text.to_owned()), ..UserFilter::default() };
    assert_eq!(find(beginning("ALI")), [alice, alicia]);
    assert_eq!(find(beginning("alici")), [alicia]);
    assert_eq!(find(beginning("lice")), []);
    assert_eq!(find(beginning("%")), []);
    let email = |text: &str| UserFilter { email: Some(text.to_owned()), ..UserFilter::default() };
    assert_eq!(find(email("ALICE@example.COM")), [alice]);
    assert_eq!(find(email("alice@example")), []);
    assert_eq!(find(UserFilter { ids: vec![carol, UserId(901), alice], ..UserFilter::default() }), [alice, carol]);
    assert_eq!(find(UserFilter { is_active: Some(false), ..UserFilter::default() }), [bob]);
    assert_eq!(find(UserFilter { is_staff: Some(true), ..UserFilter::default() }), [carol]);
    assert_eq!(find(UserFilter { is_admin: Some(true), ..UserFilter::default() }), [carol]);
    assert_eq!(find(UserFilter { is_staff: Some(false), after: Some(alice), ..UserFilter::default() }), [alicia, bob]);
}
