//! The lane's own code, in orders that a scheduler tries.

mod code;
