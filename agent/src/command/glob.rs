//! Patterns as `KEYS` and `SCAN MATCH` know them: `*`, `?`, `[a-c]`, `[^a]`, and `\` to take the next byte as it is.
//!
//! Stars make matching cost up to the product of both lengths, and whoever sends a pattern chooses it: so patterns have a
//! greatest length, and one name is given up after so many steps.

/// Bytes of the longest pattern.
pub const PATTERN_MAX: usize = 1024;
/// Steps that a name of no length may cost,
const STEPS_MIN: usize = 65_536;
/// more for each byte of it,
const STEPS_A_BYTE: usize = 4;
/// and all in all: about two milliseconds.
const STEPS_MAX: usize = 1 << 20;

/// A pattern, and what matching it has cost so far.
#[derive(Debug)]
pub struct Pattern<'a> {
    text: &'a [u8],
    /// Bytes of pattern and names that were looked at.
    steps: usize,
}

impl<'a> Pattern<'a> {
    /// A pattern; `None` if it is longer than [`PATTERN_MAX`].
    #[must_use]
    pub fn new(text: &'a [u8]) -> Option<Self> {
        (text.len() <= PATTERN_MAX).then_some(Self { text, steps: 0 })
    }

    /// Steps that all matches so far took, a few nanoseconds each.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Whether a name matches. After 65,536 steps and four for each byte of the name, or a million, it does not: only names
    /// of many kilobytes and patterns made to be slow come there.
    ///
    /// As in Redis the empty name is matched by `*` and by the empty pattern alone.
    #[must_use]
    pub fn matches(&mut self, name: &[u8]) -> bool {
        if is_everything(self.text) {
            return true;
        }
        if name.is_empty() {
            return self.text.is_empty();
        }
        let last = self.steps + (STEPS_MIN + STEPS_A_BYTE * name.len()).min(STEPS_MAX);
        let (mut p, mut n) = (0, 0);
        // Where to go on if what follows the latest star does not match: a star only ever goes back to the latest star.
        let mut retry: Option<(usize, usize)> = None;
        while n < name.len() {
            if self.text.get(p) == Some(&b'*') {
                self.steps += 1;
                p += 1;
                if p == self.text.len() {
                    return true;
                }
                retry = Some((p, n));
                continue;
            }
            let (is_match, width) = one(&self.text[p..], name[n]);
            self.steps += width.max(1);
            if self.steps > last {
                return false;
            }
            if is_match {
                p += width;
                n += 1;
                continue;
            }
            let Some((after_star, from)) = &mut retry else { return false };
            *from += 1;
            (p, n) = (*after_star, *from);
        }
        self.text[p..].iter().all(|&byte| byte == b'*')
    }
}

/// Whether a short name matches a pattern; false if the pattern is longer than [`PATTERN_MAX`].
#[must_use]
pub fn matches(pattern: &[u8], name: &[u8]) -> bool {
    Pattern::new(pattern).is_some_and(|mut pattern| pattern.matches(name))
}

/// Whether the beginning of the pattern matches this byte, and how many bytes of the pattern that beginning has.
fn one(pattern: &[u8], byte: u8) -> (bool, usize) {
    match pattern {
        [] => (false, 0),
        [b'?', ..] => (true, 1),
        [b'\\', literal, ..] => (*literal == byte, 2),
        [b'[', rest @ ..] => {
            let (is_match, width) = class(rest, byte);
            (is_match, width + 1)
        }
        [literal, ..] => (*literal == byte, 1),
    }
}

/// Whether the byte is in a class, and the width of the class, its closing bracket included.
fn class(pattern: &[u8], byte: u8) -> (bool, usize) {
    let negated = pattern.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &pattern[at.min(pattern.len())..] {
            // A class without an end takes all there is, as in Redis.
            [] => break,
            [b'\\', literal, ..] => {
                found |= *literal == byte;
                at += 2;
            }
            [b']', ..] => {
                at += 1;
                break;
            }
            [low, b'-', high, ..] => {
                let (low, high) = (low.min(high), low.max(high));
                found |= (low..=high).contains(&&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
    (found != negated, at)
}

/// Whether a pattern matches every name, so that nothing need be compared.
#[must_use]
pub fn is_everything(pattern: &[u8]) -> bool {
    pattern == b"*"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("**", "", false),
            ("**", "a", true),
            ("a**", "a", true),
            ("h?llo", "hello", true),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h\\*llo", "h*llo", true),
            ("h\\*llo", "hello", false),
            ("[a", "a", true),
            ("a*b*c", "axxbxxc", true),
            ("a*b*c", "axxbxx", false),
            ("", "", true),
            ("", "a", false),
            ("*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_name_is_given_up_after_so_many_steps() {
        let name = vec![b'a'; 100_000];
        let stars = [&b"*"[..], &[b'a'; 1000], b"b"].concat();
        let classes = [
            &b"*"[..],
            &b"[aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]".repeat(15),
            b"b",
        ]
        .concat();
        for text in [stars, classes] {
            let mut pattern = Pattern::new(&text).expect("not too long");
            for round in 1..=3 {
                assert!(!pattern.matches(&name));
                let most = STEPS_MIN + STEPS_A_BYTE * name.len() + PATTERN_MAX;
                assert!(
                    (most - PATTERN_MAX..=most * round).contains(&pattern.steps()),
                    "{}",
                    pattern.steps()
                );
            }
        }
        let longest = vec![b'a'; 10_000_000];
        let mut pattern = Pattern::new(b"*aaab").expect("short");
        assert!(!pattern.matches(&longest) && pattern.steps() < STEPS_MAX + PATTERN_MAX);
        // A single star costs little even for a long name, which is not given up, and a star at the end costs nothing.
        let ending = [&name[..], b"b"].concat();
        assert!(Pattern::new(b"*b").expect("short").matches(&ending));
        assert!(Pattern::new(b"aa*").expect("short").matches(&longest));
        assert!(Pattern::new(&[b'a'; PATTERN_MAX]).is_some());
        assert!(Pattern::new(&[b'a'; PATTERN_MAX + 1]).is_none());
    }
}
