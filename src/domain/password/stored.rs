//! Parses stored hashes in all formats of Django, with bounded costs.
//!
//! Formats: `docs/passwords.md`. The text is read from a database that other programs may write to,
//! so nothing in it may make a login panic, run for hours or use all memory.

use std::fmt;

use argon2::{Argon2, Version};
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::digest::BCRYPT_BASE64;
use crate::domain::user::PasswordHash;

/// No format needs more; Django's own column holds 128 characters.
const MAX_HASH_BYTES: usize = 1_024;
/// Ten times what Django 5.2 writes.
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;
/// Four seconds of work on one core of a server of 2024. The other bounds are similar.
const MAX_BCRYPT_COST: u32 = 16;
/// bcrypt's own lower bound.
const MIN_BCRYPT_COST: u32 = 4;
/// In KiB: 256 MiB; Django writes 100 MiB, and RFC 9106 (section 4) recommends 64 MiB where memory is scarce.
const MAX_ARGON2_KIB: u32 = 256 << 10;
/// Memory in KiB, times passes over it: 4 GiB; Django writes 200 MiB.
const MAX_ARGON2_WORK_KIB: u64 = 4 << 20;
/// In bytes: 256 MiB; Django writes 16 MiB, and guides recommend up to 128 MiB.
const MAX_SCRYPT_BYTES: u128 = 256 << 20;
/// In bytes written: 2 GiB; Django writes 80 MiB.
const MAX_SCRYPT_WORK_BYTES: u128 = 2 << 30;

/// How a stored password was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// bcrypt over the hex SHA-256 of the password: the format of new hashes.
    BcryptSha256,
    /// bcrypt over the first 72 bytes of the password.
    Bcrypt,
    /// PBKDF2-HMAC-SHA256, Django's default.
    Pbkdf2Sha256,
    /// PBKDF2-HMAC-SHA1.
    Pbkdf2Sha1,
    /// argon2id or argon2i.
    Argon2,
    /// scrypt.
    Scrypt,
    /// One SHA-1 over salt and password.
    Sha1,
    /// One SHA-1 over the password.
    UnsaltedSha1,
    /// One MD5 over salt and password.
    Md5,
    /// One MD5 over the password.
    UnsaltedMd5,
}

impl Algorithm {
    /// Django's name of the algorithm.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BcryptSha256 => "bcrypt_sha256",
            Self::Bcrypt => "bcrypt",
            Self::Pbkdf2Sha256 => "pbkdf2_sha256",
            Self::Pbkdf2Sha1 => "pbkdf2_sha1",
            Self::Argon2 => "argon2",
            Self::Scrypt => "scrypt",
            Self::Sha1 => "sha1",
            Self::UnsaltedSha1 => "unsalted_sha1",
            Self::Md5 => "md5",
            Self::UnsaltedMd5 => "unsalted_md5",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why no password matches a stored text. Never quotes the text: it could be a password in clear text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverifiable {
    /// There is no text.
    #[error("no password is stored")]
    Empty,
    /// The user has no password on purpose.
    #[error("the stored password is marked as unusable")]
    Unusable,
    /// The text does not begin with the name of a known algorithm.
    #[error("the algorithm of the stored password hash is unknown")]
    UnknownAlgorithm,
    /// `crypt$$…`: computed by the C library of the operating system, usually DES over eight
    /// characters. Django dropped it in 5.0.
    #[error("password hashes of crypt(3) are not supported")]
    Crypt,
    /// The rest does not have the algorithm's format.
    #[error("the stored {0} password hash is malformed")]
    Malformed(Algorithm),
    /// Verifying it would take too much time or memory.
    #[error("the stored {0} password hash demands more time or memory than a login may take")]
    TooCostly(Algorithm),
}

/// Whether a password could match `stored`, and with which algorithm. Computes no digest, so that
/// an import can check a million rows.
///
/// # Errors
/// Why no password will ever match: at a login, such a hash counts as a wrong password.
pub fn is_verifiable(stored: &PasswordHash) -> Result<Algorithm, Unverifiable> {
    Stored::parse(stored.expose()).map(|stored| stored.algorithm)
}

/// How many bytes of memory it takes to verify a password against `stored`: tens of millions for argon2
/// and scrypt, which need them by design, and 0 for all others and for text that cannot be verified.
pub fn memory_needed(stored: &PasswordHash) -> usize {
    Stored::parse(stored.expose()).map_or(0, |stored| stored.recipe.memory())
}

/// A parsed hash whose costs are within bounds.
pub(super) struct Stored<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) recipe: Recipe<'a>,
    /// The expected digest.
    pub(super) digest: Vec<u8>,
}

