//! Passwords: every format that Django has ever written, and other contents of the column.

mod bounds;

use std::collections::BTreeMap;

use knoxide::domain::password::{Algorithm, Hasher, Unverifiable, Verification, is_verifiable};
use knoxide::domain::random::{Random, RandomError, SystemRandom};
use knoxide::domain::user::{Password, PasswordHash};
use proptest::prelude::*;
use serde::Deserialize;

/// A password, and the hash that Django or an independent program stored for it.
#[derive(Deserialize)]
struct Vector {
    note: String,
    algorithm: String,
    password: String,
    stored: String,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../fixtures/django_hashes.json")).unwrap()
}

/// Hashes that are too expensive to verify more than once.
const DEAR: [&str; 6] = ["$1000000$", "$260000$", "$36000$", "$$2b$12$", "m=102400", "scrypt$16384$"];

fn cheap() -> Hasher {
    Hasher::with_unsafe_cost(4).unwrap()
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn stored(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text.to_owned())
}

fn verify(hasher: Hasher, text: &str, hash: &str) -> Verification {
    hasher.verify(&password(text), Some(&stored(hash)))
}

/// The algorithms whose hashes are in the fixture.
fn algorithm(name: &str) -> Algorithm {
    [
        Algorithm::BcryptSha256,
        Algorithm::Bcrypt,
        Algorithm::Pbkdf2Sha256,
        Algorithm::Pbkdf2Sha1,
        Algorithm::Argon2,
        Algorithm::Scrypt,
        Algorithm::Sha1,
        Algorithm::UnsaltedSha1,
        Algorithm::Md5,
        Algorithm::UnsaltedMd5,
    ]
    .into_iter()
    .find(|algorithm| algorithm.as_str() == name)
    .unwrap()
}

#[test]
fn passwords_fit_the_hashes_that_django_made_of_them() {
    let mut seen = BTreeMap::<String, usize>::new();
    for vector in vectors() {
        let Vector { note, algorithm: name, password: text, stored: hash } = vector;
        assert_eq!(is_verifiable(&stored(&hash)), Ok(algorithm(&name)), "{note}");
        let cost_is_ours = hash.starts_with("bcrypt_sha256$$2b$04$");
        let stays = cost_is_ours || hash.starts_with("bcrypt$") && text.len() >= 72;
        let expected = if stays { Verification::Right } else { Verification::RightButOutdated };
        assert_eq!(verify(cheap(), &text, &hash), expected, "{note}");
        *seen.entry(name).or_default() += 1;
    }
    assert_eq!(seen.len(), 10, "every algorithm has its vectors: {seen:?}");
}

#[test]
fn other_passwords_do_not_fit() {
    for vector in vectors().iter().filter(|vector| !DEAR.iter().any(|cost| vector.stored.contains(cost))) {
        let Vector { note, password: text, stored: hash, .. } = vector;
        let cut = hash.starts_with("bcrypt$") && text.len() >= 72;
        let mut wrong = vec![format!("x{text}"), "x".to_owned()];
        if !cut {
            wrong.extend([text.to_uppercase() + "!", format!("{text} "), format!("{text}\0")]);
        }
        if !text.is_empty() {
            wrong.push(String::new());
        }
        for wrong in wrong {
            assert_eq!(verify(cheap(), &wrong, hash), Verification::Wrong, "{note}: {wrong:?}");
        }
    }
}

#[test]
fn what_is_written_is_djangos_bcrypt_sha256() {
    let hasher = cheap();
    let hash = hasher.hash(&password("pässword"), &SystemRandom).unwrap();
    let (head, data) = hash.expose().split_at("bcrypt_sha256$$2b$04$".len());
    assert_eq!(head, "bcrypt_sha256$$2b$04$");
    assert_eq!(data.len(), 53);
    assert!(data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte)), "{data}");
    assert_eq!(is_verifiable(&hash), Ok(Algorithm::BcryptSha256));
    assert_eq!(hasher.verify(&password("pässword"), Some(&hash)), Verification::Right);
    assert_eq!(hasher.verify(&password("pa\u{308}ssword"), Some(&hash)), Verification::Wrong, "not normalised");
    assert_eq!(hasher.verify(&password("pässword "), Some(&hash)), Verification::Wrong, "not trimmed");
    assert_ne!(hasher.hash(&password("pässword"), &SystemRandom).unwrap(), hash, "the salt is random");
}

