//! The integration tests: one binary.
#[cfg(test)]
mod password;

fn main() {}
