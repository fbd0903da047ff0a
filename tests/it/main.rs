//! The integration tests: one binary, so that it links once.

#[cfg(test)]
mod harness;
#[cfg(test)]
mod password;
#[cfg(test)]
mod support;
