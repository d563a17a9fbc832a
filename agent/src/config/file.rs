//! The configuration file: one YAML mapping, keys as in the table of settings. The only file of the agent
//! that knows serde_yaml.
//!
//! serde_yaml tells lines in its errors only. So the text is read once for the shape of each value (which
//! decides whether the type fits), once for each value as written (`0660` and `0o660` are not what YAML makes
//! of them), and, for the line of a key, once more with an error raised on purpose at that key. A file has
//! some twenty keys: this takes microseconds, and the parser itself stays the only judge of where a key is.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::draft::{Given, Origin, Place};
use super::error::Problem;
use super::settings::{Kind, SETTINGS, Setting};
use super::suggest::nearest;

/// The longest file that is read.
const LIMIT_BYTES: u64 = 1 << 20;

/// The settings in the file at `path`, which `by` (a flag or a variable) named.
pub(super) fn read(path: &Path, by: &'static str, problems: &mut Vec<Problem>) -> Vec<Given> {
    let mut bytes = Vec::new();
    let text = File::open(path)
        .and_then(|file| file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes))
        .and_then(|_| String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text")));
    match text {
        Ok(text) if text.len() as u64 > LIMIT_BYTES => {
            problems.push(Problem::FileTooLong { path: path.to_owned(), limit_bytes: LIMIT_BYTES });
            Vec::new()
        }
        Ok(text) => parse(&text, path, problems),
        Err(source) => {
            problems.push(Problem::FileUnreadable { path: path.to_owned(), by, source });
            Vec::new()
        }
    }
}

fn parse(text: &str, path: &Path, problems: &mut Vec<Problem>) -> Vec<Given> {
    let entries = match entries(text) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(syntax(&error, path));
            return Vec::new();
        }
    };
    let mut all: Vec<(&Setting, usize)> = Vec::new();
    let mut given = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let line = line_of(text, at);
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key() == entry.key) else {
            problems.push(Problem::UnknownKey {
                path: path.to_owned(),
                line,
                hint: hint(&entry.key),
                key: entry.key,
            });
            continue;
        };
        if let Some((_, first)) = all.iter().find(|(earlier, _)| earlier.name == setting.name) {
            problems.push(Problem::Twice { path: path.to_owned(), line, key: setting.key(), first: *first });
            continue;
        }
        all.push((setting, line));
        let origin = Origin::File { path: path.to_owned(), line };
        match fitting(setting.kind, &entry.shape) {
            Ok(()) => given.push(Given { setting, text: entry.written, origin }),
            Err(what) => problems.push(Problem::Type { place: Place::new(setting, origin), what }),
        }
    }
    given
}

fn hint(key: &str) -> String {
    match nearest(key, SETTINGS.iter().map(Setting::key)) {
        _ if key == "config" => "the file cannot name another: give --config".to_owned(),
        Some(near) => format!("did you mean `{near}`?"),
        None => "larder-agent --print-config shows all keys".to_owned(),
    }
}

/// Whether the YAML type is one that the setting takes.
fn fitting(kind: Kind, shape: &Shape) -> Result<(), String> {
    let wanted = match (kind, shape) {
        (Kind::Text | Kind::TextOrNumber | Kind::List, Shape::Text)
        | (Kind::Number | Kind::TextOrNumber | Kind::List, Shape::Whole)
        | (Kind::Switch | Kind::OnOff, Shape::Switch)
        | (Kind::OnOff, Shape::Text)
        | (Kind::List, Shape::Wholes) => return Ok(()),
        (_, Shape::Nothing) => return Err("has no value: write one, or remove the line".to_owned()),
        (Kind::Text, _) => "text",
        (Kind::Number, Shape::Text) => "a whole number, without quotes",
        (Kind::Number, _) => "a whole number",
        (Kind::TextOrNumber, _) => "text or a whole number",
        (Kind::Switch, Shape::Text) => "true or false, without quotes",
        (Kind::Switch, _) => "true or false",
        (Kind::OnOff, _) => "on or off",
        (Kind::List, _) => "a list of whole numbers, such as [1000, 1001]",
    };
    let found = match shape {
        Shape::Switch => "true or false",
        Shape::Whole => "a whole number",
        Shape::Fraction => "a fraction",
        Shape::Text => "text",
        Shape::Wholes | Shape::Sequence => "a list",
        Shape::Mapping => "a mapping",
        Shape::Nothing => "nothing",
    };
    Err(format!("wrong type, this is {found}: write {wanted}"))
}

