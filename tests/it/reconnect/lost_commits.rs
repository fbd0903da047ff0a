//! The server commits, but its answer is lost: the outcome is unknown, so the answer is 503, and nothing is done twice.

use std::collections::BTreeMap;
use std::time::Duration;

use knoxide::domain::audit::Event;
use knoxide::domain::dialect::Dialect;
use knoxide::domain::import::{ImportData, ImportUser};
use knoxide::domain::jwt::Algorithm;
use knoxide::domain::policy::Policy;
use knoxide::domain::random::SystemRandom;
use knoxide::domain::session::SessionId;
use knoxide::domain::time::Clock as _;
use knoxide::domain::user::{LoginName, NewUser, PasswordHash, UserId};
use knoxide::store::{AdminStore as _, Connection, KeptSessions, LastAdmin, PasswordChange, SharedEmail};

use super::{Behind, PASSWORD, USER};
use crate::harness::app::Setup;
use crate::harness::dialects::Speech;

/// What is counted before and after.
const COUNTS: [(&str, &str); 8] = [
    ("users", "SELECT count(*) FROM users"),
    ("epochs", "SELECT sum(auth_epoch)::bigint FROM users"),
    ("sessions", "SELECT count(*) FROM sessions"),
    ("ended", "SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL"),
    ("tokens", "SELECT count(*) FROM tokens"),
    ("audit", "SELECT count(*) FROM audit_events"),
    ("keys", "SELECT count(*) FROM signing_keys"),
    ("log", "SELECT count(*) FROM revocation_log"),
];

type Counts = BTreeMap<&'static str, i64>;

impl Behind {
    fn counts(&self) -> Counts {
        COUNTS.iter().map(|(name, query)| (*name, self.count(query))).collect()
    }

    /// Runs `work` while this many answers to commits are lost; returns its result and what changed.
    fn lose<T>(&self, commits: usize, work: impl FnOnce() -> T) -> (T, Counts) {
        let before = self.counts();
        self.proxy.swallow_commits(commits);
        let outcome = work();
        assert_eq!(self.proxy.swallowed(), commits, "fewer commits than expected");
        let after = self.counts();
        let changed = after.into_iter().map(|(name, after)| (name, after - before[name]));
        (outcome, changed.filter(|(_, change)| *change != 0).collect())
    }
}

