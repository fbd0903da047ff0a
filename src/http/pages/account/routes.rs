//! The one list of the pages.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::request::{Answer, Asked};
use super::{devices, events, not_me, one_time, password, sign_in};
use crate::http::listed::Listed;

/// Who may ask for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Anyone who reaches the listener.
    Nothing,
    /// A user who has signed in.
    User,
}

/// Where a page exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Wherever there are pages.
    Everywhere,
    /// Where users have their passwords here, and not at a user provider.
    WithPasswords,
}

type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// A page, or an act that a form on one leads to.
pub struct Page {
    /// Its method. What can be read with GET can be asked for with HEAD.
    pub method: &'static str,
    /// Its path below the prefix of knox, in which `{id}` stands for a session's id.
    pub path: &'static str,
    /// Who may ask for it.
    pub needs: Needs,
    /// Where it exists.
    pub place: Where,
    pub(super) handler: fn(Asked) -> Answering,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Listed for Page {
    fn method(&self) -> &'static str {
        self.method
    }

    fn path(&self) -> &'static str {
        self.path
    }
}

/// One line for each page.
macro_rules! pages {
    ($($method:literal $path:literal $needs:ident $place:ident $handler:path;)+) => {
        &[$(Page {
            method: $method,
            path: $path,
            needs: Needs::$needs,
            place: Where::$place,
            handler: |asked| Box::pin($handler(asked)),
        }),+]
    };
}

/// All pages.
#[rustfmt::skip]
pub const PAGES: &[Page] = pages! {
    "GET" "/account/" User Everywhere devices::list;
    "GET" "/account/sign-in/" Nothing Everywhere sign_in::show;
    "POST" "/account/sign-in/" Nothing Everywhere sign_in::sign_in;
    "POST" "/account/sign-out/" User Everywhere sign_in::sign_out;
    "POST" "/account/sessions/{id}/end/" User Everywhere devices::end;
    "POST" "/account/sessions/end-others/" User Everywhere devices::end_others;
    "GET" "/account/not-me/" User WithPasswords not_me::show;
    "POST" "/account/not-me/" User WithPasswords not_me::act;
    "GET" "/account/password/" User WithPasswords password::show;
    "POST" "/account/password/" User WithPasswords password::change;
    "GET" "/account/one-time/" Nothing WithPasswords one_time::show;
    "POST" "/account/one-time/" Nothing WithPasswords one_time::exchange;
    "GET" "/account/events/" User WithPasswords events::list;
};

/// Where the page at this path of a request exists; `None`: there is none.
pub(super) fn place_of(path: &str) -> Option<Where> {
    let fits = |page: &&Page| {
        let (mut known, mut asked) = (page.path.trim_end_matches('/').split('/'), path.split('/'));
        let mut begins = known.all(|part| asked.next().is_some_and(|other| part == other || part == "{id}"));
        // With or without its final slash.
        begins = begins && asked.next().is_none_or(str::is_empty) && asked.next().is_none();
        begins
    };
    PAGES.iter().find(fits).map(|page| page.place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_with_and_without_their_final_slash_and_others_are_not() {
        for known in ["/account", "/account/", "/account/password", "/account/sessions/0193/end/"] {
            assert!(place_of(known).is_some(), "{known}");
        }
        for unknown in
            ["", "/", "/accounts/", "/account//", "/account/auth/user/", "/account/password/x", "/account/sessions/"]
        {
            assert_eq!(place_of(unknown), None, "{unknown}");
        }
        assert_eq!(place_of("/account/events/"), Some(Where::WithPasswords));
    }
}
