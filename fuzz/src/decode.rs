//! The decoder must make the same of a stream however it is torn, and hold no more than has arrived.
//!
//! Input: a byte of flags, three bytes that say how the stream is torn, the stream.

use std::iter::once;

use larder_agent::resp::{Decoder, Limits, Progress, Span};

/// The stream's length at most. A longer line is refused when it is torn and may be taken when it comes whole, as in Redis:
/// up to here both are the same.
const STREAM_MAX: usize = 64 * 1024;
/// Up to this length the stream is also torn at every byte.
const BYTEWISE_MAX: usize = 4 * 1024;
/// Spans that a decoder may make room for before it has seen any.
const SPANS_FIRST: usize = 4;

/// What came out of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Story {
    /// Where each command ends in the stream, and its arguments; none for what asks for nothing.
    commands: Vec<(usize, Vec<Vec<u8>>)>,
    /// The error that ended it, or how many bytes are missing at least.
    end: Result<usize, String>,
}

/// Runs one input.
///
/// # Panics
/// If the decoder does what it must not.
pub fn run(data: &[u8]) {
    let [flags, first, second, third, stream @ ..] = data else { return };
    let stream = &stream[..stream.len().min(STREAM_MAX)];
    let (bulk_max, arguments_max) =
        if flags & 2 == 0 { (512 << 20, i64::from(i32::MAX)) } else { (1024, 100) };
    let limits = Limits { bulk_max, arguments_max, unauthenticated: flags & 1 == 1 };
    let whole = read(stream, limits, once(stream.len()));
    let steps = [first, second, third].map(|step| usize::from(*step) + 1);
    let mut at = 0;
    let torn = steps.into_iter().cycle().map_while(|step| {
        let here = at;
        at += step;
        (here < stream.len()).then_some(here)
    });
    assert_eq!(read(stream, limits, torn.chain(once(stream.len()))), whole, "torn, it is another stream");
    if stream.len() <= BYTEWISE_MAX {
        assert_eq!(read(stream, limits, 0..=stream.len()), whole, "byte for byte, it is another stream");
    }
    for (_, arguments) in whole.commands.iter().filter(|(_, arguments)| !arguments.is_empty()) {
        reads_back(arguments);
    }
}

/// Decodes as much of the stream as there is at each of `ends`, which grow, as a connection does.
fn read(stream: &[u8], limits: Limits, ends: impl Iterator<Item = usize>) -> Story {
    let mut decoder = Decoder::default();
    let mut commands = Vec::new();
    let (mut consumed, mut most_spans) = (0, 0);
    // Before this much is there, no answer but "incomplete" may come.
    let mut promised = 0;
    for end in ends {
        loop {
            let frame = &stream[consumed..end];
            let progress = decoder.decode(frame, limits);
            most_spans = most_spans.max(decoder.spans().len());
            let room = SPANS_FIRST.max(most_spans * 2) * size_of::<Span>();
            assert!(decoder.bytes() <= room, "{} bytes for {most_spans} arguments", decoder.bytes());
            let (length, arguments) = match progress {
                Err(error) => {
                    assert!(end >= promised, "an error before the bytes that were waited for");
                    return Story { commands, end: Err(error.to_string()) };
                }
                Ok(Progress::Incomplete(more)) => {
                    assert!(more > 0, "nothing is missing, and yet it is incomplete");
                    assert!(
                        end >= promised || end + more == promised,
                        "it waits for another end than it said"
                    );
                    promised = end + more;
                    if !decoder.is_within_command() {
                        decoder.clear();
                    }
                    break;
                }
                Ok(Progress::Nothing(length)) => (length, Vec::new()),
                Ok(Progress::Command(length)) => (length, arguments(&frame[..length], decoder.spans())),
                Ok(Progress::Inline(length, text)) => {
                    assert!(text.capacity() <= frame.len(), "room for more than the line");
                    (length, arguments(&text, decoder.spans()))
                }
            };
            assert!(end >= promised, "a command before the bytes that were waited for");
            assert!((1..=frame.len()).contains(&length), "a frame of {length} bytes");
            consumed += length;
            commands.push((consumed, arguments));
            decoder.clear();
        }
    }
    let end = Ok(promised - stream.len());
    Story { commands, end }
}

/// The arguments, which must lie in the frame one behind the other.
fn arguments(frame: &[u8], spans: &[Span]) -> Vec<Vec<u8>> {
    assert!(!spans.is_empty(), "a command of nothing");
    let mut behind = frame.as_ptr().addr();
    let mut copy = |span: &Span| {
        let argument = span.of(frame);
        assert!(argument.as_ptr().addr() >= behind, "arguments overlap");
        behind = argument.as_ptr().addr() + argument.len();
        argument.to_vec()
    };
    spans.iter().map(&mut copy).collect()
}

/// Encoded the usual way, a command must be decoded to itself.
fn reads_back(arguments: &[Vec<u8>]) {
    let mut frame = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        frame.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        frame.extend_from_slice(argument);
        frame.extend_from_slice(b"\r\n");
    }
    let limits = Limits { bulk_max: 512 << 20, arguments_max: i64::from(i32::MAX), unauthenticated: false };
    let story = read(&frame, limits, once(frame.len()));
    assert_eq!(story, Story { commands: vec![(frame.len(), arguments.to_vec())], end: Ok(1) });
}
