//! A decoded reply.

use std::fmt;

/// A reply as it was on the wire: two values are equal exactly when their bytes were. (Of the texts of doubles and
/// big numbers nothing is interpreted, so that `1` and `1.0` differ.)
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Value {
    /// `+`
    Simple(Vec<u8>),
    /// `-`
    Error(Vec<u8>),
    /// `:`
    Int(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`, RESP2's null
    NullBulk,
    /// `*-1`, RESP2's null where an array was due
    NullArray,
    /// `_`, RESP3's null
    Null,
    /// `*`
    Array(Vec<Value>),
    /// `%`, in the order of the wire
    Map(Vec<(Value, Value)>),
    /// `~`, in the order of the wire
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
    /// `,`
    Double(Vec<u8>),
    /// `#`
    Bool(bool),
    /// `(`
    BigNumber(Vec<u8>),
    /// `=`
    Verbatim {
        /// `txt` or `mkd`
        format: Vec<u8>,
        /// what follows the colon
        text: Vec<u8>,
    },
    /// `!`
    BulkError(Vec<u8>),
}

impl Value {
    /// The name of the wire type.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Simple(_) => "simple string",
            Self::Error(_) => "error",
            Self::Int(_) => "integer",
            Self::Bulk(_) => "bulk string",
            Self::NullBulk => "null bulk",
            Self::NullArray => "null array",
            Self::Null => "null",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Set(_) => "set",
            Self::Push(_) => "push",
            Self::Double(_) => "double",
            Self::Bool(_) => "boolean",
            Self::BigNumber(_) => "big number",
            Self::Verbatim { .. } => "verbatim string",
            Self::BulkError(_) => "bulk error",
        }
    }

    /// Whether it is either kind of error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_) | Self::BulkError(_))
    }

    /// Whether it is any kind of null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::NullBulk | Self::NullArray | Self::Null)
    }

    /// The integer, if it is one.
    pub fn int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The bytes of whatever kind of text it is, errors included.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Simple(text)
            | Self::Error(text)
            | Self::Bulk(text)
            | Self::Double(text)
            | Self::BigNumber(text)
            | Self::Verbatim { text, .. }
            | Self::BulkError(text) => Some(text),
            _ => None,
        }
    }

    /// [`Value::bytes`] as text, with whatever is not UTF-8 replaced.
    pub fn text(&self) -> Option<String> {
        self.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// The elements of an array, a set or a push message.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) | Self::Set(items) | Self::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The value of `key` in a map, or in the flat array that stands for a map in RESP2.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let is_key = |candidate: &Value| candidate.bytes() == Some(key.as_bytes());
        match self {
            Self::Map(pairs) => pairs.iter().find(|(name, _)| is_key(name)).map(|(_, value)| value),
            Self::Array(items) => items.chunks_exact(2).find(|pair| is_key(&pair[0])).map(|pair| &pair[1]),
            _ => None,
        }
    }
}

/// The text in quotes, with escapes for what does not print.
struct Quoted<'a>(&'a [u8]);

impl fmt::Debug for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Debug for Value {
    /// One line, with the type's byte of the wire in front: `+"OK"`, `:1`, `*[$"a", $nil]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(f, "+{:?}", Quoted(text)),
            Self::Error(text) => write!(f, "-{:?}", Quoted(text)),
            Self::Int(number) => write!(f, ":{number}"),
            Self::Bulk(text) => write!(f, "${:?}", Quoted(text)),
            Self::NullBulk => f.write_str("$nil"),
            Self::NullArray => f.write_str("*nil"),
            Self::Null => f.write_str("_nil"),
            Self::Array(items) => f.write_str("*").and_then(|()| f.debug_list().entries(items).finish()),
            Self::Set(items) => f.write_str("~").and_then(|()| f.debug_list().entries(items).finish()),
            Self::Push(items) => f.write_str(">").and_then(|()| f.debug_list().entries(items).finish()),
            Self::Map(pairs) => {
                f.write_str("%")?;
                f.debug_map().entries(pairs.iter().map(|(key, value)| (key, value))).finish()
            }
            Self::Double(text) => write!(f, ",{}", text.escape_ascii()),
            Self::Bool(flag) => write!(f, "#{flag}"),
            Self::BigNumber(text) => write!(f, "({}", text.escape_ascii()),
            Self::Verbatim { format, text } => write!(f, "={}:{:?}", format.escape_ascii(), Quoted(text)),
            Self::BulkError(text) => write!(f, "!{:?}", Quoted(text)),
        }
    }
}
