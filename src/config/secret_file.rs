//! Files that a secret stands in.

use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

/// The longest secret, in bytes: a file that is no secret's is not read to its end.
const LONGEST: u64 = 64 * 1024;

/// Reads the file that a secret stands in, without the line's end after it.
///
/// # Errors
/// When it cannot be read, is open to everybody, empty, or longer than 64 KiB: words to go
/// on after the name of what named the file.
pub fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let unreadable =
        |error: std::io::Error| format!("names {shown}, which cannot be read ({error}): check path and permissions");
    let file = std::fs::File::open(path).map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode();
        if mode & 0o007 != 0 {
            return Err(format!("names {shown}, which everybody on this machine can open: run chmod o= on it"));
        }
    }
    let mut text = Zeroizing::new(String::new());
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LONGEST {
        return Err(format!("names {shown}, which is longer than any secret: name the right file"));
    }
    let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    if secret.is_empty() {
        return Err(format!("names {shown}, which is empty: write the secret into it"));
    }
    Ok(Zeroizing::new(secret.to_owned()))
}
