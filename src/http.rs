//! What all endpoints have in common: how a request is judged before anybody looks at its
//! credentials, and how replies are written.
//!
//! The five dialects speak the manners of one family of packages (contract sections 1 to 3), so
//! the manners live here and the dialects add their own words. [`front`] puts the steps in order;
//! the other modules are the steps, plain functions over bytes, text and header maps.

pub mod address;
pub mod authorization;
pub mod body;
pub mod fields;
pub mod front;
pub mod media;
pub mod negotiate;
pub mod reply;
