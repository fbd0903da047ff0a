//! Registered clients: services that ask this server about tokens, and prove who they are by an id and a secret.
//!
//! A secret is stored like a token: only its digest, and a fast one suffices because the secret is random. A client has
//! one secret, and for a while after a rotation also the previous one.

mod schema;

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::domain::random::{Random, RandomError};
use crate::domain::time::Timestamp;

/// The beginning of every secret, by which programs that search for leaked secrets find it.
pub const SECRET_PREFIX: &str = "kxc_";

/// How many requests a second a client may make by default.
pub const DEFAULT_LIMIT: u32 = 1_000;

/// The highest limit that can be set, in requests a second.
pub const MAX_LIMIT: u32 = 1_000_000;

/// A client's identifier: a UUID v7, so that ids sort by the time of registration. Not a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[schemars(inline, extend("format" = "uuid"))]
pub struct ClientId(#[schemars(with = "String")] Uuid);

impl ClientId {
    /// A new id from the time of registration and ten random bytes.
    pub fn new(at: Timestamp, random: &[u8; 10]) -> Self {
        let millis = u64::try_from(at.as_micros() / 1000).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
    }

    /// The id with these 16 bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes under which the id is stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Reads the hyphenated form.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 36 {
            return None;
        }
        Uuid::try_parse(text).ok().map(Self)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// The text of a client's secret, as the client holds it or as a caller presents it.
///
/// It cannot be cloned, printed or serialised; [`ClientSecret::expose`] is the only way out, and its memory is wiped
/// when it is dropped.
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// A new secret: [`SECRET_PREFIX`] and 40 lower-case hexadecimal digits of 160 random bits.
    ///
    /// # Errors
    /// When the source of randomness fails.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0_u8; 20]);
        random.fill(bytes.as_mut())?;
        let mut text = Zeroizing::new(String::with_capacity(SECRET_PREFIX.len() + 40));
        text.push_str(SECRET_PREFIX);
        text.push_str(&Zeroizing::new(hex::encode(bytes.as_slice())));
        Ok(Self(text))
    }

    /// What a caller presents as a secret. Any text is accepted here; [`accepts`] decides whether it is right.
    pub fn presented(text: impl Into<Zeroizing<String>>) -> Self {
        Self(text.into())
    }

    /// SHA-512 of the text. The database stores nothing else of it.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest(Sha512::digest(self.0.as_bytes()).into())
    }

    /// The text itself, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

/// SHA-512 of a client's secret, 64 bytes. Two are compared in constant time.
#[derive(Clone, Copy)]
pub struct SecretDigest([u8; 64]);

impl SecretDigest {
    /// The digest with these bytes.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl PartialEq for SecretDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretDigest {}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(…)")
    }
}

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// Ask about one token (RFC 7662).
    Introspect,
    /// Ask about many tokens in one request.
    Batch,
    /// End the session of a token (RFC 7009).
    Revoke,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 3] = [Self::Introspect, Self::Batch, Self::Revoke];

    /// The name under which the right is stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Introspect => "introspect",
            Self::Batch => "batch",
            Self::Revoke => "revoke",
        }
    }

    /// The right with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == name)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Introspect => 1,
            Self::Batch => 2,
            Self::Revoke => 4,
        }
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);

    /// What a client gets by default: only [`Right::Introspect`].
    pub const USUAL: Self = Self(Right::Introspect.bit());

    /// Whether the right is in the set.
    pub const fn has(self, right: Right) -> bool {
        self.0 & right.bit() != 0
    }

    /// Whether there is no right in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rights of the set.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }

    /// The set with these names, with commas between; `None` if one of them is not the name of a right.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(',').map(|name| Right::from_name(name.trim())).collect()
    }

    /// The set as it is stored. Rights of a newer program are left out: this one cannot grant them.
    pub fn from_stored(text: &str) -> Self {
        text.split(',').filter_map(Right::from_name).collect()
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |bits, right| bits | right.bit()))
    }
}

/// The names, with commas between.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Right::as_str).collect::<Vec<_>>().join(","))
    }
}

/// A list of the names.
impl Serialize for Rights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Right::as_str))
    }
}

/// The secret that the current one replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldSecret {
    /// Its digest.
    pub digest: SecretDigest,
    /// From when on it is refused.
    pub until: Timestamp,
}

/// A client, with what is needed to judge its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRecord {
    /// Its id.
    pub id: ClientId,
    /// Its name, for people.
    pub name: String,
    /// The digest of its secret.
    pub secret: SecretDigest,
    /// The previous secret, which may still be good.
    pub old_secret: Option<OldSecret>,
    /// What it may do.
    pub rights: Rights,
    /// How many requests a second it may make on each node; `None`: any number.
    pub limit: Option<u32>,
}

