//! The check that a request was sent by one of the pages.

use actix_web::HttpRequest;

use super::site::Visit;
use crate::http::browser::site::Site;

/// Whether the request comes from one of the pages: by its `Origin` or, if the browser sends none, by `Sec-Fetch-Site`. A
/// request with neither does not.
pub(super) fn is_from(visit: &Visit, request: &HttpRequest) -> bool {
    Site::judge(request.headers(), |origin| origin == visit.origin.as_bytes()) == Site::Ours
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn our_own_origin_counts_and_without_one_what_the_browser_says_of_the_site() {
        let visit = Visit { is_local: false, origin: "https://admin.example.org".to_owned() };
        let own = ("Origin", "https://admin.example.org");
        let same = ("Sec-Fetch-Site", "same-origin");
        let cross = ("Sec-Fetch-Site", "cross-site");
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], false),
            (&[own], true),
            (&[own, own], false),
            (&[own, same], true),
            (&[same], true),
            (&[same, same], false),
            (&[cross], false),
            (&[("Sec-Fetch-Site", "same-site")], false),
            (&[("Sec-Fetch-Site", "none")], false),
            (&[("Origin", "null"), same], false),
            (&[("Origin", "http://admin.example.org"), same], false),
            (&[("Origin", "https://admin.example.org:8443")], false),
            (&[("Origin", "https://admin.example.org.evil.example")], false),
            (&[("Origin", "https://evil.example"), same], false),
            (&[("Origin", "")], false),
        ];
        for (headers, expected) in cases {
            let request = headers.iter().fold(TestRequest::default(), |request, header| request.append_header(*header));
            assert_eq!(is_from(&visit, &request.to_http_request()), *expected, "{headers:?}");
        }
    }
}
