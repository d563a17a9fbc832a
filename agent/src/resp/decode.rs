//! Commands out of bytes: arrays of bulk strings, or a line of words (an inline command).
//!
//! Incremental: a torn frame is not parsed twice, and nothing is allocated for what was only announced. Error texts are
//! Redis's own; after any of them the connection cannot be trusted and is closed.

use super::number::parse_i64;

/// Longest inline command, and longest length line: 64 KiB.
const LINE_MAX: usize = 64 * 1024;
/// A command's arguments are told apart by 32-bit places: it is no longer than this,
const FRAME_MAX: u64 = u32::MAX as u64 - 16;
/// and this is more than five digits can say.
const SHORT_MAX: u64 = 100_000;
/// Before a password was given, commands may be this long
const UNAUTHENTICATED_ARGUMENTS_MAX: i64 = 10;
/// and their arguments this many bytes: what AUTH and HELLO need.
const UNAUTHENTICATED_BULK_MAX: i64 = 16_384;

/// Where an argument lies in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The argument's bytes.
    #[inline]
    #[must_use]
    pub fn of(self, frame: &[u8]) -> &[u8] {
        &frame[self.start as usize..self.end as usize]
    }
}

/// What a connection may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest argument in bytes.
    pub bulk_max: i64,
    /// Arguments of a command at most.
    pub arguments_max: i64,
    /// Whether a password is still owed.
    pub unauthenticated: bool,
}

/// What the decoder made of the bytes so far.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// A command of so many bytes; its arguments are [`Decoder::spans`] of those bytes.
    Command(usize),
    /// An inline command of so many bytes; its arguments are [`Decoder::spans`] of the text given here.
    Inline(usize, Vec<u8>),
    /// So many bytes that ask for nothing (an empty line, an empty array).
    Nothing(usize),
    /// At least so many more bytes are needed.
    Incomplete(usize),
}

/// Bytes that are not the protocol. The text is what Redis says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// An inline command without end.
    #[error("Protocol error: too big inline request")]
    InlineTooLong,
    /// A quote without its other half.
    #[error("Protocol error: unbalanced quotes in request")]
    UnbalancedQuotes,
    /// A line that should say how many arguments come.
    #[error("Protocol error: too big mbulk count string")]
    CountLineTooLong,
    /// A number of arguments that is none.
    #[error("Protocol error: invalid multibulk length")]
    Count,
    /// Too many arguments for somebody who owes a password.
    #[error("Protocol error: unauthenticated multibulk length")]
    CountUnauthenticated,
    /// A line that should say how long an argument is.
    #[error("Protocol error: too big bulk count string")]
    LengthLineTooLong,
    /// An argument that does not begin with a dollar sign.
    #[error("Protocol error: expected '$', got '{0}'")]
    NotABulk(char),
    /// A length that is none, or over the limit.
    #[error("Protocol error: invalid bulk length")]
    Length,
    /// Too long an argument for somebody who owes a password.
    #[error("Protocol error: unauthenticated bulk length")]
    LengthUnauthenticated,
}

/// Reads one command after the other; keeps its place in a torn one.
#[derive(Debug, Default)]
pub struct Decoder {
    spans: Vec<Span>,
    /// Bytes of the frame understood so far.
    at: usize,
    /// Arguments still to come; zero between commands.
    missing: usize,
    /// Length of the argument that is arriving.
    arriving: Option<usize>,
}

