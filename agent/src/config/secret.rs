//! A password in memory: compared in constant time, never shown.

use std::fmt;
use std::hint::black_box;

/// A password. `Debug` prints `***`; there is no `Display`.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Whether `candidate` is the password. The time taken depends on the length of `candidate` alone:
    /// neither the place of the first difference nor the length of the password can be measured.
    #[must_use]
    pub fn matches(&self, candidate: &[u8]) -> bool {
        let mut difference = u8::from(self.0.len() != candidate.len());
        let mut own = self.0.iter().cycle();
        for byte in candidate {
            // `cycle` ends only for an empty password, which is never made; then the lengths differ anyway.
            let own = own.next().copied().unwrap_or_default();
            // Without the box the compiler may leave the loop at the first difference.
            difference = black_box(difference | (byte ^ own));
        }
        difference == 0
    }

    /// The password itself, for a client that must send it (`ping`): never for a log, a metric or an error.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_whole_password_only() {
        let secret = Secret::new(b"abcabc");
        assert!(secret.matches(b"abcabc"));
        for wrong in
            [&b""[..], b"abc", b"abcab", b"abcabcabc", b"abcabd", b"xbcabc", b"abcabcabcabc", b"ABCABC"]
        {
            assert!(!secret.matches(wrong), "{wrong:?}");
        }
        assert!(Secret::new(&[0, 255]).matches(&[0, 255]));
    }

    #[test]
    fn is_never_shown() {
        assert_eq!(
            format!("{:?} {:#?}", Secret::new(b"hunter2"), Some(Secret::new(b"hunter2")))
                .matches("hunter2")
                .count(),
            0
        );
        assert_eq!(format!("{:?}", Secret::new(b"hunter2")), "***");
    }
}