/// How to compute the digest of a password. A salt that is a text is used as its bytes.
pub(super) enum Recipe<'a> {
    Bcrypt { input: BcryptInput, cost: u32, salt: [u8; 16] },
    Pbkdf2Sha256 { rounds: u32, salt: &'a str },
    Pbkdf2Sha1 { rounds: u32, salt: &'a str },
    Argon2 { hasher: Argon2<'static>, salt: Vec<u8> },
    Scrypt { params: scrypt::Params, salt: &'a str },
    Sha1 { salt: &'a str },
    Md5 { salt: &'a str },
}

impl Recipe<'_> {
    /// See [`memory_needed`].
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Argon2 { hasher, .. } => hasher.params().block_count() * argon2::Block::SIZE,
            // The bounds exclude an overflow.
            Self::Scrypt { params, .. } => {
                let (n, r, p) = (1_usize << params.log_n(), params.r() as usize, params.p() as usize);
                128 * r * (n + p + 1)
            }
            Self::Bcrypt { .. }
            | Self::Pbkdf2Sha256 { .. }
            | Self::Pbkdf2Sha1 { .. }
            | Self::Sha1 { .. }
            | Self::Md5 { .. } => 0,
        }
    }
}

/// What bcrypt is computed over.
#[derive(Clone, Copy)]
pub(super) enum BcryptInput {
    /// The password itself.
    Password,
    /// See [`super::digest::prehash`].
    Prehash,
}

/// What is wrong with the text after an algorithm's name.
enum Flaw {
    Malformed,
    TooCostly,
}

type Parts<'a> = Result<(Recipe<'a>, Vec<u8>), Flaw>;

impl<'a> Stored<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Unverifiable> {
        let (algorithm, rest) = identify(text)?;
        let parts = if text.len() > MAX_HASH_BYTES {
            Err(Flaw::Malformed)
        } else {
            match algorithm {
                Algorithm::BcryptSha256 => bcrypt(rest, BcryptInput::Prehash),
                Algorithm::Bcrypt => bcrypt(rest, BcryptInput::Password),
                Algorithm::Pbkdf2Sha256 => pbkdf2(rest, 32, |rounds, salt| Recipe::Pbkdf2Sha256 { rounds, salt }),
                Algorithm::Pbkdf2Sha1 => pbkdf2(rest, 20, |rounds, salt| Recipe::Pbkdf2Sha1 { rounds, salt }),
                Algorithm::Argon2 => argon2(rest),
                Algorithm::Scrypt => scrypt(rest),
                Algorithm::Sha1 => salted(rest, 20, |salt| Recipe::Sha1 { salt }),
                Algorithm::Md5 => salted(rest, 16, |salt| Recipe::Md5 { salt }),
                Algorithm::UnsaltedSha1 => hex_digest(rest, 20).map(|digest| (Recipe::Sha1 { salt: "" }, digest)),
                Algorithm::UnsaltedMd5 => hex_digest(rest, 16).map(|digest| (Recipe::Md5 { salt: "" }, digest)),
            }
        };
        match parts {
            Ok((recipe, digest)) => Ok(Self { algorithm, recipe, digest }),
            Err(Flaw::Malformed) => Err(Unverifiable::Malformed(algorithm)),
            Err(Flaw::TooCostly) => Err(Unverifiable::TooCostly(algorithm)),
        }
    }
}

