//! Which module may name which, and what may be named only in certain places: rules that the compiler does not check.

mod dependencies;
mod source;

use std::collections::BTreeMap;

use knoxide::domain::dialect::Dialect;
use source::{Source, read_library};

/// Every module of the library, lowest first, with the modules it may name besides itself. In the domain, each module
/// is listed separately.
const MAY_NAME: &[(&str, &[&str])] = &[
    // Values and judgements: no input, no output.
    ("domain::time", &[]),
    ("domain::escape", &[]),
    ("domain::random", &[]),
    ("domain::dialect", &[]),
    ("domain::token", &["domain::random"]),
    ("domain::jwt", &["domain::random", "domain::time", "domain::token"]),
    ("domain::user", &["domain::time", "domain::escape"]),
    ("domain::client", &["domain::random", "domain::time"]),
    ("domain::audit", &["domain::client", "domain::time", "domain::user"]),
    ("domain::session", &["domain::audit", "domain::dialect", "domain::time", "domain::token", "domain::user"]),
    ("domain::policy", &["domain::dialect", "domain::session"]),
    ("domain::session_name", &["domain::escape"]),
    ("domain::password", &["domain::random", "domain::time", "domain::user"]),
    ("domain::password_rules", &["domain::user"]),
    ("domain::import", &["domain::time", "domain::token", "domain::user"]),
    // Background threads of all kinds.
    ("threads", &[]),
    // What is stored.
    // Signing keys are created on a thread of the lowest priority.
    ("store", &["domain", "threads"]),
    // The use cases.
    ("service", &["domain", "store", "threads"]),
    // The interface over HTTP.
    ("http", &["domain", "service"]),
    // The program around them.
    ("config", &["domain", "store", "service", "http"]),
    ("telemetry", &["domain", "config", "threads"]),
    ("server", &["domain", "store", "service", "http", "config", "threads"]),
    ("cli", &["domain", "store", "service", "config", "telemetry", "server"]),
];

/// What may be named only in some places: a path, the files that may name it (a folder means all files in it), and why.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("diesel", &["store/diesel"], "SQL stays in the store"),
    ("diesel_migrations", &["store/diesel"], "SQL stays in the store"),
    ("r2d2", &["store/diesel"], "connections stay in the store"),
    (
        "crate::store::diesel",
        &["store", "config", "server", "cli/database", "cli/doctor"],
        "others use the store through its traits",
    ),
    ("crate::store::Store", &["store", "service", "server", "cli/doctor"], "commands call use cases of the service"),
    ("crate::store::Connection", &["store", "service", "server"], "commands call use cases of the service"),
    (
        "crate::store::AdminStore",
        &["store", "service/admin", "server", "cli/doctor"],
        "administration calls use cases of the service",
    ),
    ("crate::store::memory", &["store"], "others use the store through its traits"),
    ("actix_web", &["http", "server"], "the service knows no HTTP"),
    ("actix_http", &["http", "server"], "the service knows no HTTP"),
    ("clap", &["cli"], "arguments end at the command line"),
    ("env_logger", &["telemetry"], "all other code logs through `log`"),
    ("dotenvy", &["config"], "settings come from one place"),
    ("bcrypt", &["domain/password"], "passwords are hashed in one place"),
    (
        "crate::domain::password::Verification",
        &["domain/password", "service/login", "server/bootstrap"],
        "passwords are verified where a permit of the throttle is held, or where no client chose them",
    ),
    ("jsonwebtoken", &["domain/jwt"], "no verdict comes from a claim"),
    ("rand", &["domain/random"], "randomness is an argument"),
    ("std::env", &["config"], "settings come from one place, as arguments"),
    ("std::time::SystemTime", &["domain/time"], "time is an argument"),
    ("std::thread::Builder", &[], "threads are few"),
    ("thread::Builder", &["threads/worker", "threads/priority"], "threads are few"),
    ("std::thread::spawn", &[], "threads have names"),
    ("thread::spawn", &[], "threads have names"),
    ("std::process", &[], "only the program itself ends the process"),
];

