use super::*;
use crate::dialect::Dialect;
use crate::policy::{RefreshPolicy, TokenForm};

#[test]
fn every_dialect_has_settings_of_its_own() {
    for dialect in Dialect::ALL {
        let name = dialect.as_str().to_uppercase();
        let pair = |setting: &str, value: &str| (format!("KNOXIDE_{name}_{setting}"), value.to_owned());
        let given =
            [pair("PREFIX", "/v1/x"), pair("KEYWORDS", "Some, Other"), pair("FORM", "opaque"), pair("TTL", "90s")];
        let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let settings = read(&given).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        for other in Dialect::ALL {
            let (mount, policy) = (settings.http.dialects.get(other), settings.tokens.dialects.get(other));
            let changed =
                (mount.prefix == "/v1/x", mount.keywords == ["Some", "Other"], policy.access_ttl == Some(secs(90)));
            assert_eq!(changed, (other == dialect, other == dialect, other == dialect), "{name}");
            assert!(mount.enabled);
        }
        assert_eq!(settings.tokens.dialects.get(dialect).form, TokenForm::Opaque);
    }
}

#[test]
fn refreshing_is_set_for_each_dialect_that_has_it() {
    let settings = read(&[
        ("KNOXIDE_DRF_JWT_REFRESH_WINDOW", "1h"),
        ("KNOXIDE_ACCESS_TOKEN_REFRESH_WINDOW", "2h"),
        ("KNOXIDE_SIMPLEJWT_REFRESH_WINDOW", "3h"),
        ("KNOXIDE_SIMPLEJWT_REFRESH_TTL", "4h"),
        ("KNOXIDE_DJOSER_REFRESH_TTL", "5h"),
        ("KNOXIDE_ACCESS_TOKEN_ROTATE", "true"),
        ("KNOXIDE_DJOSER_ROTATE", "true"),
        ("KNOXIDE_REFRESH_GRACE", "0s"),
    ]);
    let settings = settings.expect("settings");
    let dialects = &settings.tokens.dialects;
    let hours = |hours: u64| secs(hours * 3600);
    assert_eq!(dialects.drf_jwt.refresh, RefreshPolicy::Access { window: hours(1) });
    assert_eq!(dialects.access_token.refresh, RefreshPolicy::Access { window: hours(2) });
    assert_eq!(dialects.simplejwt.refresh, RefreshPolicy::Pair { ttl: hours(4), window: Some(hours(3)) });
    assert_eq!(dialects.djoser.refresh, RefreshPolicy::Pair { ttl: hours(5), window: None });
    let rotating = Dialect::ALL.map(|dialect| dialects.get(dialect).rotate);
    assert_eq!(rotating, [false, false, false, true, true]);
    assert_eq!(settings.tokens.policy().refresh_grace, Duration::ZERO);
    assert!(mistake(&[("KNOXIDE_KNOX_ROTATE", "true")]).contains("is no setting"));
}

#[test]
fn dialects_that_are_not_named_are_off() {
    let settings = read(&[("KNOXIDE_DIALECTS", "djoser, knox")]).expect("settings");
    let enabled = Dialect::ALL.map(|dialect| settings.http.dialects.get(dialect).enabled);
    assert_eq!(enabled, [true, false, false, false, true]);
}

#[test]
fn a_jwt_needs_an_end() {
    for name in ["DRF_JWT", "SIMPLEJWT", "ACCESS_TOKEN", "DJOSER"] {
        let (ttl, form) = (format!("KNOXIDE_{name}_TTL"), format!("KNOXIDE_{name}_FORM"));
        let text = mistake(&[(&ttl, "none")]);
        assert!(text.starts_with(&ttl) && text.contains(&form), "{text}");
    }
    assert!(mistake(&[("KNOXIDE_KNOX_FORM", "jwt")]).starts_with("KNOXIDE_KNOX_TTL"));
    assert!(read(&[("KNOXIDE_KNOX_FORM", "jwt"), ("KNOXIDE_KNOX_TTL", "1h")]).is_ok());
    assert!(read(&[("KNOXIDE_DRF_JWT_FORM", "opaque"), ("KNOXIDE_DRF_JWT_TTL", "none")]).is_ok());
}

#[test]
fn a_refresh_token_outlives_the_access_token() {
    let text = mistake(&[("KNOXIDE_SIMPLEJWT_REFRESH_TTL", "1h"), ("KNOXIDE_SIMPLEJWT_TTL", "2h")]);
    assert!(
        text.starts_with("KNOXIDE_SIMPLEJWT_REFRESH_TTL: is 1h") && text.contains("KNOXIDE_SIMPLEJWT_TTL"),
        "{text}"
    );
    assert!(mistake(&[("KNOXIDE_DJOSER_TTL", "none"), ("KNOXIDE_DJOSER_FORM", "opaque")]).contains("REFRESH_TTL"));
    assert!(read(&[("KNOXIDE_SIMPLEJWT_REFRESH_TTL", "5m")]).is_ok());
}

#[test]
fn the_secret_is_the_text_as_it_was_given_and_is_never_shown() {
    let text = " thirty-two bytes, spaces as well";
    let settings = read(&[("KNOXIDE_JWT_SECRET", text), ("KNOXIDE_JWT_ALGORITHM", "EdDSA")]).expect("settings");
    assert!(!format!("{settings:?}").contains("thirty"));
    assert_eq!(settings.jwt.secret.expect("a secret").expose(), text.as_bytes());
    let short = mistake(&[("KNOXIDE_JWT_SECRET", "thirty-one bytes, no more......")]);
    assert!(short.contains("shorter than 32 bytes") && !short.contains("thirty-one"), "{short}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = write_file(folder.path(), "secret", format!("{text}\n").as_bytes(), 0o600).display().to_string();
    let settings = read(&[("KNOXIDE_JWT_SECRET_FILE", &path)]).expect("settings");
    assert_eq!(settings.jwt.secret.expect("a secret").expose(), text.as_bytes());
}
