//! Settings of cookies and CORS.

use super::{mistake, read};
use crate::domain::dialect::{CookieMode, Dialect};
use crate::http::browser::cors::CorsOrigins;

const ORIGINS: (&str, &str) = ("KNOXIDE_ORIGINS", "https://app.example.com");

#[test]
fn each_dialect_has_cookies_or_not() {
    for dialect in Dialect::ALL {
        let name = format!("KNOXIDE_{}_COOKIE", dialect.as_str().to_uppercase());
        for (text, mode) in [("off", CookieMode::Off), ("lax", CookieMode::Lax), ("strict", CookieMode::Strict)] {
            let options = read(&[ORIGINS, (&name, text)]).expect("settings").http.options;
            for other in Dialect::ALL {
                let expected = if other == dialect { mode } else { CookieMode::Off };
                assert_eq!(options.dialects.get(other).cookie, expected, "{name}={text}");
            }
            assert!(options.origins.contains(b"https://app.example.com"));
        }
        assert!(mistake(&[ORIGINS, (&name, "none")]).contains("lax"), "SameSite=None is not offered");
    }
}

#[test]
fn cookies_that_no_page_could_end_are_a_mistake() {
    let alone = mistake(&[("KNOXIDE_DJOSER_COOKIE", "lax")]);
    assert!(alone.starts_with("KNOXIDE_DJOSER_COOKIE") && alone.contains("KNOXIDE_ORIGINS"), "{alone}");
    assert!(read(&[("KNOXIDE_DJOSER_COOKIE", "lax"), ("KNOXIDE_PUBLIC_URL", "https://auth.example.com")]).is_ok());
    assert!(read(&[("KNOXIDE_DJOSER_COOKIE", "lax"), ("KNOXIDE_DIALECTS", "knox")]).is_ok(), "it is off");
    for prefix in ["a;b", "a,b", "a\"b", "a\\b"] {
        let given = [ORIGINS, ("KNOXIDE_KNOX_COOKIE", "strict"), ("KNOXIDE_TOKEN_PREFIX", prefix)];
        let told = mistake(&given);
        assert!(told.starts_with("KNOXIDE_TOKEN_PREFIX") && told.contains("KNOXIDE_KNOX_COOKIE"), "{told}");
        assert!(read(&given[..1]).is_ok() && read(&given[2..]).is_ok());
    }
    assert!(read(&[ORIGINS, ("KNOXIDE_KNOX_COOKIE", "lax"), ("KNOXIDE_TOKEN_PREFIX", "kx_=")]).is_ok());
}

#[test]
fn pages_that_may_read_replies_are_listed_exactly() {
    let cors = |pairs: &[(&str, &str)]| read(pairs).expect("settings").http.options.cors;
    assert!(!cors(&[]).is_on() && !cors(&[("KNOXIDE_CORS_ORIGINS", "")]).is_on());
    let listed = cors(&[("KNOXIDE_CORS_ORIGINS", "https://a.example, http://localhost:3000")]);
    assert!(listed.is_on() && !listed.credentials);
    assert_eq!(listed.origins.to_string(), "https://a.example,http://localhost:3000");
    assert_eq!(cors(&[("KNOXIDE_CORS_ORIGINS", "*")]).origins, CorsOrigins::Any);
    assert!(cors(&[("KNOXIDE_CORS_ORIGINS", "https://a.example"), ("KNOXIDE_CORS_CREDENTIALS", "true")]).credentials);
    for bad in ["null", "https://*.example", "*, https://a.example", "https://a.example, null", "a.example"] {
        assert!(mistake(&[("KNOXIDE_CORS_ORIGINS", bad)]).contains("no browser sends"), "{bad}");
        let both = [("KNOXIDE_CORS_ORIGINS", bad), ("KNOXIDE_CORS_CREDENTIALS", "true")];
        assert!(mistake(&both).contains("no browser sends"), "{bad}");
    }
    let all = mistake(&[("KNOXIDE_CORS_ORIGINS", "*"), ("KNOXIDE_CORS_CREDENTIALS", "true")]);
    assert!(all.starts_with("KNOXIDE_CORS_CREDENTIALS") && all.contains("list the origins"), "{all}");
}