impl Decoder {
    /// The arguments of the command that was decoded last.
    #[inline]
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Heap bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.spans.capacity() * size_of::<Span>()
    }

    /// Whether a command has begun and not ended.
    #[must_use]
    pub fn is_within_command(&self) -> bool {
        self.missing > 0
    }

    /// Forgets the last command, or a torn one.
    #[inline]
    pub fn clear(&mut self) {
        self.spans.clear();
        self.at = 0;
        self.missing = 0;
        self.arriving = None;
    }

    /// Goes on with `frame`, which begins where the last command ended and holds all that came since.
    ///
    /// # Errors
    /// [`ProtocolError`]: answer its text, then close.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "it has a second caller that hardly ever calls, for which all would pay"
    )]
    pub fn decode(&mut self, frame: &[u8], limits: Limits) -> Result<Progress, ProtocolError> {
        if self.missing == 0 {
            self.spans.clear();
            self.at = 0;
            match frame.first() {
                None => return Ok(Progress::Incomplete(1)),
                Some(b'*') => {}
                Some(_) => return self.decode_inline(frame),
            }
            let (count, end) = match short_number(frame, 1) {
                Some(found) => found,
                None => {
                    let Some(end) = line_end(frame, 1).ok_or(ProtocolError::CountLineTooLong)? else {
                        return Ok(Progress::Incomplete(1));
                    };
                    (parse_i64(&frame[1..end]).ok_or(ProtocolError::Count)?, end)
                }
            };
            if count > limits.arguments_max {
                return Err(ProtocolError::Count);
            }
            if count > UNAUTHENTICATED_ARGUMENTS_MAX && limits.unauthenticated {
                return Err(ProtocolError::CountUnauthenticated);
            }
            self.at = end + 2;
            if count <= 0 {
                return Ok(Progress::Nothing(self.at));
            }
            self.missing = count as usize;
        }
        while self.missing > 0 {
            let length = match self.arriving {
                Some(length) => length,
                None => match self.length_line(frame, limits)? {
                    Some(length) => length,
                    None => return Ok(Progress::Incomplete(1)),
                },
            };
            let end = self.at + length;
            if frame.len() < end + 2 {
                self.arriving = Some(length);
                return Ok(Progress::Incomplete(end + 2 - frame.len()));
            }
            self.spans.push(Span { start: self.at as u32, end: end as u32 });
            self.at = end + 2;
            self.arriving = None;
            self.missing -= 1;
        }
        Ok(Progress::Command(self.at))
    }

    #[inline]
    fn length_line(&mut self, frame: &[u8], limits: Limits) -> Result<Option<usize>, ProtocolError> {
        let Some(&first) = frame.get(self.at) else { return Ok(None) };
        if first == b'$'
            && let Some((length, end)) = short_number(frame, self.at + 1)
            && length <= limits.bulk_max
            && (end as u64) < FRAME_MAX - SHORT_MAX
            && !limits.unauthenticated
        {
            self.at = end + 2;
            return Ok(Some(length as usize));
        }
        let Some(end) = line_end(frame, self.at).ok_or(ProtocolError::LengthLineTooLong)? else {
            return Ok(None);
        };
        if first != b'$' {
            return Err(ProtocolError::NotABulk(char::from(first)));
        }
        let length = parse_i64(&frame[self.at + 1..end])
            .filter(|&length| (0..=limits.bulk_max).contains(&length))
            .ok_or(ProtocolError::Length)?;
        if length > UNAUTHENTICATED_BULK_MAX && limits.unauthenticated {
            return Err(ProtocolError::LengthUnauthenticated);
        }
        if end as u64 + length as u64 > FRAME_MAX {
            return Err(ProtocolError::Length);
        }
        self.at = end + 2;
        Ok(Some(length as usize))
    }

    fn decode_inline(&mut self, frame: &[u8]) -> Result<Progress, ProtocolError> {
        let Some(newline) = memchr::memchr(b'\n', frame) else {
            let too_long = frame.len() > LINE_MAX;
            return if too_long { Err(ProtocolError::InlineTooLong) } else { Ok(Progress::Incomplete(1)) };
        };
        let line = frame[..newline].strip_suffix(b"\r").unwrap_or(&frame[..newline]);
        let text = self.split_words(line).ok_or(ProtocolError::UnbalancedQuotes)?;
        if self.spans.is_empty() {
            return Ok(Progress::Nothing(newline + 1));
        }
        Ok(Progress::Inline(newline + 1, text))
    }

    /// Splits a line as a shell would: double quotes know escapes, single quotes know `\'`.
    fn split_words(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let mut text = Vec::with_capacity(line.len());
        let mut rest = line.iter().copied().peekable();
        loop {
            while rest.next_if(|byte| is_space(*byte)).is_some() {}
            let start = text.len() as u32;
            if rest.peek().is_none() {
                return Some(text);
            }
            while let Some(next) = rest.next_if(|byte| !is_space(*byte)) {
                match next {
                    b'"' => double_quoted(&mut rest, &mut text)?,
                    b'\'' => single_quoted(&mut rest, &mut text)?,
                    plain => {
                        text.push(plain);
                        continue;
                    }
                }
                // A closing quote ends the word.
                if rest.peek().is_some_and(|byte| !is_space(*byte)) {
                    return None;
                }
            }
            self.spans.push(Span { start, end: text.len() as u32 });
        }
    }
}

type Bytes<'a> = std::iter::Peekable<std::iter::Copied<std::slice::Iter<'a, u8>>>;