/// Where code that ships takes a secret out of its type: the file, how often, and why.
const EXPOSURES: &[(&str, usize, &str)] = &[
    ("cli/client", 2, "a client's new secret is shown, once"),
    ("cli/password", 2, "a password that was typed twice is compared"),
    ("cli/serve", 2, "the first password is shown, once"),
    ("cli/token", 2, "the new token is shown, once"),
    ("cli/user", 1, "a one-time password is shown, once"),
    ("http/admin/login", 1, "the reply to a login hands the token to its owner"),
    ("http/admin/tokens", 1, "the new token is shown, once"),
    ("http/browser/jar", 1, "a cookie hands the token to its owner's browser"),
    ("http/drf/request/cookies", 1, "the reply to a login or a refresh hands tokens to their owner"),
    ("http/pages/account/password", 2, "a password that was typed twice is compared"),
    ("http/pages/admin/tokens", 1, "the new token is shown, once"),
    ("http/pages/admin/users", 1, "a one-time password is shown, once"),
    ("http/pages/cookie", 1, "signing in hands the token to the browser"),
    ("http/pages/csrf", 1, "the token of forms follows from that of the cookie"),
    ("domain/jwt", 2, "a token's successor follows from its text"),
    ("domain/jwt/key", 2, "keys are read, and told apart by their fingerprints"),
    ("domain/password", 3, "stored hashes are parsed, and long passwords known"),
    ("domain/password/digest", 3, "passwords are hashed and compared"),
    (
        "domain/password/one_time",
        5,
        "a one-time password is shown once, digested, its form known, and its stored form parsed",
    ),
    ("domain/password/stored", 2, "stored hashes are parsed"),
    ("domain/password_rules", 1, "new passwords are judged"),
    ("server/bootstrap/draft", 1, "the first password is handed over in a file"),
    ("service/refresh", 1, "an expired token's signature is looked at"),
    ("cli/explain", 1, "a token that was typed is looked up"),
    ("service/admin/clients", 1, "a client's new secret is shown, once"),
    ("service/admin/explain", 2, "a JWT's signature is looked at"),
    ("service/cache/table", 1, "a token is found by a keyed hash of its text"),
    ("store/diesel/import", 1, "hashes that no database could hold are refused"),
    ("store/diesel/import/rows", 1, "hashes are stored"),
    ("store/diesel/keys", 1, "keys are stored"),
    ("store/diesel/users", 4, "hashes are stored"),
    ("store/diesel/users/password", 2, "hashes are stored"),
];

fn may_name(from: &str) -> Option<&'static [&'static str]> {
    MAY_NAME.iter().find(|(module, _)| *module == from).map(|(_, allowed)| *allowed)
}

/// The module of the table that a path belongs to: its first segment, or in the domain its first two.
fn unit(segments: &[&str]) -> String {
    match segments {
        ["domain", module, ..] => format!("domain::{module}"),
        [module, ..] => (*module).to_owned(),
        [] => String::new(),
    }
}

fn lies_in(file: &str, place: &str) -> bool {
    file == place || file.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
}

/// Uses of one module by another that the table does not allow.
fn wrong_directions(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        // The domain's own file only lists its modules.
        let from = unit(&source.module.iter().map(String::as_str).collect::<Vec<_>>());
        if from.is_empty() || from == "domain" {
            continue;
        }
        let Some(allowed) = may_name(&from) else {
            wrong.push(format!("{}: the module {from} is not in the table", source.file));
            continue;
        };
        for path in source.paths.iter().filter_map(|path| path.strip_prefix("crate")) {
            let to = unit(&path.trim_start_matches("::").split("::").collect::<Vec<_>>());
            let is_allowed = |other: &&str| to == **other || to.starts_with(&format!("{other}::"));
            if to != from && !allowed.iter().any(is_allowed) {
                wrong.push(format!("{}: {from} may not name crate{path}", source.file));
            }
        }
    }
    wrong
}

/// Names that may be used only in other places.
fn wrong_places(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test) {
        for (what, places, why) in ONLY_IN {
            let used = source.paths.iter().find(|path| lies_in(&path.replace("::", "/"), &what.replace("::", "/")));
            if let (Some(path), false) = (used, places.iter().any(|place| lies_in(&source.file, place))) {
                wrong.push(format!("{}: {path} may not be named here: {why}", source.file));
            }
        }
    }
    wrong
}

/// Dialects that name each other. What they share is in the module above them, whose items they may name; they may not
/// import all of it, since the other dialects are in it too.
fn neighbours(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let Some(own) = source.file.strip_prefix("http/dialects/") else { continue };
        let own = own.split('/').next().unwrap_or_default();
        let named = source.paths.iter().filter_map(|path| path.strip_prefix("crate::http::dialects"));
        for path in named {
            let first = path.trim_start_matches("::").split("::").next().unwrap_or_default();
            let shared = Dialect::ALL.iter().all(|dialect| dialect.as_str() != first) && !["", "*"].contains(&first);
            if first != own && !shared {
                wrong.push(format!("{}: a dialect may not name crate::http::dialects{path}", source.file));
            }
        }
    }
    wrong
}

#[test]
fn modules_name_only_what_lies_below_them() {
    assert_eq!(wrong_directions(&read_library()), Vec::<String>::new());
}

#[test]
fn the_table_goes_one_way() {
    let mut below: Vec<&str> = Vec::new();
    for (module, allowed) in MAY_NAME {
        for other in *allowed {
            let stands = |known: &&str| known == other || known.starts_with(&format!("{other}::"));
            assert!(below.iter().any(stands), "{module} may name {other}, which is not below it");
        }
        below.push(module);
    }
}

