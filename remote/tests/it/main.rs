//! The calls, against a server that each test controls. The tests against real servers are in the repository's root.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod mixed;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod server;
#[cfg(feature = "tls")]
#[cfg(test)]
mod tls;
