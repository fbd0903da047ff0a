//! How Django REST framework reads requests and writes replies: the order of its checks, content
//! negotiation, bodies, fields, and the wording of its errors. All dialects share it.

pub mod authorization;
pub mod body;
pub(in crate::http) mod challenge;
pub mod endpoint;
pub mod fields;
pub mod media;
pub mod negotiate;
pub mod reply;
pub mod request;
