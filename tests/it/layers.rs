//! Which part of the program may know of which, and what may stand in one place only: rules
//! that the compiler cannot see.

mod dependencies;
mod source;

use std::collections::BTreeMap;

use knoxide::dialect::Dialect;
use source::{Source, read_library};

/// Every module of the library, lowest first, with the modules it may name besides itself.
const MAY_NAME: &[(&str, &[&str])] = &[
    // Values and judgements: no input, no output.
    ("threads", &[]),
    ("time", &[]),
    ("visible", &[]),
    ("random", &[]),
    ("dialect", &[]),
    ("token", &["random"]),
    ("jwt", &["random", "time", "token"]),
    ("user", &["time", "visible"]),
    ("cause", &["time", "user"]),
    ("session", &["cause", "dialect", "time", "token", "user"]),
    ("password", &["random", "user"]),
    ("password_rules", &["user"]),
    ("import", &["time", "token", "user"]),
    // What is remembered.
    ("store", &["cause", "dialect", "import", "jwt", "random", "session", "time", "token", "user"]),
    ("policy", &["dialect", "store"]),
    // What can be done.
    (
        "service",
        &[
            "cause",
            "dialect",
            "import",
            "jwt",
            "password",
            "password_rules",
            "policy",
            "random",
            "session",
            "store",
            "threads",
            "time",
            "token",
            "user",
            "visible",
        ],
    ),
    // How it is asked for.
    ("http", &["cause", "dialect", "random", "service", "session", "time", "token", "user"]),
    // The program around it.
    (
        "config",
        &["dialect", "http", "jwt", "password", "password_rules", "policy", "service", "store", "token", "user"],
    ),
    ("telemetry", &["config", "threads", "time", "visible"]),
    (
        "server",
        &[
            "cause", "config", "http", "jwt", "password", "policy", "random", "service", "store", "threads", "time",
            "user",
        ],
    ),
    (
        "cli",
        &[
            "cause",
            "config",
            "dialect",
            "import",
            "jwt",
            "password",
            "random",
            "server",
            "service",
            "session",
            "store",
            "telemetry",
            "time",
            "token",
            "user",
            "visible",
        ],
    ),
];

/// What may be named in some places only: a path, the files in which it may stand (a folder
/// stands for all in it), and why.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    ("diesel", &["store/diesel"], "SQL stays in the store"),
    ("diesel_migrations", &["store/diesel"], "SQL stays in the store"),
    ("r2d2", &["store/diesel"], "connections stay in the store"),
    (
        "crate::store::diesel",
        &["store", "config", "server", "cli/database", "cli/doctor"],
        "others know the store by its traits",
    ),
    ("crate::store::Store", &["store", "service", "server", "cli/doctor"], "commands call use cases of the service"),
    ("crate::store::Connection", &["store", "service", "server"], "commands call use cases of the service"),
    (
        "crate::store::AdminStore",
        &["store", "service/admin", "server", "cli/doctor"],
        "whoever administers calls use cases of the service",
    ),
    ("crate::store::memory", &["store"], "others know the store by its traits"),
    ("actix_web", &["http", "server"], "the service knows no HTTP"),
    ("actix_http", &["http", "server"], "the service knows no HTTP"),
    ("clap", &["cli"], "arguments end at the command line"),
    ("env_logger", &["telemetry"], "everybody else logs through `log`"),
    ("dotenvy", &["config"], "settings come from one place"),
    ("bcrypt", &["password"], "passwords are hashed in one place"),
    (
        "crate::password::Verification",
        &["password", "service/login", "server/first_start"],
        "passwords are verified where a permit of the throttle is held, or where nobody else chose them",
    ),
    ("jsonwebtoken", &["jwt"], "no verdict comes from a claim"),
    ("rand", &["random"], "randomness is an argument"),
    ("std::env", &["config"], "settings come from one place, as arguments"),
    ("std::time::SystemTime", &["time"], "time is an argument"),
    ("std::thread::Builder", &[], "threads are few"),
    ("thread::Builder", &["threads/worker"], "threads are few"),
    ("std::thread::spawn", &[], "threads have names"),
    ("thread::spawn", &[], "threads have names"),
    ("std::process", &[], "only the program itself ends the process"),
];

