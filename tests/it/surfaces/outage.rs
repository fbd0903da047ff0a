//! The same table while the database is unavailable. No surface says no, whatever it knew before, and nothing is lost.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::asking::{Surface, Verdict};
use super::callers::{Caller, Clients, Endpoint};
use super::states::{Presented, State};
use super::{Difference, Scene, differences, expected};
use crate::harness::app::{Backend, Database};

/// Longer than all threads need to reconnect, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The cell of the table while nothing can be looked up.
const fn without_database(surface: Surface, state: State) -> Verdict {
    match (state, surface) {
        // The client itself is looked up first.
        (_, Surface::Introspect | Surface::Check | Surface::CheckAmongOthers) => Verdict::CouldNotLook,
        // A string that cannot be a token is refused without a look-up.
        (State::WithSpace | State::NotAscii | State::TooLong, _) => Verdict::Refused,
        // The cookies of a dialect that is switched off are not read, so there is no token.
        (State::OfDialectThatIsOff, Surface::UserByCookie) => Verdict::Refused,
        (_, _) => Verdict::CouldNotLook,
    }
}

/// The status for a caller while nothing can be looked up.
const fn status_without_database(caller: Caller, endpoint: Endpoint) -> u16 {
    match (caller, endpoint) {
        // There is no caller to look up.
        (Caller::Nobody, Endpoint::Introspect | Endpoint::Check) => 401,
        // No client has such an id.
        (Caller::NameInPlaceOfId, _) => 401,
        (_, _) => 503,
    }
}

/// Asks before, during and after the outage.
fn play(scene: &Scene, tokens: &[Presented], begin: impl FnOnce(), end: impl FnOnce()) {
    let questions = Clients::register(scene).questions(scene, &scene.bystander);
    assert_eq!(differences(scene, tokens, expected), vec![], "before");
    begin();
    assert_eq!(differences(scene, tokens, without_database), vec![], "during");
    let mut client = scene.stage.app.client();
    let mut wrong = Vec::new();
    for (caller, endpoint, request) in &questions {
        let (reply, expected) = (client.ask(request), status_without_database(*caller, *endpoint));
        if reply.status != expected {
            wrong.push(format!("{caller:?} at {endpoint:?}: {}, not {expected}: {}", reply.status, reply.text()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "during");
    end();
    // A thread that found no database waits for a moment before it tries again, but never says no meanwhile.
    let back = Instant::now();
    loop {
        let wrong = differences(scene, tokens, expected);
        let settled = wrong.iter().filter(|cell| cell.verdict != Verdict::CouldNotLook);
        assert_eq!(settled.collect::<Vec<_>>(), Vec::<&Difference>::new(), "after");
        if wrong.is_empty() {
            return;
        }
        assert!(back.elapsed() < PATIENCE, "{wrong:#?}");
    }
}

#[test]
fn without_its_file_nothing_says_no() {
    let (scene, [tokens]) = Scene::with_tokens(Database::migrated(Backend::Sqlite), ["sought"]);
    let path = PathBuf::from(scene.stage.app.database.url.strip_prefix("sqlite://").expect("a file"));
    let aside = path.with_extension("aside");
    play(
        &scene,
        &tokens,
        || std::fs::rename(&path, &aside).expect("the file is moved away"),
        || std::fs::rename(&aside, &path).expect("the file is moved back"),
    );
}

#[cfg(feature = "postgres")]
#[test]
fn without_a_way_to_postgres_nothing_says_no() {
    use crate::harness::postgres::cluster::Cluster;
    use crate::harness::proxy::Proxy;

    if crate::harness::postgres::shared().is_none() {
        return;
    }
    let cluster = Cluster::start().expect("a server");
    let proxy = Proxy::to(cluster.address()).expect("a proxy");
    let database = Database::at(format!("postgres://postgres@{}/postgres", proxy.address()));
    let (scene, [tokens]) = Scene::with_tokens(database, ["sought"]);
    let begin = || {
        proxy.refuse(true);
        proxy.cut();
    };
    play(&scene, &tokens, begin, || proxy.refuse(false));
}
