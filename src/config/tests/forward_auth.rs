//! Settings of forward authentication.

use super::{mistake, read};

const COOKIE: &str = "KNOXIDE_FORWARD_AUTH_COOKIE";
const ORIGINS: &str = "KNOXIDE_FORWARD_AUTH_ORIGINS";
const PROXIES: (&str, &str) = ("KNOXIDE_TRUSTED_PROXIES", "unix");

#[test]
fn a_cookie_and_its_origins_are_read() {
    let settings = read(&[PROXIES, (COOKIE, "__Host-session"), (ORIGINS, "https://a.example, http://[::1]:81")]);
    let options = settings.expect("settings").http.options.forward_auth;
    assert!(options.enabled);
    assert_eq!(options.cookie.map(|name| name.to_string()).as_deref(), Some("__Host-session"));
    assert!(options.origins.contains(b"https://a.example") && options.origins.contains(b"http://[::1]:81"));
    let off = read(&[("KNOXIDE_FORWARD_AUTH", "false"), (COOKIE, "none")]).expect("settings").http.options.forward_auth;
    assert!(!off.enabled && off.cookie.is_none());
}

#[test]
fn what_could_never_count_is_a_mistake() {
    let lone = mistake(&[(COOKIE, "session")]);
    assert!(lone.contains("trusted proxy") && lone.contains("KNOXIDE_TRUSTED_PROXIES"), "{lone}");
    for name in ["a b", "a;b", "a=b", "\"a\"", "sess\u{e9}"] {
        assert!(mistake(&[PROXIES, (COOKIE, name)]).contains("is not the name of a cookie"), "{name}");
    }
    for origin in ["app.example.com", "https://app.example.com/", "*", "https://a.example;https://b.example"] {
        assert!(mistake(&[(ORIGINS, origin)]).contains("no browser sends"), "{origin}");
    }
}