/// Where a secret leaves its type in code that ships: the file, how often, and what for.
const EXPOSURES: &[(&str, usize, &str)] = &[
    ("cli/password", 2, "a password that was typed twice is compared"),
    ("cli/serve", 2, "the first password is shown, once"),
    ("cli/token", 2, "the new token is shown, once"),
    ("http/dialects", 4, "the reply to a login or a refresh hands tokens to their owner"),
    ("http/dialects/access_token", 2, "the reply to a login or a refresh hands the token to its owner"),
    ("http/dialects/drf_jwt", 2, "the reply to a login or a refresh hands the token to its owner"),
    ("http/dialects/knox", 1, "the reply to a login hands the token to its owner"),
    ("jwt", 2, "a token's successor follows from its text"),
    ("jwt/key", 2, "keys are read, and told apart by their fingerprints"),
    ("password", 2, "stored hashes are parsed"),
    ("password/digest", 3, "passwords are hashed and compared"),
    ("password/stored", 2, "stored hashes are parsed"),
    ("password_rules", 1, "new passwords are judged"),
    ("server/first_start/draft", 1, "the first password is handed over in a file"),
    ("service/exchange", 1, "an expired token's signature is looked at"),
    ("service/view/cache", 1, "a token is found by a keyed hash of its text"),
    ("store/diesel/import", 1, "hashes that no database could hold are refused"),
    ("store/diesel/import/rows/postgres", 1, "hashes are stored"),
    ("store/diesel/import/rows/sqlite", 1, "hashes are stored"),
    ("store/diesel/keys", 1, "keys are stored"),
    ("store/diesel/users", 4, "hashes are stored"),
];

fn may_name(from: &str) -> Option<&'static [&'static str]> {
    MAY_NAME.iter().find(|(module, _)| *module == from).map(|(_, allowed)| *allowed)
}

fn lies_in(file: &str, place: &str) -> bool {
    file == place || file.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
}

/// Uses of one module by another that the table does not allow.
fn wrong_directions(sources: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for source in sources {
        let Some(from) = source.module.first() else { continue };
        let Some(allowed) = may_name(from) else {
            wrong.push(format!("{}: the module {from} is not in the table", source.file));
            continue;
        };
        for path in source.paths.iter().filter_map(|path| path.strip_prefix("crate")) {
            let to = path.trim_start_matches("::").split("::").next().unwrap_or_default();
            if to != from && !allowed.contains(&to) {
                wrong.push(format!("{}: {from} may not name crate{path}", source.file));
            }
        }
    }
    wrong
}

/// Uses of what may be named in other places only.
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

/// Dialects that know of each other. What they share stands in the module above them, which they
/// name; all of it at once they may not, since the other dialects are in it too.
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
            assert!(below.contains(other), "{module} may name {other}, which does not stand below it");
        }
        below.push(module);
    }
}

#[test]
fn the_table_allows_nothing_that_nobody_uses() {
    let sources = read_library();
    let mut unused = Vec::new();
    for (module, allowed) in MAY_NAME {
        let own = sources.iter().filter(|source| source.module.first().is_some_and(|first| first == module));
        let paths: Vec<_> = own.flat_map(|source| source.paths.iter()).collect();
        let is_used = |other: &&str| paths.iter().any(|path| path.split("::").nth(1) == Some(*other));
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

/// The rules themselves can fail, and names in comments and texts do not count.
#[test]
fn each_way_of_breaking_a_rule_is_seen() {
    let read = |file: &str, code: &str| [Source::read(file, code)];
    for code in [
        "use crate::http::reply;",
        "use crate::{cause::Cause, http::{reply, media}};",
        "use super::http::reply;",
        "fn f() -> crate::http::Compat { todo() }",
        "mod tests { use super::super::http::reply; }",
    ] {
        assert!(!wrong_directions(&read("service.rs", code)).is_empty(), "{code}");
    }
    for code in [
        "use crate::store::Store;",
        "use super::store::Store;",
        "// use crate::http::reply;",
        "/* crate::http /* nested */ crate::http::reply */",
        r##"const A: &str = "crate::http::reply \" crate::http"; const B: char = '"'; const C: &str = r#"crate::http"#;"##,
        "mod tests { use super::http::reply; }",
    ] {
        assert_eq!(wrong_directions(&read("service.rs", code)), Vec::<String>::new(), "{code}");
    }
    assert!(!wrong_directions(&read("stranger.rs", "")).is_empty());
    for (file, code) in [
        ("http/guard.rs", "use diesel::RunQueryDsl;"),
        ("http/guard.rs", "use crate::store::diesel::DieselStore;"),
        ("cli/user.rs", "use crate::store::diesel::DieselStore;"),
        ("cli/user.rs", "use crate::store::{AdminStore, UserFilter};"),
        ("service/exchange.rs", "use jsonwebtoken::decode;"),
        ("service/check.rs", "fn f(request: &actix_web::HttpRequest) {}"),
        ("policy.rs", "use std::{env, fmt};"),
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