#[test]
fn neither_length_nor_nul_is_lost_in_new_hashes() {
    let hasher = cheap();
    let long = "é".repeat(50_000);
    for (text, wrong) in [
        (format!("{long}a"), format!("{long}b")),
        ("x".repeat(72), "x".repeat(73)),
        ("a\0b".to_owned(), "a\0c".to_owned()),
        ("a".to_owned(), "a\0a".to_owned()),
        (String::new(), "\0".to_owned()),
    ] {
        let hash = hasher.hash(&password(&text), &SystemRandom).unwrap();
        assert_eq!(hasher.verify(&password(&text), Some(&hash)), Verification::Right);
        assert_eq!(hasher.verify(&password(&wrong), Some(&hash)), Verification::Wrong);
    }
}

#[test]
fn plain_bcrypt_reads_72_bytes() {
    let hash = vectors().into_iter().find(|vector| vector.note == "bcrypt, exactly 72 bytes").unwrap();
    let Vector { password: text, stored: hash, .. } = hash;
    assert_eq!(text.len(), 72);
    for tail in ["", "ignored", "\0", "é"] {
        // Not outdated: a better hash needs the whole password, which is unknown.
        assert_eq!(verify(cheap(), &format!("{text}{tail}"), &hash), Verification::Right, "{tail:?}");
    }
    let shorter: String = text.chars().skip(1).collect();
    assert_eq!(verify(cheap(), &shorter, &hash), Verification::Wrong);
    assert_eq!(verify(cheap(), &format!("{shorter}zz"), &hash), Verification::Wrong, "the 72nd byte counts");
}

/// bcrypt repeats its NUL-terminated key, so "a\0a" would match the hash of "a"; HMAC pads its key with NULs, so "a\0"
/// would.
#[test]
fn a_nul_does_not_make_two_passwords_one() {
    let bcrypt = "bcrypt$$2b$04$vlgEW3FBYQaPZSIe8Mw8EO9rPEIc1UY.cO.4AN/bTVWhZkWScJZzS";
    assert_eq!(verify(cheap(), "hash-pass-bc", bcrypt), Verification::RightButOutdated);
    assert_eq!(verify(cheap(), "hash-pass-bc\0hash-pass-bc", bcrypt), Verification::Wrong);
    let pbkdf2 = "pbkdf2_sha1$1000$5e8e7cf8c85a$0rWSrRh+XTUD8P+gb/6l6NGzjvA=";
    assert_eq!(verify(cheap(), "hash-pass-sha1", pbkdf2), Verification::RightButOutdated);
    assert_eq!(verify(cheap(), "hash-pass-sha1\0", pbkdf2), Verification::Wrong);
    let inside = vectors().into_iter().find(|vector| vector.note == "PBKDF2, NUL inside the password").unwrap();
    assert_eq!(verify(cheap(), &inside.password, &inside.stored), Verification::RightButOutdated);
}

#[test]
fn a_hash_of_another_cost_or_format_is_outdated() {
    let text = "correct horse battery staple";
    let five = Hasher::with_unsafe_cost(5).unwrap();
    let hash = cheap().hash(&password(text), &SystemRandom).unwrap();
    assert_eq!(cheap().verify(&password(text), Some(&hash)), Verification::Right);
    assert_eq!(five.verify(&password(text), Some(&hash)), Verification::RightButOutdated, "cheaper");
    let hash = five.hash(&password(text), &SystemRandom).unwrap();
    assert_eq!(cheap().verify(&password(text), Some(&hash)), Verification::RightButOutdated, "dearer");
    let plain = "bcrypt$$2b$04$vlgEW3FBYQaPZSIe8Mw8EO9rPEIc1UY.cO.4AN/bTVWhZkWScJZzS";
    assert_eq!(verify(cheap(), "hash-pass-bc", plain), Verification::RightButOutdated, "the same cost, no SHA-256");
}

#[test]
fn costs_are_held_within_bounds() {
    for cost in [0, 4, 9, 17, 31, 32, u32::MAX] {
        assert_eq!(Hasher::new(cost).unwrap_err().cost, cost);
    }
    for cost in [0, 3, 17, 31, u32::MAX] {
        assert_eq!(Hasher::with_unsafe_cost(cost).unwrap_err().cost, cost);
    }
    assert_eq!(Hasher::new(10).unwrap().cost(), 10);
    assert_eq!(Hasher::new(16).unwrap().cost(), 16);
    assert_eq!(Hasher::new(9).unwrap_err().to_string(), "the password cost 9 is not between 10 and 16");
}

/// The expected text was produced by Python's bcrypt over hashlib's SHA-256, as Django does it.
#[test]
fn the_written_hash_is_the_one_django_would_write() {
    struct Counting;
    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
            bytes.iter_mut().zip(0..).for_each(|(byte, count)| *byte = count);
            Ok(())
        }
    }
    let hash = cheap().hash(&password("correct horse battery staple"), &Counting).unwrap();
    assert_eq!(hash.expose(), "bcrypt_sha256$$2b$04$..CA.uOD/eaGAOmJB.yMBuqtFd68XW0NGZ4TGY23Cj5qn7oK0LO8S");
}

