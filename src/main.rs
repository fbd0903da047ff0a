//! The `knoxide` program.
fn main() {}
