//! Files that a secret stands in.

use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

/// The longest secret, in bytes: a file that is no secret's is not read to its end.
const LONGEST: u64 = 64 * 1024;

/// Reads the file that a secret stands in, without what editors put around it. Other users may be able to
/// read it too: secrets that Docker or Kubernetes mount often are, and the operator cannot change their mode.
///
/// # Errors
/// When it cannot be read, is empty, or longer than 64 KiB: words to go on after the name of what
/// named the file.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let unreadable =
        |error: std::io::Error| format!("names {shown}, which cannot be read ({error}): check path and permissions");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LONGEST {
        return Err(format!("names {shown}, which is longer than any secret: name the right file"));
    }
    let secret = unwrapped(&text);
    if secret.is_empty() {
        return Err(format!("names {shown}, which is empty: write the secret into it"));
    }
    Ok(Zeroizing::new(secret.to_owned()))
}

/// A text without what editors and shells put around it: a byte order mark, and the end of the last line.
pub fn unwrapped(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}