const BCRYPT: &str = "KrDLERPlQRi4lg/uS/apEOI0U/PIxMiqHxb.iDIS5YoI8gSyf1IHq";
const BASE64_32: &str = "WvoterIBajEWV27VCyg1t0uTTCA12xPEF3lY6pYzjW4=";
const BASE64_64: &str = "txJpLvwcg2RvjkdNP6pb7GG3n3o9X1kyeh6Ox3nZ8S2grHUPWpryHrubMliNnFs2e84A7rLrs0OfQNfvLMeUXg==";
const MD5: &str = "36413d4bce99568acc9a0c8d1d85507d";
const ARGON2: &str = "NGYyNGZlMjJmNDMyN2E0Zg$Ni50wGJ/MvBy8CIOSTiZN32SdW0PeN85MdLN5RqLHqk";

#[test]
fn text_that_is_no_password_says_why_and_fits_nothing() {
    for (text, expected) in [
        (String::new(), Unverifiable::Empty),
        ("!".to_owned(), Unverifiable::Unusable),
        ("!37233ae1cd96c730bbec750f111960a5e4313104".to_owned(), Unverifiable::Unusable),
        (format!("!md5$a${MD5}"), Unverifiable::Unusable),
        ("whatever".to_owned(), Unverifiable::UnknownAlgorithm),
        (MD5.to_uppercase(), Unverifiable::UnknownAlgorithm),
        ("sha512$a$b".to_owned(), Unverifiable::UnknownAlgorithm),
        (format!("PBKDF2_SHA256$1$salt${BASE64_32}"), Unverifiable::UnknownAlgorithm),
        (format!("$2b$04${BCRYPT}"), Unverifiable::UnknownAlgorithm),
        ("пароль$a$b".to_owned(), Unverifiable::UnknownAlgorithm),
        ("crypt$$ab1cd2ef3gh4i".to_owned(), Unverifiable::Crypt),
    ] {
        assert_eq!(is_verifiable(&stored(&text)), Err(expected), "{text}");
        for tried in ["", "!", "whatever", &text] {
            assert_eq!(verify(cheap(), tried, &text), Verification::Wrong, "{text} {tried}");
        }
    }
    assert_eq!(cheap().verify(&password(""), None), Verification::Wrong);
}

#[test]
fn malformed_hashes_fit_nothing() {
    let malformed = [
        (
            "pbkdf2_sha256",
            vec![
                "x".to_owned(),
                String::new(),
                format!("0$salt${BASE64_32}"),
                format!("+1$salt${BASE64_32}"),
                format!("-1$salt${BASE64_32}"),
                format!(" 1$salt${BASE64_32}"),
                format!("1_0$salt${BASE64_32}"),
                format!("١$salt${BASE64_32}"),
                format!("1$${BASE64_32}"),
                format!("1$salt${BASE64_32}$"),
                "1$salt$dCphetshl11+rB0ZLuPPzxz+/y0=".to_owned(),
                "1$salt$".to_owned(),
                format!("1$salt${}", BASE64_32.trim_end_matches('=')),
                format!("1${}${BASE64_32}", "s".repeat(2_000)),
            ],
        ),
        ("pbkdf2_sha1", vec![format!("1$salt${BASE64_32}")]),
        (
            "bcrypt_sha256",
            vec![
                format!("2b$12${BCRYPT}"),
                format!("$2x$12${BCRYPT}"),
                format!("$2$12${BCRYPT}"),
                format!("$2b$03${BCRYPT}"),
                format!("$2b$4${BCRYPT}"),
                format!("$2b$004${BCRYPT}"),
                format!("$2b$+4${BCRYPT}"),
                format!("$2b$04${BCRYPT}."),
                format!("$2b$04${}", BCRYPT.replace("lg/", "é/")),
                format!("$2b$04${}é", &BCRYPT[..21]),
                "$2b$04$".to_owned(),
            ],
        ),
        (
            "argon2",
            vec![
                format!("argon2d$v=19$m=72,t=3,p=3${ARGON2}"),
                format!("argon2id$v=20$m=72,t=3,p=3${ARGON2}"),
                format!("argon2id$v=19$t=3,m=72,p=3${ARGON2}"),
                format!("argon2id$v=19$m=72,t=3,p=3,x=1${ARGON2}"),
                format!("argon2id$v=19$m=72,t=0,p=3${ARGON2}"),
                format!("argon2id$v=19$m=72,t=3,p=0${ARGON2}"),
                format!("argon2id$v=19$m=72,t=3,p=4294967295${ARGON2}"),
                format!("argon2id$v=19$m=8,t=3,p=2${ARGON2}"),
                format!("argon2id$v=19$m=72,t=3,p=3${ARGON2}="),
                "argon2id$v=19$m=72,t=3,p=3$NGYyNGZl$Ni50wGJ".to_owned(),
                "argon2id$v=19$m=72,t=3,p=3$NGYyNGZlMjJmNDMyN2E0Zg$".to_owned(),
            ],
        ),
        (
            "scrypt",
            vec![
                format!("1000$salt$8$1${BASE64_64}"),
                format!("1$salt$8$1${BASE64_64}"),
                format!("0$salt$8$1${BASE64_64}"),
                format!("1024$salt$0$1${BASE64_64}"),
                format!("1024$salt$8$0${BASE64_64}"),
                format!("1024$8$1$salt${BASE64_64}"),
                format!("1024$$8$1${BASE64_64}"),
                format!("1024$salt$8$1${BASE64_32}"),
            ],
        ),
        ("md5", vec![format!("salt${}", MD5.to_uppercase()), format!("salt${MD5}00"), format!("a$b${MD5}")]),
        ("sha1", vec![format!("salt${MD5}"), "salt$é".to_owned()]),
    ];
    for (name, rests) in malformed {
        for text in rests.into_iter().map(|rest| format!("{name}${rest}")) {
            assert_eq!(is_verifiable(&stored(&text)), Err(Unverifiable::Malformed(algorithm(name))), "{text}");
            assert_eq!(verify(cheap(), "x", &text), Verification::Wrong, "{text}");
        }
    }
}

