//! The cost that a stored hash may have.

use knoxide::domain::password::memory_needed;

use super::*;

#[test]
fn costs_that_would_stop_the_server_are_refused() {
    let bounds = [
        (format!("pbkdf2_sha256$10000000$salt${BASE64_32}"), format!("pbkdf2_sha256$10000001$salt${BASE64_32}")),
        (format!("pbkdf2_sha256$4294967$salt${BASE64_32}"), format!("pbkdf2_sha256$4294967296$salt${BASE64_32}")),
        (format!("bcrypt$$2b$16${BCRYPT}"), format!("bcrypt$$2b$17${BCRYPT}")),
        (format!("bcrypt_sha256$$2b$16${BCRYPT}"), format!("bcrypt_sha256$$2b$99${BCRYPT}")),
        (
            format!("argon2$argon2id$v=19$m=262144,t=16,p=8${ARGON2}"),
            format!("argon2$argon2id$v=19$m=262145,t=1,p=8${ARGON2}"),
        ),
        (
            format!("argon2$argon2id$v=19$m=8192,t=512,p=1${ARGON2}"),
            format!("argon2$argon2id$v=19$m=8192,t=513,p=1${ARGON2}"),
        ),
        (
            // What Django 5.2 writes.
            format!("argon2$argon2id$v=19$m=102400,t=2,p=8${ARGON2}"),
            format!("argon2$argon2id$v=19$m=8192,t=4294967295,p=1${ARGON2}"),
        ),
        (format!("scrypt$131072$salt$8$16${BASE64_64}"), format!("scrypt$262144$salt$8$1${BASE64_64}")),
        (
            format!("scrypt$16384$salt$8$128${BASE64_64}"),
            format!("scrypt$2147483648$salt$4294967295$4294967295${BASE64_64}"),
        ),
        (format!("scrypt$2$salt$8$1${BASE64_64}"), format!("scrypt$2$salt$8$262144${BASE64_64}")),
        (format!("scrypt$16384$salt$8$5${BASE64_64}"), format!("scrypt$16384$salt$8$129${BASE64_64}")),
    ];
    for (most, beyond) in bounds {
        let allowed = is_verifiable(&stored(&most)).unwrap_or_else(|reason| panic!("{most}: {reason}"));
        assert_eq!(is_verifiable(&stored(&beyond)), Err(Unverifiable::TooCostly(allowed)), "{beyond}");
        assert_eq!(verify(cheap(), "x", &beyond), Verification::Wrong, "{beyond}");
    }
}

#[test]
fn hashes_that_need_much_memory_say_how_much() {
    for (hash, bytes) in [
        (format!("argon2$argon2id$v=19$m=102400,t=2,p=8${ARGON2}"), 100 << 20),
        (format!("scrypt$16384$salt$8$5${BASE64_64}"), (16 << 20) + 6 * 1024),
        (format!("bcrypt$$2b$12${BCRYPT}"), 0),
        ("!".to_owned(), 0),
        // Outside the bounds, nothing is computed.
        (format!("argon2$argon2id$v=19$m=1048576,t=2,p=8${ARGON2}"), 0),
    ] {
        assert_eq!(memory_needed(&stored(&hash)), bytes, "{hash}");
    }
}
