//! What a command can answer instead of a result: errors, in the words that clients of Redis know.

use std::borrow::Cow;

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

    /// The code, as one of a few words that a metric may carry.
    #[must_use]
    pub fn label(&self) -> &'static str {
        const CODES: [&str; 9] =
            ["ERR", "EXECABORT", "NOAUTH", "NOPERM", "NOPROTO", "NOSCRIPT", "OOM", "WRONGPASS", "WRONGTYPE"];
        let code = self.0.split(' ').next().unwrap_or_default();
        CODES.into_iter().find(|known| *known == code).unwrap_or("other")
    }
}

pub const SYNTAX: Failure = Failure::new("ERR syntax error");
pub const NOT_AN_INTEGER: Failure = Failure::new("ERR value is not an integer or out of range");
pub const NOT_A_FLOAT: Failure = Failure::new("ERR value is not a valid float");
pub const NO_SUCH_KEY: Failure = Failure::new("ERR no such key");
pub const OUT_OF_MEMORY: Failure = Failure::new("OOM command not allowed when used memory > 'maxmemory'.");
pub const TOO_LONG: Failure = Failure::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
pub const NO_SUCH_DATABASE: Failure = Failure::new("ERR DB index is out of range");
pub const AUTHENTICATION_REQUIRED: Failure = Failure::new("NOAUTH Authentication required.");

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