/// The algorithm, and the rest of the text for its parser.
fn identify(text: &str) -> Result<(Algorithm, &str), Unverifiable> {
    if text.is_empty() {
        return Err(Unverifiable::Empty);
    }
    if text.starts_with('!') {
        return Err(Unverifiable::Unusable);
    }
    let Some((name, rest)) = text.split_once('$') else {
        // 32 bare hex digits are Django's oldest format.
        return match hex_digest(text, 16) {
            Ok(_) => Ok((Algorithm::UnsaltedMd5, text)),
            Err(_) => Err(Unverifiable::UnknownAlgorithm),
        };
    };
    match (name, rest.strip_prefix('$')) {
        ("md5", Some(digest)) => Ok((Algorithm::UnsaltedMd5, digest)),
        ("sha1", Some(digest)) => Ok((Algorithm::UnsaltedSha1, digest)),
        ("md5", None) => Ok((Algorithm::Md5, rest)),
        ("sha1", None) => Ok((Algorithm::Sha1, rest)),
        ("bcrypt_sha256", _) => Ok((Algorithm::BcryptSha256, rest)),
        ("bcrypt", _) => Ok((Algorithm::Bcrypt, rest)),
        ("pbkdf2_sha256", _) => Ok((Algorithm::Pbkdf2Sha256, rest)),
        ("pbkdf2_sha1", _) => Ok((Algorithm::Pbkdf2Sha1, rest)),
        ("argon2", _) => Ok((Algorithm::Argon2, rest)),
        ("scrypt", _) => Ok((Algorithm::Scrypt, rest)),
        ("crypt", _) => Err(Unverifiable::Crypt),
        _ => Err(Unverifiable::UnknownAlgorithm),
    }
}

/// `$2b$<cost, two digits>$<salt, 22 characters><digest, 31 characters>`. The variants mark
/// bugs of old programs, not different algorithms; a `2x` hash was made with such a bug.
fn bcrypt(rest: &str, input: BcryptInput) -> Parts<'_> {
    let ["", "2a" | "2b" | "2y", cost, data] = fields(rest)? else {
        return Err(Flaw::Malformed);
    };
    if cost.len() != 2 {
        return Err(Flaw::Malformed);
    }
    let cost = number(cost)?;
    let (salt, digest) = data.split_at_checked(22).ok_or(Flaw::Malformed)?;
    let salt = decode(&BCRYPT_BASE64, salt)?.try_into().map_err(|_| Flaw::Malformed)?;
    let digest = sized(decode(&BCRYPT_BASE64, digest)?, 23)?;
    if cost < MIN_BCRYPT_COST {
        return Err(Flaw::Malformed);
    }
    if cost > MAX_BCRYPT_COST {
        return Err(Flaw::TooCostly);
    }
    Ok((Recipe::Bcrypt { input, cost, salt }, digest))
}

/// `<rounds>$<salt>$<base64>`.
fn pbkdf2<'a>(rest: &'a str, length: usize, recipe: fn(u32, &'a str) -> Recipe<'a>) -> Parts<'a> {
    let [rounds, salt, digest] = fields(rest)?;
    let rounds = number(rounds)?;
    let digest = sized(decode(&STANDARD, digest)?, length)?;
    if rounds == 0 || salt.is_empty() {
        return Err(Flaw::Malformed);
    }
    if rounds > MAX_PBKDF2_ROUNDS {
        return Err(Flaw::TooCostly);
    }
    Ok((recipe(rounds, salt), digest))
}

/// A PHC string without its first `$`: `argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$<salt>$<digest>`, unpadded base64.
/// The first argon2 wrote no version and was version 16 (hexadecimal 10).
fn argon2(rest: &str) -> Parts<'_> {
    let parts: Vec<&str> = rest.split('$').collect();
    let (variant, version, costs, salt, digest) = match parts.as_slice() {
        [variant, "v=19", costs, salt, digest] => (*variant, Version::V0x13, *costs, *salt, *digest),
        [variant, "v=16", costs, salt, digest] | [variant, costs, salt, digest] => {
            (*variant, Version::V0x10, *costs, *salt, *digest)
        }
        _ => return Err(Flaw::Malformed),
    };
    let variant = match variant {
        "argon2id" => argon2::Algorithm::Argon2id,
        "argon2i" => argon2::Algorithm::Argon2i,
        _ => return Err(Flaw::Malformed),
    };
    let (salt, digest) = (decode(&STANDARD_NO_PAD, salt)?, decode(&STANDARD_NO_PAD, digest)?);
    let params = argon2_params(costs, digest.len())?;
    if salt.len() < argon2::MIN_SALT_LEN {
        return Err(Flaw::Malformed);
    }
    Ok((Recipe::Argon2 { hasher: Argon2::new(variant, version, params), salt }, digest))
}

