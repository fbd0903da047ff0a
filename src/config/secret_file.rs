//! Files that contain a secret.

use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

/// The longest secret, in bytes. A larger file cannot be the right one, and is not read any further.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Reads the secret in a file, without what editors add around it. Other users may be able to read the file: secrets
/// that Docker or Kubernetes mount are often readable, and the operator cannot change their mode.
///
/// # Errors
/// When it cannot be read, is empty, or longer than 64 KiB. The text continues a sentence after the name of
/// the variable or flag that names the file.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let unreadable =
        |error: std::io::Error| format!("names {shown}, which cannot be read ({error}): check path and permissions");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(format!("names {shown}, which is longer than any secret: name the right file"));
    }
    // Windows PowerShell writes UTF-16 unless it is told otherwise.
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.contains(&0) {
        return Err(format!("names {shown}, which cannot be read: it is UTF-16, or not text; save it as UTF-8"));
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(format!("names {shown}, which cannot be read: it is not UTF-8; save it as UTF-8"));
    };
    let secret = unwrapped(text);
    if secret.is_empty() {
        return Err(format!("names {shown}, which is empty: write the secret into it"));
    }
    Ok(Zeroizing::new(secret.to_owned()))
}

/// A text without what editors and shells add: a byte order mark, and a final line end.
pub fn unwrapped(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
}
