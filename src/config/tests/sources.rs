//! Where values come from: variables of other programs, `.env` files, files with secrets.

use super::*;
use crate::config::service_link::ServiceLinks;

/// What Kubernetes sets for services called `knoxide` and `knoxide-db`, and Docker for a link.
const LINKS: &[(&str, &str)] = &[
    ("KNOXIDE_SERVICE_HOST", "10.96.12.34"),
    ("KNOXIDE_SERVICE_PORT", "8080"),
    ("KNOXIDE_SERVICE_PORT_HTTP", "8080"),
    ("KNOXIDE_PORT", "tcp://10.96.12.34:8080"),
    ("KNOXIDE_PORT_8080_TCP", "tcp://10.96.12.34:8080"),
    ("KNOXIDE_PORT_8080_TCP_PROTO", "tcp"),
    ("KNOXIDE_PORT_8080_TCP_PORT", "8080"),
    ("KNOXIDE_PORT_8080_TCP_ADDR", "10.96.12.34"),
    ("KNOXIDE_PORT_8125_UDP_ADDR", "10.96.12.34"),
    ("KNOXIDE_DB_SERVICE_HOST", "fd00::1"),
    ("KNOXIDE_DB_PORT", "udp://10.96.12.34:53"),
    ("KNOXIDE_DB_PORT_5432_TCP_PORT_START", "5432"),
    ("KNOXIDE_NAME", "/web/knoxide"),
];

#[test]
fn variables_that_tell_of_a_service_are_passed_over() {
    for link in LINKS {
        read(&[*link]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    }
    let linked = [("KNOXIDE_ENV_KNOXIDE_LISTEN", "x"), ("KNOXIDE_ENV_PATH", "/bin"), ("KNOXIDE_NAME", "/web/knoxide")];
    read(&linked).unwrap_or_else(|mistakes| panic!("{mistakes}"));
}

#[test]
fn names_that_only_look_like_a_service_stay_mistakes() {
    for (name, value) in [
        ("KNOXIDE_PORT", "8080"),
        ("KNOXIDE_SERVICE_HOST", "db.example.org"),
        ("KNOXIDE_SERVICE_PORT", "http"),
        ("KNOXIDE_SERVICE", "10.96.12.34"),
        ("KNOXIDE_PORT_HTTP", "8080"),
        ("KNOXIDE_PORT_8080", "tcp://10.96.12.34:8080"),
        ("KNOXIDE_PORT_8080_HTTP", "8080"),
        ("KNOXIDE_NAME", "web"),
        ("KNOXIDE_ENV_FILE", ".env"),
        ("KNOXIDE_LISTN", "tcp://10.96.12.34:8080"),
    ] {
        assert!(mistake(&[(name, value)]).contains("is not a setting"), "{name}");
    }
    // In the file, only settings of this program are expected.
    let text = in_file("KNOXIDE_SERVICE_PORT=8080\n").expect_err("a mistake").to_string();
    assert!(text.contains("KNOXIDE_SERVICE_PORT"), "{text}");
    let links = ServiceLinks::of(&[]);
    for setting in all() {
        for value in ["10.0.0.1", "80", "tcp://10.0.0.1:80", "/a"] {
            assert!(!links.contain(&setting.name, value), "{}", setting.name);
        }
    }
}

/// What a `.env` file with this text gives.
fn in_file(text: &str) -> Result<Settings, Mistakes> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut input = Input::new();
    input.add_env_file(Some(&write_file(folder.path(), "env", text.as_bytes(), 0o600)));
    Settings::read(input)
}