fn changes<const N: usize>(changes: [(&'static str, i64); N]) -> Counts {
    Counts::from(changes)
}

/// JWTs that are refreshed with rotation.
fn rotating() -> Setup {
    let mut policy = Policy::default();
    policy.dialects.get_mut(Dialect::Simplejwt).rotate = true;
    Setup { policy, ..Setup::default() }
}

#[test]
fn a_login_whose_commit_was_lost_is_a_503_and_opens_one_session() {
    let Some(behind) = Behind::proxy(Setup::default()) else { return };
    let client = &mut behind.app.client();
    behind.warm_up();
    let (reply, changed) = behind.lose(1, || client.try_login(USER, PASSWORD));
    assert_eq!((reply.status, reply.header("Retry-After").is_some()), (503, true));
    assert_eq!(changed, changes([("audit", 1), ("sessions", 1), ("tokens", 1)]));
}

#[test]
fn a_refresh_whose_commit_was_lost_is_a_503_and_the_next_gets_the_same_successor() {
    let Some(behind) = Behind::proxy(rotating()) else { return };
    behind.warm_up();
    let (client, speech) = (&mut behind.app.client(), Speech::of(Dialect::Simplejwt));
    let refresh = speech.login(client, USER, PASSWORD).refresh.expect("a refresh token");
    let (reply, changed) = behind.lose(1, || speech.refresh(client, &refresh).expect("an endpoint"));
    assert_eq!(reply.status, 503);
    // An access token and a successor were added, and the presented token was consumed.
    assert_eq!(changed, changes([("tokens", 2), ("log", 1)]));
    let again = speech.refresh(client, &refresh).expect("an endpoint");
    assert_eq!(speech.check(client, &speech.refreshed(&again)), 200);
}

/// The end of one session is the only write that is repeated: it cannot happen twice.
#[test]
fn a_logout_whose_commit_was_lost_is_repeated_and_happens_once() {
    let Some(behind) = Behind::proxy(Setup::default()) else { return };
    behind.warm_up();
    let client = &mut behind.app.client();
    let token = client.login(USER, PASSWORD);
    let (status, changed) = behind.lose(1, || client.logout(&token));
    assert_eq!(status, 200);
    let once = changes([("audit", 1), ("ended", 1), ("log", changed["log"]), ("tokens", -1)]);
    assert_eq!(changed, once);
    assert_eq!(client.check(&token), 401);

    // A second loss is reported.
    let token = client.login(USER, PASSWORD);
    let (status, changed) = behind.lose(2, || client.logout(&token));
    assert_eq!((status, changed["ended"], changed["audit"]), (503, 1, 1));

    // With a refresh token too.
    let speech = Speech::of(Dialect::Simplejwt);
    let refresh = speech.login(client, USER, PASSWORD).refresh.expect("a refresh token");
    let (reply, changed) = behind.lose(1, || speech.blacklist(client, &refresh).expect("an endpoint"));
    assert_eq!((reply.status, changed["ended"], changed["audit"]), (200, 1, 1));
    let refresh = speech.login(client, USER, PASSWORD).refresh.expect("a refresh token");
    let (reply, changed) = behind.lose(2, || speech.blacklist(client, &refresh).expect("an endpoint"));
    assert_eq!((reply.status, changed["ended"], changed["audit"]), (503, 1, 1));
}

#[test]
fn a_logout_of_all_whose_commit_was_lost_is_a_503_and_raises_the_epoch_once() {
    let Some(behind) = Behind::proxy(Setup::default()) else { return };
    behind.warm_up();
    let client = &mut behind.app.client();
    let token = client.login(USER, PASSWORD);
    let (status, changed) = behind.lose(1, || client.logout_all(&token));
    assert_eq!((status, changed["epochs"], changed["audit"]), (503, 1, 1));
    assert_eq!(client.check(&token), 401);
}

/// The write of a check that finds an idle session: the session is refused at once, or as soon as the outcome is known.
#[test]
fn an_idle_session_whose_end_was_lost_is_never_let_in() {
    let policy = Policy { idle_limit: Some(Duration::from_secs(600)), ..Policy::default() };
    let Some(behind) = Behind::proxy(Setup { policy, ..Setup::default() }) else { return };
    behind.warm_up();
    let client = &mut behind.app.client();
    let token = client.login(USER, PASSWORD);
    behind.app.clock.advance(Duration::from_secs(3_600));
    let (status, changed) = behind.lose(1, || client.check(&token));
    assert_eq!((status, changed["ended"], changed["audit"]), (503, 1, 1));
    assert_eq!(client.check(&token), 401);
}

/// Writes of commands and applications, each through a connection of its own.
#[test]
fn what_else_is_written_is_an_error_and_happens_once() {
    let Some(behind) = Behind::proxy(Setup::default()) else { return };
    behind.warm_up();
    let app = &behind.app;
    let account = app.connection().find_account(&LoginName::Username(USER.to_owned()));
    let (now, user) = (app.clock.now(), account.expect("an answer").expect("a user").user.id);
    let audit = |reason| app.audit(reason);
    let fails = |what: &str, work: &dyn Fn(&mut dyn Connection) -> bool, wanted: Counts| {
        let mut connection = app.connection();
        let (failed, changed) = behind.lose(1, || work(&mut *connection));
        assert!(failed, "{what}: no error was reported");
        let told: Counts = changed.into_iter().filter(|(name, _)| !matches!(*name, "log")).collect();
        assert_eq!(told, wanted, "{what}");
    };
    let hash = || PasswordHash::unusable();
    let new = |id| NewUser {
        id,
        username: "bob".to_owned(),
        email: String::new(),
        password: hash(),
        is_active: true,
        is_staff: false,
        is_admin: false,
        created: now,
    };
    let created = changes([("audit", 1), ("users", 1)]);
    fails(
        "a new user",
        &|_| app.store.create_user(&new(None), SharedEmail::Allow, &audit(Event::UserCreated)).is_err(),
        created,
    );
    let once = || changes([("audit", 1), ("epochs", 1)]);
    let set_password = || app.store.set_password(user, &hash(), None, &audit(Event::PasswordChanged));
    fails("a new password", &|_| set_password().is_err(), once());
    let set_active = |active| app.store.set_active(user, active, LastAdmin::MayGo, &audit(Event::Deactivated));
    fails("a deactivation", &|_| set_active(false).is_err(), once());
    fails("an activation", &|_| set_active(true).is_err(), once());
    fails("an end of all", &|c| c.end_all_sessions(user, &audit(Event::LogoutAll)).is_err(), once());
    let keep = SessionId::new(now, &[7; 10]);
    let others = |c: &mut dyn Connection| c.end_other_sessions(user, keep, &audit(Event::OthersRevoked)).is_err();
    fails("an end of all others", &others, once());
    let epoch = app.connection().find_account_by_id(user).expect("an answer").expect("a user").user.epoch;
    let change = PasswordChange { user, epoch, old: hash(), new: hash(), keep: KeptSessions::None };
    let by_user = |c: &mut dyn Connection| c.change_password(&change, &audit(Event::PasswordChanged)).is_err();
    fails("a new password by its user", &by_user, once());
    let shadow = NewUser { username: "carol".to_owned(), ..new(Some(UserId(77))) };
    let put = |c: &mut dyn Connection| c.put_shadow_user(&shadow, &audit(Event::Login)).is_err();
    fails("a shadow of a user", &put, changes([("audit", 1), ("users", 1)]));
    let upgrade = |c: &mut dyn Connection| c.upgrade_password_hash(user, &hash(), &hash()).is_err();
    fails("a better hash", &upgrade, Counts::new());
    let rotate = |_: &mut dyn Connection| {
        app.store.rotate_key(Algorithm::Hs256, None, &SystemRandom, &audit(Event::KeyRotated)).is_err()
    };
    fails("a new key", &rotate, changes([("audit", 1), ("keys", 1)]));
    let dave = ImportUser {
        id: UserId(88),
        username: "dave".to_owned(),
        email: String::new(),
        password: hash(),
        is_active: true,
        is_staff: false,
        is_admin: false,
        created: None,
        last_login: None,
    };
    let data = ImportData { users: vec![dave], tokens: Vec::new() };
    let import = |_: &mut dyn Connection| app.store.import(&data, &audit(Event::Imported)).is_err();
    fails("an import", &import, changes([("audit", 1), ("users", 1)]));
    let delete = |_: &mut dyn Connection| {
        app.store.delete_user(UserId(88), LastAdmin::MayGo, &audit(Event::UserDeleted)).is_err()
    };
    // The first of two transactions, which ends all sessions; the next attempt does the rest.
    fails("an end of a user", &delete, changes([("audit", 1), ("epochs", 1)]));
}
