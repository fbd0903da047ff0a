//! The calls, against a server that does what a test tells it. The tests against real servers are those of the
//! repository's root.

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
