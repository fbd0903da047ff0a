mod admin;
mod browser;
mod dialects;
mod forward_auth;
mod introspection;
mod sources;
mod throttle;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::domain::dialect::Dialect;
use crate::domain::policy::RefreshRate;
use crate::http::Compat;
use crate::store::LimitPolicy;

fn input(pairs: &[(&str, &str)]) -> Input {
    let mut input = Input::new();
    input.add_environment(pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))));
    input
}

fn read(pairs: &[(&str, &str)]) -> Result<Settings, Mistakes> {
    Settings::read(input(pairs))
}

/// The only mistake in these settings, as it is shown.
fn mistake(pairs: &[(&str, &str)]) -> String {
    let mistakes = read(pairs).expect_err("a mistake").0;
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes[0].to_string()
}

fn write_file(folder: &Path, name: &str, text: &[u8], mode: u32) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("its mode");
    path
}

fn all() -> impl Iterator<Item = Setting> {
    groups().into_iter().flat_map(|group| group.settings)
}

fn url(text: &str) -> DatabaseUrl {
    text.parse().expect("a URL")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn documented_defaults_are_the_real_ones() {
    let nothing = format!("{:?}", read(&[]).expect("defaults"));
    assert_eq!(nothing, format!("{:?}", Settings::default()));
    for setting in all() {
        if let Fallback::Value(value) = setting.fallback {
            let given = read(&[(&setting.name, &value)]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
            assert_eq!(format!("{given:?}"), nothing, "{}", setting.name);
        }
    }
    assert_eq!(read(&[]).expect("defaults").database.url, url("sqlite://knoxide.db"));
}

#[test]
fn every_documented_setting_is_read() {
    for setting in all() {
        // No setting takes a value with a NUL in it, so a setting that is read is refused.
        assert!(read(&[(&setting.name, "\0 bad \0")]).is_err(), "{}", setting.name);
    }
}

#[test]
fn committed_documents_are_what_the_table_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (file, rendered) in [(".env.example", env_example()), ("docs/configuration.md", markdown())] {
        let committed = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        assert_eq!(committed, rendered, "run: cargo run --example documents");
    }
}

#[test]
fn the_example_file_is_a_valid_env_file_that_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let commented = env_example();
    // With every default uncommented; settings without a default, and files of secrets, are left out.
    let open: String = commented
        .lines()
        .map(|line| line.strip_prefix('#').filter(|rest| rest.contains('=') && !rest.ends_with('=')).unwrap_or("#"))
        .filter(|line| line.starts_with("KNOXIDE_") || line.starts_with("DATABASE_URL"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(open.lines().count() > 15, "{open}");
    for text in [commented, open] {
        let path = write_file(folder.path(), "env", text.as_bytes(), 0o600);
        let mut input = Input::new();
        input.add_env_file(Some(&path));
        let settings = Settings::read(input).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(format!("{settings:?}"), format!("{:?}", Settings::default()));
    }
}

#[test]
fn values_become_typed_fields() {
    let settings = read(&[
        ("KNOXIDE_LISTEN", "0.0.0.0:80, [::1]:8080,unix:/run/knoxide.sock"),
        ("KNOXIDE_SOCKET_MODE", "0606"),
        ("KNOXIDE_TRUSTED_PROXIES", "10.1.2.3/8, ::1, unix"),
        ("KNOXIDE_KNOX_TTL", "10h"),
        ("KNOXIDE_IDLE_LIMIT", "5m"),
        ("KNOXIDE_TOKEN_LIMIT", "3"),
        ("KNOXIDE_TOKEN_LIMIT_POLICY", "evict_oldest"),
        ("KNOXIDE_TOKEN_PREFIX", "kx_"),
        ("KNOXIDE_SESSION_ACCESS_TOKENS", "7"),
        ("KNOXIDE_REFRESH_BURST", "5"),
        ("KNOXIDE_REFRESH_INTERVAL", "1s"),
        ("KNOXIDE_BODY_LIMIT", "1MiB"),
        ("KNOXIDE_HEAD_LIMIT", "64KiB"),
        ("KNOXIDE_KEEP_ALIVE", "350s"),
        ("KNOXIDE_SHUTDOWN_DELAY", "0s"),
        ("KNOXIDE_CHECK_TIMEOUT", "250ms"),
        ("KNOXIDE_CACHE_TOKENS", "0"),
        ("KNOXIDE_CREATE", "False"),
        ("KNOXIDE_LOG", " debug,knoxide=trace "),
        ("KNOXIDE_LOG_FORMAT", "json"),
        ("KNOXIDE_COMPAT", "package"),
        ("KNOXIDE_TEST_POSTGRES", "of the test suite"),
        ("HOME", "/root"),
    ])
    .expect("settings");
    let listen: Vec<_> = settings.http.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["0.0.0.0:80", "[::1]:8080", "unix:/run/knoxide.sock"]);
    assert_eq!(settings.http.socket_mode, SocketMode(0o606));
    let networks: Vec<_> = settings.http.options.proxies.networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.0.0.0/8", "::1/128"]);
    assert!(settings.http.options.proxies.unix);
    let policy = &settings.tokens.policy;
    assert_eq!(policy.dialects.knox.access_ttl, Some(secs(36_000)));
    assert_eq!(policy.touch_interval, secs(30), "a tenth of the idle limit");
    assert_eq!((policy.token_limit, policy.limit_policy), (Some(3), LimitPolicy::EvictOldest));
    assert_eq!(policy.token_prefix, "kx_");
    let rate = RefreshRate { burst: Some(5), interval: secs(1) };
    assert_eq!((policy.access_tokens, policy.refresh_rate), (Some(7), rate));
    assert_eq!(settings.http.options.body_limit, 1024 * 1024);
    assert_eq!((settings.http.head_limit, settings.http.keep_alive), (64 * 1024, secs(350)));
    assert_eq!(settings.http.shutdown_delay, Duration::ZERO);
    assert_eq!(settings.http.check_timeout, Duration::from_millis(250));
    assert_eq!(settings.http.cache_tokens, 0);
    assert!(!settings.database.create);
    assert_eq!(settings.log, LogSettings { filter: "debug,knoxide=trace".to_owned(), format: LogFormat::Json });
    assert_eq!(settings.http.options.compat, Compat::Package);
}

#[test]
fn bad_values_are_named_with_their_cure() {
    for (name, value, remedy) in [
        ("KNOXIDE_LISTEN", "localhost:8080", "127.0.0.1:8080"),
        ("KNOXIDE_LISTEN", "127.0.0.1", "ip:port"),
        ("KNOXIDE_LISTEN", "127.0.0.1:1,127.0.0.1:1", "twice"),
        ("KNOXIDE_LISTEN", "127.0.0.1:1,", "holds \"\""),
        ("KNOXIDE_LISTEN", "unix:knoxide.sock", "absolute path"),
        ("KNOXIDE_LISTEN", "", "is empty"),
        ("KNOXIDE_SOCKET_MODE", "rw", "660"),
        ("KNOXIDE_SOCKET_MODE", "+66", "660"),
        ("KNOXIDE_SOCKET_MODE", "1777", "660"),
        ("KNOXIDE_TRUSTED_PROXIES", "10.0.0.0/33", "10.0.0.0/8"),
        ("KNOXIDE_HEAD_LIMIT", "97KiB", "from 4KiB to 96KiB"),
        ("KNOXIDE_HEAD_LIMIT", "1MiB", "from 4KiB to 96KiB"),
        ("KNOXIDE_KEEP_ALIVE", "0s", "from 1s"),
        ("KNOXIDE_SHUTDOWN_DELAY", "11m", "10m"),
        ("KNOXIDE_KNOX_TTL", "10", "12h"),
        ("KNOXIDE_KNOX_TTL", "0s", "from 1s"),
        ("KNOXIDE_KNOX_TTL", "-1h", "not a duration"),
        ("KNOXIDE_KNOX_TTL", "99999999999999999999d", "not a duration"),
        ("KNOXIDE_KNOX_TTL", "40000d", "36500d"),
        ("KNOXIDE_IDLE_LIMIT", "9s", "from 10s"),
        ("KNOXIDE_TOKEN_LIMIT", "0", "from 1"),
        ("KNOXIDE_TOKEN_LIMIT", "+1", "whole number"),
        ("KNOXIDE_TOKEN_LIMIT_POLICY", "evict", "evict_oldest"),
        ("KNOXIDE_TOKEN_PREFIX", "elevenchars", "at most 10"),
        ("KNOXIDE_TOKEN_PREFIX", "a b", "without spaces"),
        ("KNOXIDE_KNOX_KEYWORDS", "To ken", "without spaces"),
        ("KNOXIDE_KNOX_KEYWORDS", "Token:", "without spaces"),
        ("KNOXIDE_KNOX_KEYWORDS", "Token,", "without spaces"),
        ("KNOXIDE_DJOSER_KEYWORDS", "JWT, jwt", "twice"),
        ("KNOXIDE_DJOSER_KEYWORDS", "", "is empty"),
        ("KNOXIDE_DIALECTS", "knox,rest", "djoser"),
        ("KNOXIDE_DIALECTS", "knox,knox", "twice"),
        ("KNOXIDE_DIALECTS", "", "is empty"),
        ("KNOXIDE_DIALECTS", ",", "which is not a dialect"),
        ("KNOXIDE_KNOX_PREFIX", "v1", "/name"),
        ("KNOXIDE_KNOX_PREFIX", "/", "/name"),
        ("KNOXIDE_KNOX_PREFIX", "/v1/", "final slash"),
        ("KNOXIDE_KNOX_PREFIX", "/a//b", "/name"),
        ("KNOXIDE_KNOX_PREFIX", "/a/../b", "/name"),
        ("KNOXIDE_KNOX_PREFIX", "/{tenant}", "letters"),
        ("KNOXIDE_KNOX_PREFIX", "/%76", "letters"),
        ("KNOXIDE_KNOX_FORM", "jws", "opaque or jwt"),
        ("KNOXIDE_DRF_JWT_REFRESH_WINDOW", "none", "not a duration"),
        ("KNOXIDE_SIMPLEJWT_REFRESH_WINDOW", "0s", "from 1s"),
        ("KNOXIDE_DJOSER_REFRESH_TTL", "none", "not a duration"),
        ("KNOXIDE_ACCESS_TOKEN_ROTATE", "maybe", "true or false"),
        ("KNOXIDE_REFRESH_GRACE", "2h", "to 1h"),
        ("KNOXIDE_JWT_ALGORITHM", "none", "HS256, EdDSA or RS256"),
        ("KNOXIDE_JWT_ALGORITHM", "HS512", "HS256, EdDSA or RS256"),
        ("KNOXIDE_BCRYPT_COST", "9", "10 to 16"),
        ("KNOXIDE_BCRYPT_COST", "17", "10 to 16"),
        ("KNOXIDE_WORKERS", "0", "from 1"),
        ("KNOXIDE_BODY_LIMIT", "16KB", "16KiB"),
        ("KNOXIDE_BODY_LIMIT", "1023", "1KiB"),
        ("KNOXIDE_CREATE", "perhaps", "true or false"),
        ("KNOXIDE_LOG", "knoxide=loud", "info,knoxide=debug"),
        ("KNOXIDE_LOG", "inof", "info,knoxide=debug"),
        ("KNOXIDE_LOG_FORMAT", "xml", "plain or json"),
        ("KNOXIDE_COMPAT", "knox", "documented or package"),
        ("DATABASE_URL", "mysql://u:p@h/d", "postgres://"),
    ] {
        let text = mistake(&[(name, value)]);
        assert!(text.starts_with(&format!("{name} (environment): ")), "{text}");
        assert!(text.contains(remedy), "{text}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let mistakes =
        read(&[("KNOXIDE_LISTEN", "x"), ("KNOXIDE_CREATE", "x"), ("KNOXIDE_LISTENN", "x")]).expect_err("three");
    assert_eq!(mistakes.0.len(), 3);
    assert_eq!(mistakes.to_string().lines().count(), 4);
}

#[test]
fn unknown_names_are_mistakes() {
    assert!(mistake(&[("KNOXIDE_LISTN", "hunter2")]).contains("did you mean KNOXIDE_LISTEN?"));
    assert!(
        mistake(&[("KNOXIDE_ADMIN_PASSWORD_FIL", "hunter2")]).contains("did you mean KNOXIDE_ADMIN_PASSWORD_FILE?")
    );
    assert!(mistake(&[("KNOXIDE_LISTEN_FILE", "hunter2")]).contains("did you mean KNOXIDE_LISTEN?"));
    assert!(!mistake(&[("KNOXIDE_PASSWORD", "hunter2")]).contains("hunter2"));
}

#[test]
fn times_of_last_use_are_written_often_enough_for_the_idle_limit() {
    let text = mistake(&[("KNOXIDE_IDLE_LIMIT", "5m"), ("KNOXIDE_TOUCH_INTERVAL", "31s")]);
    assert!(text.contains("KNOXIDE_TOUCH_INTERVAL") && text.contains("at most 30s"), "{text}");
    let settings = read(&[("KNOXIDE_IDLE_LIMIT", "5m"), ("KNOXIDE_TOUCH_INTERVAL", "30s")]).expect("settings");
    assert_eq!(settings.tokens.policy.touch_interval, secs(30));
    let settings = read(&[("KNOXIDE_IDLE_LIMIT", "30d")]).expect("settings");
    assert_eq!(settings.tokens.policy.touch_interval, secs(60));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_env_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = b"\xef\xbb\xbf# c\nexport KNOXIDE_LISTEN=127.0.0.1:1\nKNOXIDE_TOKEN_PREFIX='a#$b'\nKNOXIDE_LOG=warn\nKNOXIDE_BCRYPT_COST=10\nOTHER=1\n";
    let path = write_file(folder.path(), ".env", file, 0o600);
    let mut input = Input::new();
    input.add_env_file(Some(&path));
    input.add_environment([("KNOXIDE_LISTEN".into(), "127.0.0.1:2".into()), ("KNOXIDE_LOG".into(), "error".into())]);
    input.add_flag("--listen", "KNOXIDE_LISTEN", "127.0.0.1:3");
    let settings = Settings::read(input).expect("settings");
    assert_eq!(settings.http.listen[0].to_string(), "127.0.0.1:3");
    assert_eq!(settings.log.filter, "error");
    assert_eq!(settings.passwords.bcrypt_cost, 10);
    assert_eq!(settings.tokens.policy.token_prefix, "a#$b");
}

#[test]
fn a_mistake_says_which_source_it_is_in() {
    let mut input = Input::new();
    input.add_flag("--listen", "KNOXIDE_LISTEN", "x");
    let text = Settings::read(input).expect_err("a mistake").to_string();
    assert!(text.contains("KNOXIDE_LISTEN (--listen): \"x\" holds \"x\""), "{text}");
}

#[test]
fn broken_env_files_are_mistakes_that_show_no_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, said) in [
        (&b"KNOXIDE_LOG=info\nDATABASE_URL=sqlite: hunter2 x\n"[..], "line 2"),
        (b"KNOXIDE_LOG='hunter2\n", "cannot be read"),
        (b"KNOXIDE_LOG=info\nKNOXIDE_LOG=hunter2\n", "twice"),
        (b"KNOXIDE_LOG=\xff\n", "UTF-8"),
    ] {
        let path = write_file(folder.path(), ".env", text, 0o600);
        let mut input = Input::new();
        input.add_env_file(Some(&path));
        let shown = Settings::read(input).expect_err("a mistake").to_string();
        assert!(shown.contains(said) && !shown.contains("hunter2"), "{shown}");
    }
    let mut input = Input::new();
    input.add_env_file(Some(&folder.path().join("missing")));
    assert!(Settings::read(input).expect_err("asked for").to_string().contains("missing: cannot be read"));
}

#[test]
fn secrets_come_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name, text: &[u8], mode| write_file(folder.path(), name, text, mode).display().to_string();
    let admin = path("admin", b"correct  horse\r\n", 0o400);
    let url_file = path("url", b"postgres://u:hunter2@localhost/knox\n", 0o440);
    let settings =
        read(&[("KNOXIDE_ADMIN_PASSWORD_FILE", &admin), ("DATABASE_URL_FILE", &url_file)]).expect("settings");
    assert_eq!(settings.passwords.admin.expect("a password").expose(), "correct  horse");
    assert_eq!(settings.database.url, url("postgres://u:hunter2@localhost/knox"));

    let said = |path: &str| mistake(&[("KNOXIDE_ADMIN_PASSWORD_FILE", path)]);
    assert!(said(&path("blank", b"correct horse \n", 0o600)).contains("white space"));
    assert!(said(&path("empty", b"\n", 0o600)).contains("is empty"));
    assert!(said(&path("binary", b"\xff\xff", 0o600)).contains("cannot be read"));
    assert!(said(&path("long", &[b'a'; 70_000], 0o600)).contains("longer than any secret"));
    assert!(said("/nowhere/at/all").contains("cannot be read"));
    assert!(
        mistake(&[("KNOXIDE_ADMIN_PASSWORD_FILE", &admin), ("KNOXIDE_ADMIN_PASSWORD", "another one")])
            .contains("together with")
    );
}

