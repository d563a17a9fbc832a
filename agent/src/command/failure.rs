//! What a command can answer instead of a result: errors, in the words that clients of Redis know.

use std::borrow::Cow;

use super::arguments::before_nul;

/// An error reply. The first word is its code, which clients match on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub Cow<'static, str>);

impl Failure {
    /// An error of a fixed text.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// An error whose text tells something of the case.
    #[must_use]
    pub fn with(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

/// The arguments do not follow the command's grammar.
pub const SYNTAX: Failure = Failure::new("ERR syntax error");
/// An argument or a stored value should be a 64-bit integer and is none.
pub const NOT_AN_INTEGER: Failure = Failure::new("ERR value is not an integer or out of range");
/// An argument or a stored value should be a finite number that C's `long double` can hold and is none.
pub const NOT_A_FLOAT: Failure = Failure::new("ERR value is not a valid float");
/// The key that a command cannot do without is not there.
pub const NO_SUCH_KEY: Failure = Failure::new("ERR no such key");
/// Memory is full and nothing may be evicted for this write.
pub const OUT_OF_MEMORY: Failure = Failure::new("OOM command not allowed when used memory > 'maxmemory'.");
/// A value would be longer than `--max-value`.
pub const TOO_LONG: Failure = Failure::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
/// There are fewer databases.
pub const NO_SUCH_DATABASE: Failure = Failure::new("ERR DB index is out of range");
/// A password is still owed.
pub const AUTHENTICATION_REQUIRED: Failure = Failure::new("NOAUTH Authentication required.");
/// A pattern is longer than [`PATTERN_MAX`](super::glob::PATTERN_MAX).
pub const PATTERN_TOO_LONG: Failure = Failure::new("ERR pattern is longer than 1024 bytes");

/// Bytes that an error repeats of any one thing that a client sent.
pub const SHOWN_MAX: usize = 128;

/// What an error repeats of something that a client sent: up to a NUL, as in Redis, and up to [`SHOWN_MAX`] bytes. Bytes
/// that are no text become question marks.
#[must_use]
pub fn shown(sent: &[u8]) -> String {
    let sent = before_nul(&sent[..sent.len().min(SHOWN_MAX)]);
    let mut text = String::with_capacity(sent.len());
    for chunk in sent.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

impl From<larder_cache::Full> for Failure {
    fn from(_: larder_cache::Full) -> Self {
        OUT_OF_MEMORY
    }
}

/// The TTL of a command cannot be.
#[must_use]
pub fn invalid_expire(command: &str) -> Failure {
    Failure::with(format!("ERR invalid expire time in '{command}' command"))
}

/// The number of arguments cannot be.
#[must_use]
pub fn wrong_arity(command: &str) -> Failure {
    Failure::with(format!("ERR wrong number of arguments for '{command}' command"))
}

/// A subcommand that exists was given too many arguments, or such as have no meaning together.
#[must_use]
pub fn subcommand_syntax(container: &str, subcommand: &[u8]) -> Failure {
    Failure::with(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {container} HELP.",
        shown(subcommand)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_is_shown_short_and_as_text() {
        assert_eq!(shown(b"lib-name"), "lib-name");
        assert_eq!(shown(b"cut\0here"), "cut");
        assert_eq!(shown(b"\0"), "");
        assert_eq!(shown(b"\xff\xfe|\xc3\xa9"), "??|\u{e9}");
        assert_eq!(shown(&[0xFF; 1 << 20]), "?".repeat(SHOWN_MAX));
        // A character that the cut goes through is no text any more.
        assert_eq!(shown("\u{e9}".repeat(100).as_bytes()).len(), SHOWN_MAX);
        assert_eq!(
            shown(format!("a{}", "\u{e9}".repeat(100)).as_bytes()),
            format!("a{}?", "\u{e9}".repeat(63))
        );
    }
}
