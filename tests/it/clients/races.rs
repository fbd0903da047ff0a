//! Requests of a client while it is deleted or its secret is rotated, on two nodes at once.

use std::sync::Barrier;
use std::sync::atomic::AtomicU64;
use std::thread;

use super::*;
use crate::harness::number;

/// Two threads of each node send requests continuously while `end` ends the secret. A request that begins after this is
/// acknowledged must be refused.
fn no_node_admits(nodes: &[Node], client: &AddedClient, end: impl FnOnce() + Send) -> u64 {
    let (is_over, admitted, start) = (AtomicBool::new(false), AtomicU64::new(0), Barrier::new(5));
    thread::scope(|scope| {
        for node in nodes.iter().flat_map(|node| [node, node]) {
            let (is_over, admitted, start) = (&is_over, &admitted, &start);
            scope.spawn(move || {
                run(async {
                    let is_known = node.admits(client.id, &client.secret).await;
                    // First, so that a panic leaves no other thread waiting.
                    start.wait();
                    assert!(is_known);
                    loop {
                        let must_be_refused = is_over.load(Ordering::SeqCst);
                        let is_admitted = node.admits(client.id, &client.secret).await;
                        assert!(!(must_be_refused && is_admitted), "admitted after the end was acknowledged");
                        if must_be_refused {
                            break;
                        }
                        admitted.fetch_add(u64::from(is_admitted), Ordering::Relaxed);
                    }
                });
            });
        }
        start.wait();
        end();
        is_over.store(true, Ordering::SeqCst);
    });
    admitted.into_inner()
}

on_each_database! {
    fn no_request_is_admitted_after_the_end_was_acknowledged(backend) {
        let rounds = number("KNOXIDE_CLIENT_ROUNDS").unwrap_or(20);
        let scene = Scene::new(backend);
        let nodes = [scene.node(), scene.node()];
        let mut admitted = 0;
        for round in 0..rounds {
            let deleted = scene.add(&format!("deleted {round}"), Rights::USUAL, None);
            admitted += no_node_admits(&nodes, &deleted, || {
                scene.admin.delete_client(deleted.id).expect("an end");
            });
            let rotated = scene.add(&format!("rotated {round}"), Rights::USUAL, None);
            admitted += no_node_admits(&nodes, &rotated, || {
                scene.rotate(rotated.id, Duration::ZERO);
            });
        }
        assert!(admitted > 0, "some requests preceded the end");
    }
}
