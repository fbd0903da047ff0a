//! Computes digests of passwords.

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::memory::HashMemory;
use super::stored::{BcryptInput, Recipe, Stored};
use crate::domain::user::Password;

/// bcrypt reads no more bytes of a password than this. It appends a NUL to a shorter one, so that its length counts
/// too.
pub(super) const BCRYPT_KEY_BYTES: usize = 72;

/// bcrypt's own alphabet, unpadded. Some programs left garbage in the last bits, which belong to
/// no byte; bcrypt ignores them, and so do we.
pub(super) const BCRYPT_BASE64: GeneralPurpose =
    GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// The block size of SHA-1 and SHA-256, up to which HMAC fills its key with NULs.
const HMAC_BLOCK_BYTES: usize = 64;

/// Whether a password matches a stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Yes,
    No,
    /// Unknown: there was not enough memory.
    OutOfMemory,
}

impl Stored<'_> {
    /// Whether the password gives the stored digest; compared in constant time. The digest is computed
    /// before an ambiguous password is refused, so that the time does not reveal it.
    pub(super) fn fit(&self, password: &Password, memory: &HashMemory) -> Fit {
        let length = self.digest.len();
        let Some(computed) = memory.with(self.recipe.memory(), || self.recipe.compute(password, length)).flatten()
        else {
            return Fit::OutOfMemory;
        };
        let equal: bool = computed.ct_eq(&self.digest).into();
        if equal && !self.recipe.is_ambiguous(password.expose().as_bytes()) { Fit::Yes } else { Fit::No }
    }
}

impl Recipe<'_> {
    /// `None` if there is no memory for it; everything else was checked when the text was parsed.
    fn compute(&self, password: &Password, length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = password.expose().as_bytes();
        let mut out = Zeroizing::new(vec![0; length]);
        match self {
            Self::Bcrypt { input: BcryptInput::Prehash, cost, salt } => {
                out.copy_from_slice(&bcrypt_digest(*cost, *salt, prehash(password).as_bytes()));
            }
            Self::Bcrypt { input: BcryptInput::Password, cost, salt } => {
                out.copy_from_slice(&bcrypt_digest(*cost, *salt, bytes));
            }
            Self::Pbkdf2Sha256 { rounds, salt } => {
                pbkdf2::pbkdf2_hmac::<Sha256>(bytes, salt.as_bytes(), *rounds, &mut out);
            }
            Self::Pbkdf2Sha1 { rounds, salt } => {
                pbkdf2::pbkdf2_hmac::<Sha1>(bytes, salt.as_bytes(), *rounds, &mut out);
            }
            Self::Argon2 { hasher, salt } => hasher.hash_password_into(bytes, salt, &mut out).ok()?,
            Self::Scrypt { params, salt } => scrypt::scrypt(bytes, salt.as_bytes(), params, &mut out).ok()?,
            Self::Sha1 { salt } => {
                out = Zeroizing::new(Sha1::new_with_prefix(salt).chain_update(bytes).finalize().to_vec());
            }
            Self::Md5 { salt } => {
                out = Zeroizing::new(Md5::new_with_prefix(salt).chain_update(bytes).finalize().to_vec());
            }
        }
        Some(out)
    }

    /// Whether, because of a NUL, another password gives the same digest. Such a password is refused,
    /// or the upgrade that follows would lock out the user who has the other one. bcrypt repeats
    /// its NUL-terminated key (`a` and `a\0a` are the same); HMAC, in PBKDF2 and scrypt, fills its
    /// key with NULs (`a` and `a\0`).
    fn is_ambiguous(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt { input: BcryptInput::Password, .. } => {
                password.iter().take(BCRYPT_KEY_BYTES).any(|byte| *byte == 0)
            }
            Self::Pbkdf2Sha256 { .. } | Self::Pbkdf2Sha1 { .. } | Self::Scrypt { .. } => {
                password.len() <= HMAC_BLOCK_BYTES && password.ends_with(&[0])
            }
            Self::Bcrypt { input: BcryptInput::Prehash, .. }
            | Self::Argon2 { .. }
            | Self::Sha1 { .. }
            | Self::Md5 { .. } => false,
        }
    }
}

/// What `bcrypt_sha256` passes to bcrypt: the SHA-256 of the password in lower-case hex, so that
/// neither the length nor a NUL of the password matters.
pub(super) fn prehash(password: &Password) -> Zeroizing<String> {
    let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(password.expose())));
    Zeroizing::new(hex::encode(digest.as_slice()))
}

/// The raw digest. Only the first 72 bytes of `key` count; a shorter key gets a final NUL, as in
/// variant `2b`. `cost` has to be below 32, which every caller has checked before.
pub(super) fn bcrypt_digest(cost: u32, salt: [u8; 16], key: &[u8]) -> [u8; 23] {
    let mut ended = Zeroizing::new(Vec::with_capacity(BCRYPT_KEY_BYTES));
    ended.extend(key.iter().copied().chain([0]).take(BCRYPT_KEY_BYTES));
    let [digest @ .., _] = bcrypt::bcrypt(cost, salt, &ended);
    digest
}

/// `$2b$<cost>$<salt><digest>`.
pub(super) fn bcrypt_text(cost: u32, salt: [u8; 16], digest: [u8; 23]) -> String {
    format!("$2b${cost:02}${}{}", BCRYPT_BASE64.encode(salt), BCRYPT_BASE64.encode(digest))
}
