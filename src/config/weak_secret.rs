//! Secrets that are long enough but easily guessed.
//!
//! A text alone cannot prove that a secret is good. These rules find what people write in haste, and accept the output
//! of generators: each rule refuses fewer than one in 100,000 random texts, even if they consist only of hexadecimal or
//! decimal digits.

/// The minimum number of different characters in a secret.
const MIN_DIFFERENT: usize = 6;

/// What the placeholders of examples contain, in lower case.
const PLACEHOLDERS: [&str; 9] = [
    "changeme",
    "change-me",
    "change_me",
    "change this",
    "your-secret",
    "your_secret",
    "256-bit-secret",
    "placeholder",
    // Django's own prefix for a key that must not be used in production.
    "django-insecure",
];

/// Why a secret is easily guessed, to continue a sentence after its name; `None` if no rule applies. Never
/// repeats it.
pub(super) fn why(text: &str) -> Option<&'static str> {
    let characters: Vec<char> = text.chars().collect();
    let mut different = characters.clone();
    different.sort_unstable();
    different.dedup();
    if different.len() < MIN_DIFFERENT {
        return Some("has fewer than 6 different characters");
    }
    if is_repetition(&characters) {
        return Some("is one short text, repeated");
    }
    if is_sequence(&characters) {
        return Some("is mostly a sequence of the alphabet or of digits");
    }
    let small = text.to_lowercase();
    let example = PLACEHOLDERS.iter().any(|placeholder| small.contains(placeholder));
    example.then_some("looks like the placeholder of an example")
}

/// Whether its first half or less, repeated, gives all of it.
fn is_repetition(characters: &[char]) -> bool {
    (1..=characters.len() / 2).any(|period| characters.iter().zip(characters.iter().skip(period)).all(|(a, b)| a == b))
}

/// Whether three quarters of the characters follow their predecessors by at most one step up or down.
fn is_sequence(characters: &[char]) -> bool {
    let pairs = characters.iter().zip(characters.iter().skip(1));
    let steps = pairs.filter(|(a, b)| u32::from(**a).abs_diff(u32::from(**b)) <= 1).count();
    steps * 4 >= characters.len().saturating_sub(1) * 3
}
