use super::*;
use crate::domain::policy::{RefreshPolicy, TokenForm};

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
            let (mount, policy) =
                (settings.http.options.dialects.get(other), settings.tokens.policy.dialects.get(other));
            let changed =
                (mount.prefix == "/v1/x", mount.keywords == ["Some", "Other"], policy.access_ttl == Some(secs(90)));
            assert_eq!(changed, (other == dialect, other == dialect, other == dialect), "{name}");
            assert!(mount.enabled);
        }
        assert_eq!(settings.tokens.policy.dialects.get(dialect).form, TokenForm::Opaque);
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
    let dialects = &settings.tokens.policy.dialects;
    let hours = |hours: u64| secs(hours * 3600);
    assert_eq!(dialects.drf_jwt.refresh, RefreshPolicy::Access { window: hours(1) });
    assert_eq!(dialects.access_token.refresh, RefreshPolicy::Access { window: hours(2) });
    assert_eq!(dialects.simplejwt.refresh, RefreshPolicy::Pair { ttl: hours(4), window: Some(hours(3)) });
    assert_eq!(dialects.djoser.refresh, RefreshPolicy::Pair { ttl: hours(5), window: None });
    let rotating = Dialect::ALL.map(|dialect| dialects.get(dialect).rotate);
    assert_eq!(rotating, [false, false, false, true, true]);
    assert_eq!(settings.tokens.policy.refresh_grace, Duration::ZERO);
    assert!(mistake(&[("KNOXIDE_KNOX_ROTATE", "true")]).contains("is not a setting"));
}

#[test]
fn dialects_that_are_not_named_are_off() {
    let settings = read(&[("KNOXIDE_DIALECTS", "djoser, knox")]).expect("settings");
    let enabled = Dialect::ALL.map(|dialect| settings.http.options.dialects.get(dialect).enabled);
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

#[test]
fn secrets_that_can_be_guessed_are_refused_with_a_command_that_makes_a_good_one() {
    for weak in [
        "a".repeat(32),
        "ab".repeat(20),
        "aaaaaaaabbbbbbbbccccccccddddddddeeeeeeee".to_owned(),
        "0123456789".repeat(4),
        "abcdefghijklmnopqrstuvwxyz0123456789".to_owned(),
        "ZYXWVUTSRQPONMLKJIHGFEDCBA9876543210".to_owned(),
        "correct horse staple".repeat(2),
        "PleaseChangeMeToSomethingSecret!".to_owned(),
        "my-app-your-256-bit-secret-goes-here".to_owned(),
        "django-insecure-0#3v$k!w9q@z7m(x5c&b1n^h".to_owned(),
    ] {
        let told = mistake(&[("KNOXIDE_JWT_SECRET", &weak)]);
        assert!(told.contains("openssl rand -base64 48") && !told.contains(&weak), "{weak}: {told}");
    }
    for good in [
        "k3Vw0fX2mZqP9sLrT7uYbN4cH6jD8gA1",
        "9f86d081884c7d659a2feaa0c55ad015",
        "83017465920184736509182736450918",
        "a secret of more than 32 bytes, no better",
        "äöüß ñandú über Ölmühlen, 東京 и Москва",
    ] {
        read(&[("KNOXIDE_JWT_SECRET", good)]).unwrap_or_else(|mistakes| panic!("{good}: {mistakes}"));
    }
}
