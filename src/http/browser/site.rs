//! Which page made a browser send a request: the defence against cross-site request forgery.
//!
//! The names of hosts decide nothing, since a client chooses `Host`. `Origin` and `Sec-Fetch-Site` are written by the
//! browser, and no page can change them (Fetch standard, "forbidden request-header").

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, ORIGIN};

use super::cookie::only;
use super::origins::Origins;

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request says about the page that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Site {
    /// A page of this server, or of an origin that is listed.
    Ours,
    /// Another page, or one that cannot be told.
    Foreign,
    /// Nothing. Browsers say it in every request other than `GET` and `HEAD`, so no browser sent it, or an old one.
    Unsaid,
}

impl Site {
    /// Judges a request by the origins that are ours or listed.
    pub(in crate::http) fn of(headers: &HeaderMap, origins: &Origins) -> Self {
        Self::judge(headers, |origin| origins.contains(origin))
    }

    /// Judges a request. An `Origin` that was sent decides alone; without one, `Sec-Fetch-Site` does.
    pub(in crate::http) fn judge(headers: &HeaderMap, is_good: impl FnOnce(&[u8]) -> bool) -> Self {
        let is_ours = if headers.contains_key(&ORIGIN) {
            only(headers, &ORIGIN).is_some_and(|origin| is_good(origin.as_bytes()))
        } else if headers.contains_key(&SEC_FETCH_SITE) {
            only(headers, &SEC_FETCH_SITE).is_some_and(|site| site == "same-origin")
        } else {
            return Self::Unsaid;
        };
        if is_ours { Self::Ours } else { Self::Foreign }
    }

    /// Whether a request of this method may be judged by its cookie: it only reads, or a page of ours sent it.
    pub(in crate::http) fn admits_cookie(request: &HttpRequest, method: &Method, origins: &Origins) -> bool {
        *method == Method::GET || *method == Method::HEAD || Self::of(request.headers(), origins) == Self::Ours
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn site(headers: &[(&HeaderName, &'static str)]) -> Site {
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            sent.append((*name).clone(), HeaderValue::from_static(value));
        }
        Site::of(&sent, &"https://app.example.com".parse().expect("origins"))
    }

    #[test]
    fn an_origin_decides_alone_and_without_one_the_relation_does() {
        const LISTED: &str = "https://app.example.com";
        let fetch = &SEC_FETCH_SITE;
        assert_eq!(site(&[]), Site::Unsaid);
        assert_eq!(site(&[(&ORIGIN, LISTED)]), Site::Ours);
        assert_eq!(site(&[(&ORIGIN, LISTED), (fetch, "cross-site")]), Site::Ours, "another origin that is listed");
        assert_eq!(site(&[(&ORIGIN, LISTED), (&ORIGIN, LISTED)]), Site::Foreign, "two headers");
        for other in [
            "",
            "null",
            "http://app.example.com",
            "https://app.example.com:443",
            "https://app.example.com.evil.example",
            "https://APP.example.com",
            "https://app.example.com, https://evil.example",
        ] {
            assert_eq!(site(&[(&ORIGIN, other)]), Site::Foreign, "{other}");
            assert_eq!(site(&[(&ORIGIN, other), (fetch, "same-origin")]), Site::Foreign, "{other}, contradicting");
        }
        assert_eq!(site(&[(fetch, "same-origin")]), Site::Ours);
        for other in ["same-site", "cross-site", "none", "", "Same-Origin", "same-origin, same-origin"] {
            assert_eq!(site(&[(fetch, other)]), Site::Foreign, "{other}");
        }
        assert_eq!(site(&[(fetch, "same-origin"), (fetch, "same-origin")]), Site::Foreign, "two headers");
    }
}
