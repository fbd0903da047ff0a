//! Pages for people, rendered by the server (`docs/pages.md`): those of administrators at `/admin/`, and those of users
//! about their own account at `/account/`. They work without scripts, and nothing of them comes from another host.
//!
//! A request is judged in this order: the name of the host, the path and the method, whether it comes from one of the
//! pages, the cookie, the form and its token, a recent password where one is needed, the fields.

pub mod account;
pub mod admin;
mod assets;
mod cookie;
mod device;
mod filled;
mod form;
mod frame;
mod problem;
mod reply;
mod same_origin;
mod session;
mod sign_in;
mod site;
mod when;
mod words;
