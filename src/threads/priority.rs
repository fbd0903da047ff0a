//! Threads that use only the processor time that other threads leave.

use std::panic::resume_unwind;
use std::thread;

/// Runs `work` on a thread of the lowest priority, and waits for it. The caller keeps its own priority, so that it
/// never holds a database lock at a lower one.
pub(crate) fn at_lowest_priority<T: Send>(work: impl Fn() -> T + Sync) -> T {
    let begin = || {
        lower_priority();
        work()
    };
    thread::scope(|scope| match thread::Builder::new().name("background".to_owned()).spawn_scoped(scope, begin) {
        Ok(running) => running.join().unwrap_or_else(|panic| resume_unwind(panic)),
        // No thread can be started, so the caller does the work.
        Err(_) => work(),
    })
}

/// On Linux a nice value belongs to the thread, so this lowers only its priority.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, 19) {
        log::debug!("the priority of a thread could not be lowered: {error}");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_work_has_the_lowest_priority_and_its_caller_keeps_its_own() {
        let priority = || rustix::process::getpriority_process(None).expect("a priority");
        let before = priority();
        assert_eq!((at_lowest_priority(priority), priority()), (19, before));
    }
}
