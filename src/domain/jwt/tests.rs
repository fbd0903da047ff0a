use super::*;
use crate::domain::random::SystemRandom;

const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_500_000);

fn stored(id: i64, purpose: KeyPurpose, created: Timestamp) -> StoredKey {
    let secret = purpose.make_secret(&SystemRandom).expect("a secret");
    StoredKey { id, purpose, secret, created, retired: None }
}

fn ring(algorithm: Algorithm) -> KeyRing {
    let purposes = [KeyPurpose::Successors, KeyPurpose::Sign(Algorithm::Hs256), KeyPurpose::Sign(algorithm)];
    let keys: Vec<_> = (1..).zip(purposes).map(|(id, purpose)| stored(id, purpose, NOW)).collect();
    KeyRing::new(&keys, algorithm).expect("a ring")
}

#[test]
fn every_algorithm_signs_what_it_verifies() {
    for algorithm in Algorithm::ALL {
        let ring = ring(algorithm);
        let (token, key) = ring
            .sign_access(&json!({"exp": 1_700_000_000, "user_id": 1}), NOW.saturating_add(PUBLISHED_FIRST))
            .expect("a token");
        assert_eq!(key, 3, "{algorithm:?}");
        assert!(ring.once_was_ours(token.expose(), NOW));
        assert!(!ring.once_was_ours(token.expose(), NOW.saturating_sub(Duration::from_secs(1))));
        let header = jsonwebtoken::decode_header(token.expose()).expect("a header");
        assert_eq!(header.kid.is_some(), algorithm != Algorithm::Hs256);
        let again = ring.sign_again(key, &json!({"exp": 1_700_000_000, "user_id": 1})).expect("a token");
        assert_eq!(again.expect("the key").expose(), token.expose(), "{algorithm:?} is deterministic");
        assert!(!self::ring(algorithm).once_was_ours(token.expose(), NOW), "another ring's token");
    }
}

#[test]
fn a_successor_follows_from_its_predecessor_and_the_key() {
    let ring = ring(Algorithm::Hs256);
    let token = |text: &str| Token::parse(text.as_bytes()).expect("a token");
    assert_eq!(ring.successor_id(&token("a")), ring.successor_id(&token("a")));
    assert_ne!(ring.successor_id(&token("a")), ring.successor_id(&token("b")));
    assert_ne!(ring.successor_id(&token("a")), self::ring(Algorithm::Hs256).successor_id(&token("a")));
}

#[test]
fn only_public_halves_are_published_and_only_while_they_are_needed() {
    let sign = KeyPurpose::Sign(Algorithm::EdDsa);
    let later = NOW.saturating_add(Duration::from_secs(100));
    let keys = [
        stored(1, KeyPurpose::Successors, NOW),
        stored(2, KeyPurpose::Sign(Algorithm::Hs256), NOW),
        stored(3, sign, NOW),
        stored(4, sign, later),
    ];
    let published = |keys: &[StoredKey], at: Timestamp| {
        let ring = KeyRing::new(keys, Algorithm::EdDsa).expect("a ring");
        let published = ring.published(at, Duration::from_secs(300));
        let text = published.to_string();
        assert!(!text.contains("\"d\"") && !text.contains("\"k\""), "{text}");
        published["keys"].as_array().expect("keys").len()
    };
    assert_eq!(published(&keys, later), 2);
    assert_eq!(published(&keys, later.saturating_add(Duration::from_secs(329))), 2);
    assert_eq!(published(&keys, later.saturating_add(Duration::from_secs(330))), 1);
    let mut retired = keys;
    retired[2].retired = Some(later);
    assert_eq!(published(&retired, later), 1);
}

#[test]
fn secrets_do_not_print_and_differ_in_their_fingerprints() {
    let one = KeySecret::new(b"a secret of at least 32 bytes....".to_vec());
    let other = KeySecret::new(b"another secret of at least 32 bytes".to_vec());
    assert_eq!(format!("{one:?}"), "KeySecret(…)");
    assert_ne!(one.fingerprint(), other.fingerprint());
    assert_eq!(one.fingerprint(), one.clone().fingerprint());
}

#[test]
fn a_new_key_is_published_before_it_signs() {
    let (sign, later) = (KeyPurpose::Sign(Algorithm::Hs256), NOW.saturating_add(Duration::from_secs(1000)));
    let keys = [stored(1, KeyPurpose::Successors, NOW), stored(2, sign, NOW), stored(3, sign, later)];
    let ring = KeyRing::new(&keys, Algorithm::Hs256).expect("a ring");
    let key_at = |at| ring.sign_refresh(&json!({}), at).expect("a token").1;
    assert_eq!(key_at(NOW), 2, "the only key need not wait");
    assert_eq!(key_at(later), 2);
    assert_eq!(key_at(later.saturating_add(PUBLISHED_FIRST)), 3);
}

/// A key such as older releases generated.
fn rsa_2048() -> KeySecret {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).expect("a key");
    let der: Pkcs8V1Der<'_> = pair.as_der().expect("DER");
    key::pem(der.as_ref())
}

#[test]
fn new_rsa_keys_have_3072_bits_and_older_ones_go_on_working() {
    let mut keys: Vec<_> = (1..)
        .zip([KeyPurpose::Successors, KeyPurpose::Sign(Algorithm::Hs256)])
        .map(|(id, purpose)| stored(id, purpose, NOW))
        .collect();
    let purpose = KeyPurpose::Sign(Algorithm::Rs256);
    keys.push(StoredKey { id: 3, purpose, secret: rsa_2048(), created: NOW, retired: None });
    let old = KeyRing::new(&keys, Algorithm::Rs256).expect("a ring");
    assert_eq!(old.short_rsa_key(), Some((3, 2048)));
    let claims = json!({"exp": 1_700_000_000, "user_id": 1});
    let (token, id) = old.sign_access(&claims, NOW).expect("a token");
    assert!(id == 3 && old.once_was_ours(token.expose(), NOW));
    // A short key that signs nothing does not matter.
    assert_eq!(KeyRing::new(&keys, Algorithm::Hs256).expect("a ring").short_rsa_key(), None);

    keys.push(stored(4, purpose, NOW));
    let rotated = KeyRing::new(&keys, Algorithm::Rs256).expect("a ring");
    let published = rotated.published(NOW, Duration::ZERO);
    let modulus = published["keys"][0]["n"].as_str().expect("a modulus");
    assert_eq!((modulus.len(), rotated.short_rsa_key()), (512, None), "384 bytes in base64");
    assert!(rotated.once_was_ours(token.expose(), NOW));
    assert_eq!(rotated.sign_access(&claims, NOW.saturating_add(PUBLISHED_FIRST)).expect("a token").1, 4);
}