#[test]
fn a_secret_given_in_one_form_replaces_the_other_form_of_a_lesser_source() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write_file(folder.path(), ".env", b"DATABASE_URL_FILE=/nowhere\n", 0o600);
    let mut input = Input::new();
    input.add_env_file(Some(&path));
    input.add_environment([("DATABASE_URL".into(), "sqlite://here.db".into())]);
    assert_eq!(Settings::read(input).expect("settings").database.url, url("sqlite://here.db"));
}

#[test]
fn weak_admin_passwords_are_refused_and_never_shown() {
    for weak in ["hunter2", "Password123"] {
        let text = mistake(&[("KNOXIDE_ADMIN_PASSWORD", weak)]);
        assert!(text.contains("choose another one") && !text.contains(weak), "{text}");
    }
    let pairs = [("KNOXIDE_ADMIN_PASSWORD", "correct horse"), ("DATABASE_URL", "postgres://u:hunter2@localhost/knox")];
    let shown = format!("{:?}", read(&pairs).expect("settings"));
    assert!(!shown.contains("horse") && !shown.contains("hunter2"), "{shown}");
}

#[cfg(unix)]
#[test]
fn values_that_are_not_utf_8_are_mistakes() {
    use std::os::unix::ffi::OsStringExt;
    let mut input = Input::new();
    input.add_environment([
        ("KNOXIDE_LOG".into(), OsString::from_vec(vec![0xff])),
        (OsString::from_vec(vec![0xff]), OsString::from_vec(vec![0xff])),
    ]);
    let text = Settings::read(input).expect_err("a mistake").to_string();
    assert!(text.contains("KNOXIDE_LOG (environment): is not UTF-8"), "{text}");
}

