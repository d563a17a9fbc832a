//! Bytes of the wire to a [`Value`], as strict as a client library is: anything malformed is an error.

use std::io::{self, BufRead};

use super::Value;

/// The longest text, and the most elements, that a test's reply may have: a server that announces more is broken.
const LENGTH_MAX: i64 = 1 << 30;

/// Reads one reply.
///
/// # Errors
/// `UnexpectedEof` when the connection ends first, `InvalidData` when the bytes are no RESP.
pub fn read_value(input: &mut impl BufRead) -> io::Result<Value> {
    let line = read_line(input)?;
    let Some((&kind, rest)) = line.split_first() else {
        return Err(malformed("an empty line"));
    };
    Ok(match kind {
        b'+' => Value::Simple(rest.to_vec()),
        b'-' => Value::Error(rest.to_vec()),
        b':' => Value::Int(number(rest)?),
        b',' => Value::Double(rest.to_vec()),
        b'(' => Value::BigNumber(rest.to_vec()),
        b'_' if rest.is_empty() => Value::Null,
        b'#' if rest == b"t" => Value::Bool(true),
        b'#' if rest == b"f" => Value::Bool(false),
        b'$' => {
            length(rest)?.map_or(Ok(Value::NullBulk), |length| read_text(input, length).map(Value::Bulk))?
        }
        b'!' => Value::BulkError(read_text(input, present(rest)?)?),
        b'=' => {
            let text = read_text(input, present(rest)?)?;
            match text.get(3) {
                Some(b':') => Value::Verbatim { format: text[..3].to_vec(), text: text[4..].to_vec() },
                _ => return Err(malformed("a verbatim string without a format")),
            }
        }
        b'*' => length(rest)?
            .map_or(Ok(Value::NullArray), |length| read_items(input, length).map(Value::Array))?,
        b'~' => Value::Set(read_items(input, present(rest)?)?),
        b'>' => Value::Push(read_items(input, present(rest)?)?),
        b'%' => {
            let pairs = present(rest)?;
            Value::Map(
                (0..pairs)
                    .map(|_| Ok((read_value(input)?, read_value(input)?)))
                    .collect::<io::Result<_>>()?,
            )
        }
        _ => return Err(malformed(&format!("a line `{}`", line.escape_ascii()))),
    })
}

fn read_items(input: &mut impl BufRead, length: usize) -> io::Result<Vec<Value>> {
    (0..length).map(|_| read_value(input)).collect()
}

fn read_line(input: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.pop();
    if line.pop() != Some(b'\r') || line.contains(&b'\r') {
        return Err(malformed("a line that does not end with CR LF"));
    }
    Ok(line)
}

fn read_text(input: &mut impl BufRead, length: usize) -> io::Result<Vec<u8>> {
    let mut text = vec![0; length + 2];
    input.read_exact(&mut text)?;
    if !text.ends_with(b"\r\n") {
        return Err(malformed("a text longer than announced"));
    }
    text.truncate(length);
    Ok(text)
}

/// A length that may be null (-1).
fn length(digits: &[u8]) -> io::Result<Option<usize>> {
    match number(digits)? {
        -1 => Ok(None),
        length @ 0..=LENGTH_MAX => Ok(usize::try_from(length).ok()),
        length => Err(malformed(&format!("a length of {length}"))),
    }
}

/// A length that may not be null.
fn present(digits: &[u8]) -> io::Result<usize> {
    length(digits)?.ok_or_else(|| malformed("a null where this type has none"))
}

/// A number in the one spelling that servers use.
fn number(digits: &[u8]) -> io::Result<i64> {
    let number = str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
    number
        .filter(|number| number.to_string().as_bytes() == digits)
        .ok_or_else(|| malformed(&format!("a number `{}`", digits.escape_ascii())))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed reply: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(mut bytes: &[u8]) -> io::Result<Value> {
        let value = read_value(&mut bytes)?;
        assert!(bytes.is_empty(), "{} left over", bytes.len());
        Ok(value)
    }

    #[test]
    fn tells_the_look_alikes_apart() {
        let text = || b"a".to_vec();
        let table: &[(&[u8], Value)] = &[
            (b"+a\r\n", Value::Simple(text())),
            (b"$1\r\na\r\n", Value::Bulk(text())),
            (b"=5\r\ntxt:a\r\n", Value::Verbatim { format: b"txt".to_vec(), text: text() }),
            (b"-a\r\n", Value::Error(text())),
            (b"!1\r\na\r\n", Value::BulkError(text())),
            (b"$-1\r\n", Value::NullBulk),
            (b"*-1\r\n", Value::NullArray),
            (b"_\r\n", Value::Null),
            (b",1.50\r\n", Value::Double(b"1.50".to_vec())),
            (b"#t\r\n", Value::Bool(true)),
            (b"*2\r\n:-1\r\n*0\r\n", Value::Array(vec![Value::Int(-1), Value::Array(vec![])])),
            (b"~1\r\n:1\r\n", Value::Set(vec![Value::Int(1)])),
            (b">1\r\n:1\r\n", Value::Push(vec![Value::Int(1)])),
            (b"%1\r\n:1\r\n:2\r\n", Value::Map(vec![(Value::Int(1), Value::Int(2))])),
        ];
        for (bytes, value) in table {
            assert_eq!(&decode(bytes).expect("valid"), value);
        }
    }

    #[test]
    fn refuses_what_a_strict_client_would() {
        let broken: &[&[u8]] = &[
            b":01\r\n",
            b":+1\r\n",
            b"$-2\r\n",
            b"$1\r\nab\r\n",
            b"?\r\n",
            b"\r\n",
            b"+a\n",
            b"~-1\r\n",
            b"#x\r\n",
        ];
        for bytes in broken {
            assert_eq!(decode(bytes).expect_err("malformed").kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
        assert_eq!(decode(b"$5\r\nab").expect_err("torn").kind(), io::ErrorKind::UnexpectedEof);
    }
}