/// `m=<KiB>,t=<passes>,p=<lanes>`, in this order, as in the reference implementation.
fn argon2_params(costs: &str, length: usize) -> Result<argon2::Params, Flaw> {
    let cost = |text: Option<&str>, name| number(text.and_then(|text| text.strip_prefix(name)).ok_or(Flaw::Malformed)?);
    let mut costs = costs.splitn(3, ',');
    let memory = cost(costs.next(), "m=")?;
    let passes = cost(costs.next(), "t=")?;
    let lanes = cost(costs.next(), "p=")?;
    if memory > MAX_ARGON2_KIB || u64::from(memory) * u64::from(passes) > MAX_ARGON2_WORK_KIB {
        return Err(Flaw::TooCostly);
    }
    argon2::Params::new(memory, passes, lanes, Some(length)).map_err(|_| Flaw::Malformed)
}

/// `<N>$<salt>$<r>$<p>$<base64 of 64 bytes>`: the salt is between the costs.
fn scrypt(rest: &str) -> Parts<'_> {
    let [n, salt, r, p, digest] = fields(rest)?;
    let (n, r, p) = (number(n)?, number(r)?, number(p)?);
    let digest = sized(decode(&STANDARD, digest)?, 64)?;
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 || salt.is_empty() {
        return Err(Flaw::Malformed);
    }
    // RFC 7914, section 6: N blocks of 128 r bytes that all lanes share, and one for each lane.
    let block = 128 * u128::from(r);
    let memory = block * (u128::from(n) + u128::from(p));
    let work = block * u128::from(n) * u128::from(p);
    if memory > MAX_SCRYPT_BYTES || work > MAX_SCRYPT_WORK_BYTES {
        return Err(Flaw::TooCostly);
    }
    let log_n = u8::try_from(n.ilog2()).map_err(|_| Flaw::Malformed)?;
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| Flaw::Malformed)?;
    Ok((Recipe::Scrypt { params, salt }, digest))
}

/// `<salt>$<hex>`.
fn salted<'a>(rest: &'a str, length: usize, recipe: fn(&'a str) -> Recipe<'a>) -> Parts<'a> {
    let [salt, digest] = fields(rest)?;
    Ok((recipe(salt), hex_digest(digest, length)?))
}

/// Exactly `N` fields, separated by `$`.
fn fields<const N: usize>(text: &str) -> Result<[&str; N], Flaw> {
    text.split('$').collect::<Vec<_>>().try_into().map_err(|_| Flaw::Malformed)
}

/// Digits only: no sign, no space. A number that does not fit into 32 bits is a cost beyond all bounds.
fn number(text: &str) -> Result<u32, Flaw> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Flaw::Malformed);
    }
    text.parse().map_err(|_| Flaw::TooCostly)
}

fn decode(base64: &impl base64::Engine, text: &str) -> Result<Vec<u8>, Flaw> {
    base64.decode(text).map_err(|_| Flaw::Malformed)
}

/// Lower case only: Django compares these digests as text, so no other form ever matched.
fn hex_digest(text: &str, length: usize) -> Result<Vec<u8>, Flaw> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Flaw::Malformed);
    }
    sized(hex::decode(text).map_err(|_| Flaw::Malformed)?, length)
}

fn sized(bytes: Vec<u8>, length: usize) -> Result<Vec<u8>, Flaw> {
    if bytes.len() == length { Ok(bytes) } else { Err(Flaw::Malformed) }
}
