//! The settings of what proxies and services ask about tokens, and of the pages of users.

use super::super::form::{self, boolean, optional};
use super::super::setting::Table;

pub(super) fn forward_auth(table: &mut Table) {
    table.group("Forward authentication");
    settings! { table;
        /// Whether proxies can ask at `/forward-auth/` whether a request may pass (docs/forward-auth.md). The endpoints
        /// tell the holder of a token what `GET /auth/user/` tells, and whether the user is staff.
        KNOXIDE_FORWARD_AUTH = http.options.forward_auth.enabled, boolean();

        /// The cookie from which these endpoints accept a token instead of the `Authorization` header. It counts only
        /// if a proxy in `KNOXIDE_TRUSTED_PROXIES` asks and passes on the client's method.
        KNOXIDE_FORWARD_AUTH_COOKIE = http.options.forward_auth.cookie, optional(form::of("name of a cookie"));

        /// The origins whose pages may send requests other than GET and HEAD with that cookie. They are compared
        /// exactly. Empty: the cookie counts for GET and HEAD only.
        KNOXIDE_FORWARD_AUTH_ORIGINS = http.options.forward_auth.origins,
            form::of("comma list of origins such as https://app.example.com");
    }
}

pub(super) fn introspection(table: &mut Table) {
    table.group("Introspection");
    settings! { table;
        /// Whether services can ask about tokens at `/introspect/` and `/check/`, and end sessions at `/revoke/`
        /// (docs/introspection.md). Only registered clients and scripts of administrators are told anything.
        KNOXIDE_INTROSPECTION = http.options.introspection, boolean();

        /// The URL under which clients reach the server. It is the server's own origin where cookies are used
        /// (docs/browsers.md). With it, `/.well-known/oauth-authorization-server` says where the introspection
        /// endpoints are. No URL is ever made from the `Host` of a request.
        KNOXIDE_PUBLIC_URL = http.options.public_url,
            optional(form::of("https URL without a path, such as https://auth.example.com"));
    }
}

pub(super) fn pages(table: &mut Table) {
    table.group("Pages");
    settings! { table;
        /// Whether users have pages about their own account at `/account/` (docs/pages.md). The pages of administrators
        /// are served with the administration API. A build without the feature `pages` has neither.
        KNOXIDE_ACCOUNT_PAGES = http.options.account_pages, boolean();
    }
}
