//! A reader of replies, as strict as a client may be: what it does not take is no reply.

/// Arrays in arrays; no command nests deeper.
const DEPTH_MAX: usize = 12;

/// A reply, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// An error, with its text.
    Error(Vec<u8>),
    /// So many elements.
    Elements(usize),
    /// Anything else.
    Other,
}

/// Reads the one reply that `bytes` must be.
///
/// # Errors
/// What is wrong with it.
pub fn read(bytes: &[u8], allows_three: bool) -> Result<Reply, String> {
    let mut rest = bytes;
    let reply = value(&mut rest, allows_three, 0)?;
    if rest.is_empty() { Ok(reply) } else { Err(format!("more behind it: {}", rest.escape_ascii())) }
}

fn value(rest: &mut &[u8], allows_three: bool, depth: usize) -> Result<Reply, String> {
    if depth > DEPTH_MAX {
        return Err("nested too deeply".to_owned());
    }
    let line = line(rest)?;
    let Some((&kind, text)) = line.split_first() else { return Err("an empty line".to_owned()) };
    if b"%~=,_#".contains(&kind) && !allows_three {
        return Err(format!("RESP3 for a client of RESP2: {}", line.escape_ascii()));
    }
    match kind {
        b'+' => Ok(Reply::Other),
        b'-' if text.first().is_some_and(u8::is_ascii_uppercase) => Ok(Reply::Error(text.to_vec())),
        b':' => number(text).map(|_| Reply::Other),
        b'$' | b'*' if text == b"-1" => Ok(Reply::Other),
        b'$' => bulk(rest, length(text)?).map(|_| Reply::Other),
        b'=' => match bulk(rest, length(text)?)? {
            [b't', b'x', b't', b':', ..] => Ok(Reply::Other),
            other => Err(format!("a text without its kind: {}", other.escape_ascii())),
        },
        b'*' | b'~' => elements(rest, length(text)?, allows_three, depth),
        b'%' => elements(rest, length(text)? * 2, allows_three, depth),
        b',' => double(text).map(|()| Reply::Other),
        b'_' if text.is_empty() => Ok(Reply::Other),
        b'#' if text == b"t" || text == b"f" => Ok(Reply::Other),
        _ => Err(format!("no reply begins like this: {}", line.escape_ascii())),
    }
}

fn elements(rest: &mut &[u8], count: usize, allows_three: bool, depth: usize) -> Result<Reply, String> {
    for place in 0..count {
        value(rest, allows_three, depth + 1)
            .map_err(|why| format!("element {} of {count}: {why}", place + 1))?;
    }
    Ok(Reply::Elements(count))
}

fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).ok_or("a line without end")?;
    let (line, behind) = rest.split_at(end);
    *rest = behind.strip_prefix(b"\r\n").ok_or("a line end that is none")?;
    Ok(line)
}

fn bulk<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], String> {
    let (text, behind) = rest.split_at_checked(length).ok_or("a string that is shorter than it says")?;
    *rest = behind.strip_prefix(b"\r\n").ok_or("a string that is longer than it says")?;
    Ok(text)
}

/// Digits as `to_string` writes them.
fn number(text: &[u8]) -> Result<i64, String> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    parsed
        .filter(|number| number.to_string().as_bytes() == text)
        .ok_or_else(|| format!("not a number: {}", text.escape_ascii()))
}

fn length(text: &[u8]) -> Result<usize, String> {
    usize::try_from(number(text)?).map_err(|_| format!("not a length: {}", text.escape_ascii()))
}

fn double(text: &[u8]) -> Result<(), String> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    parsed.map(|_| ()).ok_or_else(|| format!("not a double: {}", text.escape_ascii()))
}
