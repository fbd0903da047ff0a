//! The wire contracts, one file each. No dialect knows of another.

pub mod knox;