fn syntax(error: &serde_yaml::Error, path: &Path) -> Problem {
    let text = error.to_string();
    // serde's own text for a wrong type quotes the value: it could be a password, if the wrong file was
    // named.
    let what = if text.contains("invalid type") {
        "not a mapping of settings to values".to_owned()
    } else {
        // The line comes first here, as compilers do it.
        let text = text.split_once(" at line ").map_or(text.as_str(), |(what, _)| what);
        format!("not valid YAML: {text}")
    };
    let file = match error.location() {
        Some(at) => format!("{}:{}:{}", path.display(), at.line(), at.column()),
        None => path.display().to_string(),
    };
    Problem::Syntax { file, what }
}

/// A key with its value.
struct Entry {
    key: String,
    shape: Shape,
    /// The value as written, without quotes; a list with commas between.
    written: String,
}

fn entries(text: &str) -> Result<Vec<Entry>, serde_yaml::Error> {
    let shapes = Pass::Shapes.over(text)?;
    let known: Vec<Shape> = shapes.iter().map(|entry| entry.shape).collect();
    Pass::Written(&known).over(text)
}

/// The line, from 1, of the `at`-th key.
fn line_of(text: &str, at: usize) -> usize {
    let location = Pass::Line(at).over(text).err().and_then(|error| error.location());
    location.map_or(1, |location| location.line())
}

/// One way over the text.
#[derive(Clone, Copy)]
enum Pass<'a> {
    /// Finds the shape of each value.
    Shapes,
    /// Reads each value as written, given its shape.
    Written(&'a [Shape]),
    /// Fails at the key with this number.
    Line(usize),
}

impl Pass<'_> {
    fn over(self, text: &str) -> Result<Vec<Entry>, serde_yaml::Error> {
        serde_yaml::Deserializer::from_str(text).deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pass<'_> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of settings to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        let fails = |at: usize| matches!(self, Pass::Line(line) if line == at);
        while let Some(key) = map.next_key_seed(Key { fails: fails(entries.len()) })? {
            let (mut shape, mut written) = (Shape::Nothing, String::new());
            match self {
                Pass::Shapes => shape = map.next_value()?,
                Pass::Line(_) => _ = map.next_value::<IgnoredAny>()?,
                Pass::Written(shapes) => {
                    shape = shapes[entries.len()];
                    written = match shape {
                        Shape::Wholes => map.next_value::<Vec<String>>()?.join(","),
                        Shape::Switch | Shape::Whole | Shape::Fraction | Shape::Text => map.next_value()?,
                        Shape::Sequence | Shape::Mapping | Shape::Nothing => {
                            map.next_value::<IgnoredAny>()?;
                            String::new()
                        }
                    };
                }
            }
            entries.push(Entry { key, shape, written });
        }
        Ok(entries)
    }
}

/// Reads a key, or fails there: serde_yaml then adds the key's own line to the error.
struct Key {
    fails: bool,
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a setting")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        if self.fails { Err(E::custom("here")) } else { Ok(key.to_owned()) }
    }
}

/// What YAML takes a value for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Switch,
    Whole,
    Fraction,
    Text,
    /// A sequence of whole numbers.
    Wholes,
    /// A sequence of anything else.
    Sequence,
    Mapping,
    Nothing,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeOf)
    }
}

struct ShapeOf;

impl<'de> Visitor<'de> for ShapeOf {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Switch)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Whole)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Whole)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Shape, E> {
        Ok(Shape::Whole)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Shape, E> {
        Ok(Shape::Whole)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Fraction)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Shape, A::Error> {
        let mut wholes = true;
        while let Some(shape) = sequence.next_element::<Shape>()? {
            wholes &= shape == Shape::Whole;
        }
        Ok(if wholes { Shape::Wholes } else { Shape::Sequence })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Shape::Mapping)
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