#[test]
fn reasons_name_the_algorithm_and_no_part_of_the_hash() {
    let reason = is_verifiable(&stored("pbkdf2_sha256$hunter2")).unwrap_err().to_string();
    assert_eq!(reason, "the stored pbkdf2_sha256 password hash is malformed");
    let reason = is_verifiable(&stored("hunter2$a$b")).unwrap_err().to_string();
    assert_eq!(reason, "the algorithm of the stored password hash is unknown");
}

/// A quickly verified vector whose hash has some characters replaced, inserted or removed. Digits from 1 to 9 are not
/// inserted, so that no cost takes minutes.
fn damaged() -> impl Strategy<Value = String> {
    let cheap: Vec<String> = vectors()
        .into_iter()
        .map(|vector| vector.stored)
        .filter(|hash| !DEAR.iter().any(|cost| hash.contains(cost)))
        .collect();
    let damage = (any::<prop::sample::Index>(), 0..3_u8, "[^1-9]");
    (prop::sample::select(cheap), prop::collection::vec(damage, 1..4)).prop_map(|(hash, damages)| {
        let mut chars: Vec<char> = hash.chars().collect();
        for (place, kind, text) in damages {
            let place = place.index(chars.len());
            match kind {
                0 => chars.splice(place..=place, text.chars()).for_each(drop),
                1 => chars.splice(place..place, text.chars()).for_each(drop),
                _ => drop(chars.remove(place)),
            }
        }
        chars.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_text_may_stand_in_the_column(text in any::<String>(), tried in any::<String>()) {
        prop_assert_eq!(verify(cheap(), &tried, &text), Verification::Wrong);
        cheap().pad_refusal(&password(&tried), &stored(&text));
    }

    #[test]
    fn any_rest_may_follow_an_algorithm(
        name in "(pbkdf2_sha256|pbkdf2_sha1|bcrypt_sha256|bcrypt|argon2|scrypt|md5|sha1|crypt)",
        rest in r"(\$|\$\$2b\$04\$|\$argon2id\$v=19\$m=8,t=1,p=1\$|\$[0-9]{1,12}\$[^$]{0,9}\$)[$=,a-zA-Z0-9/+.é\PC]{0,70}",
        tried in any::<String>(),
    ) {
        let text = format!("{name}{rest}");
        prop_assert_eq!(verify(cheap(), &tried, &text), Verification::Wrong);
    }

    #[test]
    fn damaged_hashes_fit_no_other_password(text in damaged(), tried in any::<String>()) {
        prop_assert_eq!(verify(cheap(), &tried, &text), Verification::Wrong);
    }

    #[test]
    fn any_password_fits_its_own_hash_and_no_other(text in any::<String>(), other in any::<String>()) {
        prop_assume!(text != other);
        let hash = cheap().hash(&password(&text), &SystemRandom).unwrap();
        prop_assert_eq!(cheap().verify(&password(&text), Some(&hash)), Verification::Right);
        prop_assert_eq!(cheap().verify(&password(&other), Some(&hash)), Verification::Wrong);
    }
}
