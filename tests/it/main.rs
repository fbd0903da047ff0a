//! The integration tests: one binary, so that it links once.

#[cfg(all(test, feature = "conformance"))]
mod conformance;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod knox;
#[cfg(test)]
mod password;
#[cfg(test)]
mod support;
