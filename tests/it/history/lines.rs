//! A client's connections: one to each node, each with at most one request in flight.

use std::time::{Duration, Instant};

use super::ledger::Responder;
use super::node::Node;
use crate::harness::wire::{Reply, Request, Wire};

/// How long a client waits for an answer; the server may still send it later.
const PATIENCE: Duration = Duration::from_secs(3);

/// A connection to a node, opened when it is needed.
pub(super) struct Line<'a> {
    node: &'a Node,
    pub(super) place: Responder,
    is_for_checks: bool,
    wire: Option<Wire>,
    asked: Option<Instant>,
}

/// The result of a request; it has no reply if it was not answered.
pub(super) struct Answer {
    pub(super) asked: Instant,
    pub(super) got: Instant,
    pub(super) reply: Option<Reply>,
}

impl<'a> Line<'a> {
    pub(super) fn to(node: &'a Node, number: usize) -> Self {
        Self { node, place: Responder::Node(number), is_for_checks: false, wire: None, asked: None }
    }

    /// A line only for checks, to the node or to its gate.
    pub(super) fn for_checks(node: &'a Node, number: usize) -> Self {
        Self { is_for_checks: true, ..Self::to(node, number) }
    }

    /// A line to each node.
    pub(super) fn to_all(nodes: &'a [Node]) -> Vec<Self> {
        nodes.iter().enumerate().map(|(number, node)| Self::to(node, number)).collect()
    }

    /// A line for checks to each node.
    pub(super) fn for_checks_to_all(nodes: &'a [Node]) -> Vec<Self> {
        nodes.iter().enumerate().map(|(number, node)| Self::for_checks(node, number)).collect()
    }

    pub(super) fn takes_logins(&self) -> bool {
        self.node.takes_logins()
    }

    pub(super) fn is_shunned(&self) -> bool {
        self.node.is_shunned()
    }

    /// Sends a request.
    pub(super) fn send(&mut self, request: &Request) {
        self.asked = Some(Instant::now());
        if self.wire.as_ref().is_some_and(|wire| wire.is_closed().unwrap_or(true)) {
            self.wire = None;
        }
        if self.wire.is_none() {
            let (checks, others) = (Node::address_of_checks, Node::address);
            let address = if self.is_for_checks { checks(self.node) } else { others(self.node) };
            self.wire = Wire::connect_for(address, PATIENCE).ok();
        }
        if self.wire.as_mut().is_some_and(|wire| wire.send(&request.to_bytes()).is_err()) {
            self.wire = None;
        }
    }

    /// Waits for the answer to the request that was sent; `None` if none was sent.
    pub(super) fn receive(&mut self) -> Option<Answer> {
        let asked = self.asked.take()?;
        let reply = self.wire.as_mut().and_then(|wire| wire.receive("GET").ok());
        if reply.is_none() {
            // A late answer must not be taken for that to another request.
            self.wire = None;
        }
        Some(Answer { asked, got: Instant::now(), reply })
    }

    pub(super) fn ask(&mut self, request: &Request) -> Answer {
        self.send(request);
        self.receive().expect("a question was sent")
    }
}
