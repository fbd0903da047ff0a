//! Pages for people, rendered by the server (`docs/pages.md`): those of administrators at `/admin/`, and those of users
//! about their own account at `/account/`. They work without scripts and load nothing from another host.
//!
//! A request is judged in this order: the name of the host, the path and the method, whether it comes from one of the
//! pages, the session of its cookie, the form and its token, a recent password where one is needed, the fields.

pub mod account;
pub mod admin;
mod assets;
mod authorize;
mod cookie;
mod csrf;
mod device;
mod form;
mod layout;
mod page_set;
mod problem;
mod relative_time;
mod reply;
mod same_origin;
mod sign_in;
mod site;
mod words;