#[test]
fn a_dollar_that_stands_for_a_variable_is_refused() {
    for value in
        ["ab$hush", "$hush", "ab$", "${hush}", "\"ab$hush\"", "'ab'$hush", "ab\\\\$hush", "\"a\n$b\"", "\"\"\"$b\""]
    {
        let text = format!("KNOXIDE_LOG=info\nexport KNOXIDE_TOKEN_PREFIX={value}\n");
        let shown = in_file(&text).expect_err(value).to_string();
        assert!(shown.contains("line 2") && shown.contains("KNOXIDE_TOKEN_PREFIX"), "{shown}");
        assert!(shown.contains("single quotes") && !shown.contains("hush") && shown.lines().count() == 2, "{shown}");
    }
    // An open quote includes the lines that follow, whatever else is wrong with it.
    let open = "OTHER=\"$HOME\nKNOXIDE_TOKEN_PREFIX=ab\n";
    assert!(in_file(open).expect_err("a mistake").to_string().contains("cannot be read"));
    let secret = "KNOXIDE_JWT_SECRET=k3Vw0fX2mZqP9sLr$T7uYbN4cH6jD8gA1hunter2\n";
    assert!(!in_file(secret).expect_err("a mistake").to_string().contains("hunter2"));
    for (text, prefix) in [
        ("KNOXIDE_TOKEN_PREFIX='ab$hush'", "ab$hush"),
        ("KNOXIDE_TOKEN_PREFIX=ab\\$hush", "ab$hush"),
        ("KNOXIDE_TOKEN_PREFIX=\"ab\\$hush\"", "ab$hush"),
        ("KNOXIDE_TOKEN_PREFIX=\"it's\"'$'", "it's$"),
        ("KNOXIDE_TOKEN_PREFIX=ab # it costs $5", "ab"),
        ("# KNOXIDE_TOKEN_PREFIX=$hush\n#it's\nKNOXIDE_TOKEN_PREFIX=ab", "ab"),
        ("OTHER=$HOME/it\nKNOXIDE_TOKEN_PREFIX=ab", "ab"),
    ] {
        let settings = in_file(text).unwrap_or_else(|mistakes| panic!("{text}: {mistakes}"));
        assert_eq!(settings.tokens.policy.token_prefix, prefix, "{text}");
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |text: &str| write_file(folder.path(), "secret", text.as_bytes(), 0o600).display().to_string();
    let read_file = |text: &str| read(&[("KNOXIDE_ADMIN_PASSWORD_FILE", &path(text))]);
    for text in ["\u{feff}correct horse\r\n", "\u{feff}correct horse"] {
        let admin = read_file(text).expect("settings").passwords.admin.expect("a password");
        assert_eq!(admin.expose(), "correct horse");
    }
    for text in ["\u{feff}", "\u{feff}\n"] {
        assert!(read_file(text).expect_err("empty").to_string().contains("is empty"));
    }
    let url_file = path("\u{feff}sqlite://here.db\n");
    assert_eq!(read(&[("DATABASE_URL_FILE", &url_file)]).expect("settings").database.url, url("sqlite://here.db"));
}

#[test]
fn secrets_are_read_from_files_that_others_can_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for mode in [0o400, 0o440, 0o444, 0o644, 0o666] {
        let path = write_file(folder.path(), "secret", b"correct horse\n", mode);
        let settings = read(&[("KNOXIDE_ADMIN_PASSWORD_FILE", &path.display().to_string())]).expect("settings");
        assert_eq!(settings.passwords.admin.expect("a password").expose(), "correct horse");
        assert_eq!(settings.secret_files, std::slice::from_ref(&path));
        std::fs::remove_file(path).expect("removed");
    }
}

#[test]
fn none_is_read_in_any_case_and_named_where_it_is_allowed() {
    for none in ["none", "None", "NONE"] {
        let settings =
            read(&[("KNOXIDE_KNOX_TTL", none), ("KNOXIDE_TOKEN_LIMIT", none), ("KNOXIDE_REFRESH_BURST", none)]);
        let policy = settings.expect("settings").tokens.policy;
        let limits = (policy.dialects.knox.access_ttl, policy.token_limit, policy.refresh_rate.burst);
        assert_eq!(limits, (None, None, None));
    }
    for (name, value) in [
        ("KNOXIDE_KNOX_TTL", "never"),
        ("KNOXIDE_KNOX_TTL", "0s"),
        ("KNOXIDE_IDLE_LIMIT", "null"),
        ("KNOXIDE_TOKEN_LIMIT", "0"),
    ] {
        assert!(mistake(&[(name, value)]).ends_with(", or none"), "{name}");
    }
    for name in ["KNOXIDE_READ_TIMEOUT", "KNOXIDE_DJOSER_REFRESH_TTL", "KNOXIDE_CACHE_TOKENS"] {
        let text = mistake(&[(name, "None")]);
        assert!(!text.contains("none"), "{text}");
    }
}

#[test]
fn a_secret_in_utf_16_is_named_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    let text: Vec<u16> = "correct horse\r\n".encode_utf16().collect();
    let little: Vec<u8> = text.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = text.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for bytes in [[b"\xff\xfe", &little[..]].concat(), [b"\xfe\xff", &big[..]].concat(), little, big] {
        let path = write_file(folder.path(), "secret", &bytes, 0o600).display().to_string();
        let mistake = mistake(&[("KNOXIDE_ADMIN_PASSWORD_FILE", &path)]);
        assert!(mistake.contains("UTF-16") && mistake.contains("save it as UTF-8"), "{mistake}");
        assert!(!mistake.contains("horse"), "{mistake}");
    }
}

#[test]
fn the_case_of_words_does_not_count() {
    let settings = read(&[
        ("KNOXIDE_LOG_FORMAT", "JSON"),
        ("KNOXIDE_COMPAT", "Package"),
        ("KNOXIDE_TOKEN_LIMIT_POLICY", "Evict_Oldest"),
        ("KNOXIDE_JWT_ALGORITHM", "eddsa"),
        ("KNOXIDE_DIALECTS", "Knox,SimpleJWT"),
        ("KNOXIDE_TRUSTED_PROXIES", "UNIX"),
        ("KNOXIDE_KNOX_COOKIE", "OFF"),
    ])
    .expect("settings");
    assert_eq!((settings.log.format, settings.jwt.algorithm), (LogFormat::Json, Algorithm::EdDsa));
    let options = &settings.http.options;
    assert!(options.compat == Compat::Package && options.proxies.unix);
    assert_eq!(settings.tokens.policy.limit_policy, LimitPolicy::EvictOldest);
    let enabled = Dialect::ALL.into_iter().filter(|dialect| options.dialects.get(*dialect).enabled);
    assert_eq!(enabled.collect::<Vec<_>>(), [Dialect::Knox, Dialect::Simplejwt]);
}