#[test]
fn durations_are_written_as_they_are_read() {
    let duration = |text: &str| {
        let given = [("KNOXIDE_SESSION_RETENTION", text)];
        read(&given).unwrap_or_else(|mistakes| panic!("{mistakes}")).tokens.session_retention
    };
    for text in ["0s", "250ms", "90s", "5m", "12h", "30d", "36500d", "8000000s"] {
        assert_eq!(duration(&show_duration(duration(text))), duration(text), "{text}");
    }
    for (text, shown) in [("7200s", "2h"), ("90s", "90s"), ("1500ms", "1500ms"), ("1h30m", "90m"), ("2w", "14d")] {
        assert_eq!(show_duration(duration(text)), shown);
    }
    for text in ["1", "90", "1y", "1mo", "-5s", "5s ago", "1us", "1.0001s", "s", "1e3s", "1 2s"] {
        assert!(mistake(&[("KNOXIDE_SESSION_RETENTION", text)]).contains("is not a duration"), "{text}");
    }
}

#[test]
fn the_limits_of_a_session_can_be_lifted_and_have_bounds() {
    let limits = |access: &str, burst: &str| {
        let given = [("KNOXIDE_SESSION_ACCESS_TOKENS", access), ("KNOXIDE_REFRESH_BURST", burst)];
        read(&given).map(|settings| (settings.tokens.policy.access_tokens, settings.tokens.policy.refresh_rate.burst))
    };
    assert_eq!(limits("none", "none").expect("settings"), (None, None));
    assert_eq!(limits("1", "1").expect("settings"), (Some(1), Some(1)));
    assert_eq!(limits("10000", "1000000").expect("settings"), (Some(10_000), Some(1_000_000)));
    for (access, burst) in [("0", "1"), ("10001", "1"), ("1", "0"), ("1", "1000001"), ("many", "1"), ("1", "-1")] {
        assert!(limits(access, burst).is_err(), "{access} {burst}");
    }
    for interval in ["0s", "2h", "often"] {
        assert!(read(&[("KNOXIDE_REFRESH_INTERVAL", interval)]).is_err(), "{interval}");
    }
}