#[test]
fn the_table_allows_nothing_that_nobody_uses() {
    let sources = read_library();
    let mut unused = Vec::new();
    for (module, allowed) in MAY_NAME {
        let own = sources.iter().filter(|source| source.module.join("::").starts_with(module));
        let paths: Vec<_> = own.flat_map(|source| source.paths.iter()).collect();
        let is_used = |other: &&str| {
            paths.iter().any(|path| lies_in(&path.replace("::", "/"), &format!("crate/{}", other.replace("::", "/"))))
        };
        unused.extend(allowed.iter().filter(|other| !is_used(other)).map(|other| format!("{module}: {other}")));
    }
    assert_eq!(unused, Vec::<String>::new());
}

#[test]
fn some_things_are_named_in_one_place() {
    assert_eq!(wrong_places(&read_library()), Vec::<String>::new());
}

#[test]
fn dialects_do_not_know_each_other() {
    assert_eq!(neighbours(&read_library()), Vec::<String>::new());
}

#[test]
fn secrets_leave_their_types_where_it_is_known_why() {
    let sources = read_library();
    let counted = sources.iter().map(|source| (source.file.as_str(), source.exposures)).filter(|(_, count)| *count > 0);
    let known = EXPOSURES.iter().map(|(file, count, _)| (*file, *count));
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), known.collect::<BTreeMap<_, _>>());
}

#[test]
fn there_are_no_globals_that_change() {
    let globals = read_library()
        .into_iter()
        .flat_map(|source| source.globals.into_iter().map(move |name| (source.file.clone(), name)));
    assert_eq!(globals.collect::<Vec<_>>(), Vec::new());
}

/// The rules themselves can fail, and names in comments and strings do not count.
#[test]
fn each_way_of_breaking_a_rule_is_seen() {
    let read = |file: &str, code: &str| [Source::read(file, code)];
    for code in [
        "use crate::http::drf::reply;",
        "use crate::{store::Store, http::{drf, jwks}};",
        "use super::http::reply;",
        "fn f() -> crate::http::Compat { todo() }",
        "mod tests { use super::super::http::reply; }",
    ] {
        assert!(!wrong_directions(&read("service.rs", code)).is_empty(), "{code}");
    }
    for code in [
        "use crate::store::Store;",
        "use super::store::Store;",
        "// use crate::http::drf::reply;",
        "/* crate::http /* nested */ crate::http::drf::reply */",
        r##"const A: &str = "crate::http::drf::reply \" crate::http"; const B: char = '"'; const C: &str = r#"crate::http"#;"##,
        "mod tests { use super::http::reply; }",
    ] {
        assert_eq!(wrong_directions(&read("service.rs", code)), Vec::<String>::new(), "{code}");
    }
    assert!(!wrong_directions(&read("stranger.rs", "")).is_empty());
    for (file, code) in [
        ("http/middleware/guard.rs", "use diesel::RunQueryDsl;"),
        ("http/middleware/guard.rs", "use crate::store::diesel::DieselStore;"),
        ("cli/user.rs", "use crate::store::diesel::DieselStore;"),
        ("cli/user.rs", "use crate::store::{AdminStore, UserFilter};"),
        ("service/refresh.rs", "use jsonwebtoken::decode;"),
        ("service/check.rs", "fn f(request: &actix_web::HttpRequest) {}"),
        ("domain/policy.rs", "use std::{env, fmt};"),
        ("http/health.rs", "fn f() { std::thread::spawn(|| ()); }"),
        ("http/health.rs", "use std::thread; fn f() { thread::Builder::new(); }"),
    ] {
        assert!(!wrong_places(&read(file, code)).is_empty(), "{file}: {code}");
    }
    assert_eq!(wrong_places(&read("server/start.rs", "use crate::store::diesel::DieselStore;")), Vec::<String>::new());
    for (code, refused) in [
        ("use super::djoser::login;", true),
        ("use crate::http::dialects::{knox::user, simplejwt};", true),
        ("use super::*;", true),
        ("use crate::http::dialects as all;", true),
        ("fn f() { super::drf_jwt::g(); }", true),
        ("use super::login_refusal; fn f() { super::pair(); super::knox::g(); }", false),
    ] {
        assert_eq!(!neighbours(&read("http/dialects/knox.rs", code)).is_empty(), refused, "{code}");
    }
    let source =
        Source::read("a.rs", "static A: u8 = 0; fn f(x: &'static str) { x.expose(); } mod tests { y.expose(); }");
    assert_eq!((source.globals, source.exposures), (Vec::new(), 1));
    for code in ["static A: Mutex<u8> = x;", "static mut A: u8 = 0;", "static A: std::sync::OnceLock<u8> = x;"] {
        assert_eq!(Source::read("a.rs", code).globals.len(), 1, "{code}");
    }
    assert_eq!(Source::read("a.rs", "thread_local! { static A: u8 = 0; }").globals.len(), 1);
}
