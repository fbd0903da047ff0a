//! The user's terminal, if there is one, and standard input.

use std::io::{self, IsTerminal, Read, Write};

use zeroize::Zeroizing;

use crate::domain::user::Password;

/// The longest password, in bytes.
const MAX_PASSWORD_BYTES: u64 = 64 * 1024;

/// The terminal of the user who runs the program.
pub trait Terminal {
    /// Whether a person can be asked.
    fn is_interactive(&self) -> bool;

    /// Whether a person sees what is written to standard error.
    fn is_watched(&self) -> bool;

    /// Asks for a password without showing it.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    fn ask_password(&mut self, prompt: &str) -> io::Result<Password>;

    /// Asks a question that is answered with `yes`, or anything else.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    fn confirm(&mut self, question: &str) -> io::Result<bool>;

    /// Reads standard input to its end.
    ///
    /// # Errors
    /// When it cannot be read, is longer than 64 KiB, or is not UTF-8.
    fn read_input(&mut self) -> io::Result<Zeroizing<String>>;

    /// Reads standard input to its end, however long it is.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_bytes(&mut self) -> io::Result<Zeroizing<Vec<u8>>>;
}

/// The terminal that the process was started on.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessTerminal;

impl Terminal for ProcessTerminal {
    fn is_interactive(&self) -> bool {
        io::stdin().is_terminal()
    }

    fn is_watched(&self) -> bool {
        io::stderr().is_terminal()
    }

    fn ask_password(&mut self, prompt: &str) -> io::Result<Password> {
        rpassword::prompt_password(prompt).map(Password::new)
    }

    fn confirm(&mut self, question: &str) -> io::Result<bool> {
        write!(io::stderr(), "{question} [yes/no] ")?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(answer.trim() == "yes")
    }

    fn read_input(&mut self) -> io::Result<Zeroizing<String>> {
        let mut text = Zeroizing::new(String::new());
        io::stdin().take(MAX_PASSWORD_BYTES + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_PASSWORD_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is longer than 64 KiB"));
        }
        Ok(text)
    }

    fn read_bytes(&mut self) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        io::stdin().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}