/// Whether `presented` is a good secret of the client at `now`. The time that this takes reveals neither whether the
/// client exists nor anything about its secret.
pub fn accepts(client: Option<&ClientRecord>, presented: &SecretDigest, now: Timestamp) -> bool {
    // No text with this digest is known.
    const NO_SECRET: SecretDigest = SecretDigest([0; 64]);
    let secret = client.map_or(NO_SECRET, |client| client.secret);
    let old = client.and_then(|client| client.old_secret);
    let old = old.unwrap_or(OldSecret { digest: NO_SECRET, until: Timestamp::from_micros(i64::MIN) });
    let is_present = secret == *presented;
    let is_old = old.digest == *presented;
    client.is_some() & (is_present | (is_old & (now < old.until)))
}

/// A client as it is listed: without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClientEntry {
    /// Its id.
    pub id: ClientId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub rights: Rights,
    /// How many requests a second it may make on each node; `None`: any number.
    pub limit: Option<u32>,
    /// When it was registered.
    pub created: Timestamp,
    /// When it last got a new secret, if it did.
    pub rotated: Option<Timestamp>,
    /// Until when the previous secret is, or was, good; `None`: there is none.
    pub old_secret_until: Option<Timestamp>,
    /// When it last proved who it is. Uses of the last minutes may be missing.
    pub last_used: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::SystemRandom;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn digest(text: &str) -> SecretDigest {
        ClientSecret::presented(text.to_owned()).digest()
    }

    fn client(old_secret: Option<OldSecret>) -> ClientRecord {
        ClientRecord {
            id: ClientId::new(NOW, &[1; 10]),
            name: "shop".to_owned(),
            secret: digest("present"),
            old_secret,
            rights: Rights::USUAL,
            limit: None,
        }
    }

    #[test]
    fn a_new_secret_is_the_prefix_and_40_digits_and_has_its_digest() {
        let secret = ClientSecret::generate(&SystemRandom).expect("random bytes");
        let digits = secret.expose().strip_prefix(SECRET_PREFIX).expect("the prefix");
        assert_eq!(digits.len(), 40);
        assert!(digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        assert_eq!(secret.digest(), digest(secret.expose()));
        assert_ne!(secret.digest(), ClientSecret::generate(&SystemRandom).expect("random bytes").digest());
    }

    #[test]
    fn debug_output_hides_secrets_and_digests() {
        let shown = format!("{:?} {:?}", ClientSecret::presented("swordfish".to_owned()), client(None));
        assert!(!shown.contains("swordfish") && shown.contains("secret: SecretDigest(…)"), "{shown}");
    }

    #[test]
    fn the_old_secret_is_good_until_its_end_and_the_present_one_after_it() {
        let until = NOW.saturating_add(std::time::Duration::from_secs(60));
        let just_before = Timestamp::from_micros(until.as_micros() - 1);
        let both = client(Some(OldSecret { digest: digest("old"), until }));
        for (text, at, is_good) in [
            ("present", NOW, true),
            ("present", until, true),
            ("old", NOW, true),
            ("old", just_before, true),
            ("old", until, false),
            ("other", NOW, false),
            ("", NOW, false),
        ] {
            assert_eq!(accepts(Some(&both), &digest(text), at), is_good, "{text} at {at}");
            assert!(!accepts(None, &digest(text), at));
        }
        assert!(!accepts(Some(&client(None)), &digest("old"), NOW));
        let zeros = SecretDigest::from_bytes([0; 64]);
        assert!(!accepts(Some(&client(None)), &zeros, NOW), "not even what no text digests to");
    }

    #[test]
    fn rights_read_back_from_their_names() {
        for text in ["introspect", "introspect,batch", "batch,revoke", "introspect,batch,revoke"] {
            assert_eq!(Rights::parse(text).map(|rights| rights.to_string()).as_deref(), Some(text));
            assert_eq!(Rights::from_stored(text).to_string(), text);
        }
        assert_eq!(Rights::parse("batch, introspect"), Rights::parse("introspect,batch"));
        for text in ["", ",", "introspect,", "read", "Introspect"] {
            assert_eq!(Rights::parse(text), None, "{text:?}");
        }
        assert_eq!(Rights::from_stored("introspect,of a newer program"), Rights::USUAL);
        assert!(Rights::from_stored("").is_empty());
        assert_eq!(serde_json::to_string(&Rights::USUAL).expect("JSON"), r#"["introspect"]"#);
    }

    #[test]
    fn an_id_reads_back_from_its_text_and_nothing_else_does() {
        let id = ClientId::new(NOW, &[7; 10]);
        assert_eq!(ClientId::parse(&id.to_string()), Some(id));
        let plain = id.to_string().replace('-', "");
        for text in ["", "shop", plain.as_str(), &format!("{{{id}}}")] {
            assert_eq!(ClientId::parse(text), None, "{text:?}");
        }
    }
}
