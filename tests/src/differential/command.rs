//! A command as it is generated: words and arguments, some of which get their bytes only when it is sent.

use std::fmt;

use super::{SHORT_MS, SHORT_UNIX_MS};

/// One argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    /// A name or an option: sent in any letter case, and counted as covered.
    Word(&'static str),
    /// Bytes as they are.
    Text(Vec<u8>),
    /// The TTL that is meant to pass, in ms.
    ShortMs,
    /// That TTL as a point in time, in ms of the Unix epoch.
    ShortUnixMs,
    /// So many seconds from now, as a point in time in s of the Unix epoch.
    UnixSec(i64),
    /// So many milliseconds from now, as a point in time in ms of the Unix epoch.
    UnixMs(i64),
}

impl Arg {
    /// Text from a string.
    pub fn text(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }
}

/// How the words of a command are spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Casing {
    /// `SET`
    Upper,
    /// `set`
    Lower,
    /// `SeT`
    Mixed,
}

/// One command.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// The name in the table's spelling, with a bar before a subcommand: `CLIENT|LIST`.
    pub name: &'static str,
    /// Everything, the name included.
    pub args: Vec<Arg>,
    /// The spelling of the words.
    pub casing: Casing,
    /// Whether it was damaged after it was made from the grammar, so that its words count for nothing.
    pub damaged: bool,
}

impl Command {
    /// A command whose words are all names, for the harness's own steps.
    pub fn of(name: &'static str, rest: &[&str]) -> Self {
        let words = name.split('|').map(Arg::Word);
        let args = words.chain(rest.iter().map(|text| Arg::text(text))).collect();
        Self { name, args, casing: Casing::Upper, damaged: false }
    }

    /// Whether a short TTL is among its arguments.
    pub fn has_short_ttl(&self) -> bool {
        self.args.iter().any(|arg| matches!(arg, Arg::ShortMs | Arg::ShortUnixMs))
    }

    /// The words after the name: its options.
    pub fn options(&self) -> impl Iterator<Item = &'static str> {
        let name_words = self.name.split('|').count();
        let words =
            self.args.iter().filter_map(|arg| if let Arg::Word(word) = arg { Some(*word) } else { None });
        words.skip(name_words)
    }

    /// The bytes to send, `now_ms` being the wall clock in ms.
    pub fn resolve(&self, now_ms: i64) -> Vec<Vec<u8>> {
        let bytes = |arg: &Arg| match arg {
            Arg::Word(word) => spell(word, self.casing),
            Arg::Text(text) => text.clone(),
            Arg::ShortMs => SHORT_MS.to_string().into_bytes(),
            Arg::ShortUnixMs => (now_ms + SHORT_UNIX_MS).to_string().into_bytes(),
            Arg::UnixSec(offset) => (now_ms / 1000 + offset).to_string().into_bytes(),
            Arg::UnixMs(offset) => (now_ms + offset).to_string().into_bytes(),
        };
        self.args.iter().map(bytes).collect()
    }
}

fn spell(word: &str, casing: Casing) -> Vec<u8> {
    match casing {
        Casing::Upper => word.as_bytes().to_vec(),
        Casing::Lower => word.to_ascii_lowercase().into_bytes(),
        Casing::Mixed => {
            let letters = word.bytes().enumerate();
            letters
                .map(|(at, letter)| if at % 2 == 0 { letter } else { letter.to_ascii_lowercase() })
                .collect()
        }
    }
}

impl fmt::Debug for Command {
    /// As one would type it into redis-cli, with points in time in angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, arg) in self.args.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            match arg {
                Arg::Word(word) => f.write_str(&String::from_utf8_lossy(&spell(word, self.casing)))?,
                Arg::Text(text) if is_plain(text) => f.write_str(&String::from_utf8_lossy(text))?,
                Arg::Text(text) => write!(f, "\"{}\"", text.escape_ascii())?,
                Arg::ShortMs => write!(f, "{SHORT_MS}")?,
                Arg::ShortUnixMs => write!(f, "<now+{SHORT_UNIX_MS}ms>")?,
                Arg::UnixSec(offset) => write!(f, "<now{offset:+}s>")?,
                Arg::UnixMs(offset) => write!(f, "<now{offset:+}ms>")?,
            }
        }
        Ok(())
    }
}

fn is_plain(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\'))
}
