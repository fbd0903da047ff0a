//! The threads of administrators: long work leaves room for short work, and what waits is bounded.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use knoxide::domain::audit::{Actor, Origin};
use knoxide::domain::time::ManualClock;
use knoxide::domain::user::UserId;
use knoxide::service::admin::Admin;
use knoxide::service::admin::desk::{Caller, Desk, DeskError, Length};
use knoxide::store::memory::MemoryStore;

use crate::harness::admin::administrator;
use crate::harness::app::start_of_time;

/// More than the threads and the queue of a desk hold.
const TOO_MANY: usize = 200;

fn desk() -> Desk {
    let admin = administrator(Arc::new(MemoryStore::new()), ManualClock::new(start_of_time()));
    Desk::new(Admin { actor: Actor::System, ..admin })
}

fn caller() -> Caller {
    Caller { actor: Actor::User(UserId(7)), origin: Origin::default() }
}

/// Work that goes on until the sender is dropped.
fn held(
    until: &Arc<std::sync::Mutex<mpsc::Receiver<()>>>,
) -> impl FnOnce(&Admin) -> Result<(), knoxide::service::admin::AdminError> + Send + use<> {
    let until = Arc::clone(until);
    move |_| {
        until.lock().expect("no panic").recv().ok();
        Ok(())
    }
}

#[actix_web::test]
async fn long_work_leaves_room_and_what_waits_is_bounded() {
    let desk = desk();
    let (release, until) = mpsc::channel::<()>();
    let until = Arc::new(std::sync::Mutex::new(until));
    let waiting: Vec<_> = (0..TOO_MANY)
        .map(|_| {
            let (desk, work) = (desk.clone(), held(&until));
            actix_web::rt::spawn(async move { desk.run(caller(), Length::Long, work).await })
        })
        .collect();
    // Those that are refused are so at once; each of the others has taken its place before this is asked.
    for _ in 0..TOO_MANY {
        tokio::task::yield_now().await;
    }
    drop(release);
    let mut outcomes = Vec::new();
    for outcome in waiting {
        outcomes.push(outcome.await.expect("no panic"));
    }
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(DeskError::Unavailable(_)))).count();
    assert!(refused > 0 && refused < TOO_MANY, "{refused}");
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || matches!(outcome, Err(DeskError::Unavailable(_)))));
    // While long work goes on, short work is done, as the caller.
    let (release, until) = mpsc::channel::<()>();
    let until = Arc::new(std::sync::Mutex::new(until));
    let long: Vec<_> = (0..8)
        .map(|_| {
            let (desk, work) = (desk.clone(), held(&until));
            actix_web::rt::spawn(async move { desk.run(caller(), Length::Long, work).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let actor = desk.run(caller(), Length::Short, |admin| Ok(admin.actor.clone())).await.expect("an answer");
    assert_eq!(actor, Actor::User(UserId(7)));
    drop(release);
    for outcome in long {
        outcome.await.expect("no panic").expect("an answer");
    }
    // Of passwords to hash and keys to make, one is worked on, and the others keep no thread busy.
    let (release, until) = mpsc::channel::<()>();
    let until = Arc::new(std::sync::Mutex::new(until));
    let computing: Vec<_> = [Length::Long, Length::Computing]
        .iter()
        .flat_map(|length| [*length; 8])
        .map(|length| {
            let (desk, work) = (desk.clone(), held(&until));
            actix_web::rt::spawn(async move { desk.run(caller(), length, work).await })
        })
        .collect();
    tokio::task::yield_now().await;
    desk.run(caller(), Length::Short, |_| Ok(())).await.expect("an answer");
    drop(release);
    for outcome in computing {
        outcome.await.expect("no panic").expect("an answer");
    }
    // A panic costs its own answer and no thread.
    for _ in 0..8 {
        let lost = desk.run(caller(), Length::Long, |_| -> Result<(), _> { panic!("a test's panic") }).await;
        assert!(matches!(lost, Err(DeskError::Unavailable(_))));
    }
    desk.run(caller(), Length::Long, |_| Ok(())).await.expect("an answer");
    desk.close(Duration::from_secs(30));
    let late = desk.run(caller(), Length::Short, |_| Ok(())).await;
    assert!(matches!(late, Err(DeskError::Unavailable(_))));
}
