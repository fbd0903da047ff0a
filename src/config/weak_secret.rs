//! Secrets that are long enough and can be guessed all the same.
//!
//! Nobody can tell a good secret from its text. These rules find what people write in haste, and
//! pass whatever a generator makes: each would refuse fewer than one in 100,000 random texts, be
//! they of hexadecimal or even of decimal digits.

/// The fewest different characters of a secret.
const MIN_DIFFERENT: usize = 6;

/// What stands in examples, in small letters.
const PLACEHOLDERS: [&str; 9] = [
    "changeme",
    "change-me",
    "change_me",
    "change this",
    "your-secret",
    "your_secret",
    "256-bit-secret",
    "placeholder",
    // Django's own mark for a key that must not go into production.
    "django-insecure",
];

/// Why a secret can be guessed, to go on after its name; `None` if nothing says so. Never repeats it.
pub(super) fn why(text: &str) -> Option<&'static str> {
    let characters: Vec<char> = text.chars().collect();
    let mut different = characters.clone();
    different.sort_unstable();
    different.dedup();
    if different.len() < MIN_DIFFERENT {
        return Some("has fewer than 6 different characters");
    }
    if is_repetition(&characters) {
        return Some("is one short text again and again");
    }
    if is_sequence(&characters) {
        return Some("is mostly a sequence of the alphabet or of digits");
    }
    let small = text.to_lowercase();
    let example = PLACEHOLDERS.iter().any(|placeholder| small.contains(placeholder));
    example.then_some("looks like the placeholder of an example")
}

/// Whether its first half or less, repeated, makes all of it.
fn is_repetition(characters: &[char]) -> bool {
    (1..=characters.len() / 2).any(|period| characters.iter().zip(characters.iter().skip(period)).all(|(a, b)| a == b))
}

/// Whether three quarters of the characters follow their predecessors by at most one step up or down.
fn is_sequence(characters: &[char]) -> bool {
    let pairs = characters.iter().zip(characters.iter().skip(1));
    let steps = pairs.filter(|(a, b)| u32::from(**a).abs_diff(u32::from(**b)) <= 1).count();
    steps * 4 >= characters.len().saturating_sub(1) * 3
}
