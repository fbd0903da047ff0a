//! The table of the pages.

use actix_web::dev::ResourceDef;

use self::Available::{Always, WithPasswords};
use super::request::PageRequest;
use super::{devices, events, not_me, one_time, password, sign_in};
use crate::http::routes::{Route, routes};

/// Who may open a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anyone who reaches the listener.
    Nothing,
    /// A user who has signed in.
    User,
}

/// The servers on which a page exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Available {
    /// On every server.
    Always,
    /// On servers that have the passwords of their users, and not where a user provider has them.
    WithPasswords,
}

/// A page, or an action that a form on a page is sent to. The paths stand below the prefix of knox.
pub(super) type Page = Route<PageRequest, Needs, Available>;

/// All pages.
#[rustfmt::skip]
pub const PAGES: &[Page] = routes! {
    "GET" "/account/" User devices::list, Always;
    "GET" "/account/sign-in/" Nothing sign_in::show, Always;
    "POST" "/account/sign-in/" Nothing sign_in::sign_in, Always;
    "POST" "/account/sign-out/" User sign_in::sign_out, Always;
    "POST" "/account/sessions/{id}/end/" User devices::end, Always;
    "POST" "/account/sessions/end-others/" User devices::end_others, Always;
    "GET" "/account/not-me/" User not_me::show, WithPasswords;
    "POST" "/account/not-me/" User not_me::act, WithPasswords;
    "GET" "/account/password/" User password::show, WithPasswords;
    "POST" "/account/password/" User password::change, WithPasswords;
    "GET" "/account/one-time/" Nothing one_time::show, WithPasswords;
    "POST" "/account/one-time/" Nothing one_time::exchange, WithPasswords;
    "GET" "/account/events/" User events::list, WithPasswords;
};

/// Matches the paths that exist below this prefix, with and without their final slash, and those of the assets.
pub(super) fn existing_paths(prefix: &str, has_passwords: bool) -> ResourceDef {
    let pages = PAGES.iter().filter(|page| has_passwords || page.extra == Always).map(|page| page.path);
    let paths = pages.chain(["/account/assets/{name}"]).flat_map(|path| [path, path.trim_end_matches('/')]);
    ResourceDef::new(paths.map(|path| format!("{prefix}{path}")).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_with_and_without_their_final_slash_and_others_are_not() {
        let paths = existing_paths("/api", true);
        for known in
            ["/account", "/account/", "/account/password", "/account/sessions/0193/end/", "/account/assets/x.css"]
        {
            assert!(paths.is_match(&format!("/api{known}")) && !paths.is_match(known), "{known}");
        }
        for unknown in
            ["", "/", "/accounts/", "/account//", "/account/auth/user/", "/account/password/x", "/account/sessions/"]
        {
            assert!(!paths.is_match(&format!("/api{unknown}")), "{unknown}");
        }
        let paths = existing_paths("", false);
        assert!(paths.is_match("/account/") && !paths.is_match("/account/events/"));
    }
}