fn double_quoted(rest: &mut Bytes<'_>, text: &mut Vec<u8>) -> Option<()> {
    loop {
        match rest.next()? {
            b'"' => return Some(()),
            b'\\' => match rest.next()? {
                b'x' => {
                    let mut ahead = rest.clone();
                    let digits =
                        [ahead.next(), ahead.next()].map(|d| d.and_then(|d| char::from(d).to_digit(16)));
                    if let [Some(high), Some(low)] = digits {
                        text.push((high * 16 + low) as u8);
                        *rest = ahead;
                    } else {
                        text.push(b'x');
                    }
                }
                b'n' => text.push(b'\n'),
                b'r' => text.push(b'\r'),
                b't' => text.push(b'\t'),
                b'b' => text.push(8),
                b'a' => text.push(7),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

fn single_quoted(rest: &mut Bytes<'_>, text: &mut Vec<u8>) -> Option<()> {
    loop {
        match rest.next()? {
            b'\'' => return Some(()),
            b'\\' if rest.peek() == Some(&b'\'') => {
                rest.next();
                text.push(b'\'');
            }
            other => text.push(other),
        }
    }
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0B || byte == 0
}

/// A number of one to five digits and where its line ends, if that is what stands at `from`: nearly always.
#[inline]
fn short_number(frame: &[u8], from: usize) -> Option<(i64, usize)> {
    let mut number = 0;
    let window = frame.get(from..)?;
    for (place, &byte) in window.iter().enumerate().take(6) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let is_canonical = place == 1 || (place > 1 && window[0] != b'0');
            return (byte == b'\r' && is_canonical && window.len() > place + 1)
                .then_some((number, from + place));
        }
        number = number * 10 + i64::from(digit);
    }
    None
}

/// Where the line that begins at `from` ends: `Some(None)` if that is still to come, `None` if it is too far.
#[cold]
fn line_end(frame: &[u8], from: usize) -> Option<Option<usize>> {
    match memchr::memchr(b'\r', &frame[from..]) {
        Some(place) => Some((frame.len() >= from + place + 2).then_some(from + place)),
        None if frame.len() - from > LINE_MAX => None,
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPEN: Limits =
        Limits { bulk_max: 512 << 20, arguments_max: i32::MAX as i64, unauthenticated: false };

    fn words(text: &[u8], spans: &[Span]) -> Vec<Vec<u8>> {
        spans.iter().map(|span| span.of(text).to_vec()).collect()
    }

    fn encode(args: &[Vec<u8>]) -> Vec<u8> {
        let mut frame = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            frame.extend(format!("${}\r\n", arg.len()).bytes());
            frame.extend(arg);
            frame.extend(b"\r\n");
        }
        frame
    }

    fn fail(frame: &[u8]) -> String {
        Decoder::default().decode(frame, OPEN).expect_err("must be refused").to_string()
    }

    proptest! {
        #[test]
        fn a_command_torn_at_every_byte_is_still_whole(
            args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..8),
        ) {
            let frame = encode(&args);
            let mut decoder = Decoder::default();
            for end in 0..frame.len() {
                let Ok(Progress::Incomplete(more)) = decoder.decode(&frame[..end], OPEN) else { panic!("at {end}") };
                prop_assert!(more > 0 && end + more <= frame.len());
            }
            prop_assert_eq!(decoder.decode(&frame, OPEN), Ok(Progress::Command(frame.len())));
            prop_assert_eq!(words(&frame, decoder.spans()), args);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Decoder::default().decode(&bytes, OPEN);
        }
    }

    #[test]
    fn inline_commands_know_quotes() {
        let mut decoder = Decoder::default();
        let line = b"  SET k \"a\\x41\\n b\" 'it\\'s'\r\nrest";
        let Ok(Progress::Inline(consumed, text)) = decoder.decode(line, OPEN) else { panic!("not inline") };
        assert_eq!(&line[consumed..], b"rest");
        let expected: Vec<Vec<u8>> = vec![b"SET".into(), b"k".into(), b"aA\n b".into(), b"it's".into()];
        assert_eq!(words(&text, decoder.spans()), expected);
    }

    #[test]
    fn nothing_is_asked_by_empty_lines_and_arrays() {
        assert_eq!(Decoder::default().decode(b"\r\n", OPEN), Ok(Progress::Nothing(2)));
        assert_eq!(Decoder::default().decode(b"*0\r\n", OPEN), Ok(Progress::Nothing(4)));
        assert_eq!(Decoder::default().decode(b"*-1\r\n", OPEN), Ok(Progress::Nothing(5)));
    }

    #[test]
    fn wrong_bytes_get_the_texts_of_redis() {
        assert_eq!(fail(b"*x\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(fail(b"*2147483648\r\n"), "Protocol error: invalid multibulk length");
        assert_eq!(fail(b"*1\r\n:1\r\n"), "Protocol error: expected '$', got ':'");
        assert_eq!(fail(b"*1\r\n*1\r\n$1\r\na\r\n"), "Protocol error: expected '$', got '*'");
        assert_eq!(fail(b"*1\r\n$-1\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(fail(b"*1\r\n$536870913\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(fail(b"*1\r\n$ 1\r\n"), "Protocol error: invalid bulk length");
        assert_eq!(fail(b"SET \"a\r\n"), "Protocol error: unbalanced quotes in request");
        assert_eq!(fail(&[b'a'; 70_000]), "Protocol error: too big inline request");
        let mut long = b"*1".to_vec();
        long.extend([b'1'; 70_000]);
        assert_eq!(fail(&long), "Protocol error: too big mbulk count string");
    }

    #[test]
    fn a_stranger_may_only_say_hello() {
        let limits = Limits { unauthenticated: true, ..OPEN };
        let refused =
            |frame: &[u8]| Decoder::default().decode(frame, limits).expect_err("must be refused").to_string();
        assert_eq!(refused(b"*11\r\n"), "Protocol error: unauthenticated multibulk length");
        assert_eq!(refused(b"*1\r\n$16385\r\n"), "Protocol error: unauthenticated bulk length");
    }
}
