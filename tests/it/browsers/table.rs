//! Each dialect, each way of sending a token, and each page that a request may be sent from.

use super::*;
use crate::harness::wire::Framing;

/// A page that a request is sent from, the headers that say so, and whether the page is one of ours.
type Page = (&'static str, &'static [(&'static str, &'static str)], bool);

/// A way of sending a token: its headers, the refusal that follows from them (0: none), and whether the result is the
/// same from other sites.
type Way = (&'static str, Vec<(&'static str, String)>, u16, bool);

const SITES: [Page; 16] = [
    ("nothing", &[], false),
    ("our own origin", &[("Origin", OWN)], true),
    ("our own origin, at another port", &[("Origin", "https://auth.example.com:8443")], false),
    ("a listed origin", &[("Origin", LISTED)], true),
    ("another origin", &[("Origin", "https://evil.example")], false),
    ("null", &[("Origin", "null")], false),
    ("an empty origin", &[("Origin", "")], false),
    ("the name of the host", &[("Origin", "http://localhost")], false),
    ("a listed origin, without TLS", &[("Origin", "http://app.example.com")], false),
    ("a listed origin as a prefix", &[("Origin", "https://app.example.com.evil.example")], false),
    ("a listed origin, twice", &[("Origin", LISTED), ("Origin", LISTED)], false),
    (
        "another origin that says it is ours",
        &[("Origin", "https://evil.example"), ("Sec-Fetch-Site", "same-origin")],
        false,
    ),
    ("same-origin", &[("Sec-Fetch-Site", "same-origin")], true),
    ("same-site", &[("Sec-Fetch-Site", "same-site")], false),
    ("cross-site", &[("Sec-Fetch-Site", "cross-site")], false),
    ("none", &[("Sec-Fetch-Site", "none")], false),
];

/// Requests that only read, and others; with the status of a good one.
const REQUESTS: [(&str, &str, u16); 5] = [
    ("GET", "/auth/user/", 200),
    ("HEAD", "/auth/user/", 200),
    ("GET", "/auth/sessions/", 200),
    ("POST", "/auth/sessions/revoke-others/", 204),
    // Answered with a description, but other sites are not told what it describes.
    ("OPTIONS", "/auth/user/", 200),
];

fn request(method: &str, path: &str, headers: &[(&str, String)], site: &[(&str, &str)]) -> Request {
    let framing = if method == "POST" { Framing::Length } else { Framing::Unsaid };
    let mut request = Request::new(method, path).body("", framing);
    for (name, value) in headers {
        request = request.header(name, value.clone());
    }
    site.iter().fold(request, |request, (name, value)| request.header(name, *value))
}

on_each_database! {
    fn what_a_token_is_good_for_depends_on_where_it_is_and_on_who_sent_it(backend) {
        let app = serve(backend, setup(CookieMode::Lax));
        let plain = app.beside(Setup::default().http);
        let client = &mut app.client();
        let mut cells = 0;
        for speech in ALL {
            let (access, _) = log_in(client, &speech);
            let other = Speech::of(if speech.dialect == Dialect::Knox { Dialect::Djoser } else { Dialect::Knox });
            let (cookie, token) = (access.sent(), access.value.clone());
            let header = format!("{} {token}", speech.keyword);
            let in_others = format!("__Host-{}={token}", other.dialect.as_str());
            let ways: [Way; 9] = [
                ("header", vec![("Authorization", header.clone())], 0, true),
                ("cookie", vec![("Cookie", cookie.clone())], 0, false),
                ("cookie among others", vec![("Cookie", format!("a=b; {cookie} ;theme=dark"))], 0, false),
                ("both", vec![("Authorization", header.clone()), ("Cookie", cookie.clone())], 400, true),
                ("a cookie, and the header of a proxy", vec![("Authorization", "Basic eDp5".into()), ("Cookie", cookie.clone())], 400, true),
                ("two cookies", vec![("Cookie", format!("{cookie}; {cookie}"))], 400, true),
                ("two lines", vec![("Cookie", cookie.clone()), ("Cookie", cookie.clone())], 400, true),
                ("cookies of two dialects", vec![("Cookie", format!("{cookie}; {in_others}"))], 400, true),
                ("the cookie of another dialect", vec![("Cookie", in_others.clone())], 401, false),
            ];
            for (way, headers, refused, from_anywhere) in &ways {
                for (page, site, is_ours) in SITES {
                    for (method, path, good) in REQUESTS {
                        let reads = matches!(method, "GET" | "HEAD");
                        let expected = match refused {
                            _ if !from_anywhere && !reads && !is_ours => 403,
                            0 => good,
                            refused => *refused,
                        };
                        let what = format!("{:?}: {method} {path}, {way}, from {page}", speech.dialect);
                        let reply = client.ask(&request(method, path, headers, site));
                        assert_eq!(reply.status, expected, "{what}: {}", reply.text());
                        assert!(!reply.text().contains(&token), "{what}");
                        assert_eq!(cookies(&reply), [], "{what}");
                        assert_eq!(reply.header("www-authenticate").is_some(), expected == 401, "{what}");
                        cells += 1;
                        // A token in the header is judged as if there were no cookies at all.
                        if *way == "header" {
                            let usual = plain.client().ask(&request(method, path, headers, site));
                            assert_eq!((usual.status, usual.text()), (reply.status, reply.text()), "{what}");
                        }
                    }
                }
            }
        }
        assert_eq!(cells, ALL.len() * 9 * SITES.len() * REQUESTS.len());
    }

    fn no_other_site_plants_a_session(backend) {
        let app = serve(backend, setup(CookieMode::Lax));
        let plain = app.beside(Setup::default().http);
        for speech in ALL {
            for (page, site, is_ours) in SITES {
                let login = speech.login_request("alice", PASSWORD);
                let login = site.iter().fold(login, |login, (name, value)| login.header(name, *value));
                let what = format!("{:?} from {page}", speech.dialect);
                // A client that is not a browser does not send these headers.
                let expected = if is_ours || site.is_empty() { 200 } else { 403 };
                let reply = app.client().ask(&login);
                assert_eq!(reply.status, expected, "{what}: {}", reply.text());
                assert_eq!(cookies(&reply).is_empty(), expected == 403, "{what}");
                assert_eq!(plain.client().ask(&login).status, 200, "{what}, without cookies");
            }
        }
    }
}

#[test]
fn refusals_say_why() {
    let app = serve(crate::harness::app::Backend::Sqlite, setup(CookieMode::Lax));
    let client = &mut app.client();
    let (access, _) = log_in(client, &ALL[0]);
    let foreign = client.ask(&with("POST", "/auth/logout/", &access.sent()));
    let words = r#"{"detail":"CSRF Failed: the request does not come from a page of this site."}"#;
    assert_eq!((foreign.status, foreign.text().as_str()), (403, words));
    assert_eq!(foreign.header("allow").as_deref(), Some("POST, OPTIONS"));
    let both = with("POST", "/auth/logout/", &access.sent()).header("Authorization", "Token x");
    let both = client.ask(&both);
    assert_eq!((both.status, both.text().as_str()), (400, r#"{"detail":"The request has more than one token."}"#));
    assert_eq!(check(client, &access), 200, "it lives");
}
